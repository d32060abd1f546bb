"""Page addresses. SMS, push, in-app and webhook channels."""

from django.urls import URLPattern, path, re_path

from campaigns.web import channels

urlpatterns: list[URLPattern] = [
    path("texts/", channels.texts, name="inbound_texts"),
    path("senders/addresses/", channels.receivers, name="webhook_receivers"),
    re_path(
        r"^senders/addresses/(?P<receiver_id>[0-9]{1,18})/(?P<what>test|rotate|remove)/$",
        channels.act,
        name="webhook_receiver_act",
    ),
]
