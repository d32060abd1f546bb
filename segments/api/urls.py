"""API addresses of segments, scores and models."""

from django.urls import path

from segments.api import changes, clusters, learning, lists, views

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
    path("score-summaries/", learning.ScoreSummaries.as_view(), name="score-summaries"),
    path(
        "customers/<int:customer_id>/scores/",
        learning.CustomerScores.as_view(),
        name="customer-scores",
    ),
    path("matrix/", learning.Matrix.as_view(), name="matrix"),
    path("clusters/", clusters.Clusters.as_view(), name="clusters"),
    path("clusters/merge/", clusters.ClustersMerge.as_view(), name="clusters-merge"),
    path("clusters/<int:pk>/accept/", clusters.ClusterAccept.as_view(), name="cluster-accept"),
    path("clusters/<int:pk>/rename/", clusters.ClusterRename.as_view(), name="cluster-rename"),
    path("clusters/<int:pk>/reject/", clusters.ClusterReject.as_view(), name="cluster-reject"),
    path(
        "clusters/<int:pk>/reconsider/",
        clusters.ClusterReconsider.as_view(),
        name="cluster-reconsider",
    ),
    path("clusters/<int:pk>/split/", clusters.ClusterSplit.as_view(), name="cluster-split"),
    path("model-runs/", views.ModelRuns.as_view(), name="model-runs"),
    path("model-runs/roll-back/", learning.ModelRunRollBack.as_view(), name="model-roll-back"),
    path("model-runs/<int:pk>/", views.ModelRunDetail.as_view(), name="model-run"),
    path("model-runs/<int:pk>/promote/", learning.ModelRunPromote.as_view(), name="model-promote"),
    path("model-approvals/", learning.Approvals.as_view(), name="model-approvals"),
    path("model-approvals/<slug:kind>/", learning.Approval.as_view(), name="model-approval"),
    path("drift-checks/", learning.DriftChecks.as_view(), name="drift-checks"),
    path("forecast-points/", learning.ForecastPoints.as_view(), name="forecast-points"),
]
