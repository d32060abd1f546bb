"""Page addresses. Mail servers, rates and warming up."""

from django.urls import path

from campaigns.web import sending

urlpatterns = [
    path("senders/", sending.senders, name="senders"),
    path("senders/new/", sending.new, name="sender_new"),
    path("senders/limits/", sending.limit, name="sender_limit"),
    path("senders/warm-up/", sending.warm_up, name="sender_warm_up"),
    path("senders/warm-up/<int:plan_id>/end/", sending.warm_up_end, name="sender_warm_up_end"),
    path("senders/<int:server_id>/", sending.edit, name="sender"),
    path("senders/<int:server_id>/test/", sending.test, name="sender_test"),
    path("senders/<int:server_id>/delete/", sending.delete, name="sender_delete"),
]
