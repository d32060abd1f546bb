"""Page addresses. Flows: steps, triggers and journeys."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
