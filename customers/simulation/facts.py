"""The invented shop as facts that features are computed from: no files, no database."""

from datetime import datetime

import numpy as np
import pandas as pd

from customers.features.facts import EVENT_NAMES, REFUND, REFUNDED, SALE, Facts
from customers.features.facts import facts as sorted_facts
from customers.simulation.baskets import COUPON_PERCENT, GUEST, Orders
from customers.simulation.browsing import ADDED, CHECKOUT, VIEWED
from customers.simulation.catalogue import CATEGORIES
from customers.simulation.effects import Truth, joined
from customers.simulation.people import COUNTRIES, People
from customers.simulation.shop import Chunk, Shop

COINS = 100.0  # smallest coins in one of the currency
CANCELLED = 2  # index into baskets.STATUSES
AGE_BANDS = ((18, "18–24"), (25, "25–34"), (35, "35–44"), (45, "45–54"), (55, "55–64"), (65, "65+"))
YEAR_DAYS = 365.25
MEANT = {VIEWED: "product_viewed", ADDED: "added_to_cart", CHECKOUT: "checkout_started"}


def facts(shop: Shop, *, until: datetime | None = None) -> Facts:
    """What known customers bought, gave back, looked at and wrote, as the database would tell it.

    Parameters
    ----------
    shop : Shop
    until : datetime, optional
        Aware; only what happened before it. The whole plan if not given.

    Returns
    -------
    Facts
        Customers by their number, products by their row in the catalogue plus one. Every fact is
        recorded when it happens. Guests, cancelled orders and services are left out.

    Notes
    -----
    Draws the shop chunk by chunk; all its facts are held at once.
    """
    end = shop.plan.end_second if until is None else int(until.timestamp())
    parts: dict[str, list[pd.DataFrame]] = {"orders": [], "lines": [], "events": [], "reviews": []}
    first = 0
    for index in range(shop.plan.chunks):
        chunk = shop.chunk(index)
        parts["orders"] += [_sales(chunk, first, end), _documents(chunk, first, end)]
        parts["lines"].append(_lines(shop, chunk, first, end))
        parts["events"].append(_events(chunk, end))
        parts["reviews"].append(_reviews(chunk, end))
        first += chunk.bought.size
    found = {name: pd.concat(frames, ignore_index=True) for name, frames in parts.items()}
    known = sorted_facts(found["orders"], found["lines"]).with_goods(_goods(shop))
    return known.with_events(found["events"]).with_reviews(found["reviews"])


def truth(shop: Shop) -> Truth:
    """What the simulation knows of every customer, in the order of their numbers."""
    return joined([shop.chunk(index).truth for index in range(shop.plan.chunks)])


def people(shop: Shop, *, as_of: datetime) -> pd.DataFrame:
    """Country, language and age band of every customer, as of `frames.groups_frame`."""
    parts = [shop.chunk(index).crowd for index in range(shop.plan.chunks)]
    return pd.concat([_people(crowd, as_of) for crowd in parts])


def _sales(chunk: Chunk, first: int, end: int) -> pd.DataFrame:
    """Paid and refunded orders of known customers."""
    bought = chunk.bought
    rows = np.flatnonzero(
        (bought.customer != GUEST) & (bought.status != CANCELLED) & (bought.moment < end)
    )
    kinds = np.array([SALE, REFUNDED])[bought.status[rows]]
    return _orders(
        chunk, bought, rows, first + rows, bought.moment[rows], bought.total[rows], kinds
    )


def _documents(chunk: Chunk, first: int, end: int) -> pd.DataFrame:
    """One refund a returned line: all of its quantity, at the price that was really paid."""
    bought = chunk.bought
    line = bought.returned[bought.returned_at < end]
    order = bought.order[line]
    paid = bought.quantity[line] * bought.price[line] - bought.line_discount[line]
    paid = paid * (100 - COUPON_PERCENT[bought.coupon[order]]) // 100 // bought.quantity[line]
    amount = -paid * bought.quantity[line]
    kinds = np.full(order.size, REFUND)
    moment = bought.returned_at[bought.returned_at < end]
    # Documents count below 0, where no order does.
    return _orders(chunk, bought, order, -1 - first - order, moment, amount, kinds)


