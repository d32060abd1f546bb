"""Recency, frequency and monetary value, in both meanings that the field gives them.

BG/NBD and its kin: repeat purchases, day by day, with a clock that starts at the first purchase.
Segmentation: days since the last order, number of orders, money; and their quintiles.
"""

from datetime import datetime

import numpy as np
import pandas as pd

from customers.features.facts import SALE, facts
from customers.features.feature import Feature
from customers.features.seen import DAY, Seen, divide

GROUPS = ("Champions", "Loyal", "Recent", "Needs attention", "At risk", "Inactive")


def _frequency(seen: Seen) -> np.ndarray:
    return seen.purchase_days - 1


def _recency(seen: Seen) -> np.ndarray:
    return seen.last // DAY - seen.first // DAY


def _age(seen: Seen) -> np.ndarray:
    return seen.as_of // DAY - seen.first // DAY


def _monetary(seen: Seen) -> np.ndarray:
    return divide(seen.gross - seen.first_day_gross, _frequency(seen).astype(float))


FADER_HARDIE = (
    Feature("frequency", "count", "purchase days", "Days with a purchase after the first such day.",
            _frequency, dtype="int32"),
    Feature("recency", "days", "days", "Days from the first to the last purchase day.", _recency),
    Feature("age", "days", "days", "Days from the first purchase day to this day.", _age),
    Feature("monetary", "money", "the shop's currency",
            "Mean amount of a repeat purchase day; missing where nothing was repeated.",
            _monetary, dtype="float64"),
)  # fmt: skip
SEGMENTATION = (
    Feature("days_since_last_order", "days", "days", "Days since the last purchase.",
            lambda seen: (seen.as_of - seen.last) / DAY),
    Feature("orders_total", "count", "orders", "Purchases ever.",
            lambda seen: seen.orders, dtype="int32"),
    Feature("revenue_total", "money", "the shop's currency",
            "Paid for purchases ever, refunds taken off; below 0 if more was given back.",
            lambda seen: seen.gross - seen.documents_since(None), dtype="float64", without=0.0),
    Feature("mean_order_value", "money", "the shop's currency",
            "Mean amount of a purchase, refunds not taken off.",
            lambda seen: seen.gross / seen.orders, dtype="float64"),
)  # fmt: skip
FEATURES = FADER_HARDIE + SEGMENTATION


def rfm(orders: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
    """Summarise the purchases each customer had made by ``as_of``, as BG/NBD counts them [1]_.

    The first purchase only starts the clock, and several purchases on one UTC day are one.

    Parameters
    ----------
    orders : DataFrame of shape (n_orders, 3 or more)
        ``customer_id``, integer; ``placed_at``, timezone-aware; ``amount`` in the shop's
        currency. Optional: ``recorded_at``, timezone-aware, ``placed_at`` where absent; ``kind``,
        of which only *sale* counts.
    as_of : datetime
        Timezone-aware. Orders placed or recorded at or after it are not seen.

    Returns
    -------
    DataFrame of shape (n_customers, 4), indexed by ``customer_id``, ascending
        ``frequency`` : repeat purchase days, 0 or more.
        ``recency`` : days from the first to the last purchase day.
        ``age`` : days from the first purchase day to ``as_of`` (``T`` in [1]_).
        ``monetary`` : mean amount of a repeat purchase day; NaN where ``frequency`` is 0.

    Raises
    ------
    ValueError
        If a moment carries no time zone, or a column is missing.

    References
    ----------
    .. [1] Fader, Hardie & Lee (2005). "Counting Your Customers" the Easy Way.
       Marketing Science 24(2), 275-284.

    Examples
    --------
    >>> day = lambda d: pd.Timestamp(2024, 1, d, 12, tz="UTC")
    >>> orders = pd.DataFrame({"customer_id": [7, 7, 7], "placed_at": [day(1), day(4), day(4)],
    ...                        "amount": [50.0, 10.0, 20.0]})
    >>> rfm(orders, day(11)).loc[7].tolist()
    [1.0, 3.0, 10.0, 30.0]
    """
    rows = orders.assign(order_id=np.arange(len(orders)), discount=0.0)
    if "recorded_at" not in rows:
        rows["recorded_at"] = rows["placed_at"]
    if "kind" not in rows:
        rows["kind"] = SALE
    seen = Seen(facts(rows), as_of)
    return pd.DataFrame(
        {
            feature.name: np.asarray(feature.compute(seen)).astype("float64")
            for feature in FADER_HARDIE
        },
        index=pd.Index(seen.customer_ids, name="customer_id"),
    )


def quintiles(table: pd.DataFrame) -> pd.DataFrame:
    """Score each customer 1 to 5 on recency, frequency and money, among the customers given.

    Parameters
    ----------
    table : DataFrame
        With ``days_since_last_order``, ``orders_total`` and ``revenue_total``.

    Returns
    -------
    DataFrame of shape (n_customers, 3), same index
        ``recency_score``, ``frequency_score``, ``money_score``: 5 is the best fifth. Equal values
        share one score, so a fifth may be larger or empty: where most bought once, most have the
        same frequency score.

    Notes
    -----
    Unlike features these depend on who else is in the table.
    """
    return pd.DataFrame(
        {
            "recency_score": _fifth(-table["days_since_last_order"]),
            "frequency_score": _fifth(table["orders_total"]),
            "money_score": _fifth(table["revenue_total"]),
        },
        index=table.index,
    )


def rfm_groups(scores: pd.DataFrame) -> pd.Series:
    """Name the six RFM groups of the field from the scores of `quintiles`.

    How recent decides across, how often and how much (their mean) decides up and down.

    Returns
    -------
    Series of str, same index
        One of ``GROUPS``.

    Examples
    --------
    >>> scores = pd.DataFrame({"recency_score": [5, 5, 1], "frequency_score": [5, 1, 4],
    ...                        "money_score": [4, 2, 5]})
    >>> rfm_groups(scores).tolist()
    ['Champions', 'Recent', 'At risk']
    """
    recent = scores["recency_score"]
    worth = (scores["frequency_score"] + scores["money_score"]) / 2
    conditions = [
        (recent >= 4) & (worth >= 4),
        (recent >= 3) & (worth >= 3),
        recent >= 4,
        recent == 3,
        worth >= 3,
    ]
    return pd.Series(np.select(conditions, GROUPS[:5], GROUPS[5]), index=scores.index, name="group")


def _fifth(values: pd.Series) -> pd.Series:
    """1 to 5 by average rank, the highest values 5."""
    share = (values.rank(method="average") - 0.5) / max(len(values), 1)
    return (share * 5).astype(int).clip(0, 4) + 1
