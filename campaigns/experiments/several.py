"""More than one comparison: error kept over variants, one figure out of several campaigns."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

from campaigns.experiments.analysis import LEVEL


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted so that the chance of any false alarm among them stays what it was for one.

    Parameters
    ----------
    p_values : sequence of float in [0, 1]
        One for each comparison; NaN counts as 1.

    Returns
    -------
    list of float in [0, 1]
        In the same order.

    References
    ----------
    .. [1] Holm (1979). A simple sequentially rejective multiple test procedure.  Scandinavian
       Journal of Statistics 6, 65-70.

    Examples
    --------
    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03, 0.005])]
    [0.03, 0.06, 0.06, 0.02]
    """
    plain = [1.0 if math.isnan(p) else p for p in p_values]
    adjusted, largest = [1.0] * len(plain), 0.0
    for rank, place in enumerate(sorted(range(len(plain)), key=plain.__getitem__)):
        largest = max(largest, min(1.0, (len(plain) - rank) * plain[place]))
        adjusted[place] = largest
    return adjusted


@dataclass(frozen=True)
class Combined:
    """One effect out of several estimates, and how far these differ by more than chance."""

    estimate: float
    low: float
    high: float
    n_estimates: int
    heterogeneity: float  # Q, about n_estimates - 1 where all share one effect
    p_value: float  # of that Q were there one effect; 1 for a single estimate
    varying_share: float  # I², of the spread between estimates that is not chance, in [0, 1)
    between: float  # tau, standard deviation of the true effects


def combined(
    estimates: Sequence[float], errors: Sequence[float], *, level: float = LEVEL
) -> Combined | None:
    """The mean effect, each estimate weighed by the inverse of its variance.

    Parameters
    ----------
    estimates, errors : sequences of float
        Estimates of the same unit and their standard errors; those without an error above 0 are
        left out.
    level : float in (0, 1), default=0.95

    Returns
    -------
    Combined or None
        None without estimates.  Where the estimates differ by more than chance, the variance
        between true effects is added to each, which widens the interval; where not, this is the
        plain inverse-variance mean.

    References
    ----------
    .. [1] DerSimonian & Laird (1986). Meta-analysis in clinical trials.  Controlled Clinical
       Trials 7, 177-188.
    .. [2] Higgins & Thompson (2002). Quantifying heterogeneity in a meta-analysis.  Statistics in
       Medicine 21, 1539-1558.

    Examples
    --------
    >>> found = combined([1.0, 3.0], [1.0, 1.0])
    >>> (found.estimate, round(found.heterogeneity, 2), round(found.between, 2))
    (2.0, 2.0, 1.0)
    """
    known = [
        (estimate, error**2)
        for estimate, error in zip(estimates, errors, strict=True)
        if error > 0 and math.isfinite(error) and math.isfinite(estimate)
    ]
    if not known:
        return None
    weights = [1 / variance for _estimate, variance in known]
    total = sum(weights)
    mean = sum(w * estimate for w, (estimate, _v) in zip(weights, known, strict=True)) / total
    q = sum(w * (estimate - mean) ** 2 for w, (estimate, _v) in zip(weights, known, strict=True))
    degrees = len(known) - 1
    scale = total - sum(w * w for w in weights) / total
    between = max(0.0, (q - degrees) / scale) if degrees else 0.0
    wider = [1 / (variance + between) for _estimate, variance in known]
    estimate = sum(w * one for w, (one, _v) in zip(wider, known, strict=True)) / sum(wider)
    reach = float(stats.norm.ppf((1 + level) / 2)) / math.sqrt(sum(wider))
    return Combined(
        estimate=estimate,
        low=estimate - reach,
        high=estimate + reach,
        n_estimates=len(known),
        heterogeneity=q,
        p_value=float(stats.chi2.sf(q, degrees)) if degrees else 1.0,
        varying_share=max(0.0, (q - degrees) / q) if q > 0 else 0.0,
        between=math.sqrt(between),
    )
