"""Read stored rules, each for itself: what can be evaluated, and what is wrong with the rest."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection

from rapport.errors import DomainError
from segments.models import Segment
from segments.rules import language, parse
from segments.services import statements

# As of one moment, so that the stamp is that of these rules.
LOAD = f"""SELECT s.id, s.key, s.state, s.rule::text, s.rule_version,
    coalesce(s.live_rule, s.rule)::text, coalesce(s.live_version, s.rule_version),
    s.live_version IS NOT NULL AND NOT coalesce(r.cancel_requested, FALSE), {statements.STAMP}
FROM segments_segment s LEFT JOIN rapport_run r ON r.id = s.run_id
WHERE s.state = ANY(%s) ORDER BY s.id"""


class RuleRefused(DomainError):
    """A rule that cannot be read; ``faults`` has the path and reason of each fault."""

    code = "invalid_rule"

    def __init__(self, error: language.RuleError) -> None:
        self.faults = error.faults
        super().__init__(str(error))


@dataclass(frozen=True)
class Definition:
    """A segment's rule, ready to be evaluated: other segments' rules are in place."""

    segment_id: int
    key: str
    version: int
    rule: language.Rule


@dataclass(frozen=True)
class Definitions:
    """What was read, and the error of each segment that could not be."""

    readable: tuple[Definition, ...]
    errors: dict[int, str]  # by segment id
    stamp: int = 0  # of the live ones, see `statements.STAMP`
    edited: frozenset[str] = frozenset()  # keys whose new rule stands here in place of the live one


_read: Definitions | None = None  # what members follow, as this process read it last


def current(stamp: int) -> Definitions:
    """The definitions that members follow at this moment, read again only when they changed."""
    global _read
    if _read is None or _read.stamp != stamp:
        _read = load()
    return _read


def load(*, states: Iterable[str] = (Segment.State.LIVE,), with_edits: bool = False) -> Definitions:
    """The rules of all segments in these states, by id.

    While the members of an edited rule are computed, they follow the rule before: that is the one
    given, unless ``with_edits`` asks for the new one of every edit that nobody cancelled.
    """
    with connection.cursor() as cursor:
        cursor.execute(LOAD, [list(states)])
        rows = cursor.fetchall()
    rules: dict[str, language.Rule] = {}
    errors: dict[int, str] = {}
    edited: set[str] = set()
    found: list[tuple[int, str, int]] = []
    for pk, key, _, new, new_version, live, live_version, is_edited, _ in rows:
        raw, version = live, live_version
        if with_edits and is_edited:
            raw, version = new, new_version
            edited.add(key)
        try:
            rules[key] = parse.parse(json.loads(raw), zone=settings.TIME_ZONE)
            found.append((pk, key, version))
        except language.RuleError as error:
            errors[pk] = str(error)
    readable = []
    for pk, key, version in found:
        try:
            rule = parse.resolve(rules[key], rules)
            readable.append(Definition(pk, key, version, rule))
        except language.RuleError as error:
            errors[pk] = str(error)
    stamp = rows[0][-1] if rows else 0
    return Definitions(tuple(readable), errors, stamp, frozenset(edited))


def check(raw: Any, *, key: str = "") -> language.Rule:
    """The rule, with other segments' rules in place; `RuleRefused` names every fault.

    ``key`` is that of the segment it is for, so that a circle through it is found.
    """
    try:
        rule = parse.parse(raw, zone=settings.TIME_ZONE)
        if not mentioned(rule):
            return rule
        rules = _live_rules()
        if key:
            rules[key] = rule
        return parse.resolve(rule, rules)
    except language.RuleError as error:
        raise RuleRefused(error) from None


def mentioned(rule: language.Rule) -> set[str]:
    """The keys of the segments that a rule, as stored, names."""
    return {node.key for node in language.walk(rule.where) if isinstance(node, language.Member)}


def dependents(key: str) -> set[str]:
    """The keys of the live segments whose rules lead to this one, directly or through others."""
    names = {other: mentioned(rule) for other, rule in _live_rules().items()}
    found: set[str] = set()
    while more := {other for other, uses in names.items() if uses & (found | {key})} - found:
        found |= more
    return found - {key}


def _live_rules() -> dict[str, language.Rule]:
    rules = {}
    for key, raw in Segment.objects.filter(state=Segment.State.LIVE).values_list("key", "rule"):
        try:
            rules[key] = parse.parse(raw, zone=settings.TIME_ZONE)
        except language.RuleError:
            continue  # it will be marked invalid when it is next refreshed
    return rules
