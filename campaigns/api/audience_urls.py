"""API addresses. Sending rules, approvals and dry runs."""

from django.urls import URLPattern, path

from campaigns.api import audience

urlpatterns: list[URLPattern] = [
    path("sending-rules/", audience.SendingRules.as_view(), name="sending-rules"),
    path("approvals/", audience.Approvals.as_view(), name="approvals"),
    path(
        "campaigns/<int:pk>/approval/",
        audience.CampaignApproval.as_view(),
        name="campaign-approval",
    ),
    path(
        "campaigns/<int:pk>/approval/decide/",
        audience.CampaignDecision.as_view(),
        name="campaign-approval-decide",
    ),
    path("campaigns/<int:pk>/scale/", audience.CampaignScale.as_view(), name="campaign-scale"),
]
