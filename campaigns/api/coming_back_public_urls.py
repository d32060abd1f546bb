"""Public addresses under ``/v1/``. What comes back: preferences, opt-in, provider webhooks."""

from django.urls import path

from campaigns.api import returns

urlpatterns = [
    path("returns/mail", returns.mail, name="mail-returns"),
    path("returns/<slug:name>", returns.provider, name="provider-returns"),
]
