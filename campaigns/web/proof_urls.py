"""Page addresses. Experiments, lift and cost."""

from django.urls import URLPattern, path

from campaigns.web import lift_pages, measuring

urlpatterns: list[URLPattern] = [
    path("lift/flows/", lift_pages.flows, name="lift_flows"),
    path("lift/segments/", lift_pages.segments, name="lift_segments"),
    path("lift/all/", lift_pages.all_marketing, name="lift_all"),
    path(
        "campaigns/<int:campaign_id>/measuring/",
        measuring.campaign_measuring,
        name="campaign_measuring",
    ),
    path(
        "campaigns/<int:campaign_id>/calculator/",
        measuring.campaign_calculator,
        name="campaign_calculator",
    ),
]
