"""What a campaign cost, what it brought beyond that, and whether its guard rails held.

Writes nothing.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from campaigns import comparisons, judging
from campaigns.experiments import guards
from campaigns.models import Campaign, Measuring, Offer
from campaigns.services.figures import Costs, Extra, GuardRail, Return

# Their cost is a lower price: it is in the orders' totals already.
IN_THE_PRICE = (Offer.Kind.PERCENT.value, Offer.Kind.AMOUNT.value, Offer.Kind.FREE_SHIPPING.value)


def costs(campaign: Campaign, *, currency: str, now: datetime) -> Costs:
    """Messages at what the other side said, else the campaign's or the channel's price; gifts.

    A discount is told but not added: the revenue of the orders that used it is lower by it.
    """
    priced = judging.policy().costs
    messages, unpriced = 0.0, 0
    for row in comparisons.costs_of_messages(campaign.pk):
        price = campaign.cost_per_message
        if price is None:
            price = priced.get(row["channel"])
        silent = row["sent"] - row["n_told"]
        messages += row["told"] + silent * float(price or 0)
        unpriced += 0 if price is not None else silent
    redeemed = comparisons.redeemed(campaign.pk, currency=currency, now=now)
    gifts = sum(
        row["n"] * (row["cost"] or 0.0) for row in redeemed if row["kind"] not in IN_THE_PRICE
    )
    return Costs(
        messages=messages,
        messages_unpriced=unpriced,
        gifts=gifts,
        redeemed=sum(row["n"] for row in redeemed),
        discounts=sum(row["discount"] for row in redeemed),
    )


def made(extra_margin: Extra | None, found: Costs, *, is_provisional: bool) -> Return | None:
    """Extra margin less the cost; the cost is known, so the interval only moves."""
    if extra_margin is None:
        return None
    return Return(
        value=extra_margin.value - found.total,
        low=extra_margin.low - found.total,
        high=extra_margin.high - found.total,
        is_provisional=is_provisional,
    )


def rails(rows: Sequence[dict[str, Any]], settled: Measuring) -> tuple[GuardRail, ...]:
    """Unsubscribes, complaints and bounces of what left, beside the limits set beforehand."""
    sent = sum(row["sent"] for row in rows)
    limits = {
        "unsubscribe": settled.unsubscribe_rate_most,
        "complaint": settled.complaint_rate_most,
        "bounce": settled.bounce_rate_most,
    }
    found = []
    for name, limit in limits.items():
        events = sum(row[name] for row in rows)
        guard = guards.against_limit(events, sent, limit=limit)
        if sent:
            found.append(GuardRail(name, events, sent, guard))
    return tuple(found)


def left_by_variant(rows: Sequence[dict[str, Any]]) -> dict[int | None, tuple[int, int]]:
    """Messages that left and how many of their readers unsubscribed, by variant."""
    return {row["variant_id"]: (row["sent"], row["unsubscribe"]) for row in rows}
