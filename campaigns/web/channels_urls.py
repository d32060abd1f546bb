"""Page addresses. SMS, push, in-app and webhook channels."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
