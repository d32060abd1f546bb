"""API addresses. Mail servers, rates and warming up."""

from django.urls import path

from campaigns.api import sending

urlpatterns = [
    path("senders/", sending.MailServers.as_view(), name="senders"),
    path("senders/<int:pk>/", sending.MailServerDetail.as_view(), name="sender"),
    path("senders/<int:pk>/test/", sending.MailServerTest.as_view(), name="sender-test"),
    path("sending-limits/", sending.SendingLimits.as_view(), name="sending-limits"),
    path("warm-ups/", sending.WarmUps.as_view(), name="warm-ups"),
]
