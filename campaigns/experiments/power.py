"""How many customers it takes to see a difference, how small a one these can show, and when."""

import math
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Usual:
    """What customers do in a window without the message: the ground a plan stands on."""

    mean: float  # of the metric, per customer
    sd: float  # between customers

    @classmethod
    def conversion(cls, rate: float) -> "Usual":
        """Of a share of customers who order.

        Examples
        --------
        >>> Usual.conversion(0.5).sd
        0.5
        """
        return cls(rate, math.sqrt(rate * (1 - rate)))


def smallest_effect(
    n: float, usual: Usual, *, share: float, level: float = LEVEL, power: float = POWER
) -> float:
    """The smallest true difference that so many customers would usually show.

    Parameters
    ----------
    n : float
        Customers of both arms together.
    usual : Usual
        Taken for both arms.
    share : float in (0, 1)
        Of the customers in the smaller arm: the holdout's, or a variant's.
    level, power
        As in `smallest_difference`.

    Returns
    -------
    float
        In the unit of the metric, per customer; infinite where an arm would be empty.

    Examples
    --------
    >>> round(smallest_effect(10_000, Usual.conversion(0.10), share=0.1), 4)
    0.028
    """
    if n <= 0 or not 0 < share < 1:
        return math.inf
    return _reach(level, power) * usual.sd * math.sqrt(1 / (n * share) + 1 / (n * (1 - share)))


def sample_size(
    effect: float,
    usual: Usual,
    *,
    share: float,
    level: float = LEVEL,
    power: float = POWER,
    explained: float = 0.0,
) -> int | None:
    """Customers of both arms together that would usually show a true difference of this size.

    Parameters
    ----------
    effect : float
        The true difference per customer, in the unit of the metric.
    usual, share, level, power
        As in `smallest_effect`.
    explained : float in [0, 1), default=0
        Share of the variance that earlier purchases take away (`adjusting.explained_share`).

    Returns
    -------
    int or None
        None where no number is enough.

    Examples
    --------
    Two even arms, 10 % against 15 %, by the variance of the lower rate:

    >>> sample_size(0.05, Usual.conversion(0.10), share=0.5)
    1131
    >>> sample_size(0.05, Usual.conversion(0.10), share=0.5, explained=0.5)
    566
    """
    if not effect or not 0 < share < 1:
        return None
    spread = usual.sd**2 * (1 - explained) * (1 / share + 1 / (1 - share))
    return math.ceil((_reach(level, power) / effect) ** 2 * spread)


def days_until(needed: float, compared: float, *, per_day: float, window_days: float) -> float:
    """Days until so many customers have had their window, at the present rate of new ones.

    Parameters
    ----------
    needed, compared : float
        Customers, and those of them who have entered already.
    per_day : float
        New ones a day.
    window_days : float
        What the last of them needs.

    Returns
    -------
    float
        Infinite where nobody new comes and some are missing.

    Examples
    --------
    >>> days_until(1_000, 400, per_day=20, window_days=7)
    37.0
    """
    missing = max(0.0, needed - compared)
    if missing and per_day <= 0:
        return math.inf
    return (missing / per_day if missing else 0.0) + window_days


def _reach(level: float, power: float) -> float:
    return float(stats.norm.ppf((1 + level) / 2) + stats.norm.ppf(power))
