"""Read stored rules, each for itself: what can be evaluated, and what is wrong with the rest."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rapport.errors import DomainError
from segments.models import Segment
from segments.rules import language, parse


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


def load(*, states: Iterable[str] = (Segment.State.LIVE,)) -> Definitions:
    """The rules of all segments in these states, by id."""
    columns = ("pk", "key", "rule", "rule_version")
    rows = Segment.objects.filter(state__in=list(states)).order_by("pk").values_list(*columns)
    rules: dict[str, language.Rule] = {}
    errors: dict[int, str] = {}
    found: list[tuple[int, str, int]] = []
    for pk, key, raw, version in rows:
        try:
            rules[key] = parse.parse(raw)
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
    return Definitions(tuple(readable), errors)


def check(raw: Any, *, key: str = "") -> language.Rule:
    """The rule, with other segments' rules in place; `RuleRefused` names every fault.

    ``key`` is that of the segment it is for, so that a circle through it is found.
    """
    try:
        rule = parse.parse(raw)
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
            rules[key] = parse.parse(raw)
        except language.RuleError:
            continue  # it will be marked invalid when it is next refreshed
    return rules
