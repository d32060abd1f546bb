"""Page addresses. What comes back: preferences, opt-in, provider webhooks."""

from django.urls import path

from campaigns.web import ad_export, topics

urlpatterns = [
    path("segments/<int:segment_id>/advertising/", ad_export.ad_export, name="ad_export"),
    path("settings/topics/", topics.topics, name="topics"),
    path("settings/topics/new/", topics.new, name="topic_new"),
    path("settings/topics/<int:topic_id>/", topics.edit, name="topic_edit"),
    path("settings/topics/<int:topic_id>/delete/", topics.delete, name="topic_delete"),
]
