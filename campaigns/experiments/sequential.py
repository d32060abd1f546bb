"""Several planned looks at one experiment, with the error of a single one (group-sequential)."""

import functools
import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.polynomial.legendre import leggauss
from scipy import optimize, special, stats

ALPHA = 0.05  # two-sided
Z_MOST = 8.0  # a boundary so high is never met: a look that may spend next to nothing
# Two looks at nearly the same information count as a little further apart: their Z then correlates
# less than in truth, which errs on the safe side and keeps the quadrature small.
GROWTH_LEAST = 1.002
NODES_LEAST = 96
NODES_A_STEP = 7  # of the quadrature, for each standard deviation that the process moves


def obrien_fleming_spent(share: float, alpha: float = ALPHA) -> float:
    """How much of the error may be spent by a share of the information: next to none at first.

    Parameters
    ----------
    share : float, 0 or more
        Of the planned information; beyond 1 nothing more is spent.
    alpha : float in (0, 1), default=0.05
        Two-sided error of all looks together.

    Returns
    -------
    float in [0, alpha]

    References
    ----------
    .. [1] Lan & DeMets (1983). Discrete sequential boundaries for clinical trials.  Biometrika 70,
       659-663.

    Examples
    --------
    >>> round(obrien_fleming_spent(0.5), 5)
    0.00305
    """
    if share <= 0:
        return 0.0
    z = stats.norm.ppf(1 - alpha / 4)  # each side spends half, by alpha_1 of [1]_
    return float(min(alpha, 4 * stats.norm.sf(z / math.sqrt(min(1.0, share)))))


def pocock_spent(share: float, alpha: float = ALPHA) -> float:
    """As `obrien_fleming_spent`, but nearly evenly: easier to stop early, harder at the end.

    Examples
    --------
    >>> round(pocock_spent(0.5), 5)
    0.03101
    """
    return alpha * math.log(1 + (math.e - 1) * min(1.0, max(0.0, share)))  # alpha_2 of [1]_


SPENDING: dict[str, Callable[[float, float], float]] = {
    "obrien_fleming": obrien_fleming_spent,
    "pocock": pocock_spent,
}


def boundaries(
    information: Sequence[float], spent: Sequence[float], *, z_most: float = Z_MOST
) -> list[float]:
    """How far |Z| must go at each look, given what may have been spent by then.

    Parameters
    ----------
    information : sequence of float, increasing, above 0
        At each look, in any unit: only ratios count.
    spent : sequence of float, never decreasing
        Two-sided error that may have been spent by each look.

    Returns
    -------
    list of float
        One for each look, symmetric around 0.  Those of early looks do not change with later ones.

    Raises
    ------
    ValueError
        If information does not increase, or error is taken back.

    Notes
    -----
    Assumes what group-sequential theory does: Z at two looks correlates by the root of the ratio
    of their information.  People whose orders in one week go with their orders in the next
    correlate higher, which makes the rule err on the safe side.

    References
    ----------
    .. [1] Armitage, McPherson & Rowe (1969). Repeated significance tests on accumulating data.
       Journal of the Royal Statistical Society A 132, 235-244.
    .. [2] Jennison & Turnbull (2000). Group Sequential Methods with Applications to Clinical
       Trials.  Chapman & Hall, sections 2.3, 7.2 and 19.2.

    Examples
    --------
    The figures of Lan & DeMets for five even looks:

    >>> shares = [0.2, 0.4, 0.6, 0.8, 1.0]
    >>> [f"{b:.2f}" for b in boundaries(shares, [obrien_fleming_spent(s) for s in shares])]
    ['4.88', '3.36', '2.68', '2.29', '2.03']
    """
    _check(information, spent)
    return list(_boundaries(tuple(information), tuple(spent), z_most))


@functools.lru_cache(maxsize=256)
def _boundaries(
    information: tuple[float, ...], spent: tuple[float, ...], z_most: float
) -> tuple[float, ...]:
    found: list[float] = []
    process = _Process()
    before = 0.0
    for measured, total in zip(information, spent, strict=True):
        level = max(measured, process.level * GROWTH_LEAST)
        allowed = total - before
        z = _solve(process, level, allowed, z_most)
        found.append(z)
        before += process.crossing(level, z)
        process = process.after(level, z)
    return tuple(found)


def crossing_probability(information: Sequence[float], bounds: Sequence[float]) -> float:
    """The probability to meet a boundary at any of the looks, where there is no difference.

    Parameters
    ----------
    information : sequence of float, increasing, above 0
    bounds : sequence of float, above 0
        Of |Z| at each look.

    Returns
    -------
    float in [0, 1]

    Examples
    --------
    Looking ten times at what is meant to be looked at once [1]_:

    >>> round(crossing_probability(range(1, 11), [1.96] * 10), 3)
    0.193
    """
    _check(information, sorted(bounds))
    process, total = _Process(), 0.0
    for measured, z in zip(information, bounds, strict=True):
        level = max(measured, process.level * GROWTH_LEAST)
        total += process.crossing(level, z)
        process = process.after(level, z)
    return total


def _check(information: Sequence[float], spent: Sequence[float]) -> None:
    if any(b <= a for a, b in zip([0.0, *information], information, strict=False)):
        raise ValueError(f"information must increase from look to look, found {list(information)}")
    if any(b < a for a, b in zip(spent, spent[1:], strict=False)):
        raise ValueError(f"error that was spent stays spent, found {list(spent)}")


def _solve(process: "_Process", level: float, allowed: float, z_most: float) -> float:
    if process.crossing(level, z_most) >= allowed:
        return z_most
    return float(
        optimize.brentq(lambda z: process.crossing(level, z) - allowed, 1e-6, z_most, xtol=1e-10)
    )


def _rule(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss and Legendre's points and weights; a few sizes serve all, for they take long."""
    return _rule_of(-(-nodes // NODES_LEAST) * NODES_LEAST)


@functools.lru_cache(maxsize=32)
def _rule_of(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    return leggauss(nodes)


class _Process:
    """Brownian motion that has stayed within the boundaries: its density in the last look."""

    def __init__(
        self, level: float = 0.0, points: np.ndarray | None = None, mass: np.ndarray | None = None
    ) -> None:
        self.level = level
        self.points = np.zeros(1) if points is None else points
        self.mass = np.ones(1) if mass is None else mass  # density times quadrature weight

    def crossing(self, level: float, z: float) -> float:
        """The probability to lie beyond ±z at the next look, having stayed within until now."""
        bound, step = z * math.sqrt(level), math.sqrt(level - self.level)
        up = special.ndtr((self.points - bound) / step)
        down = special.ndtr((-bound - self.points) / step)
        return float(self.mass @ (up + down))

    def after(self, level: float, z: float) -> "_Process":
        bound, step = z * math.sqrt(level), math.sqrt(level - self.level)
        at, weight = _rule(max(NODES_LEAST, math.ceil(NODES_A_STEP * 2 * bound / step)))
        points = bound * at
        apart = (points[:, None] - self.points[None, :]) / step
        density = np.exp(-0.5 * apart**2) @ self.mass / (step * math.sqrt(2 * math.pi))
        return _Process(level, points, density * bound * weight)
