"""How far what happens lies from what was expected, and expectations brought to their totals."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from segments.estimators.clv import ShrunkenValue

LEAST_ROWS = 200  # customers in a bin; of fewer the tails are noise
MOST_BINS = 25
LONG_DAYS = 180  # horizons from here on take the factors and spreads of the long one
CURVE_DAYS = (
    5.0, 10.0, 20.0, 30.0, 45.0, 60.0, 75.0, 90.0, 110.0, 135.0, 160.0, 179.0, 210.0, 240.0, 300.0,
    365.0, 430.0, 500.0, 600.0, 730.0,
)  # fmt: skip
LAST_DAYS = CURVE_DAYS[-1]
SMALLEST_EXPECTED = 1e-9
AT_LEAST = ["orders", "value", "high", "orders_high"]  # of a longer horizon


class OutcomeSpread:
    """Intervals of single outcomes around their expectations, by split conformal prediction [1]_.

    Customers are binned by how many orders are expected of them. Within a bin, the quotient of
    outcome and expectation has the same quantiles for the customers to come as for those seen.

    Parameters
    ----------
    stated : float, default=0.8
        Part of the outcomes that intervals shall hold, in (0, 1).

    Attributes
    ----------
    edges_ : array of shape (bins - 1,)
        Expected orders between neighbouring bins.
    low_, high_ : arrays of shape (bins,)
        Quotients that bound the interval. Both 0 where nothing comes more often than ``stated``.

    Notes
    -----
    Where nothing comes more often than 1 in 10, nothing is the lower bound, and the upper one
    alone leaves out what is not covered. Where nothing comes more often than ``stated``, the
    interval is nothing: it then covers more than stated, and no interval covers less.

    References
    ----------
    .. [1] Vovk, Gammerman & Shafer (2005). Algorithmic Learning in a Random World. Springer.
       (Mondrian conformal predictors: a guarantee in each bin.)

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> expected = pd.Series(rng.uniform(0, 9, 5_000))
    >>> spread = OutcomeSpread().fit(expected, expected, rng.poisson(expected))
    >>> low, high = spread.interval(expected, expected)
    >>> bool((low <= expected).mean() > 0.9)
    True
    """

    def __init__(self, *, stated: float = 0.8) -> None:
        self.stated = stated

    def fit(
        self,
        orders: pd.Series | np.ndarray,
        expected: pd.Series | np.ndarray,
        actual: pd.Series | np.ndarray,
    ) -> "OutcomeSpread":
        """Learn from expected orders, and the expectation and outcome of any amount, each (n,)."""
        by, given, came = (np.asarray(each, dtype=float) for each in (orders, expected, actual))
        bins = int(np.clip(by.size // LEAST_ROWS, 1, MOST_BINS))
        self.edges_ = np.unique(np.quantile(by, np.arange(1, bins) / bins)) if by.size else by
        quotient = np.maximum(came, 0.0) / np.maximum(given, SMALLEST_EXPECTED)
        place = np.searchsorted(self.edges_, by, side="right")
        bounds = [self._bounds(quotient[place == one]) for one in range(self.edges_.size + 1)]
        self.low_, self.high_ = np.array(bounds).T
        return self

    def interval(
        self, orders: pd.Series | np.ndarray, expected: pd.Series
    ) -> tuple[pd.Series, pd.Series]:
        """The bounds for each expectation, indexed as it is."""
        place = np.searchsorted(self.edges_, np.asarray(orders, dtype=float), side="right")
        given = np.maximum(expected, SMALLEST_EXPECTED)
        return given * self.low_[place], given * self.high_[place]

    def _bounds(self, quotient: np.ndarray) -> tuple[float, float]:
        tail = (1 - self.stated) / 2
        if not quotient.size:
            return 0.0, 0.0
        nothing = float((quotient <= 0).mean())
        if nothing >= self.stated:
            return 0.0, 0.0
        ordered, n = np.sort(quotient), quotient.size
        if nothing >= tail:
            return 0.0, float(ordered[min(_rank(self.stated, n), n) - 1])
        low = ordered[max(n + 1 - _rank(1 - tail, n), 1) - 1]
        return float(low), float(ordered[min(_rank(1 - tail, n), n) - 1])


def _rank(share: float, n: int) -> int:
    """Which of n in order bounds this share of those to come; 1e-9 is for 0.9 · 20 being 18."""
    return int(np.ceil(share * (n + 1) - 1e-9))


class CalibratedValue:
    """A value model brought to the totals that came, with intervals for single customers.

    It learns nothing itself: the factors and spreads are measured on splits that are over.

    Parameters
    ----------
    model : CustomerValue, BoostedValue or ShrunkenValue, fitted
    factors : dict from "short" and "long" to (factor of orders, factor of spend)
        Missing ones are 1. Long horizons begin at ``LONG_DAYS``.
    spreads : dict from "short" and "long" to (OutcomeSpread of orders, of value)
        The long one stands in for a missing short one, and the other way round; without any
        there are no intervals.
    bands : (float, float), optional
        Values of the long horizon from which a customer is *medium*, and *high*.
    pace : ShrunkenValue, optional
        What customers bring while they stay.

    Examples
    --------
    >>> from segments.estimators.clv import ShrunkenValue
    >>> X = pd.DataFrame({"frequency": [3, 0], "age": [100, 100], "purchases": [4, 1],
    ...                   "mean_spend": [20.0, 10.0]})
    >>> model = CalibratedValue(ShrunkenValue().fit(X), factors={"short": (2.0, 1.0)})
    >>> model.predict(X, horizon_days=100)["orders"].round(2).tolist()
    [4.8, 1.2]
    """

    def __init__(
        self,
        model: Any,
        *,
        factors: Mapping[str, tuple[float, float]] | None = None,
        spreads: Mapping[str, tuple[OutcomeSpread, OutcomeSpread]] | None = None,
        bands: tuple[float, float] | None = None,
        pace: ShrunkenValue | None = None,
    ) -> None:
        self.model = model
        self.factors = dict(factors or {})
        self.spreads = dict(spreads or {})
        self.bands = bands
        self.pace = pace

    def predict(self, X: pd.DataFrame, *, horizon_days: float) -> pd.DataFrame:
        """As of the model, and ``low`` and ``high`` of the value, ``orders_low`` and
        ``orders_high``: NaN where no spread was measured.
        """
        orders = self.model.expected_orders(X, horizons_days=[horizon_days])[horizon_days]
        return self._amounts(orders, self.model.expected_spend(X), horizon_days)

    def outlook(
        self, X: pd.DataFrame, *, horizons_days: Sequence[float], orders: Sequence[float]
    ) -> tuple[dict[float, pd.DataFrame], pd.DataFrame]:
        """What is expected of several horizons at once, and when so many orders are.

        Parameters
        ----------
        X : DataFrame indexed by customer
        horizons_days : sequence of float
            Ascending. A longer one never expects less than a shorter one.
        orders : sequence of float
            Levels of expected purchase days, above 0.

        Returns
        -------
        dict from horizon to DataFrame
            As of `predict`.
        DataFrame with one column a level
            Days until so many purchase days are expected, NaN where that is not within
            ``LAST_DAYS``. Between the days of ``CURVE_DAYS`` the expectation grows evenly.
        """
        days = sorted({*CURVE_DAYS, *map(float, horizons_days)})
        raw = self.model.expected_orders(X, horizons_days=days)
        spend = self.model.expected_spend(X)
        found: dict[float, pd.DataFrame] = {}
        before = None
        for horizon in horizons_days:
            here = self._amounts(raw[float(horizon)], spend, horizon)
            if before is not None:
                here[AT_LEAST] = np.maximum(here[AT_LEAST], before[AT_LEAST])
            found[horizon] = before = here
        factors = [self.factors.get(_length(each), (1.0, 1.0))[0] for each in days]
        curve = np.maximum.accumulate(raw.to_numpy() * np.array(factors), axis=1)
        when = {level: _crossing(np.array(days), curve, level) for level in orders}
        return found, pd.DataFrame(when, index=X.index)

    def _amounts(self, raw: pd.Series, spend: pd.Series, horizon_days: float) -> pd.DataFrame:
        of_orders, of_spend = self.factors.get(_length(horizon_days), (1.0, 1.0))
        orders, spend = raw * of_orders, spend * of_spend
        found = pd.DataFrame({"orders": orders, "spend": spend, "value": orders * spend})
        spreads = self.spreads.get(_length(horizon_days)) or next(iter(self.spreads.values()), None)
        if spreads is None:
            return found.assign(low=np.nan, high=np.nan, orders_low=np.nan, orders_high=np.nan)
        low, high = spreads[1].interval(orders, found["value"])
        orders_low, orders_high = spreads[0].interval(orders, orders)
        return found.assign(low=low, high=high, orders_low=orders_low, orders_high=orders_high)


def _length(horizon_days: float) -> str:
    return "long" if horizon_days >= LONG_DAYS else "short"


def _crossing(days: np.ndarray, curve: np.ndarray, level: float) -> np.ndarray:
    """Where each row's curve over ``days`` first reaches the level; it starts at 0."""
    days = np.r_[0.0, days]
    curve = np.column_stack([np.zeros(len(curve)), curve])
    after = np.minimum((curve < level).sum(axis=1), len(days) - 1)
    rows = np.arange(len(curve))
    start, end = curve[rows, after - 1], curve[rows, after]
    part = np.divide(level - start, end - start, out=np.ones(len(curve)), where=end > start)
    found = days[after - 1] + part * (days[after] - days[after - 1])
    return np.where(curve[:, -1] >= level, found, np.nan)
