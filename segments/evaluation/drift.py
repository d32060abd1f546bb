"""Have the customers, or their scores, moved away from those that a model was trained on?

Fixed cut-offs of the population stability index (PSI) do not travel: between two samples of 100 of
the same customers it lies above 0.1 more often than not.  So the threshold of each column comes
from what chance does at its own bins and sample sizes.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from segments.evaluation.estimate import LEAST_N

BINS = 10
FEW_BINS = 5  # of fewer customers than ``BINS_FROM``: full bins see more than narrow ones
BINS_FROM = 500
FEW_VALUES = 12  # columns with so few different values get a bin for each that is not too small
LEAST_BIN = 5  # customers in a bin at training
FALSE_ALARMS = 0.005  # chance of any alarm in one check of columns that have not moved
LEAST_PSI = 0.01  # with many customers a smaller move is sure too, and moves no score
DRAWS = 20_000  # of the simulated null
ENOUGH = 50  # expected in the emptiest bin: from there the null is chi-square to a tenth
HALF = 0.5  # added to each count, so that an empty bin has a logarithm
OTHER, MISSING = "others", "missing"

# They grow because the shop grows older, whatever its customers do.
BY_CONSTRUCTION = ("age", "recency", "tenure_days")


@dataclass(frozen=True)
class Drift:
    """How one column stands against its reference.

    ``statistic`` is the PSI and ``threshold`` what it must exceed to be no chance; both None where
    nothing can be said, and ``words`` tell why.
    """

    name: str
    statistic: float | None
    threshold: float | None
    n_reference: int
    n_now: int
    is_alarm: bool
    words: str
    detail: dict[str, Any] = field(default_factory=dict)


def reference(table: pd.DataFrame) -> dict[str, Any]:
    """What is kept of a training table to compare later ones with: counts, and nobody's data.

    Parameters
    ----------
    table : DataFrame of shape (n, columns)
        Numbers are counted between their own tenths, ties together; texts and categories each by
        themselves.

    Returns
    -------
    dict, ready for JSON
        For each column ``n``, ``counts``, and either ``cuts`` (bin ``i`` ends at and with
        ``cuts[i]``, the last has no end) or ``values`` (the last bin is of all others). One more
        count is of the missing.

    Examples
    --------
    >>> reference(pd.DataFrame({"orders": [0, 0, 0, 1, 2, 2] * 10}))["orders"]
    {'n': 60, 'cuts': [0.0, 1.0], 'counts': [30, 10, 20, 0]}
    """
    found = {}
    for name in table.columns:
        column = table[name]
        if _is_number(column):
            numbers = column.to_numpy(float)
            kept: dict[str, Any] = {"cuts": _cuts(numbers[~np.isnan(numbers)])}
        else:
            sizes = column.astype(object).dropna().value_counts()
            often = sizes[sizes >= LEAST_BIN].index[: 2 * FEW_VALUES]
            kept = {"values": sorted(str(value) for value in often)}
        found[str(name)] = {"n": len(column), **kept, "counts": _counts(column, kept).tolist()}
    return found


def drift(
    kept: dict[str, Any],
    table: pd.DataFrame,
    *,
    excluded: Collection[str] = BY_CONSTRUCTION,
    seed: int = 0,
) -> list[Drift]:
    """Compare a table with the reference of an earlier one, column by column.

    Parameters
    ----------
    kept : dict
        As of `reference`.
    table : DataFrame
        Customers now, in any order.
    excluded : names
        Columns that move by construction; they are told and never alarm.
    seed : int
        Of the simulated null.

    Returns
    -------
    list of Drift, in the order of ``kept``
        Where nothing has moved, at most ``FALSE_ALARMS`` of such lists hold an alarm: levels are
        those of Holm's method over the columns that may alarm.

    Notes
    -----
    Given the bins, how many of m customers fall in each is multinomial with probabilities that n
    reference customers have told only so well: Dirichlet with their counts. For bins between the
    order statistics of a continuous column that is exact [1]_. Where every bin is full the PSI
    over ``1/n + 1/m`` is chi-square with one degree less than bins [2]_; below that it is drawn.
    Customers who are in both tables make the check more careful, not less.

    References
    ----------
    .. [1] Wilks (1941). Determination of sample sizes for setting tolerance limits. Annals of
       Mathematical Statistics 12(1), 91-96.
    .. [2] Yurdakul & Naranjo (2020). Statistical properties of the population stability index.
       Journal of Risk Model Validation 14(4).
    """
    judged: list[tuple[str, _Compared]] = []
    found: dict[str, Drift] = {}
    for name, counted in kept.items():
        n, m = int(counted["n"]), len(table)
        if name not in table:
            found[name] = _unsaid(name, n, 0, f"{name} is not computed any more.")
        elif min(n, m) < LEAST_N:
            words = f"{name} is not compared: {min(n, m)} customers, at least {LEAST_N} are needed."
            found[name] = _unsaid(name, n, m, words)
        else:
            before = np.asarray(counted["counts"], dtype=np.int64)
            compared = _Compared(before, _counts(table[name], counted), seed=seed)
            if name in excluded:
                found[name] = _told(name, counted, compared, None)
            else:
                judged.append((name, compared))
    levels = _holm_levels(np.array([compared.p_value for _, compared in judged]))
    for (name, compared), level in zip(judged, levels, strict=True):
        threshold = max(compared.threshold(float(level)), LEAST_PSI)
        found[name] = _told(name, kept[name], compared, threshold)
    return [found[name] for name in kept]


def psi(before: np.ndarray, now: np.ndarray) -> np.ndarray:
    """Population stability index of counts, over the last axis; half a customer in every bin.

    Examples
    --------
    >>> round(float(psi(np.array([500, 500]), np.array([600, 400]))), 4)
    0.0405
    """
    p, q = before + HALF, now + HALF
    p, q = p / p.sum(axis=-1, keepdims=True), q / q.sum(axis=-1, keepdims=True)
    return ((q - p) * np.log(q / p)).sum(axis=-1)


class _Compared:
    """Two counts of the same bins, and what chance would make of them."""

    def __init__(self, before: np.ndarray, now: np.ndarray, *, seed: int) -> None:
        there = (before + now) > 0  # a bin that nobody is in says nothing
        self.before, self.now = before, now
        self.n, self.m = int(before.sum()), int(now.sum())
        self.psi = float(psi(before[there], now[there]))
        self.bins = int(there.sum())
        least = before[there].min() / self.n * min(self.n, self.m)
        self._draws = None
        if self.bins > 1 and least < ENOUGH:
            self._draws = _null(tuple(before[there].tolist()), self.m, seed)

    @property
    def p_value(self) -> float:
        if self.bins < 2:
            return 1.0
        if self._draws is None:
            return float(stats.chi2.sf(self.psi / (1 / self.n + 1 / self.m), self.bins - 1))
        above = DRAWS - np.searchsorted(self._draws, self.psi, side="left")
        return float((1 + above) / (1 + DRAWS))

    def threshold(self, level: float) -> float:
        """The PSI that chance exceeds in so many of all cases."""
        if self.bins < 2:
            return 0.0
        if self._draws is None:
            return float(stats.chi2.isf(level, self.bins - 1) * (1 / self.n + 1 / self.m))
        above = max(int(level * (1 + DRAWS)) - 1, 0)  # the largest count with a small p-value
        return float(self._draws[DRAWS - 1 - above])


@lru_cache(maxsize=512)
def _null(before: tuple[int, ...], m: int, seed: int) -> np.ndarray:
    """PSI of m customers who have not moved, sorted; bins between tenths share one answer."""
    rng = np.random.default_rng(seed)
    counts = np.array(before)
    shares = rng.dirichlet(counts + HALF, size=DRAWS)
    return np.sort(psi(counts, rng.multinomial(m, shares)))


def _holm_levels(p_values: np.ndarray) -> np.ndarray:
    """The level at which each column is judged: Holm's, which stop falling at the first failure."""
    k = p_values.size
    order = np.argsort(p_values, kind="stable")
    levels = FALSE_ALARMS / (k - np.arange(k))
    failed = np.flatnonzero(p_values[order] > levels)
    if failed.size:
        levels[failed[0] :] = levels[failed[0]]
    found = np.empty(k)
    found[order] = levels
    return found


