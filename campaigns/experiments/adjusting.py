"""Take out of a comparison what earlier purchases already explain (CUPED)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from campaigns.experiments.analysis import Sample


@dataclass(frozen=True)
class Pair:
    """Two values of each customer of one arm, as the sums that a database adds up in one pass.

    Parameters
    ----------
    after : Sample
        Of the value to be compared.
    before : Sample
        Of a value that was fixed before the draw, such as earlier orders.
    products : float
        Sum of ``after * before``.
    after_after_before, after_before_before : float or None, default=None
        Sums of these products, if intervals are to allow for skewness.
    """

    after: Sample
    before: Sample
    products: float
    after_after_before: float | None = None
    after_before_before: float | None = None

    @property
    def n(self) -> int:
        return self.after.n

    @property
    def covariance(self) -> float:
        """Between customers, with n - 1; NaN below two customers."""
        if self.n < 2:
            return math.nan
        return (self.products - self.after.total * self.before.total / self.n) / (self.n - 1)


def theta(arms: Sequence[Pair]) -> float:
    """How much of ``after`` goes with one unit of ``before``, within the arms.

    Parameters
    ----------
    arms : sequence of Pair
        All that are compared.  Pooled within arms, so that the difference between them, which is
        what the experiment asks for, has no part in it.

    Returns
    -------
    float
        0 where ``before`` does not vary.

    References
    ----------
    .. [1] Deng, Xu, Kohavi & Walker (2013). Improving the sensitivity of online controlled
       experiments by utilizing pre-experiment data.  WSDM '13, 123-132.

    Examples
    --------
    >>> theta([Pair(Sample(3, 6, 14), Sample(3, 3, 5), 8)])  # (1, 2, 3) beside (0, 1, 2)
    1.0
    """
    held = [arm for arm in arms if arm.n > 1]
    together = sum(arm.covariance * (arm.n - 1) for arm in held)
    spread = sum(arm.before.variance * (arm.n - 1) for arm in held)
    return together / spread if spread > 0 else 0.0


def adjusted(arms: Sequence[Pair], *, by: float | None = None) -> list[Sample]:
    """The arms with ``after - theta * (before - mean of before over all arms)`` of each customer.

    Parameters
    ----------
    arms : sequence of Pair
    by : float, optional
        Instead of `theta` of these arms.

    Returns
    -------
    list of Sample
        In the same order, to be compared as any others.  The expected difference is that of
        ``after``, for the draw leaves ``before`` alike; the variance is smaller by the squared
        correlation.

    Notes
    -----
    Nothing that can change after the draw may enter ``before``.

    Examples
    --------
    What is wholly explained does not vary any more.

    >>> adjusted([Pair(Sample(3, 6, 14), Sample(3, 3, 5), 8)])[0].variance
    0.0
    """
    slope = theta(arms) if by is None else by
    n = sum(arm.n for arm in arms)
    mean = sum(arm.before.total for arm in arms) / n if n else 0.0
    return [_shifted(arm, slope, mean) for arm in arms]


def _shifted(arm: Pair, slope: float, mean: float) -> Sample:
    before, after = arm.before, arm.after
    apart = before.total - arm.n * mean  # sum of before - mean
    squares = before.squares - 2 * mean * before.total + arm.n * mean**2
    together = arm.products - mean * after.total
    return Sample(
        arm.n,
        after.total - slope * apart,
        after.squares - 2 * slope * together + slope**2 * squares,
        _cubes(arm, slope, mean),
    )


def _cubes(arm: Pair, slope: float, mean: float) -> float | None:
    """Sum of the cubes of what is left, from the sums about zero."""
    before, after = arm.before, arm.after
    known = (after.cubes, before.cubes, arm.after_after_before, arm.after_before_before)
    if any(each is None for each in known):
        return None
    cubes, cubes_before, aab, abb = (each or 0.0 for each in known)
    apart = cubes_before - 3 * mean * before.squares + 3 * mean**2 * before.total - arm.n * mean**3
    with_squares = abb - 2 * mean * arm.products + mean**2 * after.total
    squares_with = aab - mean * after.squares
    return cubes - 3 * slope * squares_with + 3 * slope**2 * with_squares - slope**3 * apart


def explained_share(arms: Sequence[Pair], *, by: float | None = None) -> float:
    """The share of the variance that the adjustment takes away; 0 where nothing varies."""
    plain = sum(arm.after.variance * (arm.n - 1) for arm in arms if arm.n > 1)
    left = sum(arm.variance * (arm.n - 1) for arm in adjusted(arms, by=by) if arm.n > 1)
    return 1 - left / plain if plain > 0 else 0.0
