"""The home dashboard, the search page, the health check, and what is said when things go wrong."""

from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from rapport.models import Run
from rapport.web import dashboard, navigation, search
from rapport.web.dashboard import Empty, Link
from rapport.web.page import page, public, shell, show

RUNNING_SHOWN = 5


@page("rapport.view_run")
def home(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    alive = Run.objects.filter(state__in=[Run.State.QUEUED, Run.State.RUNNING])
    running = list(alive[:RUNNING_SHOWN])
    blocks = list(dashboard.blocks(request, now=now))
    decisions = [decision for block in blocks for decision in block.decisions]
    context = {
        "blocks": blocks,
        "decisions": decisions,
        "running": running,
        "charts": any(block.charts for block in blocks),
        "nothing": Empty(
            "There is nothing to show you yet: your role opens no page with figures.",
            Link("See the jobs", reverse("jobs")),
        ),
    }
    lead = _lead(len(decisions), len(running))
    return show(request, "rapport/home.html", title="Home", lead=lead, context=context)


def _lead(decisions: int, running: int) -> str:
    if decisions:
        things = "1 thing needs" if decisions == 1 else f"{decisions} things need"
        return f"{things} your decision."
    if running:
        return "Nothing needs a decision; work is under way."
    return "Nothing needs a decision."


@page("rapport.view_run")
def find(request: HttpRequest) -> HttpResponse:
    """Everything called so: customers, segments, campaigns, pages."""
    words = request.GET.get("q", "").strip()
    hits = [*navigation.pages(request, words), *search.hits(request, words)] if words else []
    if not words:
        lead = "Type a name, an e-mail address or a number into the box in the menu."
    elif not hits:
        lead = f"Nothing is called “{words}”. Names are found by how they begin."
    else:
        lead = f"{len(hits)} found for “{words}”."
    context = {"hits": hits, "search_words": words}
    return show(request, "rapport/search.html", title="Find", lead=lead, context=context)


@public
def health(request: HttpRequest) -> JsonResponse:
    """Answer 200 while this process can reach its database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return JsonResponse({"status": "ok"})


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """403: what is missing, and whom to ask."""
    return _wrong(request, "403.html", 403, reason=str(exception or ""))


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404: it is not there (any more), and where to look."""
    return _wrong(request, "404.html", 404)


def failed(request: HttpRequest) -> HttpResponse:
    """500: asks nothing of the database, which may be what failed."""
    return render(request, "500.html", status=500)


def _wrong(request: HttpRequest, template: str, status: int, **context: str) -> HttpResponse:
    title = {403: "Not for your role", 404: "Not found"}[status]
    if not request.user.is_authenticated:
        return render(request, "rapport/wrong.html", {"title": title, **context}, status=status)
    given = {**shell(request), "title": title, **context}
    return render(request, template, given, status=status)
