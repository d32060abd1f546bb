"""Say how a feature is spread over the shop's customers, from some drawn at random."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.db.models import Max, Min

from customers.features import table
from customers.features.feature import Feature
from customers.models import Customer
from customers.services import frames
from rapport.errors import NotFound

DRAWN = 1_000  # customers
TRIED = 6_000  # numbers of customers; those of merged and erased ones draw nobody
BINS = 20
ENDS = (0.01, 0.99)  # what lies outside joins the first and the last bin
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
EVENTS_DAYS = 400  # features look back a year


@dataclass(frozen=True)
class Bin:
    """Customers whose value is at least ``least`` and below ``most``; the last includes it."""

    least: float
    most: float
    customers: int


@dataclass(frozen=True)
class Spread:
    """How one feature is spread over the customers drawn."""

    as_of: datetime
    customers: int  # drawn, with a purchase or an event
    missing: int  # of those, without a value
    quantiles: dict[str, float]  # "0.5" is the median; empty where nobody has a value
    bins: list[Bin]

    @property
    def known(self) -> int:
        return self.customers - self.missing


def named(name: str) -> Feature:
    """The feature of this name."""
    for feature in table.catalogue():
        if feature.name == name:
            return feature
    raise NotFound(f"There is no feature {name}.")


def spread(feature: Feature, *, now: datetime) -> Spread:
    """Draw customers and compute one feature of theirs, as of ``now``."""
    facts = frames.facts(
        known_at=now,
        customer_ids=_drawn(),
        with_events=True,  # whoever did something is among them, whatever is asked
        events_days=EVENTS_DAYS,
    )
    values = table.features(facts, now, names=[feature.name], who="seen")[feature.name]
    known = values.dropna().to_numpy(float)
    quantiles = np.quantile(known, QUANTILES) if known.size else []
    return Spread(
        as_of=now,
        customers=len(values),
        missing=len(values) - known.size,
        quantiles={str(at): float(value) for at, value in zip(QUANTILES, quantiles, strict=False)},
        bins=_bins(known, is_whole=feature.dtype == "int32"),
    )


def _bins(values: np.ndarray, *, is_whole: bool) -> list[Bin]:
    """About ``BINS`` bins with round edges; what lies beyond ``ENDS`` is in the outer ones."""
    if not values.size:
        return []
    least, most = np.quantile(values, ENDS)
    step = _round((most - least) / BINS, is_whole=is_whole)
    first = np.floor(least / step)
    last = max(np.floor(most / step), first) + 1
    edges = np.arange(first, last + 1) * step
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    pairs = zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), strict=True)
    return [Bin(*each) for each in pairs]


def _round(step: float, *, is_whole: bool) -> float:
    """1, 2 or 5 times a power of ten, at least ``step``; 1 where all values are one."""
    if step <= 0 or (is_whole and step <= 1):
        return 1.0
    power = 10.0 ** np.floor(np.log10(step))
    return float(next(times * power for times in (1, 2, 5, 10) if times * power >= step))


def _drawn() -> list[int]:
    """Customers by numbers drawn at random, the same each day: no table is read for it."""
    here = Customer.objects.filter(erased_at__isnull=True)
    ends = here.aggregate(first=Min("pk"), last=Max("pk"))
    if ends["first"] is None:
        return []
    span = ends["last"] - ends["first"] + 1
    if span <= TRIED:
        tried = np.arange(span)
    else:
        tried = np.random.default_rng(0).choice(span, TRIED, replace=False)
    found = set(here.filter(pk__in=(tried + ends["first"]).tolist()).values_list("pk", flat=True))
    order = np.random.default_rng(1).permutation(tried) + ends["first"]
    return [pk for pk in order.tolist() if pk in found][:DRAWN]
