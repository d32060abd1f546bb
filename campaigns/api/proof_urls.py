"""API addresses. Experiments, lift and cost."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
