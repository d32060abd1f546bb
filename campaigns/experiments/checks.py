"""What must hold before a difference between arms may be believed: one function a check.

To add a check, write a function from `Arms` to `Finding` or None and list it in `CHECKS`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scipy import stats

# Far below 5 %: this alarm is about a broken draw, and every campaign asks it.
SAMPLE_RATIO_P_VALUE_LEAST = 0.001
CUSTOMERS_LEAST = 30  # in each arm
BUYERS_EXPECTED_LEAST = 10  # in each arm, were the arms alike


@dataclass(frozen=True)
class Arms:
    """The two arms of one campaign as the checks see them."""

    treated: int  # customers compared
    holdout: int
    treated_buyers: int  # of these, with at least one order in the window
    holdout_buyers: int
    holdout_share: float  # as it was drawn, in [0, 1]
    days_left: float  # until the window closes; 0 or less when it has
    is_running: bool = False  # people still enter, and none of the planned looks is reached
    planned: int | None = None  # customers, of what goes on


@dataclass(frozen=True)
class Finding:
    """Why nothing may be concluded, in a word for programs and a sentence for people."""

    key: str
    sentence: str


def no_holdout(arms: Arms) -> Finding | None:
    """Without somebody left alone there is nothing to compare with."""
    if arms.holdout_share > 0:
        return None
    return Finding(
        "no_holdout",
        "Nobody was left alone, so nothing can be said about what the campaign caused.",
    )


def sample_ratio(arms: Arms) -> Finding | None:
    """The arms must have the sizes that were drawn, or something removed people from one of them.

    Every other figure of such an experiment is unreliable, however large the difference.
    """
    p_value = sample_ratio_p_value(arms)
    if p_value >= SAMPLE_RATIO_P_VALUE_LEAST:
        return None
    n = arms.treated + arms.holdout
    return Finding(
        "sample_ratio_mismatch",
        f"{arms.holdout:,} of {n:,} compared customers were left alone where "
        f"{n * arms.holdout_share:,.0f} were expected (p = {p_value:.2g}): the draw did not "
        "stay as it was made, so the difference between the arms must not be read as an effect.",
    )


def too_small(arms: Arms) -> Finding | None:
    """An interval from a few customers is a guess about a guess."""
    if min(arms.treated, arms.holdout) >= CUSTOMERS_LEAST:
        return None
    return Finding(
        "too_small",
        f"{arms.treated:,} customers were written to and {arms.holdout:,} left alone; below "
        f"{CUSTOMERS_LEAST} in an arm nothing can be concluded.",
    )


def window_open(arms: Arms) -> Finding | None:
    """One look, when the window closes: looking until it pleases finds what is not there."""
    if arms.days_left <= 0:
        return None
    days = max(1, round(arms.days_left))
    return Finding(
        "window_open",
        f"The window is open for {days} more {'day' if days == 1 else 'days'}: the figures are "
        "provisional, and what may be concluded is said when it closes.",
    )


def running(arms: Arms) -> Finding | None:
    """What goes on is looked at once too: at a size that was planned, or when it has ended."""
    if not arms.is_running:
        return None
    n = arms.treated + arms.holdout
    when = f"when {arms.planned:,} have" if arms.planned else "when it has ended and all have"
    return Finding(
        "running",
        f"It goes on: {n:,} customers have had their window. The figures are provisional; it may "
        f"be concluded once, {when} had theirs.",
    )


def too_few_buyers(arms: Arms) -> Finding | None:
    """With next to no buyers in an arm its variance is unknown and any interval too short.

    The count expected were the arms alike is asked, not the one found: a holdout that really buys
    nothing beside a large treated arm that does is a result, not a lack of data.
    """
    n = max(1, arms.treated + arms.holdout)
    expected = min(arms.treated, arms.holdout) * (arms.treated_buyers + arms.holdout_buyers) / n
    if expected >= BUYERS_EXPECTED_LEAST:
        return None
    return Finding(
        "too_few_buyers",
        f"{arms.treated_buyers:,} of {arms.treated:,} customers written to and "
        f"{arms.holdout_buyers:,} of {arms.holdout:,} left alone ordered: too few to tell a "
        "difference from chance.",
    )


# In this order; the first finding decides.
CHECKS: tuple[Callable[[Arms], Finding | None], ...] = (
    no_holdout,
    sample_ratio,
    too_small,
    window_open,
    running,
    too_few_buyers,
)


def findings(arms: Arms) -> tuple[Finding, ...]:
    """All reasons to conclude nothing, the one that decides first; empty when there is none.

    Parameters
    ----------
    arms : Arms

    Returns
    -------
    tuple of Finding

    Examples
    --------
    >>> [found.key for found in findings(Arms(900, 100, 90, 8, holdout_share=0.1, days_left=2))]
    ['window_open', 'too_few_buyers']
    >>> findings(Arms(9000, 1000, 900, 80, holdout_share=0.1, days_left=0))
    ()
    """
    return tuple(found for check in CHECKS if (found := check(arms)))


def sample_ratio_p_value(arms: Arms) -> float:
    """The probability of arms at least this far from the drawn share, by chance alone.

    Parameters
    ----------
    arms : Arms

    Returns
    -------
    float in [0, 1]
        From the exact binomial test; 1 where nobody is compared.

    References
    ----------
    .. [1] Fabijan et al. (2019). Diagnosing sample ratio mismatch in online controlled
       experiments.  KDD '19, 2156-2164.

    Examples
    --------
    >>> round(sample_ratio_p_value(Arms(900, 100, 0, 0, 0.1, 0)), 3)
    1.0
    """
    n = arms.treated + arms.holdout
    return float(stats.binomtest(arms.holdout, n, arms.holdout_share).pvalue) if n else 1.0


def sizes_p_value(found: Sequence[int], weights: Sequence[float]) -> float:
    """The probability of k arms at least this far from the sizes drawn, by chance alone.

    Parameters
    ----------
    found : sequence of int
        Customers of each arm.
    weights : sequence of float, 0 or more
        In the same order; an arm's share is its weight by their sum.  Somebody found in an arm
        that weighs nothing cannot be chance.

    Returns
    -------
    float in [0, 1]
        Of Pearson's chi-square test with k - 1 degrees of freedom; 1 where there is nothing to
        compare.

    References
    ----------
    .. [1] Pearson (1900). On the criterion that a given system of deviations ...  Philosophical
       Magazine 50, 157-175.

    Examples
    --------
    Mendel's 556 peas, drawn as 9 : 3 : 3 : 1, chi-square 0.47.

    >>> round(sizes_p_value([315, 108, 101, 32], [9, 3, 3, 1]), 3)
    0.925
    """
    n, total = sum(found), sum(weights)
    if any(people and not weight for people, weight in zip(found, weights, strict=True)):
        return 0.0
    pairs = [(people, weight) for people, weight in zip(found, weights, strict=True) if weight]
    if n == 0 or len(pairs) < 2:
        return 1.0
    expected = [n * weight / total for _people, weight in pairs]
    return float(stats.chisquare([people for people, _weight in pairs], expected).pvalue)


def sizes(
    found: Sequence[int], weights: Sequence[float], *, names: Sequence[str]
) -> Finding | None:
    """As `sample_ratio`, for any number of arms."""
    p_value = sizes_p_value(found, weights)
    if p_value >= SAMPLE_RATIO_P_VALUE_LEAST:
        return None
    told = ", ".join(f"{name} {n:,}" for name, n in zip(names, found, strict=True))
    return Finding(
        "sample_ratio_mismatch",
        f"The variants do not have the sizes that were drawn ({told}; p = {p_value:.2g}): "
        "something removed people from one of them, so they must not be compared.",
    )
