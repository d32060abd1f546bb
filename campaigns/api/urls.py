"""API addresses of campaigns and offers."""

from django.urls import path

from campaigns.api import (
    audience_urls,
    channels_urls,
    coming_back_urls,
    content_urls,
    flows_urls,
    offer_urls,
    proof_urls,
    sending_urls,
    slots,
    views,
)

urlpatterns = [
    path("slots/", slots.Slots.as_view(), name="slots"),
    path("slots/<int:pk>/", slots.SlotDetail.as_view(), name="slot"),
    path("slots/<int:pk>/contents/", slots.SlotContents.as_view(), name="slot-contents"),
    path(
        "slots/<int:pk>/contents/<int:content_pk>/",
        slots.SlotContentDetail.as_view(),
        name="slot-content",
    ),
    path("campaigns/", views.Campaigns.as_view(), name="campaigns"),
    path("campaigns/<int:pk>/", views.CampaignDetail.as_view(), name="campaign"),
    path("campaigns/<int:pk>/launch/", views.CampaignLaunch.as_view(), name="campaign-launch"),
    path("campaigns/<int:pk>/pause/", views.CampaignPause.as_view(), name="campaign-pause"),
    path("campaigns/<int:pk>/resume/", views.CampaignResume.as_view(), name="campaign-resume"),
    path("campaigns/<int:pk>/cancel/", views.CampaignCancel.as_view(), name="campaign-cancel"),
    path("campaigns/<int:pk>/retry/", views.CampaignRetry.as_view(), name="campaign-retry"),
    path("campaigns/<int:pk>/dry-run/", views.CampaignDryRun.as_view(), name="campaign-dry-run"),
    path("campaigns/<int:pk>/report/", views.CampaignReport.as_view(), name="campaign-report"),
    path("campaigns/<int:pk>/messages/", views.CampaignMessages.as_view(), name="messages"),
    *offer_urls.urlpatterns,
    *flows_urls.urlpatterns,
    *content_urls.urlpatterns,
    *audience_urls.urlpatterns,
    *sending_urls.urlpatterns,
    *channels_urls.urlpatterns,
    *coming_back_urls.urlpatterns,
    *proof_urls.urlpatterns,
]
