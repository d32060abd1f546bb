"""What the shop's pages and servers ask; beside the tracking API, not under ``/api/v1/``."""

from django.urls import path

from campaigns.api import decide

urlpatterns = [path("decide", decide.decide, name="decide")]
