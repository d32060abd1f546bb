"""How many more may have an offer, what one redemption costs, and whether enough margin is left."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from campaigns.offers.terms import Terms


@dataclass(frozen=True)
class Limits:
    """What an offer may cost altogether; None: no limit.

    Parameters
    ----------
    given_most : int or None
        People it may be given to.
    redeemed_most : int or None
        Codes that may be redeemed.
    budget : float or None
        Cost of all redemptions, in the shop's currency.
    cost : float or None
        Expected cost of one redemption, in the shop's currency; None: from what is given.
    margin_share_least : float or None
        Of an expected order, what must be left after the offer.
    starts_at, ends_at : datetime or None
        Given and valid from and until.
    """

    given_most: int | None = None
    redeemed_most: int | None = None
    budget: float | None = None
    cost: float | None = None
    margin_share_least: float | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None


@dataclass(frozen=True)
class Used:
    """What was given so far.  ``open`` codes can still be redeemed."""

    given: int = 0
    open: int = 0
    redeemed: int = 0


def cost_of_one(terms: Terms, limits: Limits, *, basket: float) -> float | None:
    """Expected cost of one redemption, in the currency of ``basket``; None where nobody said.

    Parameters
    ----------
    terms : Terms
    limits : Limits
    basket : float
        An expected order's value.

    Returns
    -------
    float or None

    Examples
    --------
    >>> from decimal import Decimal
    >>> cost_of_one(Terms("percent", share=Decimal("0.2")), Limits(), basket=50.0)
    10.0
    >>> cost_of_one(Terms("gift", gift="A mug"), Limits(), basket=50.0) is None
    True
    """
    if limits.cost is not None:
        return limits.cost
    if terms.kind == "percent":
        return float(terms.share or 0) * basket
    if terms.kind == "amount":
        return min(float(terms.amount or 0), basket)
    return None


def remaining(limits: Limits, used: Used, *, cost: float | None) -> int | None:
    """How many more people may have it, so that no limit can be passed whatever is redeemed later.

    Every open code is counted as if it will be redeemed.

    Parameters
    ----------
    limits : Limits
    used : Used
    cost : float or None
        Of one redemption.

    Returns
    -------
    int or None
        None: as many as one likes.

    Raises
    ------
    ValueError
        If there is a budget and nobody said what one redemption costs.

    Examples
    --------
    >>> remaining(Limits(given_most=10, budget=30.0), Used(given=4, open=3, redeemed=1), cost=5.0)
    2
    """
    promised = used.open + used.redeemed
    rooms = []
    if limits.given_most is not None:
        rooms.append(limits.given_most - used.given)
    if limits.redeemed_most is not None:
        rooms.append(limits.redeemed_most - promised)
    if limits.budget is not None:
        if cost is None:
            raise ValueError("a budget needs the cost of one redemption")
        if cost > 0:
            # The last one may use the budget up to the cent, whatever floats make of it.
            rooms.append(math.floor((limits.budget - promised * cost) / cost + 1e-9))
    return max(0, min(rooms)) if rooms else None


def expires_at(terms: Terms, limits: Limits, *, now: datetime) -> datetime:
    """Until when a code given now is valid."""
    own = now + timedelta(days=terms.valid_days)
    return own if limits.ends_at is None else min(own, limits.ends_at)


def faults(terms: Terms, limits: Limits) -> tuple[str, ...]:
    """Everything that is wrong with these limits, a sentence each.

    Examples
    --------
    >>> faults(Terms("free_shipping"), Limits(budget=100.0))
    ('A budget needs the expected cost of one redemption.',)
    """
    found = []
    for name, value in (
        ("number of people", limits.given_most),
        ("number of redemptions", limits.redeemed_most),
        ("budget", limits.budget),
    ):
        if value is not None and value <= 0:
            found.append(f"The {name} must be above 0, found {value}.")
    if limits.cost is not None and limits.cost < 0:
        found.append(f"The cost of one redemption must not be below 0, found {limits.cost}.")
    least = limits.margin_share_least
    if least is not None and not 0 <= least < 1:
        found.append(f"The least margin must be 0 or more and below 1, found {least}.")
    if limits.budget is not None and cost_of_one(terms, limits, basket=1.0) is None:
        found.append("A budget needs the expected cost of one redemption.")
    if limits.starts_at and limits.ends_at and limits.ends_at <= limits.starts_at:
        found.append("The offer ends before it starts.")
    return tuple(found)
