"""API addresses. Sending rules, approvals and dry runs."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
