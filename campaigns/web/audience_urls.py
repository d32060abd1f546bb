"""Page addresses. Sending rules, approvals and dry runs."""

from django.urls import URLPattern, path

from campaigns.web import audience

CAMPAIGN = "campaigns/<int:campaign_id>"

urlpatterns: list[URLPattern] = [
    path("sending-rules/", audience.sending_rules, name="sending_rules"),
    path(f"{CAMPAIGN}/dry-run/", audience.dry_run, name="campaign_dry_run"),
    path(f"{CAMPAIGN}/approval/", audience.approval, name="campaign_approval"),
    path(f"{CAMPAIGN}/approval/ask/", audience.approval_ask, name="campaign_approval_ask"),
    path(
        f"{CAMPAIGN}/approval/<int:approval_id>/",
        audience.approval_decide,
        name="campaign_approval_decide",
    ),
    path(f"{CAMPAIGN}/scale/", audience.scale, name="campaign_scale"),
]
