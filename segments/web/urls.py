"""Page addresses of segments, clusters and models."""

from django.urls import path

from segments.web import asking, building, closer, clusters, learning, lists, people

urlpatterns = [
    path("segments/", lists.segments, name="segments"),
    path("segments/new/", building.new, name="segment_new"),
    path("segments/draft/", building.draft, name="segment_draft"),
    path("segments/preview/", building.preview, name="segment_preview"),
    path("segments/suggest/", building.suggest, name="segment_suggest"),
    path("segments/<int:segment_id>/edit/", building.edit, name="segment_edit"),
    path("segments/compare/", closer.compare, name="segment_compare"),
    path("segments/why/<int:customer_id>/", asking.why, name="customer_why"),
    path("segments/<int:segment_id>/", people.segment, name="segment"),
    path("segments/<int:segment_id>/closer/", closer.closer, name="segment_closer"),
    path("segments/<int:segment_id>/archive/", people.archive, name="segment_archive"),
    path("clusters/", clusters.clusters, name="clusters"),
    path("clusters/<int:cluster_id>/accept/", clusters.accept, name="cluster_accept"),
    path("clusters/<int:cluster_id>/reject/", clusters.reject, name="cluster_reject"),
    path("models/", learning.models, name="models"),
    path("models/retrain/", learning.retrain, name="models_retrain"),
    path("models/roll-back/", learning.roll_back, name="models_roll_back"),
    path("models/<int:run_id>/", learning.model, name="model"),
    path("models/<int:run_id>/promote/", learning.promote, name="model_promote"),
]
