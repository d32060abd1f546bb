"""What customers look at: visits, carts, checkouts; some carts are left behind."""

from dataclasses import dataclass

import numpy as np

from customers.simulation.baskets import GUEST, Orders
from customers.simulation.buying import Histories
from customers.simulation.catalogue import Catalogue
from customers.simulation.people import People
from customers.simulation.plan import Plan, of_behaviours
from customers.simulation.seasons import DAY_SECONDS, month

VIEWED, ADDED, CHECKOUT, COMPLETED = range(4)
EVENT_NAMES = ("Product Viewed", "Product Added", "Checkout Started", "Order Completed")
CHECKOUT_SHARE = 0.35  # of the carts left behind, those left in the checkout
LOOKS_AROUND_DAYS = 30.0  # mean time for which somebody who left still looks
SIGNED_UP_VISITS_PER_YEAR = 3.0  # of those who never bought
NONE = -1


@dataclass(frozen=True)
class Events:
    """Events of one chunk, sorted by customer and time; every array has one entry an event."""

    customer: np.ndarray
    ordinal: np.ndarray  # the customer's, from 1: the event's own id
    name: np.ndarray  # index into EVENT_NAMES
    moment: np.ndarray
    product: np.ndarray  # NONE for checkouts and orders
    quantity: np.ndarray
    order: np.ndarray  # index into Orders; NONE outside a purchase
    cart: np.ndarray  # number of the customer's cart; orders first, carts left behind after them
    value: np.ndarray  # smallest coin

    @property
    def size(self) -> int:
        return self.customer.size


def events(
    plan: Plan,
    goods: Catalogue,
    crowd: People,
    past: Histories,
    bought: Orders,
    rng: np.random.Generator,
) -> Events:
    """Draw the events of a chunk since the shop began to record them."""
    since = plan.end_second - plan.tracked_days * DAY_SECONDS
    purchases = _purchases(goods, bought, since, rng)
    visits = _visits(plan, goods, crowd, past, since, rng)
    parts = [np.concatenate(pair) for pair in zip(purchases, visits, strict=True)]
    moment = np.clip(parts[2], np.maximum(since, crowd.arrived[parts[0]]), plan.end_second - 1)
    parts[2] = moment
    order = np.lexsort((parts[1], moment, parts[0]))
    customer, name, moment, product, quantity, of_order, cart, value = (
        each[order] for each in parts
    )
    first = np.searchsorted(customer, customer)
    return Events(
        customer=customer,
        ordinal=np.arange(customer.size) - first + 1,
        name=name,
        moment=moment,
        product=product,
        quantity=quantity,
        order=of_order,
        cart=cart,
        value=value,
    )


def _purchases(
    goods: Catalogue, bought: Orders, since: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Each tracked order: its goods viewed and added, then the checkout, then the order."""
    tracked = np.flatnonzero((bought.moment >= since) & (bought.customer != GUEST))
    is_tracked = np.zeros(bought.size, bool)
    is_tracked[tracked] = True
    line = np.flatnonzero(is_tracked[bought.order] & (bought.product < goods.goods))
    of_line = bought.order[line]
    minutes = rng.integers(120, 2_400, line.size)  # seconds from the cart to the order
    rows = [
        (VIEWED, of_line, minutes + rng.integers(10, 600, line.size), line),
        (ADDED, of_line, minutes, line),
        (CHECKOUT, tracked, rng.integers(20, 110, tracked.size), None),
        (COMPLETED, tracked, np.zeros(tracked.size, np.int64), None),
    ]
    columns: list[list[np.ndarray]] = [[] for _ in range(8)]
    for name, order, before, lines in rows:
        none, one = np.full(order.size, NONE), np.ones(order.size, np.int64)
        found = (
            bought.customer[order],
            np.full(order.size, name),
            bought.moment[order] - before,
            none if lines is None else bought.product[lines],
            one if lines is None else bought.quantity[lines],
            order,
            bought.ordinal[order],
            bought.total[order],
        )
        for column, part in zip(columns, found, strict=True):
            column.append(part)
    return [np.concatenate(column) for column in columns]


def _visits(
    plan: Plan,
    goods: Catalogue,
    crowd: People,
    past: Histories,
    since: int,
    rng: np.random.Generator,
) -> list[np.ndarray]:
    """Visits without an order: one to three views, sometimes a cart, sometimes a checkout."""
    customer, moment = _moments(plan, crowd, past, since, rng)
    views = 1 + rng.binomial(2, 0.3, customer.size)
    visit = np.repeat(np.arange(customer.size), views)
    is_last = np.cumsum(views) - 1
    product = goods.choose(
        rng,
        behaviour=crowd.behaviour[customer[visit]],
        month=month(moment[visit]),
        category=np.where(rng.random(visit.size) < 0.5, crowd.favourite[customer[visit]], NONE),
    )
    drawn = rng.random(customer.size)
    cart = np.flatnonzero(drawn < of_behaviours("cart_share", crowd.behaviour[customer]))
    checkout = cart[rng.random(cart.size) < CHECKOUT_SHARE]
    number = past.orders[customer] + np.arange(customer.size) - np.searchsorted(customer, customer)
    picked = product[is_last]
    seconds = np.cumsum(rng.integers(15, 240, visit.size))
    seconds -= seconds[is_last - views + 1][visit]
    after = seconds[is_last]
    names = (VIEWED, ADDED, CHECKOUT)
    visits = (visit, cart, checkout)
    moments = (seconds, after[cart] + 30, after[checkout] + 120)
    products = (product, picked[cart], np.full(checkout.size, NONE))
    of = np.concatenate(visits)
    return [
        customer[of],
        np.repeat(names, [each.size for each in visits]),
        moment[of] + np.concatenate(moments),
        np.concatenate(products),
        np.ones(of.size, np.int64),
        np.full(of.size, NONE),
        number[of] + 1,
        goods.price[picked][of],
    ]


def _moments(
    plan: Plan, crowd: People, past: Histories, since: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Who visits and when, sorted by customer: evenly while the customer is there."""
    gone = past.left + rng.exponential(LOOKS_AROUND_DAYS, crowd.size) * DAY_SECONDS
    until = np.minimum(np.where(np.isnan(gone), plan.end_second, gone), plan.end_second)
    begin = np.maximum(since, crowd.arrived)
    there_days = np.maximum(until - begin, 0) / DAY_SECONDS
    a_day = past.rate_now * of_behaviours("visits_per_order", crowd.behaviour)
    a_day = np.where(crowd.buys, a_day, SIGNED_UP_VISITS_PER_YEAR / 365.25)
    count = rng.poisson(a_day * there_days)
    customer = np.repeat(np.arange(crowd.size), count)
    spread = rng.random(customer.size) * there_days[customer] * DAY_SECONDS
    return customer, (begin[customer] + spread).astype(np.int64)
