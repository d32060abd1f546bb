"""Does a probability of 0.3 come true three times in ten?"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from segments.evaluation.estimate import LEAST_N, Estimate, spread, unknown

Z = 1.959963984540054  # 97.5 % quantile of the standard normal


def reliability(y: ArrayLike, p: ArrayLike, *, bins: int = 10) -> pd.DataFrame:
    """Predicted against observed rates, in groups of about equal size by prediction.

    Parameters
    ----------
    y : array of shape (n,)
        What happened: 0 or 1.
    p : array of shape (n,)
        Predicted probabilities in [0, 1].
    bins : int
        Groups at most; equal predictions stay in one group, so there may be fewer.

    Returns
    -------
    DataFrame of shape (groups, 7), lowest predictions first
        ``low``, ``high`` : range of predictions; ``n`` : customers; ``expected`` : mean
        prediction; ``observed`` : rate; ``observed_low``, ``observed_high`` : its 95 % Wilson
        interval. No rows where there are no customers.

    Examples
    --------
    >>> reliability([0, 1, 0, 1], [0.1, 0.1, 0.9, 0.9], bins=2)[["n", "observed"]].values.tolist()
    [[2.0, 0.5], [2.0, 0.5]]
    """
    frame = pd.DataFrame({"y": np.asarray(y, float), "p": np.asarray(p, float)}).dropna()
    rank = frame["p"].rank(method="average", pct=True)
    frame["bin"] = np.minimum((rank * bins).to_numpy() * (1 - 1e-12), bins - 1).astype(int)
    groups = frame.groupby("bin")
    n, rate = groups.size(), groups["y"].mean()
    # Wilson (1927): unlike the normal interval it stays within 0 and 1 and never has width 0.
    middle = (rate + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * np.sqrt(rate * (1 - rate) / n + Z**2 / (4 * n**2))
    return pd.DataFrame(
        {
            "low": groups["p"].min(),
            "high": groups["p"].max(),
            "n": n,
            "expected": groups["p"].mean(),
            "observed": rate,
            "observed_low": middle - half,
            "observed_high": middle + half,
        }
    ).reset_index(drop=True)


def expected_calibration_error(
    y: ArrayLike, p: ArrayLike, *, bins: int = 10, seed: int = 0, resamples: int = 200
) -> Estimate:
    """Mean distance of predicted from observed rates over the reliability groups, by size.

    0 is perfect. It is biased upwards on small samples, where even a perfect model shows some
    distance by chance; the groups are those of the whole sample in every resample.

    Returns
    -------
    Estimate
        In [0, 1]; None with a note where n < 30 or predictions are missing.
    """
    truth, given = np.asarray(y, float).ravel(), np.asarray(p, float).ravel()
    if truth.size < LEAST_N:
        return unknown(truth.size, f"only {truth.size} customers, at least {LEAST_N} are needed")
    if not (np.isfinite(given).all() and np.isfinite(truth).all()):
        return unknown(truth.size, "some values are missing")
    edges = reliability(truth, given, bins=bins)["high"].to_numpy()
    group = np.minimum(np.searchsorted(edges, given), edges.size - 1)

    def error(rows: np.ndarray) -> float:
        gap = np.bincount(group[rows], given[rows] - truth[rows], minlength=edges.size)
        return float(np.abs(gap).sum() / rows.size)

    rng = np.random.default_rng(seed)
    draws = [error(rng.integers(0, truth.size, truth.size)) for _ in range(resamples)]
    return Estimate(error(np.arange(truth.size)), *spread(draws), truth.size)


def expected_and_observed(y: ArrayLike, p: ArrayLike, by: ArrayLike) -> pd.DataFrame:
    """What was predicted and what came, group by group: months, countries, segments.

    Parameters
    ----------
    y, p : arrays of shape (n,)
        Outcomes (0/1, counts or amounts) and predictions of the same unit.
    by : array of shape (n,)
        The group of each customer.

    Returns
    -------
    DataFrame indexed by group, sorted
        ``n``; ``expected`` and ``observed`` totals; ``ratio`` expected over observed, NaN where
        nothing was observed.
    """
    frame = pd.DataFrame(
        {"y": np.asarray(y, float), "p": np.asarray(p, float), "by": np.asarray(by)}
    )
    groups = frame.groupby("by")
    expected, observed = groups["p"].sum(), groups["y"].sum()
    ratio = expected / observed.where(observed != 0)
    return pd.DataFrame(
        {"n": groups.size(), "expected": expected, "observed": observed, "ratio": ratio}
    )
