"""Which look is due, what its boundary is, and where a comparison stands."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from campaigns.experiments import always_valid, sequential
from campaigns.experiments.sequential import ALPHA

GROWTH_LEAST = 1 + 1e-6  # of information, from look to look: refunds may seem to take some back


@dataclass(frozen=True)
class Taken:
    """One look that was taken."""

    number: int
    information: float
    share: float  # of the planned information
    spent: float
    difference: float
    error: float
    boundary: float

    @property
    def is_crossed(self) -> bool:
        return self.error > 0 and abs(self.difference / self.error) >= self.boundary


@dataclass(frozen=True)
class Standing:
    """Where a comparison stands under its rule."""

    rule: str  # sequential | always_valid
    share: float  # of the planned information
    looks_taken: int
    looks_planned: int | None  # None: no number is planned
    crossed: Taken | None  # the look that met its boundary: it has been concluded
    last: Taken | None
    is_over: bool  # no look is left


def due(share: float, *, looks: int, taken: Sequence[Taken]) -> int | None:
    """The number of the planned look that is due; None while none is.

    A look that was missed is not made up for: the next one spends what it may by then.

    Examples
    --------
    >>> due(0.39, looks=5, taken=()), due(0.41, looks=5, taken=())
    (1, 2)
    """
    number = min(looks, math.floor(share * looks + 1e-9))
    return number if number > max((look.number for look in taken), default=0) else None


def sequential_look(
    *,
    number: int,
    share: float,
    information: float,
    difference: float,
    error: float,
    taken: Sequence[Taken],
    spending: str = "obrien_fleming",
    alpha: float = ALPHA,
) -> Taken:
    """The next look of a group-sequential rule, with its boundary.

    Parameters
    ----------
    number : int
        As of `due`.
    share : float in (0, 1]
        Of the planned information, or of the planned time: what may be spent goes by it [1]_.
    information : float
        In a unit that is the same at all looks.
    difference, error : float
    taken : sequence of Taken
        All earlier looks.
    spending : str
        A key of `sequential.SPENDING`.
    alpha : float in (0, 1)

    References
    ----------
    .. [1] Lan & DeMets (1989). Group sequential procedures: calendar versus information time.
       Statistics in Medicine 8, 1191-1198.
    """
    information = _grown(information, taken)
    spent = max(
        sequential.SPENDING[spending](share, alpha), max((one.spent for one in taken), default=0.0)
    )
    bounds = sequential.boundaries(
        [*(look.information for look in taken), information],
        [*(look.spent for look in taken), spent],
    )
    return Taken(number, information, share, spent, difference, error, bounds[-1])


def always_valid_look(
    *,
    information: float,
    share: float,
    difference: float,
    error: float,
    taken: Sequence[Taken],
    alpha: float = ALPHA,
) -> Taken:
    """A look under the always-valid rule.

    The first look fixes how much information is planned; from then on its share follows the
    information itself, so that the bounds hold however unevenly it comes.
    """
    information = _grown(information, taken)
    if taken:
        share = information / taken[0].information * taken[0].share
    number = max((look.number for look in taken), default=0) + 1
    bound = always_valid.bound(share, alpha=alpha)
    return Taken(number, information, share, alpha, difference, error, bound)


def _grown(information: float, taken: Sequence[Taken]) -> float:
    return max(information, taken[-1].information * GROWTH_LEAST) if taken else information


def standing(
    rule: str, taken: Sequence[Taken], *, share: float, looks: int | None, is_over: bool
) -> Standing:
    """Where a comparison stands after these looks; the first crossing decides for good."""
    return Standing(
        rule=rule,
        share=share,
        looks_taken=len(taken),
        looks_planned=looks,
        crossed=next((look for look in taken if look.is_crossed), None),
        last=taken[-1] if taken else None,
        is_over=is_over,
    )