def _is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column)


def _cuts(numbers: np.ndarray) -> list[float]:
    """Upper ends of all bins but the last; none of the bins is nearly empty."""
    if not numbers.size:
        return []
    ordered = np.sort(numbers)
    ends = np.unique(ordered)
    if ends.size == 1:  # a constant may move either way
        return [float(np.nextafter(ends[0], -np.inf)), float(ends[0])]
    if ends.size > FEW_VALUES:
        bins = BINS if numbers.size >= BINS_FROM else FEW_BINS
        ends = np.unique(np.quantile(ordered, np.arange(1, bins) / bins, method="inverted_cdf"))
    cuts: list[float] = []
    taken = 0
    for end, below in zip(ends, np.searchsorted(ordered, ends, side="right"), strict=True):
        if below - taken >= LEAST_BIN and numbers.size - below >= LEAST_BIN:
            cuts.append(float(end))
            taken = below
    return cuts


def _counts(column: pd.Series, kept: dict[str, Any]) -> np.ndarray:
    """Customers in each bin, the missing last."""
    if "cuts" in kept:
        numbers = pd.to_numeric(column, errors="coerce").to_numpy(float)
        is_missing = np.isnan(numbers)
        # Stored as float64, compared as such: a float32 column is widened first.
        place = np.searchsorted(np.asarray(kept["cuts"], float), numbers[~is_missing], side="left")
        bins = len(kept["cuts"]) + 1
    else:
        is_missing = column.isna().to_numpy()
        known = {value: at for at, value in enumerate(kept["values"])}
        texts = column[~is_missing].astype(str)
        place = texts.map(known).fillna(len(known)).to_numpy(int)
        bins = len(known) + 1
    return np.append(np.bincount(place, minlength=bins), is_missing.sum())


