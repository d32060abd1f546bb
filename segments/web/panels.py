"""What segments knows of one customer: scores with their reasons, and segments with their rules."""

from datetime import datetime

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Case, Count, OuterRef, Subquery, When
from django.db.models.functions import JSONObject
from django.http import HttpRequest

from rapport.web import words
from rapport.web.panels import Panel
from segments.models import Cluster, Membership, Score, ScoreChange
from segments.services import why
from segments.web import expecting

CHANGES_SHOWN = 6


def scores(request: HttpRequest, customer_id: int, *, now: datetime) -> Panel | None:
    """Each score as a word, a number and a frame of reference."""
    higher = Score.objects.filter(name=OuterRef("name"), value__gt=OuterRef("value"))
    place = higher.order_by().values("name").annotate(n=Count("pk")).values("n")
    cluster = Cluster.objects.filter(run=OuterRef("run"), key=OuterRef("value"))
    changes = (
        ScoreChange.objects.filter(customer_id=customer_id, name=OuterRef("name"))
        .exclude(band_before="")
        .order_by("-happened_at", "-id")
        .values(row=JSONObject(at="happened_at", before="band_before", after="band_after"))
    )
    found = {
        score.name: score
        for score in Score.objects.filter(customer_id=customer_id)
        .select_related("run")
        .annotate(
            above=Case(When(name="clv_365d", then=Subquery(place))),  # counts many rows
            changes=ArraySubquery(changes[:CHANGES_SHOWN]),
            cluster_name=Subquery(cluster.values("name")[:1]),
            cluster_proposed=Subquery(cluster.values("proposed_name")[:1]),
        )
    }
    if not found:
        return None
    shown = expecting.told(found)
    if not shown:
        return None
    return Panel("What to expect", "segments/_scores.html", {"scores": shown}, side=True)


def segments(request: HttpRequest, customer_id: int, *, now: datetime) -> Panel | None:
    stays = list(
        Membership.objects.filter(customer_id=customer_id)
        .select_related("segment")
        .order_by("-entered_at", "-id")
    )
    title = f"In {words.plural(len(stays), 'segment')}" if stays else "In no segment"
    rows = [(stay, why.sentence(stay.segment)) for stay in stays]
    context = {"rows": rows, "customer_id": customer_id}
    return Panel(title, "segments/_segments.html", context, side=True)
