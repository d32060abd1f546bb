"""Does a ranking of customers put those first whom a message changes most?

Nobody is seen both with and without the message, so uplift is judged by groups: among the customers
ranked first, those treated by chance against those left alone by chance.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from segments.evaluation.estimate import Estimate, spread, unknown

LEAST_ARM = 100  # customers in each arm, below which a curve is noise
BLOCK_CELLS = 2_000_000
Z = float(stats.norm.ppf(0.975))
TWENTIETHS = tuple(place / 20 for place in range(21))


def effect(treated: ArrayLike, y: ArrayLike) -> Estimate:
    """The mean outcome of the treated less that of the others: the average treatment effect.

    Returns
    -------
    Estimate
        In the unit of ``y``, with Welch's interval; None with a note where an arm is too small.
    """
    arms, outcome = _arms(treated, y)
    reason = _refusal(arms)
    if reason:
        return unknown(arms.size, reason)
    ours, theirs = outcome[arms], outcome[~arms]
    value = float(ours.mean() - theirs.mean())
    half = Z * np.sqrt(ours.var(ddof=1) / ours.size + theirs.var(ddof=1) / theirs.size)
    return Estimate(value, value - float(half), value + float(half), arms.size)


def curve(
    uplift: ArrayLike, treated: ArrayLike, y: ArrayLike, *, shares: Sequence[float] = TWENTIETHS
) -> list[list[float]]:
    """What writing to the first so many brings, for each customer there is.

    Parameters
    ----------
    uplift : array of shape (n,)
        The ranking; only its order counts, and equal values count together.
    treated : array of shape (n,)
        1 where chance drew the message, 0 where it drew none.
    y : array of shape (n,)
        Outcome of each customer.
    shares : sequence of float
        Parts of the customers, in [0, 1].

    Returns
    -------
    list of [share, gain]
        ``gain`` at share 1 is the average effect. On the line from 0 to there lies a ranking that
        says nothing. Empty where an arm is too small.
    """
    arms, outcome = _arms(treated, y)
    if _refusal(arms):
        return []
    gains = _Ranking(uplift, arms, outcome).gains(np.ones((1, arms.size)), shares)[0]
    return [
        [round(float(share), 4), round(float(gain), 6)]
        for share, gain in zip(shares, gains, strict=True)
    ]


def qini(
    uplift: ArrayLike, treated: ArrayLike, y: ArrayLike, *, seed: int = 0, resamples: int = 200
) -> Estimate:
    """The area between the `curve` and the line of a ranking that says nothing.

    Returns
    -------
    Estimate
        In the unit of ``y`` for each customer; above 0 where the ranking helps, 0 of a constant.
        The interval is a bootstrap of customers within their arms.

    References
    ----------
    .. [1] Radcliffe (2007). Using control groups to target on predicted lift: building and
       assessing uplift models. Direct Marketing Analytics Journal, 14-21.
    """
    arms, outcome = _arms(treated, y)
    reason = _refusal(arms)
    if reason:
        return unknown(arms.size, reason)
    ranking = _Ranking(uplift, arms, outcome)
    value = float(ranking.areas(np.ones((1, arms.size)))[0])
    blocks = _resampled(arms, seed=seed, resamples=resamples)
    draws = [area for weights in blocks for area in ranking.areas(weights)]
    return Estimate(value, *spread(draws), arms.size)


def more_than_all(
    uplift: ArrayLike,
    treated: ArrayLike,
    y: ArrayLike,
    share: float,
    *,
    seed: int = 0,
    resamples: int = 200,
) -> Estimate:
    """What writing to the first ``share`` brings beyond writing to everybody, for each customer.

    Above 0 the others are better left alone; it is the effect on them with its sign turned.
    """
    arms, outcome = _arms(treated, y)
    reason = _refusal(arms)
    if reason:
        return unknown(arms.size, reason)
    ranking = _Ranking(uplift, arms, outcome)

    def beyond(weights: np.ndarray) -> np.ndarray:
        gains = ranking.gains(weights, (share, 1.0))
        return gains[:, 0] - gains[:, 1]

    draws = [beyond(weights) for weights in _resampled(arms, seed=seed, resamples=resamples)]
    value = float(beyond(np.ones((1, arms.size)))[0])
    return Estimate(value, *spread(np.concatenate(draws)), arms.size)


class _Ranking:
    """Customers in order, ready for weights of how often each is drawn."""

    def __init__(self, uplift: ArrayLike, treated: np.ndarray, y: np.ndarray) -> None:
        given = np.asarray(uplift, dtype=float).ravel()
        if given.size != y.size:
            raise ValueError(f"found {given.size} uplifts and {y.size} outcomes")
        self.order = np.argsort(-given, kind="stable")
        ranked = given[self.order]
        self.ends = np.flatnonzero(np.r_[ranked[1:] != ranked[:-1], True])  # of equal uplifts
        self.treated, self.y = treated[self.order].astype(float), y[self.order]

    def gains(self, weights: np.ndarray, shares: Sequence[float]) -> np.ndarray:
        """The curve at ``shares`` for each row of weights."""
        seen, gains = self._curves(weights)
        return np.array([np.interp(shares, at, gain) for at, gain in zip(seen, gains, strict=True)])

    def areas(self, weights: np.ndarray) -> np.ndarray:
        """Between the curve and its chord."""
        seen, gains = self._curves(weights)
        under = (np.diff(seen) * (gains[:, 1:] + gains[:, :-1]) / 2).sum(axis=1)
        return under - gains[:, -1] / 2

    def _curves(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Share of customers and gain at the end of each group of equal uplift, from 0."""
        drawn = weights[:, self.order]
        there, alone = drawn * self.treated, drawn * (1 - self.treated)

        def up_to(values: np.ndarray) -> np.ndarray:
            return np.cumsum(values, axis=1)[:, self.ends]

        n_there, n_alone = up_to(there), up_to(alone)
        share = (n_there + n_alone) / drawn.sum(axis=1, keepdims=True)
        # Where one arm has nobody yet, nothing can be said of the first: no gain so far.
        mean_there = _divide(up_to(there * self.y), n_there)
        mean_alone = _divide(up_to(alone * self.y), n_alone)
        known = (n_there > 0) & (n_alone > 0)
        gain = np.where(known, share * (mean_there - mean_alone), 0.0)
        start = np.zeros((len(weights), 1))
        return np.hstack((start, share)), np.hstack((start, gain))


def _resampled(arms: np.ndarray, *, seed: int, resamples: int) -> list[np.ndarray]:
    """How often each customer is drawn, arm by arm, in blocks of bounded memory."""
    rng = np.random.default_rng(seed)
    step = max(1, BLOCK_CELLS // arms.size)
    places = [np.flatnonzero(arms), np.flatnonzero(~arms)]
    blocks = []
    for start in range(0, resamples, step):
        weights = np.zeros((min(step, resamples - start), arms.size), dtype=np.float32)
        for row in weights:
            for arm in places:
                row[arm] = np.bincount(rng.integers(0, arm.size, arm.size), minlength=arm.size)
        blocks.append(weights)
    return blocks


def _arms(treated: ArrayLike, y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    arms, outcome = np.asarray(treated).ravel().astype(bool), np.asarray(y, dtype=float).ravel()
    if arms.size != outcome.size:
        raise ValueError(f"found {arms.size} arms and {outcome.size} outcomes")
    return arms, outcome


def _refusal(arms: np.ndarray) -> str:
    least = int(min(arms.sum(), (~arms).sum()))
    if least < LEAST_ARM:
        return f"only {least} customers in one arm, at least {LEAST_ARM} are needed"
    return ""


def _divide(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)
