"""The feature table: every declared feature of every customer, at one moment."""

from datetime import datetime

import numpy as np
import pandas as pd

from customers.features import baskets, rfm, windows
from customers.features.facts import Facts
from customers.features.feature import Feature
from customers.features.seen import Seen

CATALOGUE = rfm.FEATURES + windows.FEATURES + baskets.FEATURES


def catalogue() -> tuple[Feature, ...]:
    """Every feature, in the order of the table's columns."""
    return CATALOGUE


def features(facts: Facts, as_of: datetime) -> pd.DataFrame:
    """Compute all features of all customers, as one would have on the moment ``as_of``.

    Facts count only where they happened before ``as_of`` *and* were recorded before it; a history
    that was imported later is declared with ``facts.backfilled()``.

    Parameters
    ----------
    facts : Facts
        As sorted by `customers.features.facts.facts`.
    as_of : datetime
        Timezone-aware. May lie before the last fact: one set of facts serves all snapshots.

    Returns
    -------
    DataFrame of shape (n_customers, n_features), indexed by ``customer_id``, ascending
        One column for each of `catalogue`, in its dtype. Customers without a purchase by
        ``as_of`` have no row. NaN only where a feature's meaning says so.

    Raises
    ------
    ValueError
        If ``as_of`` carries no time zone.

    Notes
    -----
    O(n) for sorted facts; days are UTC days. Amounts are summed as whole ten-thousandths, so the
    result does not depend on the order of rows, nor on which other customers are in ``facts``.
    """
    seen = Seen(facts, as_of)
    columns = {
        feature.name: np.asarray(feature.compute(seen)).astype(feature.dtype)
        for feature in CATALOGUE
    }
    index = pd.Index(seen.customer_ids, name="customer_id")
    return pd.DataFrame(columns, index=index, copy=False)
