"""What the shop's pages and servers ask; beside the tracking API, not under ``/api/v1/``."""

from django.urls import path

from campaigns.api import (
    channels_public_urls,
    coming_back_public_urls,
    content_public_urls,
    decide,
)

urlpatterns = [
    path("decide", decide.decide, name="decide"),
    *content_public_urls.urlpatterns,
    *channels_public_urls.urlpatterns,
    *coming_back_public_urls.urlpatterns,
]
