"""Who a rule would select, before anything is stored: at once from a sample, then exactly.  Writes
nothing.
"""

from dataclasses import dataclass
from datetime import datetime
from math import sqrt
from time import monotonic
from typing import Any, NamedTuple

import numpy as np
from django.db import connection

from customers.models import Customer
from segments.rules import explain, parse, to_sql
from segments.rules import language as L
from segments.services import definitions, mirror

SAMPLE_CUSTOMERS = 4_000  # of a share of a half, the interval is then 1.5 points to each side
PEOPLE = 10  # to look at
OVERLAP_CUSTOMERS = 5_000  # members up to which overlaps are counted, above it scaled up
Z = 1.959964  # of 95 %


@dataclass(frozen=True)
class Sampled:
    """A customer to look at."""

    id: int
    name: str
    email: str
    country: str


@dataclass(frozen=True)
class LetThrough:
    """How many customers one part of the outermost group lets through by itself."""

    words: str
    count: int


class Overlap(NamedTuple):
    """How many of those selected are members of another live segment."""

    key: str
    name: str
    both: int


@dataclass(frozen=True)
class Estimate:
    """What a random sample of customers says: a share with its 95 % interval (Wilson)."""

    share: float
    low: float
    high: float
    count: int
    base: int
    sampled: int  # customers asked who can be in a segment
    seconds: float
    as_of: datetime


@dataclass(frozen=True)
class Preview:
    """Who a rule would select, as of a moment."""

    sentence: str
    count: int
    base: int  # all customers who can be in a segment
    reachable_email: int
    reachable_sms: int
    sample: tuple[Sampled, ...]
    clauses: tuple[LetThrough, ...]
    overlaps: tuple[Overlap, ...]  # the largest first; those without a common member left out
    overlaps_sampled: int | None  # scaled up from so many of those selected; None: counted
    seconds: float
    as_of: datetime


def estimate(rule_json: Any, *, now: datetime) -> Estimate:
    """Estimate how many a rule would select, from `SAMPLE_CUSTOMERS` drawn at random.

    The same customers are drawn while the rule is edited, so that a change of the estimate is a
    change of the rule.  Of a base that is not larger than the sample it is the exact count.
    """
    started = monotonic()
    rule = definitions.check(rule_json)
    drawn = mirror.draw(SAMPLE_CUSTOMERS, [rule.where], now)
    sampled, found = int(drawn.is_known.sum()), int(drawn.holds[0].sum())
    is_everybody = drawn.ids_drawn == drawn.of
    low, high = (found / sampled,) * 2 if is_everybody and sampled else wilson(found, sampled)
    share = found / sampled if sampled else 0.0
    base = round(drawn.of * sampled / drawn.ids_drawn) if drawn.ids_drawn else 0
    return Estimate(
        share=share,
        low=low,
        high=high,
        count=found if is_everybody else round(share * base),
        base=base,
        sampled=sampled,
        seconds=round(monotonic() - started, 3),
        as_of=now,
    )


def exact(rule_json: Any, *, now: datetime) -> Preview:
    """Count who a rule would select; a rule that cannot be read is refused with all its faults."""
    started = monotonic()
    rule = definitions.check(rule_json)
    parts = to_sql.top_level(rule)
    reachable = L.Reachable("email"), L.Reachable("sms")
    answer = mirror.answer([rule.where, *parts], now, then=reachable)
    holds, *passed = answer.holds
    reachable_email, reachable_sms = answer.then
    ids = answer.ids[holds]
    overlaps, overlaps_sampled = _overlaps(ids)
    return Preview(
        sentence=explain.sentence(parse.parse(rule_json)),
        count=int(ids.size),
        base=int(answer.is_known.sum()),
        reachable_email=reachable_email,
        reachable_sms=reachable_sms,
        sample=_people(_some(ids, PEOPLE)),
        clauses=tuple(
            LetThrough(explain.words(part), int(one.sum()))
            for part, one in zip(parts, passed, strict=True)
        ),
        overlaps=overlaps,
        overlaps_sampled=overlaps_sampled,
        seconds=round(monotonic() - started, 3),
        as_of=now,
    )


def wilson(found: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share, also where none or all were found.

    References
    ----------
    Wilson, E. B. (1927), Probable inference, the law of succession, and statistical inference,
    Journal of the American Statistical Association 22, 209-212.

    >>> low, high = wilson(0, 4_000)
    >>> low, round(high, 5)
    (0.0, 0.00096)
    """
    if not of:
        return 0.0, 1.0
    share, spread = found / of, Z * Z / of
    middle = (share + spread / 2) / (1 + spread)
    half = sqrt(share * (1 - share) * spread + spread * spread / 4) / (1 + spread)
    low = 0.0 if not found else max(0.0, middle - half)
    return low, 1.0 if found == of else min(1.0, middle + half)


def _overlaps(ids: np.ndarray) -> tuple[tuple[Overlap, ...], int | None]:
    """In which live segments these customers are, the largest overlap first."""
    some = _some(ids, OVERLAP_CUSTOMERS)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT s.key, s.name, count(*) FROM segments_membership m"
            " JOIN segments_segment s ON s.id = m.segment_id AND s.state = 'live'"
            " WHERE m.customer_id = ANY(%s) GROUP BY s.id ORDER BY 3 DESC, s.name",
            [some.tolist()],
        )
        rows = cursor.fetchall()
    scale = ids.size / some.size if some.size else 1.0
    found = tuple(Overlap(key, name, round(both * scale)) for key, name, both in rows)
    return found, None if some.size == ids.size else int(some.size)


def _some(ids: np.ndarray, most: int) -> np.ndarray:
    """So many of them at random, the same each time; all where there are no more."""
    if ids.size <= most:
        return ids
    return np.sort(np.random.default_rng(ids.size).choice(ids, most, replace=False))


def _people(ids: np.ndarray) -> tuple[Sampled, ...]:
    people = Customer.objects.filter(pk__in=ids.tolist()).order_by("pk")
    return tuple(Sampled(p.pk, str(p), p.email or "", p.country) for p in people)
