"""The pace of a customer: how far purchase days lie apart, how evenly, and whether they slow."""

import numpy as np

from customers.features.feature import Feature
from customers.features.seen import DAY, Seen, divide


def _span(seen: Seen) -> np.ndarray:
    return (seen.last // DAY - seen.first // DAY).astype(float)


def _mean(seen: Seen) -> np.ndarray:
    return divide(_span(seen), seen.purchase_days - 1.0)


def _deviation(seen: Seen) -> np.ndarray:
    gaps = seen.purchase_days - 1
    # Whole numbers throughout: no rounding where all gaps are equal.
    above = gaps * seen.summed(seen.gaps**2) - (seen.last // DAY - seen.first // DAY) ** 2
    return np.sqrt(divide(above.astype(float), (gaps * (gaps - 1)).astype(float)))


def _last(seen: Seen) -> np.ndarray:
    found = np.full(seen.size, np.nan)
    rows = np.flatnonzero(seen.gaps)
    found[np.repeat(np.arange(seen.size), seen.orders)[rows]] = seen.gaps[rows]  # the last stays
    return found


def _trend(seen: Seen) -> np.ndarray:
    last, gaps = _last(seen), seen.purchase_days - 1.0
    return divide(last * (gaps - 1), np.where(gaps > 1, _span(seen) - last, 0.0))


FEATURES = (
    Feature("mean_gap_days", "days", "days",
            "Mean days between purchase days; missing where there is only one.", _mean),
    Feature("gap_sd_days", "days", "days",
            "Standard deviation of the days between purchase days; missing below three of them.",
            _deviation),
    Feature("last_gap_days", "days", "days",
            "Days between the last two purchase days; missing where there is only one.", _last),
    Feature("gap_trend", "ratio", "1 is unchanged",
            "The last gap over the mean of those before it, above 1 is slower; missing below three "
            "purchase days.", _trend),
)  # fmt: skip
