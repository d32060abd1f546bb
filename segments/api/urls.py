"""API addresses of segments, scores and models."""

from django.urls import path

from segments.api import changes, lists, views

urlpatterns = [
    path("segments/", views.Segments.as_view(), name="segments"),
    path("segments/preview/", views.SegmentPreview.as_view(), name="segment-preview"),
    path("segments/validate/", views.SegmentValidate.as_view(), name="segment-validate"),
    path("segments/<slug:key>/", views.SegmentDetail.as_view(), name="segment"),
    path("segments/<slug:key>/members/", changes.SegmentMembers.as_view(), name="segment-members"),
    path(
        "segments/<slug:key>/members/<int:customer_id>/",
        changes.SegmentMember.as_view(),
        name="segment-member",
    ),
    path(
        "segments/<slug:key>/why/<int:customer_id>/", views.SegmentWhy.as_view(), name="segment-why"
    ),
    path("membership-changes/", changes.Changes.as_view(), name="membership-changes"),
    path(
        "customers/<int:customer_id>/segments/",
        changes.CustomerSegments.as_view(),
        name="customer-segments",
    ),
    path("lists/", lists.Lists.as_view(), name="lists"),
    path("lists/<slug:key>/", lists.ListDetail.as_view(), name="list"),
    path("lists/<slug:key>/members/", lists.ListMembers.as_view(), name="list-members"),
    path(
        "lists/<slug:key>/members/remove/",
        lists.ListMembersRemove.as_view(),
        name="list-members-remove",
    ),
    path("lists/<slug:key>/import/", lists.ListImport.as_view(), name="list-import"),
    path("scores/", views.Scores.as_view(), name="scores"),
    path("clusters/", views.Clusters.as_view(), name="clusters"),
    path("model-runs/", views.ModelRuns.as_view(), name="model-runs"),
    path("model-runs/<int:pk>/", views.ModelRunDetail.as_view(), name="model-run"),
]
