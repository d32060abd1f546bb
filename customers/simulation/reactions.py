"""How the invented customers answer a message, and what they would have done without it."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

import numpy as np

from customers.simulation import baskets, rows
from customers.simulation.catalogue import catalogue
from customers.simulation.effects import Truth, order_probability
from customers.simulation.plan import external_ids, of_behaviours
from customers.simulation.seasons import DAY_SECONDS, moment_of

BUYERS_OPEN_SHARE = 0.9  # of those whom the message made buy
BUYERS_CLICK_SHARE = 0.85  # of those who opened
UNSUBSCRIBE_SHARE = 0.003
ANNOYED_UNSUBSCRIBE_SHARE = 0.03  # of those whom the message makes buy less
OPEN_HOURS = 7.0  # mean time until a message is opened
CLICK_SECONDS = 90.0
DECIDE_DAYS = 1.5  # mean time until those buy whom the message made buy


class Touch(NamedTuple):
    """One open, click or unsubscribe."""

    external_id: str
    happened_at: datetime


@dataclass(frozen=True)
class Reactions:
    """What followed a message, in the window after it.

    Attributes
    ----------
    opens, clicks, unsubscribes : list of Touch, sorted by time
        Of treated customers only. Whoever clicked has opened.
    orders : list of dict
        Order lines in the canonical columns of the import, of treated and untreated customers;
        at most one order a customer.
    true_effect : float
        Mean over the treated of the extra probability to order in the window. NaN without treated.
    """

    opens: list[Touch]
    clicks: list[Touch]
    unsubscribes: list[Touch]
    orders: list[dict[str, str]]
    true_effect: float


@dataclass(frozen=True)
class _Answers:
    """Drawn answers, one entry a customer; moments in seconds of 1970."""

    opens: np.ndarray
    clicks: np.ndarray
    unsubscribes: np.ndarray
    buys: np.ndarray
    uses_coupon: np.ndarray
    opened: np.ndarray
    clicked: np.ndarray
    bought: np.ndarray


def effects_of(
    truth: Truth, *, sent_at: datetime, window_days: float = 7
) -> tuple[np.ndarray, np.ndarray]:
    """Probability of an order in the window without a message, and what a message adds.

    Returns
    -------
    base, added : ndarrays of shape (n_customers,)
        ``base + added`` lies in [0, 1]: somebody who would not buy cannot be made to buy less.
    """
    start = int(sent_at.timestamp())
    base = order_probability(truth, start_second=start, window_days=window_days)
    return base, np.clip(base + truth.effect, 0.0, 1.0) - base


def react(
    truth: Truth,
    *,
    treated: np.ndarray,
    sent_at: datetime,
    seed: int,
    window_days: float = 7,
    coupons: Mapping[str, str] | None = None,
    percent_off: float = 0.0,
) -> Reactions:
    """Draw what everybody does after a message to some.

    Every customer has the same luck with and without the message, so what a message changes for a
    customer is only that customer's effect.

    Parameters
    ----------
    treated : ndarray of bool, shape (n_customers,), or array of external ids
        Who got the message. Ids that are not of this shop are refused.
    sent_at : datetime
        Aware; at or after the plan's ``until``.
    coupons : mapping from external id to coupon code, optional
        A treated customer who orders after opening the message uses the code, also one who would
        have ordered without it.
    percent_off : float, in [0, 100]
        What such a code takes off the order.

    Raises
    ------
    ValueError
        If ``treated`` has the wrong shape or names a stranger, or the window is out of reach.
    """
    is_treated = _mask(truth, treated)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2,)))
    base, added = effects_of(truth, sent_at=sent_at, window_days=window_days)
    start = int(sent_at.timestamp())
    answers = _answers(truth, is_treated, base, added, start, window_days, rng)
    orders = _orders(truth, answers, start, coupons or {}, percent_off, rng)
    return Reactions(
        opens=_touches(truth, answers.opens, answers.opened),
        clicks=_touches(truth, answers.clicks, answers.clicked),
        unsubscribes=_touches(truth, answers.unsubscribes, answers.opened + 60),
        orders=orders,
        true_effect=float(added[is_treated].mean()) if is_treated.any() else float("nan"),
    )


def _mask(truth: Truth, treated: np.ndarray) -> np.ndarray:
    treated = np.asarray(treated)
    if treated.dtype == bool:
        if treated.shape != (truth.size,):
            raise ValueError(f"treated has shape {treated.shape}; expected ({truth.size},)")
        return treated
    ids = np.array(truth.external_id)
    strangers = np.setdiff1d(treated.astype(str), ids)
    if strangers.size:
        raise ValueError(f"treated names {strangers.size} strangers, as {str(strangers[0])!r}")
    return np.isin(ids, treated.astype(str))


def _answers(
    truth: Truth,
    is_treated: np.ndarray,
    base: np.ndarray,
    added: np.ndarray,
    sent: int,
    window_days: float,
    rng: np.random.Generator,
) -> _Answers:
    luck, open_luck, click_luck, leave_luck = rng.random((4, truth.size))
    buys = luck < base + np.where(is_treated, added, 0.0)
    is_caused = buys & (luck >= base)
    open_share = of_behaviours("open_share", truth.behaviour)
    click_share = of_behaviours("click_share", truth.behaviour)
    opens = is_treated & (open_luck < np.where(is_caused, BUYERS_OPEN_SHARE, open_share))
    clicks = opens & (click_luck < np.where(is_caused, BUYERS_CLICK_SHARE, click_share))
    annoyed = np.where(truth.effect < 0, ANNOYED_UNSUBSCRIBE_SHARE, UNSUBSCRIBE_SHARE)
    window = window_days * DAY_SECONDS
    half = window / 2  # opens lie in the first half, so that orders can follow them
    opened = np.minimum(30 + rng.exponential(OPEN_HOURS * 3_600, truth.size), half)
    clicked = opened + 5 + np.minimum(rng.exponential(CLICK_SECONDS, truth.size), 600)
    decided = clicked + 60 + rng.exponential(DECIDE_DAYS * DAY_SECONDS, truth.size)
    late = decided >= window
    decided[late] = clicked[late] + (window - clicked[late]) * rng.random(int(late.sum()))
    bought = np.where(is_caused, decided, rng.random(truth.size) * window)
    return _Answers(
        opens=opens,
        clicks=clicks,
        unsubscribes=opens & (leave_luck < annoyed),
        buys=buys,
        uses_coupon=buys & (is_caused | (opens & (bought > opened))),
        opened=sent + opened.astype(np.int64),
        clicked=sent + clicked.astype(np.int64),
        bought=sent + bought.astype(np.int64),
    )


def _touches(truth: Truth, who: np.ndarray, moment: np.ndarray) -> list[Touch]:
    index = np.flatnonzero(who)
    index = index[np.argsort(moment[index], kind="stable")]
    ids = external_ids(truth.number[index])
    return [
        Touch(key, moment_of(second))
        for key, second in zip(ids, moment[index].tolist(), strict=True)
    ]


def _orders(
    truth: Truth,
    answers: _Answers,
    start: int,
    coupons: Mapping[str, str],
    percent_off: float,
    rng: np.random.Generator,
) -> list[dict[str, str]]:
    """Baskets as at any other time; ids carry the moment of sending, to be new each time."""
    who = np.flatnonzero(answers.buys)
    goods = catalogue(truth.plan)
    buyers = baskets.Buyers(
        customer=who,
        ordinal=np.full(who.size, start),
        moment=answers.bought[who],
        behaviour=truth.behaviour[who],
        favourite=truth.favourite[who],
        country=truth.country[who],
    )
    bought = baskets.orders(goods, buyers, rng, end_second=0)  # nothing has come back yet
    ids = external_ids(truth.number[who])
    codes = [
        coupons.get(key, "") if uses else ""
        for key, uses in zip(ids, answers.uses_coupon[who].tolist(), strict=True)
    ]
    has_code = np.array(codes, dtype=object) != ""
    subtotal = bought.total + bought.discount
    off = np.round(subtotal * percent_off / 100).astype(np.int64)
    bought = replace(
        bought,
        coupon=np.where(has_code, baskets.NO_COUPON, bought.coupon),
        discount=np.where(has_code, off, bought.discount),
        status=np.zeros(who.size, np.int64),
    )
    text = "".join(rows.orders(truth.plan, goods, truth.number, bought))
    found = list(csv.DictReader(io.StringIO(f"{rows.HEADERS['orders']}\n{text}")))
    code_of = dict(zip(ids, codes, strict=True))
    return [
        {**row, "coupon_code": code_of[row["customer_id"]] or row["coupon_code"]} for row in found
    ]
