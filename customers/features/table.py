"""The feature table: every declared feature of every customer, at one moment."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pandas as pd

from customers.features import (
    baskets,
    browsing,
    gaps,
    messages,
    opinions,
    rfm,
    seasons,
    tastes,
    windows,
)
from customers.features.facts import Facts
from customers.features.feature import Feature
from customers.features.seen import Seen
from customers.features.watched import Watched, Who

WATCHED = ("events", "reviews")  # the grounds of features that are computed from `Watched`
TOPICS = {
    "Recency, frequency and money": rfm.FEATURES,
    "Lately": windows.FEATURES,
    "Gaps between purchases": gaps.FEATURES,
    "Season and habits": seasons.FEATURES,
    "Baskets, discounts and refunds": baskets.FEATURES,
    "Categories and brands": tastes.FEATURES,
    "Browsing and carts": browsing.FEATURES,
    "Messages": messages.FEATURES,
    "Reviews": opinions.FEATURES,
}
CATALOGUE = tuple(feature for found in TOPICS.values() for feature in found)


def catalogue() -> tuple[Feature, ...]:
    """Every feature, in the order of the table's columns."""
    return CATALOGUE


def features(
    facts: Facts, as_of: datetime, *, names: Sequence[str] | None = None, who: Who = "buyers"
) -> pd.DataFrame:
    """Compute features of customers, as one would have on the moment ``as_of``.

    Facts count only where they happened before ``as_of`` *and* were recorded before it; a history
    that was imported later is declared with ``facts.backfilled()``.

    Parameters
    ----------
    facts : Facts
        As sorted by `customers.features.facts.facts`.
    as_of : datetime
        Timezone-aware. May lie before the last fact: one set of facts serves all snapshots.
    names : sequence of str, optional
        Only these, in this order; what is not asked for costs nothing. None is every feature
        that stands on facts which were loaded (``facts.held``).
    who : {"buyers", "seen"}
        Customers with a purchase by ``as_of``; or also those with an event in the
        ``LOOK_BACK_DAYS`` before it, who have 0 in counts and totals and NaN in the other
        features of purchases.

    Returns
    -------
    DataFrame of shape (n_customers, n_features), indexed by ``customer_id``, ascending
        One column for each feature, in its dtype. NaN only where a feature's meaning says so.

    Raises
    ------
    ValueError
        If ``as_of`` carries no time zone, a name is unknown, what it stands on was not loaded, or
        events were not loaded from far enough back.

    Notes
    -----
    O(n) for sorted facts; days are UTC days. Amounts are summed as whole ten-thousandths, so the
    result does not depend on the order of rows, nor on which other customers are in ``facts``.
    """
    wanted = _wanted(names, facts.held)
    seen = Seen(facts, as_of)
    if who == "buyers" and not any(feature.ground in WATCHED for feature in wanted):
        columns = {
            feature.name: np.asarray(feature.compute(seen)).astype(feature.dtype)
            for feature in wanted
        }
        customer_ids = seen.customer_ids
    else:
        watched = Watched(facts, seen, who)
        columns = {
            feature.name: _column(feature, seen, watched).astype(feature.dtype)
            for feature in wanted
        }
        customer_ids = watched.customer_ids
    return pd.DataFrame(columns, index=pd.Index(customer_ids, name="customer_id"), copy=False)


def _wanted(names: Sequence[str] | None, held: frozenset[str]) -> list[Feature]:
    if names is None:
        return [feature for feature in CATALOGUE if feature.ground in held]
    known = {feature.name: feature for feature in CATALOGUE}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"there is no feature {', '.join(unknown)}")
    wanted = [known[name] for name in names]
    for ground in {feature.ground for feature in wanted} - held:
        without = [feature.name for feature in wanted if feature.ground == ground]
        raise ValueError(f"{', '.join(without)} stand on {ground}, which these facts do not hold")
    return wanted


def _column(feature: Feature, seen: Seen, watched: Watched) -> np.ndarray:
    if feature.ground in WATCHED:
        return np.asarray(feature.compute(watched))
    values = np.asarray(feature.compute(seen)).astype(feature.dtype)
    return watched.of_buyers(values, 0 if feature.dtype == "int32" else feature.without)
