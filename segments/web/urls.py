"""Page addresses of segments, clusters and models."""

from django.urls import path

from segments.web import (
    asking,
    building,
    closer,
    clusters,
    learning,
    lists,
    lists_static,
    people,
    webhooks,
)

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
    path("lists/", lists_static.customer_lists, name="customer_lists"),
    path("lists/new/", lists_static.customer_list_new, name="customer_list_new"),
    path("lists/<int:list_id>/", lists_static.customer_list, name="customer_list"),
    path(
        "lists/<int:list_id>/<slug:word>/", lists_static.customer_list_do, name="customer_list_do"
    ),
    path(
        "lists/rejected/<int:run_id>/",
        lists_static.customer_list_rejects,
        name="customer_list_rejects",
    ),
    path("webhooks/", webhooks.webhooks, name="webhooks"),
    path("webhooks/new/", webhooks.webhook_new, name="webhook_new"),
    path("webhooks/<int:endpoint_id>/", webhooks.webhook, name="webhook"),
    path("webhooks/<int:endpoint_id>/edit/", webhooks.webhook_edit, name="webhook_edit"),
    path(
        "webhooks/<int:endpoint_id>/messages/<int:delivery_id>/",
        webhooks.webhook_delivery,
        name="webhook_delivery",
    ),
    path(
        "webhooks/<int:endpoint_id>/messages/<int:delivery_id>/replay/",
        webhooks.webhook_replay,
        name="webhook_replay",
    ),
    path("webhooks/<int:endpoint_id>/<slug:word>/", webhooks.webhook_do, name="webhook_do"),
]
