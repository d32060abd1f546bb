"""An offer's row as the pure rooms know it.  Reads rows, writes none."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

import numpy as np
from django.conf import settings
from django.db import connection

from campaigns.models import Offer
from campaigns.offers import limits, terms
from campaigns.offers.limits import Limits, Used, cost_of_one
from campaigns.offers.terms import Terms

USED = """
    SELECT offer_id, count(*), count(*) FILTER (WHERE redeemed_at IS NULL AND expires_at > %s),
        count(*) FILTER (WHERE redeemed_at IS NOT NULL)
    FROM campaigns_coupon WHERE offer_id = ANY(%s) AND given_at IS NOT NULL GROUP BY offer_id"""
# What one order is worth: of the latest ones, so that a shop's history does not slow it down.
BASKET = """
    SELECT avg(total)::float8, count(*) FROM (
        SELECT total FROM customers_order
        WHERE kind = 'sale' AND status = 'paid' AND currency = %s AND recorded_at <= %s
        ORDER BY id DESC LIMIT 10000
    ) latest"""


def terms_of(offer: Offer) -> Terms:
    return Terms(
        kind=offer.kind,
        share=offer.share,
        amount=offer.amount,
        currency=offer.currency,
        code_prefix=offer.code_prefix,
        valid_days=offer.valid_days,
        gift=offer.gift,
        points=offer.points,
        codes=offer.codes,
        static_code=offer.static_code,
        order_least=offer.order_least,
    )


def limits_of(offer: Offer) -> Limits:
    return Limits(
        given_most=offer.given_most,
        redeemed_most=offer.redeemed_most,
        budget=_number(offer.budget),
        cost=_number(offer.cost),
        margin_share_least=_number(offer.margin_share_least),
        starts_at=offer.starts_at,
        ends_at=offer.ends_at,
    )


def used(offers: Iterable[Offer], *, now: datetime) -> dict[int, Used]:
    """What was given of each offer, by its id."""
    ids = [offer.pk for offer in offers]
    with connection.cursor() as cursor:
        cursor.execute(USED, [now, ids])
        found = {row[0]: Used(*row[1:]) for row in cursor}
    return {pk: found.get(pk, Used()) for pk in ids}


def basket(*, now: datetime) -> tuple[float, int]:
    """The mean value of an order in the shop's currency, and of how many; 0 of none."""
    with connection.cursor() as cursor:
        cursor.execute(BASKET, [settings.CURRENCY, now])
        mean, n = cursor.fetchone()
    return mean or 0.0, n


def cost_of(offer: Offer, *, basket: float) -> float | None:
    """Expected cost of one redemption, in the shop's currency; None where nobody said."""
    return cost_of_one(terms_of(offer), limits_of(offer), basket=basket)


def costs_of(offer: Offer, *, baskets: np.ndarray) -> np.ndarray:
    """The same for many orders at once; 0 where nobody said."""
    if offer.cost is None and offer.kind == Offer.Kind.PERCENT:
        return float(offer.share or 0) * baskets
    if offer.cost is None and offer.kind == Offer.Kind.AMOUNT:
        return np.minimum(float(offer.amount or 0), baskets)
    return np.full(len(baskets), float(offer.cost or 0))


def left(offer: Offer, *, now: datetime) -> int | None:
    """How many more people may have it; None: no limit."""
    cost = cost_of(offer, basket=basket(now=now)[0])
    return limits.remaining(limits_of(offer), used([offer], now=now)[offer.pk], cost=cost)


def launch_faults(offer: Offer) -> list[str]:
    """What keeps a campaign that gives this offer from being launched."""
    wanted = terms_of(offer)
    found = [*terms.faults(wanted), *limits.faults(wanted, limits_of(offer))]
    is_pool = offer.codes == Offer.Codes.POOL
    if is_pool and not offer.coupons.filter(given_at__isnull=True).exists():
        found.append("Its pool has no free code: fill it first.")
    return [f"The offer {offer}: {fault}" for fault in found]


def _number(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
