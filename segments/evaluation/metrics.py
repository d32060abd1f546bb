"""How good are these predictions, with an interval, and are they better than a baseline's?

Every metric is computed from integer weights of the rows, so that one sort serves the figure
itself (all weights 1) and every bootstrap resample (how often a row was drawn).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from segments.evaluation.estimate import LEAST_N, Estimate, spread, unknown

BLOCK_CELLS = 2_000_000  # rows times resamples held at once: 16 MB of weights
SMALLEST_PROBABILITY = 1e-15  # log loss of a certain and wrong prediction stays finite

# (truth, predictions) -> (weights of shape (resamples, n) -> values of shape (resamples,))
Weigher = Callable[[np.ndarray], np.ndarray]
Kernel = Callable[[np.ndarray, np.ndarray], Weigher]


@dataclass(frozen=True)
class Metric:
    """One way to judge predictions; call it as ``metric(y, p, seed=0, resamples=200)``.

    Parameters of the call
    ----------------------
    y : array of shape (n,)
        What happened: 0 or 1 where ``is_binary``, else an amount or a count.
    p : array of shape (n,)
        What was predicted for the same customers in the same order.
    seed : int
        Of the bootstrap; the same seed gives the same interval.
    resamples : int
        Bootstrap resamples of customers; 0 leaves the interval out.

    Returns
    -------
    Estimate
        ``value`` None with a note where n < 30, where only one class is there, where predictions
        are missing or where the figure is undefined. The interval is a percentile bootstrap.

    Raises
    ------
    ValueError
        If ``y`` and ``p`` differ in length, or a binary ``y`` holds other than 0 and 1.

    Notes
    -----
    O(n log n + n·resamples) time: 20,000 customers and 200 resamples take well under a second.
    """

    name: str
    meaning: str
    kernel: Kernel
    is_binary: bool
    higher_is_better: bool = True

    def __call__(
        self, y: ArrayLike, p: ArrayLike, *, seed: int = 0, resamples: int = 200
    ) -> Estimate:
        truth, given = _pair(y, p)
        reason = self._refusal(truth, given)
        if reason:
            return unknown(truth.size, reason)
        weigh = self.kernel(truth, given)
        value = float(weigh(np.ones((1, truth.size)))[0])
        if not np.isfinite(value):
            return unknown(truth.size, f"{self.name} is undefined for these figures")
        draws = _resampled([weigh], truth.size, seed=seed, resamples=resamples)[0]
        return Estimate(value, *spread(draws), truth.size, _note(draws))

    def _refusal(self, truth: np.ndarray, *given: np.ndarray) -> str:
        """Why nothing can be said about these arrays; empty where something can."""
        if truth.size < LEAST_N:
            return f"only {truth.size} customers, at least {LEAST_N} are needed"
        for values in (truth, *given):
            missing = int((~np.isfinite(values)).sum())
            if missing:
                return f"{missing} of {truth.size} values are missing"
        if not self.is_binary:
            return ""
        if not np.isin(truth, (0.0, 1.0)).all():
            raise ValueError(f"{self.name} needs 0 and 1 as truth, found other values")
        if truth.min() == truth.max():
            return f"only one class: all {truth.size} outcomes are {truth[0]:.0f}"
        return ""


def paired_difference(
    metric: Metric,
    y: ArrayLike,
    p: ArrayLike,
    q: ArrayLike,
    *,
    seed: int = 0,
    resamples: int = 200,
) -> Estimate:
    """How much better ``p`` is than the baseline ``q``: metric(p) − metric(q), same customers.

    Both are resampled together, so what makes a sample easy or hard for both cancels out and the
    interval is narrower than that of two separate figures. For metrics where lower is better
    (``metric.higher_is_better`` False) a gain is a negative difference.

    Parameters
    ----------
    metric : Metric
        One of this module, for example ``auc``.
    y, p, q : arrays of shape (n,)
        Truth, predictions, and the baseline's predictions.

    Returns
    -------
    Estimate
        As of the metric itself; None with a reason where either side is undefined.

    Examples
    --------
    >>> y = np.tile([0, 1], 50)
    >>> paired_difference(auc, y, y, 1 - y).value
    1.0
    """
    truth, given = _pair(y, p)
    baseline = _pair(y, q)[1]
    reason = metric._refusal(truth, given, baseline)
    if reason:
        return unknown(truth.size, reason)
    weighers = [metric.kernel(truth, given), metric.kernel(truth, baseline)]
    ones = np.ones((1, truth.size))
    value = float(weighers[0](ones)[0] - weighers[1](ones)[0])
    if not np.isfinite(value):
        return unknown(truth.size, f"{metric.name} is undefined for these figures")
    ours, theirs = _resampled(weighers, truth.size, seed=seed, resamples=resamples)
    return Estimate(value, *spread(ours - theirs), truth.size, _note(ours - theirs))


def lift_at(share: float) -> Metric:
    """The metric "how many times the average rate is found among the top ``share``".

    Parameters
    ----------
    share : float
        In (0, 1]. Predictions that tie at the edge count with the part of them that fits.

    Examples
    --------
    >>> y = np.repeat([1, 0], [10, 90])
    >>> lift_at(0.1)(y, y, resamples=0).value
    10.0
    """
    if not 0 < share <= 1:
        raise ValueError(f"share is {share}, expected above 0 and at most 1")

    def kernel(truth: np.ndarray, given: np.ndarray) -> Weigher:
        ranked = _Ranked(-given)

        def weigh(weights: np.ndarray) -> np.ndarray:
            seen = ranked.cumulative(weights)
            hits = ranked.cumulative(weights * truth)
            cut = share * seen[:, -1]
            found = np.array(
                [
                    np.interp(at, np.r_[0.0, row], np.r_[0.0, hit])
                    for at, row, hit in zip(cut, seen, hits, strict=True)
                ]
            )
            return _divide(found / cut, hits[:, -1] / seen[:, -1])

        return weigh

    meaning = f"rate among the top {share:g} of predictions over the average rate"
    return Metric(f"lift at {share:g}", meaning, kernel, is_binary=True)


# --- kernels: what a metric says of weighted rows ------------------------------------------------


class _Ranked:
    """Rows sorted by a key once, with ties kept together."""

    def __init__(self, key: np.ndarray) -> None:
        self.order = np.argsort(key, kind="stable")
        in_order = key[self.order]
        self.starts = np.flatnonzero(np.r_[True, in_order[1:] != in_order[:-1]])
        self.group = np.empty(key.size, dtype=np.intp)
        self.group[self.order] = np.repeat(
            np.arange(self.starts.size), np.diff(np.r_[self.starts, key.size])
        )

    def sums(self, weights: np.ndarray) -> np.ndarray:
        """Sum of each tie group, lowest key first; shape (resamples, groups)."""
        return np.add.reduceat(weights[:, self.order], self.starts, axis=1)

    def cumulative(self, weights: np.ndarray) -> np.ndarray:
        return np.cumsum(self.sums(weights), axis=1)

    def mid_ranks(self, weights: np.ndarray) -> np.ndarray:
        """Each row's average rank among the weighted rows; shape (resamples, n)."""
        sums = self.sums(weights)
        middle = np.cumsum(sums, axis=1) - sums / 2
        return middle[:, self.group]


