"""Public addresses under ``/m/``. What comes back: preferences, opt-in, provider webhooks."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
