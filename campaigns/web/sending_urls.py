"""Page addresses. Mail servers, rates and warming up."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
