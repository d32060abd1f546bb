"""The script that the shop's pages load."""

from django.urls import path

from customers.web import snippet

urlpatterns = [path("rapport.js", snippet.script, name="snippet")]
