"""What segments tells the home page: the largest segments, the models, and what waits."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Count, OuterRef, Q
from django.db.models.functions import JSONObject
from django.http import HttpRequest
from django.urls import reverse

from rapport.web import dashboard, words
from rapport.web.dashboard import Block, Decision, Empty, Link
from segments import querysets
from segments.models import Cluster, DriftCheck, ModelRun, Segment
from segments.services import watching
from segments.web import features
from segments.web.model_card_watch import drift_label

SHOWN = 5
CHANGE_DAYS = 7


def segments(request: HttpRequest, *, now: datetime) -> Block | None:
    """The largest segments with their change of a week; invalid ones wait for a decision."""
    found = list(querysets.in_use().order_by("-members_count", "pk"))
    if not found:
        return None
    since = now - timedelta(days=CHANGE_DAYS)
    moved = dashboard.remember("segments:moved", lambda: querysets.moved_since(since))
    counted = [one for one in found if one.members_count]
    more = Link("All segments", reverse("segments"))
    waiting: tuple[Decision, ...] = ()
    if request.user.has_perm("segments.change_segment"):  # type: ignore[union-attr]
        waiting = tuple(
            Decision(alarm, Link("Look at it", _address(one)))
            for one in found
            if (alarm := _alarm(one))
        )
    if not counted:
        empty = Empty(f"{words.plural(len(found), 'segment')} in use, and nobody is in one yet.")
        return Block("Nobody is in a segment yet", empty=empty, more=more, decisions=waiting)
    when = max((one.refreshed_at for one in counted if one.refreshed_at), default=None)
    return Block(
        title=f"“{counted[0]}” is the largest of {words.plural(len(found), 'segment')}",
        columns=("Segment", "Members", f"In {CHANGE_DAYS} days"),
        rows=[
            (Link(one.name, _address(one)), words.number(one.members_count), _net(moved, one))
            for one in counted[:SHOWN]
        ],
        note=f"As of {words.clock(when)}; entries less exits.",
        more=more,
        decisions=waiting,
    )


def models(request: HttpRequest, *, now: datetime) -> Block | None:
    """The serving run of each kind beside its baseline; proposed clusters wait for a decision."""
    proposed = Count("clusters", filter=Q(clusters__state=Cluster.State.PROPOSED))
    serving = ModelRun.objects.filter(
        state__in=(ModelRun.State.LIVE, ModelRun.State.FALLBACK), subject=""
    )  # those of single campaigns are told on the campaigns' own pages
    alarms = watching.alarms().filter(run=OuterRef("pk"))
    named = ArraySubquery(alarms.values(told=JSONObject(kind="kind", name="name")))
    found = list(serving.annotate(proposed=proposed, alarms=named).order_by("kind", "-state"))
    if not found:
        return Block(
            "No model has been trained yet",
            empty=Empty(
                "Models find groups and say who is about to leave, from some months of orders.",
                Link("Go to models", reverse("models")),
            ),
        )
    live = [run for run in found if run.state == ModelRun.State.LIVE]
    return Block(
        title=f"{words.plural(len(live), 'model is', 'models are')} live",
        columns=("Model", "Measure", "Baseline", "As of"),
        rows=[_row(run) for run in found],
        note="95% interval in brackets, on customers that were held out.",
        more=Link("All models", reverse("models")),
        decisions=(*_alarms(request, found), *_waiting(request, found)),
    )


def _alarms(request: HttpRequest, found: Sequence[ModelRun]) -> tuple[Decision, ...]:
    """What the nightly look at live models has found wrong; one line a model."""
    if not request.user.has_perm("segments.view_modelrun"):  # type: ignore[union-attr]
        return ()
    return tuple(
        Decision(_told(run), Link("See what moved", reverse("model", args=[run.pk])))
        for run in found
        if run.alarms  # type: ignore[attr-defined]
    )


def _told(run: ModelRun) -> str:
    label = features.kind_label(run.kind)
    names = [drift_label(DriftCheck(**alarm)) for alarm in run.alarms]  # type: ignore[attr-defined]
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return f"{label}: {', '.join(names[:2])}{more} moved away from what was learnt"


def _waiting(request: HttpRequest, found: Sequence[ModelRun]) -> tuple[Decision, ...]:
    waiting = sum(run.proposed for run in found)  # type: ignore[attr-defined]
    if not waiting or not request.user.has_perm("segments.change_cluster"):  # type: ignore[union-attr]
        return ()
    text = f"{words.plural(waiting, 'cluster waits', 'clusters wait')} for a name"
    return (Decision(text, Link("Name them", reverse("clusters"))),)


def _row(run: ModelRun) -> tuple:
    name, ours, theirs = features.main_metric(run)
    label = features.kind_label(run.kind)
    link = Link(label, reverse("model", args=[run.pk]))
    if not ours:
        return (link, features.STATES[run.state], words.NOTHING, words.day(run.as_of))
    told = f"{features.METRICS.get(name, name)} {features.figure(ours.get('value'))}"
    return (
        link,
        f"{told} ({features.between(ours)}), n = {words.number(ours.get('n'))}",
        features.figure(theirs.get("value")),
        words.day(run.as_of),
    )


def _alarm(segment: Segment) -> str:
    if segment.state == Segment.State.INVALID:
        return f"The rule of “{segment}” cannot be read"
    if segment.differences:
        n = words.plural(segment.differences, "membership")
        return f"The nightly proof found {n} of “{segment}” wrong, and repaired them"
    return ""


def _address(segment: Segment) -> str:
    return reverse("segment", args=[segment.pk])


def _net(moved: dict[int, tuple[int, int]], segment: Segment) -> str:
    came, went = moved.get(segment.pk, (0, 0))
    if came == went:
        return "no change"
    return f"{'+' if came > went else '−'}{words.number(abs(came - went))}"
