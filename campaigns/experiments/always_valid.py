"""Look whenever you like: bounds that hold at all moments together (always-valid inference)."""

import math

ALPHA = 0.05  # two-sided, over all moments together
MIXING = 8.0  # makes the bounds near their narrowest about the planned information; see `bound`


def bound(share: float, *, alpha: float = ALPHA, mixing: float = MIXING) -> float:
    """How far |Z| must go when a share of the planned information is there.

    The mixture sequential probability ratio test with a normal mixture: the likelihood ratio of
    effects drawn from N(0, mixing / planned information) against none exceeds 1 / alpha with
    probability at most alpha, however often one looks.

    Parameters
    ----------
    share : float, above 0
        Of the planned information, or any constant multiple of it; may exceed 1.
    alpha : float in (0, 1), default=0.05
    mixing : float, above 0, default=8
        Fixed beforehand.  It decides where the bounds are tight, not whether they hold.

    Returns
    -------
    float
        Infinite while nothing is known.

    Notes
    -----
    Holds for normal Z, thus for means of many customers; the first looks, at a handful of buyers,
    are withheld by the checks.

    References
    ----------
    .. [1] Robbins (1970). Statistical methods related to the law of the iterated logarithm.
       Annals of Mathematical Statistics 41, 1397-1409.
    .. [2] Johari, Koomen, Pekelis & Walsh (2022). Always valid inference: continuous monitoring of
       A/B tests.  Operations Research 70, 1806-1821.
    .. [3] Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2024). Time-uniform central limit theory
       and asymptotic confidence sequences.  Annals of Statistics 52, 2613-2640.

    Examples
    --------
    >>> round(bound(1.0), 3)
    3.035
    """
    if share <= 0:
        return math.inf
    c = mixing * share
    return math.sqrt((1 + c) / c * (math.log(1 + c) + 2 * math.log(1 / alpha)))


def p_value(z: float, share: float, *, mixing: float = MIXING) -> float:
    """The always-valid p-value at one moment; the smallest so far may be quoted at any time.

    Parameters
    ----------
    z : float
    share, mixing
        As in `bound`.

    Returns
    -------
    float in (0, 1]
        The inverse of the likelihood ratio: below alpha exactly where |z| exceeds `bound`.

    Examples
    --------
    >>> round(p_value(bound(0.4, alpha=0.01), 0.4), 6)
    0.01
    """
    if share <= 0:
        return 1.0
    c = mixing * share
    log_ratio = z * z * c / (2 * (1 + c)) - math.log(1 + c) / 2
    return min(1.0, math.exp(-log_ratio)) if log_ratio < 700 else 0.0
