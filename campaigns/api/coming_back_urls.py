"""API addresses. What comes back: preferences, opt-in, provider webhooks."""

from django.urls import path

from campaigns.api import coming_back as views

urlpatterns = [
    path("segments/<slug:key>/advertising/", views.AdExport.as_view(), name="ad-export"),
    path("opt-ins/", views.OptIns.as_view(), name="opt-ins"),
    path("transactional/<int:pk>/", views.Transactional.as_view(), name="transactional"),
    path(
        "transactional/messages/<int:pk>/",
        views.TransactionalMessage.as_view(),
        name="transactional-message",
    ),
]
