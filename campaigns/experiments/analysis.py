"""Compare two arms by their means: the difference, and how far chance alone can carry it."""

import math
from dataclasses import dataclass, replace

from scipy import stats

LEVEL = 0.95


@dataclass(frozen=True)
class Sample:
    """What must be known of one arm to compare means: sums that a database adds up in one pass.

    Parameters
    ----------
    n : int
        Customers, those with a value of zero included.
    total : float
        Sum of the values.
    squares : float
        Sum of the squared values.
    cubes : float or None, default=None
        Sum of the cubed values, if intervals are to allow for skewness.
    """

    n: int
    total: float
    squares: float
    cubes: float | None = None

    @property
    def mean(self) -> float:
        """Mean value of a customer; NaN in an empty arm."""
        return self.total / self.n if self.n else math.nan

    @property
    def variance(self) -> float:
        """Variance between customers, with n - 1; NaN below two customers."""
        if self.n < 2:
            return math.nan
        return max(0.0, (self.squares - self.total * self.total / self.n) / (self.n - 1))

    @property
    def third_moment(self) -> float | None:
        """Mean cubed distance from the mean; None where it is not known."""
        if self.cubes is None or not self.n:
            return None
        mean = self.mean
        return self.cubes / self.n - 3 * mean * self.squares / self.n + 2 * mean**3


@dataclass(frozen=True)
class Difference:
    """How much larger the mean of one arm is than that of the other, with its uncertainty."""

    difference: float  # per customer
    low: float  # the interval, at `level`
    high: float
    p_value: float  # two-sided; NaN where neither arm varies
    degrees: float  # of freedom, Welch–Satterthwaite
    relative: float | None  # difference / mean of the second arm; None where that is not above 0
    relative_low: float | None
    relative_high: float | None
    level: float = LEVEL
    error: float = math.nan  # standard error

    @property
    def normal_error(self) -> float:
        """The error with which a normal Z has this p-value: small samples and skewness allowed for.

        Boundaries of several looks are those of a normal Z.
        """
        if not 0 < self.p_value < 1 or not self.difference:
            return self.error
        return abs(self.difference) / float(stats.norm.isf(self.p_value / 2))

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0


def widened(found: Difference, boundary: float) -> Difference:
    """The same difference with the interval of a rule that allows several looks.

    Parameters
    ----------
    found : Difference
    boundary : float
        |Z| at which the rule stops at this look.

    Returns
    -------
    Difference
        ``difference ± boundary * error``: excludes zero exactly where the rule stops, and covers
        the truth at all looks together at the rule's level.  The ratio has no such interval.

    References
    ----------
    .. [1] Jennison & Turnbull (1989). Interim analyses: the repeated confidence interval approach.
       Journal of the Royal Statistical Society B 51, 305-361.
    """
    reach = boundary * found.error
    return replace(
        found,
        low=found.difference - reach,
        high=found.difference + reach,
        relative_low=None,
        relative_high=None,
    )


def difference(treated: Sample, untreated: Sample, *, level: float = LEVEL) -> Difference:
    """The difference of two means with Welch's interval, which lets the arms vary differently.

    Parameters
    ----------
    treated, untreated : Sample
        Independent arms of at least two customers each.
    level : float in (0, 1), default=0.95
        Share of repetitions in which the interval covers the true difference.

    Where the sums of cubes are known, both ends of the interval and the p-value allow for skewness:
    a few large orders in a small arm pull its mean and its variance together, which makes the plain
    interval miss too often, and on one side.

    Returns
    -------
    Difference
        In the unit of the values, for each customer.  Where neither arm varies, nothing can be
        inferred: the interval is the whole line and the p-value NaN.

    Raises
    ------
    ValueError
        If an arm has fewer than two customers.

    Notes
    -----
    The interval relies on the means being nearly normal.  With a handful of buyers in an arm they
    are not, whatever n is: see `checks.too_few_buyers`.

    References
    ----------
    .. [1] Welch (1947). The generalization of "Student's" problem when several different
       population variances are involved.  Biometrika 34, 28-35.
    .. [2] Hall (1992). On the removal of skewness by transformation.  Journal of the Royal
       Statistical Society B 54, 221-228.
    .. [3] Zhou & Dinh (2005). Nonparametric confidence intervals for the one- and two-sample
       problems.  Biostatistics 6, 187-200.

    Examples
    --------
    >>> found = difference(Sample(900, 90, 110), Sample(100, 5, 5))
    >>> print(f"{found.difference:.3f} ({found.low:.3f} to {found.high:.3f})")
    0.050 (0.001 to 0.099)
    """
    if min(treated.n, untreated.n) < 2:
        raise ValueError(f"each arm needs 2 customers, found {treated.n} and {untreated.n}")
    seen = treated.mean - untreated.mean
    of_treated, of_untreated = treated.variance / treated.n, untreated.variance / untreated.n
    error = math.sqrt(of_treated + of_untreated)
    if error == 0:
        return Difference(
            seen, -math.inf, math.inf, math.nan, math.nan, None, None, None, level=level
        )
    degrees = (of_treated + of_untreated) ** 2 / (
        of_treated**2 / (treated.n - 1) + of_untreated**2 / (untreated.n - 1)
    )
    skewness = _skewness(treated, untreated, error)
    reach = float(stats.t.ppf((1 + level) / 2, degrees))
    low = seen - error * _skewed(reach, skewness)
    high = seen - error * _skewed(-reach, skewness)
    p_value = float(2 * stats.t.sf(abs(_straightened(seen / error, skewness)), degrees))
    relative = _relative(treated, untreated, level)
    return Difference(seen, low, high, p_value, degrees, *relative, level=level, error=error)


def _skewness(treated: Sample, untreated: Sample, error: float) -> float:
    """Of the difference of the means; 0 where cubes are not known."""
    one, two = treated.third_moment, untreated.third_moment
    if one is None or two is None:
        return 0.0
    return (one / treated.n**2 - two / untreated.n**2) / error**3


def _straightened(t: float, skewness: float) -> float:
    """Hall's monotone cubic: a studentised mean, nearly normal whatever the skewness."""
    a = skewness
    return t + a * t * t / 3 + a * a * t**3 / 27 + a / 6  # [2]_


def _skewed(straight: float, skewness: float) -> float:
    """The inverse of `_straightened`."""
    if abs(skewness) < 1e-9:
        return straight
    return 3 / skewness * (math.cbrt(1 + skewness * (straight - skewness / 6)) - 1)


def _relative(
    treated: Sample, untreated: Sample, level: float
) -> tuple[float | None, float | None, float | None]:
    """The ratio of means minus one, with the delta method on the logarithm of the ratio.

    The logarithm keeps the interval above -1 and right-skewed, as a ratio's is.
    """
    if not (treated.mean > 0 and untreated.mean > 0):
        return (-1.0 if treated.mean == 0 and untreated.mean > 0 else None), None, None
    ratio = treated.mean / untreated.mean
    error = math.sqrt(
        treated.variance / treated.n / treated.mean**2
        + untreated.variance / untreated.n / untreated.mean**2
    )
    reach = float(stats.norm.ppf((1 + level) / 2)) * error
    return ratio - 1, ratio * math.exp(-reach) - 1, ratio * math.exp(reach) - 1
