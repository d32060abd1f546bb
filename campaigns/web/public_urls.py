"""What messages link to: no login, only signed addresses."""

from django.urls import path

from campaigns.web import channels_public_urls, coming_back_public_urls, content_public_urls
from campaigns.web import public_views as views

urlpatterns = [
    path("o/<str:token>", views.opened, name="message_opened"),
    path("c/<str:token>", views.clicked, name="message_clicked"),
    path("u/<str:token>", views.unsubscribe, name="message_unsubscribe"),
    *content_public_urls.urlpatterns,
    *channels_public_urls.urlpatterns,
    *coming_back_public_urls.urlpatterns,
]
