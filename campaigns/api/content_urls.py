"""API addresses. Templates, blocks, images and snippets."""

from django.urls import URLPattern, path

from campaigns.api import content

urlpatterns: list[URLPattern] = [
    path("templates/", content.Templates.as_view(), name="templates"),
    path("templates/<int:pk>/", content.TemplateDetail.as_view(), name="template"),
    path("templates/<int:pk>/start/", content.TemplateStart.as_view(), name="template-start"),
    path("images/", content.Images.as_view(), name="images"),
    path("campaigns/<int:pk>/preview/", content.CampaignPreview.as_view(), name="campaign-preview"),
    path("campaigns/<int:pk>/checks/", content.CampaignChecks.as_view(), name="campaign-checks"),
]
