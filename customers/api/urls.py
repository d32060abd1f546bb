"""API addresses of facts."""

from django.urls import path

from customers.api import features, merges, views

urlpatterns = [
    path("customers/", views.Customers.as_view(), name="customers"),
    path("customers/<int:pk>/", views.CustomerDetail.as_view(), name="customer"),
    path("customers/<int:pk>/export/", views.CustomerExport.as_view(), name="customer-export"),
    path("customers/<int:pk>/erase/", views.CustomerErase.as_view(), name="customer-erase"),
    path("merges/", merges.Merges.as_view(), name="merges"),
    path("merges/<int:pk>/", merges.MergeDetail.as_view(), name="merge"),
    path("merges/<int:pk>/undo/", merges.MergeUndo.as_view(), name="merge-undo"),
    path("refused-claims/", merges.RefusedClaims.as_view(), name="refused-claims"),
    path("features/", features.Features.as_view(), name="features"),
    path("features/<slug:name>/", features.FeatureDetail.as_view(), name="feature"),
    path("products/", views.Products.as_view(), name="products"),
    path("orders/", views.Orders.as_view(), name="orders"),
    path("events/", views.Events.as_view(), name="events"),
    path("reviews/", views.Reviews.as_view(), name="reviews"),
    path("consent/", views.Consents.as_view(), name="consent"),
]
