"""Public addresses under ``/m/``. What comes back: preferences, opt-in, provider webhooks."""

from django.urls import path

from campaigns.web import preferences, sign_up

urlpatterns = [
    path("p/<str:token>", preferences.centre, name="preferences"),
    path("i/<str:token>", sign_up.confirm, name="opt_in"),
    path("signup/", sign_up.sign_up, name="sign_up"),
]
