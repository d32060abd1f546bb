"""Public addresses under ``/v1/``: what browsers, gateways and people's phones tell us."""

from django.urls import URLPattern, path

from campaigns.api import channels_gateways as gateways
from campaigns.api import channels_scripts as scripts
from campaigns.api import channels_visitors as visitors

urlpatterns: list[URLPattern] = [
    path("sms/twilio/status/<str:token>", gateways.twilio_status, name="twilio_status"),
    path("sms/twilio/inbound/<str:token>", gateways.twilio_inbound, name="twilio_inbound"),
    path("sms/kannel/status/<str:token>", gateways.kannel_status, name="kannel_status"),
    path("sms/kannel/inbound/<str:token>", gateways.kannel_inbound, name="kannel_inbound"),
    path("push", visitors.push, name="push"),
    path("inbox", visitors.inbox, name="in_app_inbox"),
    path("push.js", scripts.push, name="push_script"),
    path("push-worker.js", scripts.worker, name="push_worker"),
    path("inbox.js", scripts.inbox, name="inbox_script"),
]