def _divide(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Quotient, NaN where there is nothing to divide by; ``spread`` leaves those out."""
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below != 0)


def _auc(truth: np.ndarray, given: np.ndarray) -> Weigher:
    ranked = _Ranked(given)

    def weigh(weights: np.ndarray) -> np.ndarray:
        hits = ranked.sums(weights * truth)
        misses = ranked.sums(weights * (1 - truth))
        below = np.cumsum(misses, axis=1) - misses
        won = (hits * (below + misses / 2)).sum(axis=1)  # a tie is half a win
        return _divide(won, hits.sum(axis=1) * misses.sum(axis=1))

    return weigh


def _average_precision(truth: np.ndarray, given: np.ndarray) -> Weigher:
    ranked = _Ranked(-given)

    def weigh(weights: np.ndarray) -> np.ndarray:
        hits = ranked.sums(weights * truth)
        seen = ranked.cumulative(weights)
        precision = np.cumsum(hits, axis=1) / np.maximum(seen, 1)
        return _divide((precision * hits).sum(axis=1), hits.sum(axis=1))

    return weigh


def _mean(loss: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Kernel:
    def kernel(truth: np.ndarray, given: np.ndarray) -> Weigher:
        each = loss(truth, given)
        return lambda weights: (weights @ each) / weights.sum(axis=1)

    return kernel


def _log_loss(truth: np.ndarray, given: np.ndarray) -> np.ndarray:
    p = np.clip(given, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    return -(truth * np.log(p) + (1 - truth) * np.log1p(-p))


def _spearman(truth: np.ndarray, given: np.ndarray) -> Weigher:
    ours, theirs = _Ranked(given), _Ranked(truth)

    def weigh(weights: np.ndarray) -> np.ndarray:
        n = weights.sum(axis=1, keepdims=True)
        a, b = ours.mid_ranks(weights) - n / 2, theirs.mid_ranks(weights) - n / 2
        both = (weights * a * b).sum(axis=1)
        return _divide(both, np.sqrt((weights * a * a).sum(axis=1) * (weights * b * b).sum(axis=1)))

    return weigh


def _total_ratio(truth: np.ndarray, given: np.ndarray) -> Weigher:
    return lambda weights: _divide(weights @ given, weights @ truth)


auc = Metric("AUC", "chance that who did is ranked above who did not", _auc, is_binary=True)
average_precision = Metric(
    "average precision", "mean share of hits down the ranking", _average_precision, is_binary=True
)
brier = Metric(
    "Brier score",
    "mean squared error of the probability",
    _mean(lambda truth, given: (truth - given) ** 2),
    is_binary=True,
    higher_is_better=False,
)
log_loss = Metric(
    "log loss",
    "mean surprise of the probability, in nats",
    _mean(_log_loss),
    is_binary=True,
    higher_is_better=False,
)
spearman = Metric("Spearman", "agreement of two rankings, −1 to 1", _spearman, is_binary=False)
total_ratio = Metric(
    "total ratio",
    "predicted total over the actual total; 1 is right",
    _total_ratio,
    is_binary=False,
)
mean_absolute_error = Metric(
    "mean absolute error",
    "mean distance from the truth, in its unit",
    _mean(lambda truth, given: np.abs(truth - given)),
    is_binary=False,
    higher_is_better=False,
)


# --- the bootstrap -------------------------------------------------------------------------------


def _pair(y: ArrayLike, p: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    truth, given = np.asarray(y, dtype=float).ravel(), np.asarray(p, dtype=float).ravel()
    if truth.size != given.size:
        raise ValueError(f"found {truth.size} outcomes and {given.size} predictions")
    return truth, given


def _resampled(
    weighers: list[Weigher], n: int, *, seed: int, resamples: int
) -> tuple[np.ndarray, ...]:
    """Each weigher's values over the same bootstrap resamples, in blocks of bounded memory."""
    rng = np.random.default_rng(seed)
    values = np.full((len(weighers), resamples), np.nan)
    step = max(1, BLOCK_CELLS // n)
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        weights = np.empty((size, n))
        for row in range(size):
            weights[row] = np.bincount(rng.integers(0, n, n), minlength=n)
        for place, weigh in enumerate(weighers):
            values[place, start : start + size] = weigh(weights)
    return tuple(values)


def _note(draws: np.ndarray) -> str:
    undefined = int((~np.isfinite(draws)).sum())
    return f"{undefined} of {draws.size} resamples had no value" if undefined else ""
