"""Compare two arms by a ratio of sums, such as revenue by orders, whose parts belong to people."""

import math

from scipy import stats

from campaigns.experiments.adjusting import Pair
from campaigns.experiments.analysis import LEVEL, Difference


def ratio(arm: Pair) -> tuple[float, float]:
    """The ratio of two sums over customers, and its variance by the delta method.

    Parameters
    ----------
    arm : Pair
        ``after`` is the numerator, ``before`` the denominator of each customer.

    Returns
    -------
    (float, float)
        NaN where the denominator is 0 or there are fewer than two customers.

    Notes
    -----
    Customers are drawn, orders are not: one customer's orders are alike, so the variance of a mean
    over orders would be too small.

    References
    ----------
    .. [1] Deng, Knoblich & Lu (2018). Applying the delta method in metric analytics.  KDD '18,
       233-242.

    Examples
    --------
    >>> from campaigns.experiments.analysis import Sample
    >>> ratio(Pair(Sample(3, 60, 1400), Sample(3, 6, 14), 140))[0]  # 10, 20, 30 by 1, 2, 3
    10.0
    """
    if arm.n < 2 or not arm.before.total:
        return math.nan, math.nan
    found = arm.after.total / arm.before.total
    spread = arm.after.variance - 2 * found * arm.covariance + found**2 * arm.before.variance
    return found, max(0.0, spread) / arm.n / arm.before.mean**2


def difference(treated: Pair, untreated: Pair, *, level: float = LEVEL) -> Difference | None:
    """How much larger the ratio of one arm is than that of the other.

    Returns
    -------
    Difference or None
        None where a ratio is undefined or nothing varies.
    """
    (one, of_one), (two, of_two) = ratio(treated), ratio(untreated)
    error = math.sqrt(of_one + of_two) if of_one + of_two > 0 else math.nan
    if math.isnan(one - two) or math.isnan(error):
        return None
    reach = float(stats.norm.ppf((1 + level) / 2)) * error
    seen = one - two
    p_value = float(2 * stats.norm.sf(abs(seen) / error))
    relative = seen / two if two > 0 else None
    return Difference(
        seen,
        seen - reach,
        seen + reach,
        p_value,
        treated.n + untreated.n - 2,
        relative,
        None,
        None,
        level=level,
        error=error,
    )
