"""Public addresses under ``/m/``: short links and images."""

from django.urls import URLPattern, path

from campaigns.web import content_public as views

urlpatterns: list[URLPattern] = [
    path("s/<str:code>", views.short, name="short_link"),
]
