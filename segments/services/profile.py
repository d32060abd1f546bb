"""What sets the members of a segment apart from the base, and whom segments share.  Writes nothing.

Features are computed by `customers.features` for a random sample of the members and of the base,
so that the answer takes about a second whatever their number; it says how many were looked at.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
from django.db import connection

from customers.features.table import features
from customers.services import frames
from segments.models import Segment

SAMPLE = 4_000  # customers of each side; two of them are read by index
FEW = 5  # with a value on either side: below that a spread says nothing

MEMBERS = """SELECT m.customer_id FROM segments_membership m
JOIN customers_customer c ON c.id = m.customer_id AND c.erased_at IS NULL
WHERE m.segment_id = %(segment)s
ORDER BY hashint8(m.customer_id), m.customer_id LIMIT %(most)s"""
BASE = """SELECT id FROM customers_customer WHERE erased_at IS NULL
ORDER BY hashint8(id), id LIMIT %(most)s"""
SHARED = """SELECT segments, count(*) FROM (
    SELECT array_agg(segment_id ORDER BY segment_id) AS segments FROM segments_membership
    WHERE segment_id = ANY(%(segments)s) GROUP BY customer_id
) s GROUP BY segments"""
NEAREST = """SELECT s.id, s.key, s.name FROM segments_membership m
JOIN segments_membership o ON o.customer_id = m.customer_id AND o.segment_id <> m.segment_id
JOIN segments_segment s ON s.id = o.segment_id AND s.state = 'live'
WHERE m.segment_id = %(segment)s GROUP BY s.id ORDER BY count(*) DESC, s.id LIMIT %(most)s"""


@dataclass(frozen=True)
class Difference:
    """How one feature stands among some customers beside others.

    ``standardised`` is the difference of the means over the root of the mean of both variances
    (Austin 2009, eq. 1): 0.2 is small, 0.8 large, whatever the feature's unit.
    """

    name: str
    mean: float
    other_mean: float
    standardised: float
    n: int  # customers with a value, on each side
    other_n: int


@dataclass(frozen=True)
class Apart:
    """What sets some customers apart from others, the largest difference first."""

    differences: tuple[Difference, ...]
    n: int  # customers looked at
    other_n: int
    buyers: int  # of them with an order, whom features are of
    other_buyers: int
    as_of: datetime

    @property
    def buying_share(self) -> float | None:
        return self.buyers / self.n if self.n else None

    @property
    def other_buying_share(self) -> float | None:
        return self.other_buyers / self.other_n if self.other_n else None


def from_base(segment: Segment, *, now: datetime) -> Apart:
    """What sets the members of a segment apart from everybody, its members among them."""
    return _apart(_members(segment), _base(), now=now)


def between(segment: Segment, other: Segment, *, now: datetime) -> Apart:
    """What sets the members of one segment apart from those of another."""
    return _apart(_members(segment), _members(other), now=now)


def nearest(segment: Segment, *, most: int) -> list[Segment]:
    """The live segments that share most members with this one, the nearest first."""
    return list(Segment.objects.raw(NEAREST, {"segment": segment.pk, "most": most}))


def shared(segment_ids: Collection[int]) -> dict[tuple[int, int], int]:
    """How many members each two of these segments share; a pair of one with itself: its members.

    One pass over their memberships, whatever the number of pairs.
    """
    ids = list(segment_ids)
    found = {(one, other): 0 for one in ids for other in ids}
    with connection.cursor() as cursor:
        cursor.execute(SHARED, {"segments": ids})
        for together, n in cursor.fetchall():
            for one in together:
                for other in together:
                    found[one, other] += n
    return found


def standardised(one: pd.DataFrame, other: pd.DataFrame) -> list[Difference]:
    """Each column's difference between two frames, the largest first; pure arithmetic.

    Columns without a spread, or with a value for fewer than `FEW` rows on a side, are left out.
    """
    found = []
    for name in one.columns:
        here, there = one[name].dropna().to_numpy(float), other[name].dropna().to_numpy(float)
        if min(here.size, there.size) < FEW:
            continue
        spread = np.sqrt((here.var(ddof=1) + there.var(ddof=1)) / 2)
        if not spread > 0:
            continue
        mean, other_mean = float(here.mean()), float(there.mean())
        size = (mean - other_mean) / float(spread)
        found.append(Difference(name, mean, other_mean, size, here.size, there.size))
    return sorted(found, key=lambda one: (-abs(one.standardised), one.name))


def _apart(here: Sequence[int], there: Sequence[int], *, now: datetime) -> Apart:
    ids = sorted({*here, *there})
    if ids:
        table = features(frames.facts(known_at=now, customer_ids=ids), now)
    else:
        table = pd.DataFrame(index=pd.Index([], name="customer_id"))
    one, other = (table[table.index.isin(list(side))] for side in (here, there))
    return Apart(
        differences=tuple(standardised(one, other)),
        n=len(here),
        other_n=len(there),
        buyers=len(one),
        other_buyers=len(other),
        as_of=now,
    )


def _members(segment: Segment) -> list[int]:
    return _drawn(MEMBERS, segment=segment.pk)


def _base() -> list[int]:
    return _drawn(BASE)


def _drawn(text: str, **given: int) -> list[int]:
    """Random customers, the same each time: those whose numbers have the smallest hashes."""
    with connection.cursor() as cursor:
        cursor.execute(text, {**given, "most": SAMPLE})
        return [row[0] for row in cursor.fetchall()]
