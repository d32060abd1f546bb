"""Public addresses under ``/m/``: short links and images."""

from django.urls import URLPattern, path, re_path

from campaigns.web import content_public as views

urlpatterns: list[URLPattern] = [
    path("s/<str:code>", views.short, name="short_link"),
    re_path(
        r"^i/(?P<sha256>[0-9a-f]{64})\.(?P<ending>png|jpg|gif|webp)$", views.image, name="image"
    ),
]
