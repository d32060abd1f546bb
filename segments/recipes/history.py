"""What a recipe reads of the past: how far it goes, and snapshots of it with what followed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pandas as pd

from customers.features.facts import Facts
from customers.features.labels import labels
from customers.features.table import features

AT_RISK_DAYS = 365  # who has not ordered for longer is gone already, and not scored


@dataclass(frozen=True)
class Span:
    """The time that the known purchases cover."""

    first: datetime | None  # None where nothing was ever bought
    last: datetime | None
    as_of: datetime

    @property
    def days(self) -> int:
        return 0 if self.first is None else max((self.as_of - self.first).days, 0)

    @property
    def quiet_days(self) -> int:
        """Days since the last purchase of anybody."""
        return 0 if self.last is None else max((self.as_of - self.last).days, 0)

    def as_json(self) -> dict[str, str | int | None]:
        return {
            "from": self.first.isoformat() if self.first else None,
            "to": self.as_of.isoformat(),
            "days": self.days,
        }


class Snapshot(NamedTuple):
    """Customers at one moment, and what they did after it."""

    table: pd.DataFrame
    after: pd.DataFrame  # of `labels`, same index


def span(facts: Facts, as_of: datetime) -> Span:
    """How far the purchases before ``as_of`` reach back."""
    placed = facts.purchases.placed
    placed = placed[placed < as_of.timestamp() * 1e6]
    if not placed.size:
        return Span(None, None, as_of)
    first, last = (
        datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(moment))
        for moment in (placed.min(), placed.max())
    )
    return Span(first, last, as_of)


def snapshot(
    facts: Facts, moment: datetime, *, horizon_days: int, names: Sequence[str] | None = None
) -> Snapshot:
    """Customers still at risk at ``moment``, and what followed within the horizon.

    ``names`` are the features that are computed, the days since the last order among them.
    """
    table = features(facts, moment, names=names)
    at_risk = table["days_since_last_order"] <= AT_RISK_DAYS
    return Snapshot(table[at_risk], labels(facts, moment, horizon_days=horizon_days)[at_risk])


def silence(span: Span, *, horizon_days: int) -> str:
    """A warning where the facts end long before ``as_of``; empty otherwise."""
    if span.last is None or span.quiet_days < horizon_days:
        return ""
    return (
        f"The last order known is of {span.last:%Y-%m-%d}, {span.quiet_days} days before "
        f"{span.as_of:%Y-%m-%d}: import what is missing, or retrain as of that day."
    )
