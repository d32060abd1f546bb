"""Weekly sums of the next weeks, many series at once: a seasonal baseline, and a damped trend."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd

from segments.estimators.columns import UnusableTable

YEAR_WEEKS = 52
SEASON_WEEKS = 60  # from here on last year says something of this one
RECENT_WEEKS = 4
HALF_LIFE_WEEKS = 3.0
GROWTH_WEEKS = 8
GROWTH_LIMITS = (0.5, 2.0)
OWN_INDEX_SALES = 50.0  # a week, at which a series counts as much as the sum of all in its index
LEVELS, TRENDS, DAMPING = (0.1, 0.2, 0.35, 0.5, 0.7), (0.0, 0.05, 0.15), 0.85


class SeasonalBaseline:
    """The same week of last year, moved by growth; before a year, the mean of the last weeks.

    Attributes
    ----------
    weeks_ : DataFrame of shape (n_weeks, n_series)
        What it was fitted on.

    Examples
    --------
    >>> weeks = pd.DataFrame({"all": [2.0, 4.0, 6.0, 8.0]})
    >>> SeasonalBaseline().fit(weeks).predict(2)["all"].tolist()
    [5.0, 5.0]
    """

    def fit(self, X: pd.DataFrame, y: None = None) -> "SeasonalBaseline":
        """Learn from weekly sums, oldest first, one column a series."""
        _check(X)
        self.weeks_ = X.astype(float)
        return self

    def predict(self, steps: int) -> pd.DataFrame:
        """The next ``steps`` weeks, at most 52, one row each; 0 is the first week to come."""
        weeks = self.weeks_
        recent = weeks.tail(RECENT_WEEKS).mean()
        found = pd.DataFrame([recent] * steps, index=range(steps))
        if len(weeks) < SEASON_WEEKS:
            return found
        now = weeks.tail(GROWTH_WEEKS).sum()
        then = weeks.iloc[-YEAR_WEEKS - GROWTH_WEEKS : -YEAR_WEEKS].sum()
        growth = (now / then.where(then > 0)).clip(*GROWTH_LIMITS)
        start = len(weeks) - YEAR_WEEKS
        year_ago = weeks.iloc[start : start + steps].reset_index(drop=True) * growth
        return year_ago.where(year_ago.notna(), found)


class PooledYear:
    """The weeks of last year, smoothed, moved by a growth that small series share.

    Before a year of history the level goes on: a mean that halves its weight in
    ``HALF_LIFE_WEEKS``.

    Attributes
    ----------
    weeks_ : DataFrame of shape (n_weeks, n_series)
    growth_ : Series
        Of each series over last year; 1 before a year.

    Notes
    -----
    A series counts with ``OWN_INDEX_SALES`` sales a week as much as the sum of all. The same week
    of one year alone carries its chance on: smoothed with its neighbours it carries half of it.

    Examples
    --------
    >>> weeks = pd.DataFrame({"all": [10.0] * 30})
    >>> PooledYear().fit(weeks).predict(2)["all"].round(6).tolist()
    [10.0, 10.0]
    """

    def fit(self, X: pd.DataFrame, y: None = None) -> "PooledYear":
        """As of `SeasonalBaseline`."""
        _check(X)
        self.weeks_ = X.astype(float)
        self.growth_ = pd.Series(1.0, index=X.columns)
        if len(X) < SEASON_WEEKS:
            return self
        values = self.weeks_.to_numpy()
        now = values[-GROWTH_WEEKS:].sum(axis=0)
        then = values[-YEAR_WEEKS - GROWTH_WEEKS : -YEAR_WEEKS].sum(axis=0)
        common = np.clip(now.sum() / max(then.sum(), 1e-9), *GROWTH_LIMITS)
        own = np.divide(now, then, out=np.full(now.shape, common), where=then > 0)
        sales = values[-YEAR_WEEKS:].mean(axis=0)
        weight = sales / (sales + OWN_INDEX_SALES)
        logs = weight * np.log(np.clip(own, *GROWTH_LIMITS)) + (1 - weight) * np.log(common)
        self.growth_ = pd.Series(np.exp(logs), index=X.columns)
        return self

    def predict(self, steps: int) -> pd.DataFrame:
        """As of `SeasonalBaseline`."""
        values = self.weeks_.to_numpy()
        columns = self.weeks_.columns
        if len(values) < SEASON_WEEKS:
            age = np.arange(len(values))[::-1]
            weight = 0.5 ** (age / HALF_LIFE_WEEKS)
            level = weight @ values / weight.sum()
            return pd.DataFrame(np.tile(level, (steps, 1)), index=range(steps), columns=columns)
        here = len(values) - YEAR_WEEKS + np.arange(steps)
        smooth = (values[here - 1] + 2 * values[here] + values[here + 1]) / 4
        found = smooth * self.growth_.to_numpy()
        return pd.DataFrame(found, index=range(steps), columns=columns)


class DampedTrend:
    """Exponential smoothing with a damped trend, with or without an index of the year [1]_.

    The index of a series is drawn towards that of the sum of all, the more the less it sells.

    Parameters
    ----------
    by_season : bool, default=True
        Whether to take the index of the year out before, and put it back after; needs
        ``SEASON_WEEKS`` weeks, and is left out with fewer.

    Attributes
    ----------
    level_, trend_ : Series
        Of each series at its end, without the season.
    index_ : DataFrame of shape (52, n_series)
        What each week of the year is, in units of the level; the first row is the week to come.

    References
    ----------
    .. [1] Gardner & McKenzie (1985). Forecasting Trends in Time Series. Management Science
       31(10), 1237-1246.

    Examples
    --------
    >>> weeks = pd.DataFrame({"all": [10.0] * 30})
    >>> DampedTrend().fit(weeks).predict(2)["all"].round(6).tolist()
    [10.0, 10.0]
    """

    def __init__(self, *, by_season: bool = True) -> None:
        self.by_season = by_season

    def fit(self, X: pd.DataFrame, y: None = None) -> "DampedTrend":
        """As of `SeasonalBaseline`; smoothing is chosen by the error of one step ahead."""
        _check(X)
        values = X.to_numpy(dtype=float)
        index = np.ones((YEAR_WEEKS, values.shape[1]))
        if self.by_season and len(values) >= SEASON_WEEKS:
            index = _year(values)
        self.index_ = pd.DataFrame(index, columns=X.columns)
        place = (np.arange(len(values)) - len(values)) % YEAR_WEEKS
        level, trend = _smoothed(values / index[place])
        self.level_ = pd.Series(level, index=X.columns)
        self.trend_ = pd.Series(trend, index=X.columns)
        return self

    def predict(self, steps: int) -> pd.DataFrame:
        """As of `SeasonalBaseline`."""
        damped = np.cumsum(DAMPING ** np.arange(1, steps + 1))[:, None]
        plain = np.maximum(self.level_.to_numpy() + damped * self.trend_.to_numpy(), 0.0)
        found = plain * self.index_.to_numpy()[np.arange(steps) % YEAR_WEEKS]
        return pd.DataFrame(found, index=range(steps), columns=self.level_.index)


def _check(X: pd.DataFrame) -> None:
    if len(X) < RECENT_WEEKS:
        raise UnusableTable(f"{len(X)} weeks, at least {RECENT_WEEKS} are needed")
    if X.isna().to_numpy().any() or (X.to_numpy(dtype=float) < 0).any():
        raise UnusableTable("weekly sums are missing or below 0")


def _year(values: np.ndarray) -> np.ndarray:
    """Each week of the year over its surroundings of a year, shape (52, series)."""
    own = _index(values)
    common = _index(values.sum(axis=1, keepdims=True))
    sales = values[-YEAR_WEEKS:].mean(axis=0)
    weight = sales / (sales + OWN_INDEX_SALES)
    mixed = np.exp(weight * np.log(own) + (1 - weight) * np.log(common))
    return mixed / mixed.mean(axis=0)


def _index(values: np.ndarray) -> np.ndarray:
    n, half = len(values), YEAR_WEEKS // 2
    sums = np.vstack([np.zeros(values.shape[1]), np.cumsum(values, axis=0)])
    # A whole year around each week; at the ends the nearest whole year.
    start = np.clip(np.arange(n) - half, 0, n - YEAR_WEEKS)
    level = (sums[start + YEAR_WEEKS] - sums[start]) / YEAR_WEEKS
    ratio = np.divide(values, level, out=np.ones_like(values), where=level > 0)
    place = (np.arange(n) - n) % YEAR_WEEKS
    found = np.vstack([ratio[place == week].mean(axis=0) for week in range(YEAR_WEEKS)])
    smooth = (np.roll(found, 1, axis=0) + 2 * found + np.roll(found, -1, axis=0)) / 4
    return np.clip(smooth, 0.1, 10.0)


def _smoothed(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Level and trend at the end of each series, by its best pair of constants."""
    pairs = list(product(LEVELS, TRENDS))
    alpha, beta = (np.array(each)[:, None] for each in zip(*pairs, strict=True))
    start = values[: min(8, len(values))].mean(axis=0)
    level = np.tile(start, (len(pairs), 1))
    trend = np.zeros_like(level)
    error = np.zeros_like(level)
    for week in values:
        expected = level + DAMPING * trend
        missed = week - expected
        error += missed**2
        level = expected + alpha * missed
        trend = DAMPING * trend + beta * missed
    best, series = error.argmin(axis=0), np.arange(values.shape[1])
    return level[best, series], trend[best, series]


METHODS: dict[str, Sequence] = {
    "seasonal baseline": (SeasonalBaseline, {}),
    "last year, pooled": (PooledYear, {}),
    "damped trend": (DampedTrend, {"by_season": False}),
    "damped trend × index of the year": (DampedTrend, {"by_season": True}),
}
