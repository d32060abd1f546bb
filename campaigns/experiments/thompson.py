"""Shift towards what works: each variant's share is the chance that it is the best.

A mode of its own.  Its aim is to lose little while learning; it gives no p-value and no interval,
for arms whose sizes followed their results do not allow the usual ones.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

from campaigns.experiments.analysis import Sample

SHARE_LEAST = 0.05  # of each variant: one that was unlucky at first must be able to come back
POINTS = 1_000  # of the quadrature


def of_conversion(arms: Sequence[tuple[int, int]]) -> list[float]:
    """The chance of each variant to have the highest rate.

    Parameters
    ----------
    arms : sequence of (int, int)
        Customers and those of them who ordered.

    Returns
    -------
    list of float in [0, 1]
        They sum to 1.  Beta(1, 1) beforehand, so that without data all are alike.

    References
    ----------
    .. [1] Thompson (1933). On the likelihood that one unknown probability exceeds another in view
       of the evidence of two samples.  Biometrika 25, 285-294.
    .. [2] Scott (2010). A modern Bayesian look at the multi-armed bandit.  Applied Stochastic
       Models in Business and Industry 26, 639-658.

    Examples
    --------
    >>> [round(chance, 3) for chance in of_conversion([(100, 10), (100, 20)])]
    [0.025, 0.975]
    """
    return _chances([stats.beta(1 + buyers, 1 + n - buyers) for n, buyers in arms])


def of_mean(arms: Sequence[Sample]) -> list[float]:
    """The chance of each variant to have the highest mean: orders, revenue, margin per customer.

    Parameters
    ----------
    arms : sequence of Sample

    Returns
    -------
    list of float in [0, 1]
        They sum to 1.  Normal around each mean, with the variance pooled over the variants, for a
        variant that nobody has bought from yet would otherwise seem certain of its nought; alike
        while some variant has fewer than two customers or nobody varies.

    References
    ----------
    .. [1] Agrawal & Goyal (2013). Further optimal regret bounds for Thompson sampling.  AISTATS,
       99-107.
    """
    known = [arm for arm in arms if arm.n > 1]
    degrees = sum(arm.n - 1 for arm in known)
    spread = sum(arm.variance * (arm.n - 1) for arm in known)
    if len(known) < len(arms) or not spread:
        return [1 / len(arms)] * len(arms)
    return _chances([stats.norm(arm.mean, np.sqrt(spread / degrees / arm.n)) for arm in arms])


def shares(chances: Sequence[float], *, least: float = SHARE_LEAST) -> list[float]:
    """The chances with a floor under each, summing to 1.

    Examples
    --------
    >>> shares([0.0, 0.2, 0.8], least=0.1)
    [0.1, 0.24, 0.66]
    """
    floor = min(least, 1 / len(chances))
    free = 1 - floor * len(chances)
    return [round(floor + free * chance, 6) for chance in chances]


def _chances(beliefs: Sequence[Any]) -> list[float]:
    """P(i is the largest) = E[prod over j of F_j(X_i)], by the midpoint rule in F_i.

    Computed and not drawn: asked twice, the answer is the same.
    """
    if len(beliefs) == 1:
        return [1.0]
    levels = (np.arange(POINTS) + 0.5) / POINTS
    found = []
    for place, belief in enumerate(beliefs):
        values = belief.ppf(levels)
        others = [other.cdf(values) for at, other in enumerate(beliefs) if at != place]
        found.append(float(np.prod(others, axis=0).mean()))
    total = sum(found)
    return [chance / total for chance in found]
