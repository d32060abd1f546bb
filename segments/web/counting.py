"""How many a rule that is being built selects, as the page tells it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.urls import reverse

from rapport.errors import DomainError
from rapport.web import words
from rapport.web.dashboard import Link
from segments.rules import explain, parse, to_sql
from segments.services import preview
from segments.services.definitions import RuleRefused
from segments.web.conditions.draft import Draft
from segments.web.conditions.nodes import Written, write

OVERLAPS_SHOWN = 5


@dataclass(frozen=True)
class Counted:
    """A count with everything a reader needs to trust it, written out."""

    count: str
    lines: list[str] = field(default_factory=list)
    sentence: str = ""
    clauses: list[tuple[str, str]] = field(default_factory=list)
    passes: dict[str, str] = field(default_factory=dict)  # by the part's id in the draft
    overlaps: list[tuple[Link, str]] = field(default_factory=list)
    sample: list[Link] = field(default_factory=list)
    is_estimate: bool = False


def counted(draft: Draft, *, now: datetime) -> tuple[Counted, Written]:
    """The exact count of what is finished of a draft."""
    written = write(draft)
    if written.rule is None or any(not one.is_unfinished for one in written.wrong):
        return Counted("–", _unfinished(written)), written
    try:
        found = preview.exact(written.rule, now=now)
    except DomainError as error:
        return Counted("–", [f"It cannot be counted: {refusal(error)}."]), written
    return _told(found, written), written


def estimated(draft: Draft, *, now: datetime) -> Counted | None:
    """At once what a random sample says; None where that is no quicker than counting, or wrong."""
    written = write(draft)
    if written.rule is None or any(not one.is_unfinished for one in written.wrong):
        return None
    try:
        found = preview.estimate(written.rule, now=now)
    except DomainError:
        return None  # the exact count says why
    if found.low == found.high:
        return None
    low, high = (words.number(round(end * found.base)) for end in (found.low, found.high))
    drawn = f"estimated from {words.number(found.sampled)} of {words.about(found.base)} customers"
    return Counted(
        count=f"{words.about(found.count)} customers",
        lines=[
            f"Between {low} and {high} (19 times of 20), {drawn}. The exact count follows.",
            *_unfinished(written),
        ],
        sentence=explain.sentence(parse.parse(written.rule)),
        is_estimate=True,
    )


def refusal(error: Exception) -> str:
    """A refusal as a person reads it, without paths into the rule."""
    if isinstance(error, RuleRefused):
        return "; ".join(fault.reason[:200] for fault in error.faults)
    return str(error).rstrip(".")


def _told(found: Any, written: Written) -> Counted:
    share = words.part(found.count, found.base) if found.base else "nobody is known yet"
    lines = [f"{share} of all. As of {words.clock(found.as_of)}."]
    reach = f"{words.number(found.reachable_email)} can be reached by e-mail"
    sms = getattr(found, "reachable_sms", None)
    lines.append(f"{reach}, {words.number(sms)} by SMS." if sms is not None else f"{reach}.")
    overlaps = [
        (Link(name, f"{reverse('segments')}?q={key}"), words.part(both, found.count))
        for key, name, both in getattr(found, "overlaps", ())
        if both
    ]
    return Counted(
        count=words.plural(found.count, "customer"),
        lines=lines + _unfinished(written),
        sentence=found.sentence,
        clauses=[(one.words, words.number(one.count)) for one in found.clauses],
        passes=_passes(found, written),
        overlaps=overlaps[:OVERLAPS_SHOWN],
        sample=[Link(one.name, reverse("customer", args=[one.id])) for one in found.sample],
    )


def _passes(found: Any, written: Written) -> dict[str, str]:
    """How many each outermost part lets through, by the part of the draft it comes from."""
    parts = to_sql.top_level(parse.parse(written.rule))
    paths = ["where"] if len(parts) == 1 else [f"where.of[{at}]" for at in range(len(parts))]
    return {
        written.places[path]: f"alone lets {words.number(clause.count)} through"
        for path, clause in zip(paths, found.clauses, strict=False)
        if path in written.places and len(paths) == len(found.clauses)
    }


def _unfinished(written: Written) -> list[str]:
    parts = {one.part_id for one in written.wrong}
    if not parts:
        return []
    if written.rule is None:
        return ["Nothing is finished yet that could be counted."]
    if any(not one.is_unfinished for one in written.wrong):
        return ["It is counted once what is marked is put right."]
    said = words.plural(len(parts), "condition is", "conditions are")
    return [f"{said} unfinished and left out of this count."]
