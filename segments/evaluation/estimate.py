"""A figure with its interval, or the reason why there is none."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEAST_N = 30  # below it an interval says more about the method than about the shop
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """One figure computed from ``n`` customers.

    ``value`` is None where the figure is undefined, never NaN; ``note`` then says why.
    ``low`` and ``high`` bound the 95 % interval, or are None where there is none.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    note: str = ""

    @property
    def is_known(self) -> bool:
        return self.value is not None


def unknown(n: int, note: str) -> Estimate:
    """An estimate without a value, and the reason for it."""
    return Estimate(None, None, None, n, note)


def spread(draws: np.ndarray | Sequence[float]) -> tuple[float | None, float | None]:
    """The central 95 % of the finite draws; two None where fewer than two are finite."""
    finite = np.asarray(draws, dtype=float)
    finite = finite[np.isfinite(finite)]
    if finite.size < 2:
        return None, None
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(finite, [tail, 100 - tail])
    return float(low), float(high)
