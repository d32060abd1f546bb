"""A table like a shop's, drawn at will, and ten ways in which it can drift."""

from collections.abc import Callable

import numpy as np
import pandas as pd

Rng = np.random.Generator
COUNTRIES = (["DE", "FR", "GB", "ES", "IT"], [0.35, 0.25, 0.2, 0.12, 0.08])


def customers(rng: Rng, n: int) -> pd.DataFrame:
    """Counts, amounts, shares full of zeros, missing gaps, a country and a score."""
    active = rng.random(n) < 0.6
    orders = rng.poisson(rng.gamma(2.0, 0.6, n)) * active
    spend = np.exp(rng.normal(4, 0.6, n))
    silent = rng.exponential(np.where(active, 40, 200))
    return pd.DataFrame(
        {
            "days_since_last_order": silent.astype("float32"),
            "orders_90d": orders,
            "revenue_90d": orders * spend,
            "mean_order_value": spend,
            "mean_gap_days": np.where(rng.random(n) < 0.3, np.nan, rng.gamma(3, 20, n)),
            "discount_share": np.where(rng.random(n) < 0.5, 0.0, rng.beta(2, 5, n)),
            "basket_size": 1 + rng.poisson(1.2, n),
            "rating": rng.normal(0, 1, n),
            "country": rng.choice(COUNTRIES[0], n, p=COUNTRIES[1]),
            "bought_once": (rng.random(n) < 0.35).astype(float),
            "orders_total": rng.geometric(0.2, n),
            "refund_share": np.where(rng.random(n) < 0.95, 0.0, rng.random(n)),
            "tenure_days": rng.uniform(0, 700, n),
            "churn_90d": 1 / (1 + np.exp(1.5 - silent / 60)),
        }
    )


def _two_sided(table: pd.DataFrame, rng: Rng) -> pd.Series:
    """The same mean and deviation, and nobody in the middle."""
    return np.sign(table["rating"]) * rng.normal(0.9, 0.436, len(table))


def _collapsed(table: pd.DataFrame, rng: Rng) -> pd.Series:
    """Everybody half-way to the mean: the score tells less apart."""
    return 0.5 * table["churn_90d"] + 0.5 * table["churn_90d"].mean()


MOVES: dict[str, tuple[str, Callable[[pd.DataFrame, Rng], pd.Series]]] = {
    "dearer by three tenths": ("mean_order_value", lambda t, r: t["mean_order_value"] * 1.3),
    "wider, the mean as it was": ("rating", lambda t, r: t["rating"] * 1.6),
    "more zeros": (
        "discount_share",
        lambda t, r: t["discount_share"].where(r.random(len(t)) < 0.7, 0.0),
    ),
    "a country vanishes": ("country", lambda t, r: t["country"].replace("IT", "DE")),
    "a season": ("orders_90d", lambda t, r: t["orders_90d"] + r.poisson(0.5, len(t))),
    "cents for euros": ("revenue_90d", lambda t, r: t["revenue_90d"] * 100),
    "more are missing": (
        "mean_gap_days",
        lambda t, r: t["mean_gap_days"].where(r.random(len(t)) < 0.75),
    ),
    "two-sided": ("rating", _two_sided),
    "one in a hundred a week, for a year": (
        "days_since_last_order",
        lambda t, r: t["days_since_last_order"] * 1.01**52,
    ),
    "a score collapses": ("churn_90d", _collapsed),
}
