"""Page addresses. SMS, push, in-app and webhook channels."""

from django.urls import URLPattern, path

from campaigns.web import channels

urlpatterns: list[URLPattern] = [
    path("texts/", channels.texts, name="inbound_texts"),
    path("senders/addresses/", channels.receivers, name="webhook_receivers"),
    path(
        "senders/addresses/<int:receiver_id>/<str:what>/",
        channels.act,
        name="webhook_receiver_act",
    ),
]
