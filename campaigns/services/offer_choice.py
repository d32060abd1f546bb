"""Choose the offer of each person by expected margin, and say what the choice is worth.

What an offer brings from one person is expected from three things, each told where the choice is
shown: how likely she orders within the campaign's window (the score ``orders_90d``, else the share
of customers that ordered in as many days), what her order is worth (her own orders, shrunk to the
shop's mean), and how much more likely people order who were given the offer (from the arms of past
campaigns, shrunk to `PRIOR_LIFT` for each hundredth of the order given away).
"""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from django.conf import settings
from django.db import connection, transaction

from campaigns import querysets
from campaigns.models import Campaign, Message, Offer
from campaigns.offers import choice, limits
from campaigns.offers.choice import Choice
from campaigns.services import offer_rows

# Until a shop's own campaigns show otherwise: each hundredth of an order's value given away raises
# the chance of an order by two hundredths.  A convention to start from, not a finding.
PRIOR_LIFT = 2.0
PRIOR_SPREAD = 0.25  # standard deviation of the logarithm of that
OWN_ORDERS = 3.0  # the shop's mean counts as much as so many orders of her own

PEOPLE = """
    SELECT p.customer_id, coalesce(s.value, -1)::float8,
        (coalesce(o.total, 0) + %s * %s) / (coalesce(o.n, 0) + %s)
    FROM (SELECT DISTINCT customer_id FROM campaign_plan WHERE reason = '' AND {which}) p
    LEFT JOIN segments_score s ON s.customer_id = p.customer_id AND s.name = 'orders_90d'
    LEFT JOIN LATERAL (
        SELECT sum(total)::float8 AS total, count(*) AS n FROM customers_order
        WHERE customer_id = p.customer_id AND kind = 'sale' AND status = 'paid'
            AND currency = %s AND recorded_at <= %s
    ) o ON true
    ORDER BY p.customer_id"""
# Conversion of the arms of campaigns that gave one offer, and nothing else, to all.
PAST = f"""
    SELECT k.offer_id, a.arm, count(*), count(*) FILTER (WHERE EXISTS (
        SELECT FROM customers_order o
        WHERE o.customer_id = a.customer_id AND {querysets.ORDERED_SQL}
            AND o.happened_at >= a.assigned_at
            AND o.happened_at < a.assigned_at + make_interval(days => k.attribution_days)))
    FROM campaigns_campaign k JOIN campaigns_assignment a ON a.campaign_id = k.id AND a.is_eligible
    WHERE k.offer_id = ANY(%s) AND k.kind = 'broadcast' AND k.holdout_share > 0
        AND k.launched_at + make_interval(days => k.attribution_days) < %s
    GROUP BY k.offer_id, a.arm"""
BASE_RATE = f"""
    SELECT count(DISTINCT o.customer_id)::float8 / greatest(1, (SELECT count(*)
        FROM customers_customer WHERE erased_at IS NULL AND merged_into_id IS NULL))
    FROM customers_order o
    WHERE {querysets.ORDERED_SQL} AND o.happened_at > %s - make_interval(days => %s)
        AND o.happened_at <= %s"""
SET_OFFERS = """
    UPDATE campaign_plan p SET offer_id = v.offer_id, reason = v.reason
    FROM unnest(%s::bigint[], %s::bigint[], %s::text[]) AS v (customer_id, offer_id, reason)
    WHERE p.customer_id = v.customer_id AND p.reason = '' AND p.offer_id IS NULL"""
REFUSE = """
    UPDATE campaign_plan p SET reason = %s
    WHERE p.customer_id = ANY(%s) AND p.reason = '' AND p.offer_id = %s"""


@dataclass(frozen=True)
class Lift:
    """How much more likely people order who are given an offer."""

    ratio: float
    n: int  # customers compared in past campaigns; 0: by convention alone


@dataclass(frozen=True)
class Share:
    """What one offer was chosen for."""

    offer_id: int
    name: str
    people: int
    value: float  # expected margin
    lift: Lift


@dataclass(frozen=True)
class ChoiceReport:
    """A choice in figures, in the shop's currency."""

    people: int
    without: int  # no offer fits, or every budget is spent
    value: float
    bound: float  # no choice brings more
    plain: float  # the best single offer for all
    plain_offer: str
    shares: tuple[Share, ...]
    as_of: datetime

    @property
    def gain(self) -> float:
        """What choosing brings beyond the plain way."""
        return self.value - self.plain


@dataclass(frozen=True)
class _People:
    ids: np.ndarray
    likely: np.ndarray  # to order within the window, without an offer
    basket: np.ndarray


def fill(cursor: Any, campaign: Campaign, *, now: datetime) -> ChoiceReport | None:
    """Write into ``campaign_plan`` which of the campaign's candidates each person gets."""
    offers = _candidates(campaign)
    if not offers:
        return None
    people = _people(cursor, "offer_id IS NULL", days=campaign.attribution_days, now=now)
    found, lifts = _choose(offers, people, now=now)
    ids = np.array([offer.pk for offer in offers])
    has = found.offer != choice.NOBODY
    chosen = [int(ids[j]) if j != choice.NOBODY else None for j in found.offer]
    none = Message.Reason.NO_OFFER_FITS.value
    cursor.execute(SET_OFFERS, [people.ids.tolist(), chosen, ["" if one else none for one in has]])
    return _report(offers, people, found, lifts, now=now)


