"""API addresses. Experiments, lift and cost."""

from django.urls import URLPattern, path

from campaigns.api import proof

urlpatterns: list[URLPattern] = [
    path(
        "campaigns/<int:pk>/measuring/",
        proof.CampaignMeasuring.as_view(),
        name="campaign-measuring",
    ),
    path(
        "campaigns/<int:pk>/calculator/",
        proof.CampaignCalculator.as_view(),
        name="campaign-calculator",
    ),
    path("lift/segments/<int:pk>/", proof.SegmentLift.as_view(), name="lift-segment"),
    path("lift/all/", proof.AllMarketingLift.as_view(), name="lift-all"),
]
