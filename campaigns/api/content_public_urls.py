"""Public addresses under ``/v1/``. Templates, blocks, images and snippets."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
