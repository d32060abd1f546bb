"""What segments knows of one customer: scores with their reasons, and segments with their rules."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Case, Count, OuterRef, Subquery, When
from django.http import HttpRequest

from rapport.web import words
from rapport.web.panels import Panel
from segments.models import Cluster, Membership, ModelRun, Score
from segments.services import why
from segments.web.clusters import color_of

REASONS_SHOWN = 4
NOT_REASONS = ("other", "start")  # of the sum, not of the customer
RISK = {"high": "High risk", "medium": "Medium risk", "low": "Low risk"}


def scores(request: HttpRequest, customer_id: int, *, now: datetime) -> Panel | None:
    """Each score as a word, a number and a frame of reference."""
    higher = Score.objects.filter(name=OuterRef("name"), value__gt=OuterRef("value"))
    place = higher.order_by().values("name").annotate(n=Count("pk")).values("n")
    cluster = Cluster.objects.filter(run=OuterRef("run"), key=OuterRef("value"))
    found = {
        score.name: score
        for score in Score.objects.filter(customer_id=customer_id)
        .select_related("run")
        .annotate(
            above=Case(When(name="clv_365d", then=Subquery(place))),  # counts many rows
            cluster_name=Subquery(cluster.values("name")[:1]),
            cluster_proposed=Subquery(cluster.values("proposed_name")[:1]),
        )
    }
    told = [say(found) for say in (_churn, _value, _cluster)]
    shown = [one for one in told if one]
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


def _churn(found: dict[str, Any]) -> dict[str, Any] | None:
    score = found.get("churn_90d")
    if score is None:
        return None
    hundred = round(100 * score.value)
    return {
        "word": RISK.get(score.band, "Risk of leaving"),
        "figure": words.percent(score.value),
        "label": "no order within 90 days",
        "frame": f"Of 100 people like this one, {hundred} did not buy again within 90 days.",
        "reasons": _reasons(score),
        **_about(score),
    }


def _value(found: dict[str, Any]) -> dict[str, Any] | None:
    score = found.get("clv_365d")
    if score is None:
        return None
    orders = found.get("orders_365d")
    place = (score.above or 0) + 1
    times = f"About {words.number(orders.value, 1)} orders are expected. " if orders else ""
    return {
        "word": "Expected value",
        "figure": words.money(score.value, settings.CURRENCY),
        "label": "in the next 365 days",
        "frame": f"{times}Place {words.number(place)} among all customers with a value. A single "
        "customer's amount is uncertain by a factor.",
        "reasons": _reasons(score),
        **_about(score),
    }


def _cluster(found: dict[str, Any]) -> dict[str, Any] | None:
    score = found.get("cluster")
    if score is None:
        return None
    return {
        "word": "Buys like",
        "figure": score.cluster_name or score.cluster_proposed or f"group {round(score.value)}",
        "label": "" if score.cluster_name else "a proposed group",
        "color": color_of(round(score.value)),
        "reasons": [],
        **_about(score),
    }


def _about(score: Score) -> dict[str, Any]:
    return {
        "run": score.run,
        "as_of": score.as_of,
        "is_rule_of_thumb": score.run.state == ModelRun.State.FALLBACK,
    }


def _reasons(score: Score) -> list[dict[str, Any]]:
    """The strongest observations first, and whether each speaks for or against."""
    rows = [one for one in score.reasons if one.get("feature") not in NOT_REASONS]
    told = []
    for row in rows[:REASONS_SHOWN]:
        added = row.get("contribution")
        speaks = ""
        if score.name == "churn_90d" and added is not None:
            speaks = "raises it" if added > 0 else "lowers it"
        told.append({"words": row["words"], "speaks": speaks})
    return told
