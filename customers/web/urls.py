"""Page addresses of this app."""

from django.urls import path

from customers.web import catalogue, features, imports, merges, people, sources, story

urlpatterns = [
    path("customers/", people.customers, name="customers"),
    path("customers/export/", people.export, name="customers_export"),
    path("customers/<int:customer_id>/", story.customer, name="customer"),
    path("customers/<int:customer_id>/stop-email/", story.stop_email, name="customer_stop_email"),
    path("customers/<int:customer_id>/data/", story.export_person, name="customer_data"),
    path("customers/<int:customer_id>/erase/", story.erase_person, name="customer_erase"),
    path("customers/<int:customer_id>/merge/", merges.merge_with, name="customer_merge"),
    path("merges/", merges.merges, name="merges"),
    path("merges/refused/", merges.refused, name="refused_claims"),
    path("merges/<int:merge_id>/", merges.merge, name="merge"),
    path("merges/<int:merge_id>/undo/", merges.undo, name="merge_undo"),
    path("imports/", imports.imports, name="imports"),
    path("imports/new/", imports.import_new, name="import_new"),
    path("imports/new/<slug:token>/", imports.import_mapping, name="import_mapping"),
    path("imports/<int:run_id>/", imports.import_run, name="import"),
    path("imports/<int:run_id>/rejected/", imports.import_rejects, name="import_rejects"),
    path("features/", features.features, name="features"),
    path("features/<slug:name>/", features.feature, name="feature"),
    path("products/", catalogue.products, name="products"),
    path("sources/", sources.sources, name="sources"),
    path("sources/new/", sources.source_new, name="source_new"),
    path("sources/<int:pk>/", sources.source, name="source"),
    path("sources/<int:pk>/switch/", sources.source_switch, name="source_switch"),
    path("live-events/", sources.live_events, name="live_events"),
]