def rehearse(campaign: Campaign, *, now: datetime) -> ChoiceReport | None:
    """What the choice would be if the campaign were launched now; None where there is none."""
    if campaign.offer_id is not None or not _candidates(campaign):
        return None
    judged, params = querysets.judged(campaign)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"""CREATE TEMP TABLE campaign_plan ON COMMIT DROP AS
            SELECT customer_id, NULL::bigint AS offer_id, reason FROM ({judged}) j""",
            params,
        )
        try:
            return fill(cursor, campaign, now=now)
        finally:
            cursor.execute("DROP TABLE campaign_plan")


def refuse_thin(cursor: Any, offer: Offer, *, now: datetime) -> None:
    """Refuse an offer to those from whose expected order it would leave too little margin."""
    if offer.margin_share_least is None:
        return
    people = _people(cursor, "offer_id = %s", offer.pk, days=1, now=now)
    thin = people.ids[_left(offer, people.basket) < float(offer.margin_share_least)]
    cursor.execute(REFUSE, [Message.Reason.NO_OFFER_FITS.value, thin.tolist(), offer.pk])


def _candidates(campaign: Campaign) -> list[Offer]:
    return list(Offer.objects.filter(candidates__campaign=campaign).order_by("pk"))


def _people(cursor: Any, which: str, *given: Any, days: int, now: datetime) -> _People:
    mean, _n = offer_rows.basket(now=now)
    cursor.execute(
        PEOPLE.format(which=which),
        [OWN_ORDERS, mean, OWN_ORDERS, *given, settings.CURRENCY, now],
    )
    rows = np.array(cursor.fetchall(), dtype=float).reshape(-1, 3)
    orders = rows[:, 1]
    # Orders come as a Poisson process; where no score stands, the shop's own rate.
    likely = np.where(orders >= 0, 1 - np.exp(-np.maximum(orders, 0) * days / 90), 0.0)
    if (orders < 0).any():
        cursor.execute(BASE_RATE, [now, days, now])
        likely = np.where(orders >= 0, likely, cursor.fetchone()[0])
    return _People(rows[:, 0].astype(np.int64), likely, rows[:, 2])


def _choose(offers: list[Offer], people: _People, *, now: datetime) -> tuple[Choice, list[Lift]]:
    mean, _n = offer_rows.basket(now=now)
    lifts = _lifts(offers, mean, now=now)
    used = offer_rows.used(offers, now=now)
    value = np.empty((len(people.ids), len(offers)))
    cost = np.empty_like(value)
    room = np.empty(len(offers))
    for j, (offer, lift) in enumerate(zip(offers, lifts, strict=True)):
        orders = np.minimum(1.0, people.likely * lift.ratio)
        left = _left(offer, people.basket)
        value[:, j] = orders * left * people.basket
        if offer.margin_share_least is not None:
            value[left < float(offer.margin_share_least), j] = -np.inf
        # The budget counts promises, each at the cost of a mean order (`limits.remaining`).
        cost[:, j] = 0.0
        of_one = offer_rows.cost_of(offer, basket=mean)
        left_over = limits.remaining(offer_rows.limits_of(offer), used[offer.pk], cost=of_one)
        room[j] = math.inf if left_over is None else left_over
    return choice.choose(value, cost, room, np.full(len(offers), math.inf)), lifts


def _left(offer: Offer, basket: np.ndarray) -> np.ndarray:
    """The share of an order that is left after its goods and the offer."""
    paid = offer_rows.costs_of(offer, baskets=basket)
    return settings.MARGIN_SHARE - paid / np.maximum(basket, 1e-9)


def _lifts(offers: list[Offer], basket: float, *, now: datetime) -> list[Lift]:
    """Each offer's lift: what past arms show, shrunk to the convention by its uncertainty."""
    arms: dict[int, dict[str, tuple[int, int]]] = {}
    with connection.cursor() as cursor:
        cursor.execute(PAST, [[offer.pk for offer in offers], now])
        for offer_id, arm, n, buyers in cursor:
            arms.setdefault(offer_id, {})[arm] = (n, buyers)
    return [_lift(offer, arms.get(offer.pk, {}), basket) for offer in offers]


def _lift(offer: Offer, arms: dict[str, tuple[int, int]], basket: float) -> Lift:
    cost = offer_rows.cost_of(offer, basket=basket) or 0.0
    prior = PRIOR_LIFT * cost / basket if basket else 0.0
    treated, holdout = arms.get("treated", (0, 0)), arms.get("holdout", (0, 0))
    if not (treated[1] and holdout[1]):
        return Lift(math.exp(prior), 0)
    seen = math.log(treated[1] / treated[0]) - math.log(holdout[1] / holdout[0])
    # Variance of the logarithm of a ratio of two shares (Katz et al. 1978).
    variance = 1 / treated[1] - 1 / treated[0] + 1 / holdout[1] - 1 / holdout[0]
    weight = PRIOR_SPREAD**2 / (PRIOR_SPREAD**2 + variance)
    return Lift(math.exp(prior + weight * (seen - prior)), treated[0] + holdout[0])


def _report(
    offers: list[Offer], people: _People, found: Choice, lifts: list[Lift], *, now: datetime
) -> ChoiceReport:
    shares = []
    for j, (offer, lift) in enumerate(zip(offers, lifts, strict=True)):
        who = found.offer == j
        orders = np.minimum(1.0, people.likely[who] * lift.ratio)
        worth = float((orders * _left(offer, people.basket[who]) * people.basket[who]).sum())
        shares.append(Share(offer.pk, offer.name, int(who.sum()), worth, lift))
    plain = "" if found.plain_offer == choice.NOBODY else offers[found.plain_offer].name
    return ChoiceReport(
        people=len(people.ids),
        without=int((found.offer == choice.NOBODY).sum()),
        value=found.value,
        bound=found.bound,
        plain=found.plain,
        plain_offer=plain,
        shares=tuple(shares),
        as_of=now,
    )
