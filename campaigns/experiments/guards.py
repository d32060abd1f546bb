"""What must not become worse: rates of leaving, complaining and bouncing against their limits."""

import math
from dataclasses import dataclass

from scipy import stats

LEVEL = 0.95


@dataclass(frozen=True)
class Guard:
    """One rate beside its limit."""

    rate: float  # NaN where nothing was sent
    low: float
    high: float
    limit: float
    verdict: str  # within | broken | unknown


def against_limit(events: int, n: int, *, limit: float, level: float = LEVEL) -> Guard:
    """Whether a rate is shown to stay below its limit, to lie above it, or neither yet.

    Parameters
    ----------
    events, n : int
        Messages with the event, and messages.
    limit : float in (0, 1)
    level : float in (0, 1), default=0.95
        Of each of the two one-sided bounds.

    Returns
    -------
    Guard
        ``within`` once the upper bound lies below the limit: absence of harm is shown, not assumed
        from silence.  ``broken`` once the lower bound lies above it.

    References
    ----------
    .. [1] Clopper & Pearson (1934). The use of confidence or fiducial limits illustrated in the
       case of the binomial.  Biometrika 26, 404-413.

    Examples
    --------
    >>> against_limit(0, 100, limit=0.01).verdict, against_limit(0, 300, limit=0.01).verdict
    ('unknown', 'within')
    """
    if n == 0:
        return Guard(math.nan, 0.0, 1.0, limit, "unknown")
    low = float(stats.beta.ppf(1 - level, events, n - events + 1)) if events else 0.0
    high = float(stats.beta.ppf(level, events + 1, n - events)) if events < n else 1.0
    verdict = "within" if high < limit else "broken" if low > limit else "unknown"
    return Guard(events / n, low, high, limit, verdict)


def rate_difference(
    events: int, n: int, events_beside: int, n_beside: int, *, level: float = LEVEL
) -> tuple[float, float]:
    """The two-sided interval of the difference of two rates, first minus second.

    Good for rare events, where the usual interval is not.

    References
    ----------
    .. [1] Newcombe (1998). Interval estimation for the difference between independent
       proportions.  Statistics in Medicine 17, 873-890, method 10.

    Examples
    --------
    >>> [round(bound, 4) for bound in rate_difference(56, 70, 48, 80)]  # table II of [1]_
    [0.0524, 0.3339]
    """
    one, two = events / n, events_beside / n_beside
    (one_low, one_high) = wilson(events, n, level=level)
    (two_low, two_high) = wilson(events_beside, n_beside, level=level)
    below = math.sqrt((one - one_low) ** 2 + (two_high - two) ** 2)
    above = math.sqrt((one_high - one) ** 2 + (two - two_low) ** 2)
    return one - two - below, one - two + above


def not_worse(
    events: int, n: int, events_beside: int, n_beside: int, *, margin: float, level: float = LEVEL
) -> str:
    """Whether a rate is shown to lie less than ``margin`` above another: a non-inferiority test.

    Returns
    -------
    str
        ``within``, ``broken`` or ``unknown``; one-sided at ``level``.

    Examples
    --------
    >>> not_worse(10, 10_000, 9, 10_000, margin=0.005)
    'within'
    """
    if not n or not n_beside:
        return "unknown"
    low, high = rate_difference(events, n, events_beside, n_beside, level=2 * level - 1)
    return "within" if high < margin else "broken" if low > margin else "unknown"


def wilson(events: int, n: int, *, level: float = LEVEL) -> tuple[float, float]:
    """Wilson's (1927) two-sided interval of a rate."""
    z = float(stats.norm.ppf((1 + level) / 2))
    middle = events + z * z / 2
    reach = z * math.sqrt(z * z / 4 + events * (n - events) / n)
    return max(0.0, (middle - reach) / (n + z * z)), min(1.0, (middle + reach) / (n + z * z))
