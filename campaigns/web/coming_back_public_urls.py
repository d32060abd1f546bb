"""Public addresses under ``/m/``. What comes back: preferences, opt-in, provider webhooks."""

from django.urls import path

from campaigns.web import preferences

urlpatterns = [
    path("p/<str:token>", preferences.centre, name="preferences"),
]
