"""API addresses of segments, scores and models."""

from django.urls import path

from segments.api import views

urlpatterns = [
    path("segments/", views.Segments.as_view(), name="segments"),
    path("segments/preview/", views.SegmentPreview.as_view(), name="segment-preview"),
    path("segments/<slug:key>/", views.SegmentDetail.as_view(), name="segment"),
    path("segments/<slug:key>/members/", views.SegmentMembers.as_view(), name="segment-members"),
    path(
        "segments/<slug:key>/why/<int:customer_id>/", views.SegmentWhy.as_view(), name="segment-why"
    ),
    path("scores/", views.Scores.as_view(), name="scores"),
    path("clusters/", views.Clusters.as_view(), name="clusters"),
    path("model-runs/", views.ModelRuns.as_view(), name="model-runs"),
    path("model-runs/<int:pk>/", views.ModelRunDetail.as_view(), name="model-run"),
]