def _orders(
    chunk: Chunk,
    bought: Orders,
    rows: np.ndarray,
    order_id: np.ndarray,
    moment: np.ndarray,
    amount: np.ndarray,
    kinds: np.ndarray,
) -> pd.DataFrame:
    is_sale = kinds != REFUND
    return pd.DataFrame(
        {
            "customer_id": chunk.crowd.number[bought.customer[rows]].astype(np.int64),
            "order_id": order_id.astype(np.int64),
            "placed_at": pd.to_datetime(moment, unit="s", utc=True),
            "recorded_at": pd.to_datetime(moment, unit="s", utc=True),
            "amount": amount / COINS,
            "discount": np.where(is_sale, bought.discount[rows], 0) / COINS,
            "kind": kinds,
        }
    )


def _lines(shop: Shop, chunk: Chunk, first: int, end: int) -> pd.DataFrame:
    """Goods in the orders; `Facts.with_lines` drops those of orders that are no purchase."""
    bought = chunk.bought
    rows = np.flatnonzero((bought.product < shop.goods.goods) & (bought.moment[bought.order] < end))
    moment = bought.moment[bought.order[rows]]
    return pd.DataFrame(
        {
            "order_id": (first + bought.order[rows]).astype(np.int64),
            "product_id": bought.product[rows].astype(np.int64) + 1,
            "quantity": bought.quantity[rows],
            "recorded_at": pd.to_datetime(moment, unit="s", utc=True),
            "discount": bought.line_discount[rows] / COINS,
        }
    )


def _events(chunk: Chunk, end: int) -> pd.DataFrame:
    """What was looked at and put into carts; orders are facts of their own."""
    seen = chunk.seen
    rows = np.flatnonzero((np.isin(seen.name, list(MEANT))) & (seen.moment < end))
    places = np.array([EVENT_NAMES.index(MEANT.get(name, "page_viewed")) for name in range(4)])
    moment = pd.to_datetime(seen.moment[rows], unit="s", utc=True)
    return pd.DataFrame(
        {
            "customer_id": chunk.crowd.number[seen.customer[rows]].astype(np.int64),
            "name": places[seen.name[rows]].astype(np.int8),
            "happened_at": moment,
            "recorded_at": moment,
        }
    )


def _reviews(chunk: Chunk, end: int) -> pd.DataFrame:
    written = chunk.written
    rows = np.flatnonzero(written.moment < end)
    moment = pd.to_datetime(written.moment[rows], unit="s", utc=True)
    owner = chunk.bought.customer[written.order[rows]]
    return pd.DataFrame(
        {
            "customer_id": chunk.crowd.number[owner].astype(np.int64),
            "rating": written.rating[rows].astype(np.float32),
            "happened_at": moment,
            "recorded_at": moment,
        }
    )


def _goods(shop: Shop) -> pd.DataFrame:
    """The catalogue without the services."""
    goods = shop.goods
    rows = np.arange(goods.goods)
    return pd.DataFrame(
        {
            "product_id": rows.astype(np.int64) + 1,
            "category": np.array(list(CATEGORIES))[goods.category[rows]],
            "brand": np.array(goods.brand)[rows],
            "price": goods.price[rows] / COINS,
        }
    )


def _people(crowd: People, as_of: datetime) -> pd.DataFrame:
    day = np.datetime64(as_of.replace(tzinfo=None), "D")
    years = (day - crowd.birth).astype("timedelta64[D]").astype(float) / YEAR_DAYS
    known = ~np.isnat(crowd.birth)
    place = np.searchsorted([least for least, _ in AGE_BANDS], years[known], side="right") - 1
    bands = np.full(crowd.size, "", dtype=object)
    bands[known] = np.array([name for _, name in AGE_BANDS], dtype=object)[np.maximum(place, 0)]
    return pd.DataFrame(
        {
            "country": pd.Categorical(np.array(list(COUNTRIES))[crowd.country]),
            "language": pd.Categorical(
                np.array([each[1] for each in COUNTRIES.values()])[crowd.country]
            ),
            "age_band": bands,
            "gender": "",
            "time_zone": "",
        },
        index=pd.Index(crowd.number.astype(np.int64), name="customer_id"),
    ).astype("category")
