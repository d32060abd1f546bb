"""The home dashboard, and the health check."""

from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse

from rapport.web.page import page, public, show


@page("rapport.view_run")
def home(request: HttpRequest) -> HttpResponse:
    return show(request, "rapport/home.html", title="Home")


@public
def health(request: HttpRequest) -> JsonResponse:
    """Answer 200 while this process can reach its database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return JsonResponse({"status": "ok"})
