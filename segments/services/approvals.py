"""Whether what a model learnt may decide whom a campaign addresses: only after a person said so.
The only module that writes LearntApproval.

An approval is of a kind of model, so it stands while runs come and go, until somebody takes it
back.  A cluster is approved by being accepted, each for itself.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from rapport.access import audit
from rapport.errors import DomainError
from segments.models import Cluster, LearntApproval, ModelRun, Segment
from segments.recipes.registry import RECIPES
from segments.rules import language, parse

Kind = ModelRun.Kind
ACCEPTED = (Cluster.State.ACCEPTED, Cluster.State.MERGED)


class UnknownKind(DomainError):
    code = "unknown_kind"


def is_allowed(kind: str) -> bool:
    """Whether segments that depend on models of this kind may be written to."""
    if settings.TARGET_UNAPPROVED_MODELS:
        return True
    return LearntApproval.objects.filter(kind=kind).exists()


def approve(kind: str, *, user: Any, now: datetime, note: str = "") -> LearntApproval:
    """Allow this kind to be targeted.  Safe twice: the first word stands, with its note."""
    _check(kind)
    with transaction.atomic():
        row, is_new = LearntApproval.objects.get_or_create(
            kind=kind, defaults={"approved_by": user, "approved_at": now, "note": note}
        )
        if is_new:
            audit(user, "model.approved", f"model:{kind}", note=note)
    return row


def withdraw(kind: str, *, user: Any, note: str = "") -> bool:
    """Take the approval back; returns whether there was one.

    Campaigns that were planned go on; no further one is launched at segments that need it.
    """
    _check(kind)
    with transaction.atomic():
        is_gone = bool(LearntApproval.objects.filter(kind=kind).delete()[0])
        if is_gone:
            audit(user, "model.approval_withdrawn", f"model:{kind}", note=note)
    return is_gone


def kinds_of(segment: Segment) -> list[str]:
    """The kinds of models that a segment depends on, through the segments its rule names too."""
    return _kinds(_learnt([segment]))


def unapproved(segment: Segment) -> list[str]:
    """Of `kinds_of`, those that nobody has allowed; accepted clusters are allowed."""
    learnt = _learnt([segment])
    keys = {node.key for node in learnt if isinstance(node, language.Cluster)}
    accepted = _accepted(keys)
    asked = [
        node for node in learnt if not (isinstance(node, language.Cluster) and node.key in accepted)
    ]
    return [kind for kind in _kinds(asked) if not is_allowed(kind)]


def faults(segments: Iterable[Segment]) -> list[str]:
    """Why these segments may not be written to yet, a sentence for each and each kind."""
    return [_fault(segment, kind) for segment in segments for kind in unapproved(segment)]


def _fault(segment: Segment, kind: str) -> str:
    if kind == Kind.CLUSTERS:
        return (
            f"The segment {segment.name} depends on a group that a model found and nobody accepted "
            "yet: accept it under Clusters first."
        )
    label = RECIPES[kind].label if kind in RECIPES else Kind(kind).label
    return (
        f"The segment {segment.name} depends on the model “{label}”, which nobody has approved for "
        "campaigns yet: read its card under Models and approve it there, or run "
        f"`manage.py models approve {kind}`."
    )


def _check(kind: str) -> None:
    if kind not in Kind.values:
        raise UnknownKind(f"there is no kind {kind!r}, expected one of {', '.join(Kind.values)}")


def _accepted(keys: set[int]) -> set[int]:
    """Those of these keys whose newest cluster a person accepted, itself or as a part."""
    newest = {
        cluster.key: cluster.state
        for cluster in Cluster.objects.filter(key__in=keys)
        .exclude(run__state__in=(ModelRun.State.REFUSED, ModelRun.State.FAILED))
        .order_by("run_id")
    }
    return {key for key, state in newest.items() if state in ACCEPTED}


def _kinds(learnt: Iterable[language.Node]) -> list[str]:
    by_name = {name: kind for kind, recipe in RECIPES.items() for name in recipe.names}
    found = set()
    for node in learnt:
        if isinstance(node, language.Cluster):
            found.add(Kind.CLUSTERS.value)
        elif isinstance(node, language.Score) and node.name in by_name:
            found.add(by_name[node.name])
    return [kind for kind in Kind.values if kind in found]


def _learnt(segments: Iterable[Segment]) -> list[language.Node]:
    """The leaves that ask a model, in the rules of these segments and of those that they name.

    While the members of an edit are computed both rules count.  A rule that cannot be read selects
    nobody, and names nothing.
    """
    waiting = list(segments)
    seen = {segment.key for segment in waiting}
    found: list[language.Node] = []
    while waiting:
        segment = waiting.pop()
        for raw in (segment.rule, segment.live_rule):
            nodes = _nodes(raw)
            found += [n for n in nodes if isinstance(n, language.Score | language.Cluster)]
            named = {n.key for n in nodes if isinstance(n, language.Member)} - seen
            seen |= named
            waiting += Segment.objects.filter(key__in=named)
    return found


def _nodes(raw: Any) -> list[language.Node]:
    if raw is None:
        return []
    try:
        return list(language.walk(parse.parse(raw, zone=settings.TIME_ZONE).where))
    except language.RuleError:
        return []