def _unsaid(name: str, n: int, m: int, words: str) -> Drift:
    return Drift(name, None, None, n, m, False, words)


def _told(
    name: str, counted: dict[str, Any], compared: _Compared, threshold: float | None
) -> Drift:
    n, m = compared.n, compared.m
    bins = _bins(counted, compared)
    sizes = f"n = {n:,} at training, {m:,} now"
    is_alarm = threshold is not None and compared.psi > threshold
    if threshold is None:
        words = f"{name} moves as the shop grows older, so it never alarms ({sizes})."
    elif is_alarm:
        most = max(bins, key=lambda row: abs(row["now"] - row["before"]))
        words = (
            f"{name} has moved: PSI {compared.psi:.3f}, where up to {threshold:.3f} is chance or "
            f"too little to matter ({sizes}). Most of it: {most['bin']} went from "
            f"{most['before']:.1%} to {most['now']:.1%} of customers."
        )
    else:
        words = f"{name} is as at training: PSI {compared.psi:.3f} of {threshold:.3f} ({sizes})."
    return Drift(name, compared.psi, threshold, n, m, is_alarm, words, {"bins": bins})


def _bins(counted: dict[str, Any], compared: _Compared) -> list[dict[str, Any]]:
    if "cuts" in counted:
        names = _between(counted["cuts"])
    else:
        names = [value or "empty" for value in counted["values"]] + [OTHER]
    shares = zip(compared.before / compared.n, compared.now / max(compared.m, 1), strict=True)
    return [
        {"bin": name, "before": round(float(p), 5), "now": round(float(q), 5)}
        for name, (p, q) in zip([*names, MISSING], shares, strict=True)
        if p or q
    ]


def _between(cuts: list[float]) -> list[str]:
    if not cuts:
        return ["any value"]
    inner = [f"above {low:.4g} up to {high:.4g}" for low, high in zip(cuts, cuts[1:], strict=False)]
    return [f"up to {cuts[0]:.4g}", *inner, f"above {cuts[-1]:.4g}"]
