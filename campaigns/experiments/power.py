"""How many customers it takes to see a difference, and how small a one these can show."""

import math

from scipy import stats

from campaigns.experiments.analysis import LEVEL, Sample

POWER = 0.80


def smallest_difference(
    treated: Sample, untreated: Sample, *, level: float = LEVEL, power: float = POWER
) -> float:
    """The smallest true difference of means that arms like these would usually show.

    Parameters
    ----------
    treated, untreated : Sample
        At least two customers each.
    level : float in (0, 1), default=0.95
        Of the interval that is to exclude zero.
    power : float in (0, 1), default=0.80
        Share of repetitions in which it does.

    Returns
    -------
    float
        In the unit of the values, for each customer; 0 where nobody varies.

    Notes
    -----
    Normal approximation, good from about 30 customers in an arm.

    Examples
    --------
    >>> round(smallest_difference(Sample(900, 90, 110), Sample(100, 10, 12)), 3)
    0.098
    """
    error = math.sqrt(treated.variance / treated.n + untreated.variance / untreated.n)
    return _reach(level, power) * error


def customers_needed(
    difference: float,
    treated: Sample,
    untreated: Sample,
    *,
    level: float = LEVEL,
    power: float = POWER,
) -> int | None:
    """Customers in both arms together that would usually show a true difference of this size.

    The arms are split as these are and vary as these do.

    Parameters
    ----------
    difference : float
        The true difference of means to be seen, in the unit of the values.
    treated, untreated, level, power
        As in `smallest_difference`.

    Returns
    -------
    int or None
        None where no number is enough: the difference is zero, or nobody varies.

    Notes
    -----
    Fed with the difference that was *seen*, the answer is as uncertain as that difference is: a
    rough size for the next campaign, never a reason to prolong this one until it pleases.

    Examples
    --------
    >>> customers_needed(0.05, Sample(900, 90, 110), Sample(100, 10, 12))
    3881
    """
    share = untreated.n / (treated.n + untreated.n)
    spread = treated.variance / (1 - share) + untreated.variance / share
    if difference == 0 or spread == 0:
        return None
    return math.ceil((_reach(level, power) / difference) ** 2 * spread)


def _reach(level: float, power: float) -> float:
    return float(stats.norm.ppf((1 + level) / 2) + stats.norm.ppf(power))
