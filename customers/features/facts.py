"""What customers bought, did and said, sorted once so that every snapshot of it is cheap."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import TypeVar

import numpy as np
import pandas as pd

from customers.features import columns, sorting

SALE, REFUND, REFUNDED = KINDS = ("sale", "refund", "refunded")
ORDER_COLUMNS = (
    "customer_id", "order_id", "placed_at", "recorded_at", "amount", "discount", "kind",
)  # fmt: skip
LINE_COLUMNS = ("order_id", "product_id", "quantity", "recorded_at")
EVENT_COLUMNS = ("customer_id", "name", "happened_at", "recorded_at")
REVIEW_COLUMNS = ("customer_id", "rating", "happened_at", "recorded_at")
GOODS_COLUMNS = ("product_id", "category", "brand", "price")
# What events say, in our words; which names of theirs mean each: customers/features/names.py.
EVENT_NAMES = (
    "page_viewed", "product_viewed", "added_to_cart", "checkout_started", "searched",
    "email_sent", "email_opened", "email_clicked", "sms_sent", "sms_clicked", "unsubscribed",
)  # fmt: skip
MONEY_SCALE = 10_000  # amounts are whole ten-thousandths inside: sums are exact in any order


@dataclass(frozen=True, eq=False)
class Rows:
    """Facts of many customers, sorted by customer; all arrays have one length."""

    customer: np.ndarray  # int32, position in Facts.customer_ids
    placed: np.ndarray  # int64, microseconds since 1970 in UTC
    recorded: np.ndarray  # int64, likewise
    is_backfill: np.ndarray  # bool: counts as known since it happened

    def known(self, as_of: int) -> np.ndarray:
        """Both clocks: which had happened, and which of those we had been told."""
        return (self.placed < as_of) & (self.is_backfill | (self.recorded < as_of))


AnyRows = TypeVar("AnyRows", bound=Rows)


@dataclass(frozen=True, eq=False)
class Purchases(Rows):
    """Paid sales, sorted by customer and then by moment."""

    order_id: np.ndarray  # int64
    amount: np.ndarray  # int64, ten-thousandths of the currency
    discount: np.ndarray  # int64, likewise


@dataclass(frozen=True, eq=False)
class Refunds(Rows):
    """Money given back: refund documents, and sales that were refunded as a whole."""

    paid_back: np.ndarray  # int64, ten-thousandths, above 0
    gross: np.ndarray  # int64: what the refunded sale had brought; 0 for a document


@dataclass(frozen=True, eq=False)
class Lines(Rows):
    """What was in the paid sales, sorted by customer and then by product."""

    product: np.ndarray  # int64, product id
    quantity: np.ndarray  # float32, units


@dataclass(frozen=True, eq=False)
class Events(Rows):
    """What customers did and were sent, sorted by customer and then by moment."""

    name: np.ndarray  # int8, place in EVENT_NAMES


@dataclass(frozen=True, eq=False)
class Reviews(Rows):
    """What customers wrote, sorted by customer and then by moment."""

    rating: np.ndarray  # float32, 1 to 5 stars; NaN where only words were written


@dataclass(frozen=True, eq=False)
class Goods:
    """What the shop sells as it is described today: descriptions of last year are not kept."""

    product_id: np.ndarray  # int64, ascending
    category: np.ndarray  # int16, place in categories
    brand: np.ndarray  # int16, place in brands
    categories: tuple[str, ...]  # the first is "": unknown
    brands: tuple[str, ...]
    price: np.ndarray  # float32, today's; NaN where unknown


@dataclass(frozen=True, eq=False)
class Facts:
    """All that features are computed from, for many customers.

    Attributes
    ----------
    customer_ids : int64 array of shape (n_customers,), ascending
        Whoever has an order, an event or a review.
    purchases, refunds, lines, events, reviews
        Rows refer to a customer by its position in ``customer_ids``.
    goods : Goods
    held : frozenset of {"orders", "goods", "events", "reviews"}
        What was loaded, also where nothing was found: not loaded and nothing there look alike.
    events_since : int, optional
        Microseconds of 1970 from which on events were loaded; None is all there are.
    """

    customer_ids: np.ndarray
    purchases: Purchases
    refunds: Refunds
    lines: Lines
    events: Events = field(default_factory=lambda: _no_rows(Events, name=np.int8))
    reviews: Reviews = field(default_factory=lambda: _no_rows(Reviews, rating=np.float32))
    goods: Goods = field(default_factory=lambda: _no_goods())
    held: frozenset[str] = frozenset({"orders"})
    events_since: int | None = None

    def backfilled(self) -> Facts:
        """The same facts, each counted as known since it happened.

        For a history that was imported long after the fact: without this it would be invisible
        in every snapshot before the import. What it costs: corrections that came late are seen
        too early.
        """
        return replace(
            self,
            purchases=_trusted(self.purchases),
            refunds=_trusted(self.refunds),
            lines=_trusted(self.lines),
            events=_trusted(self.events),
            reviews=_trusted(self.reviews),
        )

    def with_lines(self, lines: pd.DataFrame) -> Facts:
        """The same facts with these order lines instead of those they had.

        Parameters
        ----------
        lines : DataFrame of shape (n_lines, 4 or 5)
            ``order_id``, ``product_id``, ``quantity`` and ``recorded_at``, timezone-aware. Lines
            of orders that are no purchase here are ignored, and quantities of 0 and less.
            Optional: ``discount`` of the whole line, which joins its order's.

        Notes
        -----
        A line is part of its order: placed when that was, known no earlier, and part of a
        backfill where it was recorded with its order.
        """
        columns.check("lines", lines, LINE_COLUMNS)
        bought = self.purchases
        quantity, product = lines["quantity"].to_numpy(), lines["product_id"].to_numpy(np.int64)
        place = sorting.find(bought.order_id, lines["order_id"].to_numpy(np.int64))
        rows = sorting.chosen_places((place >= 0) & (quantity > 0))
        rows = sorting.then(rows, sorting.ordered(bought.customer[place[rows]], product[rows]))
        place = place[rows]
        customer, placed, of_order, backfill = sorting.gather(
            place, bought.customer, bought.placed, bought.recorded, bought.is_backfill
        )
        recorded, product, quantity = sorting.gather(
            rows, columns.microseconds(lines["recorded_at"]), product, quantity
        )
        with_order = backfill & (recorded <= of_order)
        known = np.maximum(recorded, of_order, out=of_order)
        found = Lines(customer, placed, known, with_order, product, quantity.astype(np.float32))
        return replace(self, lines=found, purchases=_with_discounts(bought, lines, place, rows))

    def with_events(self, events: pd.DataFrame, *, since: datetime | None = None) -> Facts:
        """The same facts with these events instead of those they had.

        Parameters
        ----------
        events : DataFrame of shape (n_events, 4 or 5)
            ``customer_id``, integer; ``name``, a category of ``EVENT_NAMES`` or their places in
            it; ``happened_at`` and ``recorded_at``, timezone-aware. Optional: ``is_backfill``.
        since : datetime, optional
            The moment from which on ``events`` is complete; None if it always is.

        Raises
        ------
        ValueError
            If columns are missing, a name is unknown or a moment has no time zone.
        """
        columns.check("events", events, EVENT_COLUMNS)
        name = columns.codes(events["name"], EVENT_NAMES)
        facts, rows, order = self._with_rows(events)
        told = Events(*rows, *sorting.gather(order, name))
        begin = (
            None
            if since is None
            else int(columns.microseconds(pd.Series([since], name="since"))[0])
        )
        return replace(facts, events=told, held=facts.held | {"events"}, events_since=begin)

    def with_reviews(self, reviews: pd.DataFrame) -> Facts:
        """The same facts with these reviews instead of those they had.

        Parameters
        ----------
        reviews : DataFrame of shape (n_reviews, 4 or 5)
            ``customer_id``, integer; ``rating``, 1 to 5 or NaN; ``happened_at`` and
            ``recorded_at``, timezone-aware. Optional: ``is_backfill``.
        """
        columns.check("reviews", reviews, REVIEW_COLUMNS)
        reviews = reviews.sort_values("rating")  # decides between two of one moment
        facts, rows, order = self._with_rows(reviews)
        written = Reviews(*rows, *sorting.gather(order, reviews["rating"].to_numpy(np.float32)))
        return replace(facts, reviews=written, held=facts.held | {"reviews"})

    def with_goods(self, goods: pd.DataFrame) -> Facts:
        """The same facts with these descriptions of products instead of those they had.

        Parameters
        ----------
        goods : DataFrame of shape (n_products, 4)
            ``product_id``, integer, each once; ``category`` and ``brand``, text, empty where
            unknown; ``price`` or NaN.
        """
        columns.check("goods", goods, GOODS_COLUMNS)
        by_id = goods.sort_values("product_id")
        category, categories = columns.words(by_id["category"])
        brand, brands = columns.words(by_id["brand"])
        price, product_id = by_id["price"].to_numpy(np.float32), by_id["product_id"]
        found = Goods(product_id.to_numpy(np.int64), category, brand, categories, brands, price)
        return replace(self, goods=found, held=self.held | {"goods"})

    @cached_property
    def places_of_events(self) -> list[np.ndarray]:
        """Of each of ``EVENT_NAMES`` the places of its events, ascending."""
        by_name = np.argsort(self.events.name, kind="stable").astype(np.int32)
        counts = np.bincount(self.events.name, minlength=len(EVENT_NAMES))
        return np.split(by_name, np.cumsum(counts)[:-1])

    @cached_property
    def lines_by_category(self) -> tuple[np.ndarray, np.ndarray]:
        """Places of the lines of goods with a category, by customer and category; and these."""
        return self._lines_by(self.goods.category)

    @cached_property
    def lines_by_brand(self) -> tuple[np.ndarray, np.ndarray]:
        return self._lines_by(self.goods.brand)

    def _lines_by(self, code: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        place = sorting.find(self.goods.product_id, self.lines.product)
        known = np.flatnonzero(place >= 0)
        of_line = np.zeros(place.size, dtype=code.dtype)
        of_line[known] = code[place[known]]
        rows = np.flatnonzero(of_line)
        rows = rows[sorting.ordered(self.lines.customer[rows], of_line[rows])]
        return rows.astype(np.int32), of_line[rows]

    def _with_rows(self, frame: pd.DataFrame) -> tuple[Facts, list[np.ndarray], np.ndarray]:
        """Facts that have all customers of the frame, its first columns as of `Rows`, its order."""
        placed = columns.microseconds(frame["happened_at"])
        recorded = columns.microseconds(frame["recorded_at"])
        backfill = np.zeros(len(frame), dtype=bool)
        if "is_backfill" in frame:
            backfill = frame["is_backfill"].to_numpy(bool)
        theirs, customer = sorting.positions(frame["customer_id"].to_numpy(np.int64))
        facts = self._with_customers(theirs)
        customer = np.searchsorted(facts.customer_ids, theirs).astype(np.int32)[customer]
        order = sorting.ordered(customer, placed)
        return facts, sorting.gather(order, customer, placed, recorded, backfill), order

    def _with_customers(self, ids: np.ndarray) -> Facts:
        everybody = np.union1d(self.customer_ids, ids)
        if everybody.size == self.customer_ids.size:
            return self
        moved = np.searchsorted(everybody, self.customer_ids).astype(np.int32)

        def at_home(rows: AnyRows) -> AnyRows:
            return replace(
                rows, customer=moved[rows.customer] if rows.customer.size else rows.customer
            )

        return replace(
            self,
            customer_ids=everybody,
            purchases=at_home(self.purchases),
            refunds=at_home(self.refunds),
            lines=at_home(self.lines),
            events=at_home(self.events),
            reviews=at_home(self.reviews),
        )


def facts(orders: pd.DataFrame, lines: pd.DataFrame | None = None) -> Facts:
    """Sort orders and their lines into `Facts`.

    Parameters
    ----------
    orders : DataFrame of shape (n_orders, 7 or 8)
        ``customer_id`` and ``order_id``, integers; ``placed_at`` and ``recorded_at``,
        timezone-aware; ``amount`` paid and ``discount`` already taken off, in the shop's
        currency; ``kind``: *sale*, *refund* (a document of its own, amount below 0) or
        *refunded* (a sale given back as a whole). Optional: ``is_backfill``, where True the order
        counts as known since it was placed. Guests, cancelled orders and adjustments are not
        facts about a customer: leave them out.
    lines : DataFrame, optional
        As of `Facts.with_lines`.

    Returns
    -------
    Facts
        The same for any order of the rows.

    Raises
    ------
    ValueError
        If columns are missing (all are named), a kind is unknown or a moment has no time zone.

    Notes
    -----
    O(n log n) time; ten million orders take about 3 s and 1 GB.
    """
    columns.check("orders", orders, ORDER_COLUMNS)
    kind = columns.codes(orders["kind"], KINDS)
    customer_ids, customer = sorting.positions(orders["customer_id"].to_numpy(np.int64))
    placed, recorded = (
        columns.microseconds(orders["placed_at"]),
        columns.microseconds(orders["recorded_at"]),
    )
    backfill = np.zeros(len(orders), dtype=bool)
    if "is_backfill" in orders:
        backfill = orders["is_backfill"].to_numpy(bool)

    def places(chosen: np.ndarray) -> np.ndarray:
        rows = sorting.chosen_places(chosen)
        return sorting.then(rows, sorting.ordered(customer[rows], placed[rows]))

    sale = places(kind == KINDS.index(SALE))
    amount, discount = orders["amount"].to_numpy(float), orders["discount"].to_numpy(float)
    order_id = orders["order_id"].to_numpy(np.int64)
    rows = sorting.gather(sale, customer, placed, recorded, backfill, order_id)
    paid, off = map(_scaled, sorting.gather(sale, amount, discount))
    purchases = Purchases(rows[0], rows[1], rows[2], rows[3], rows[4], paid, off)
    back = places(kind != KINDS.index(SALE))
    paid_back = np.abs(_scaled(amount[back]))
    gross = np.where(kind[back] == KINDS.index(REFUNDED), paid_back, 0)
    refunds = Refunds(
        customer[back], placed[back], recorded[back], backfill[back], paid_back, gross
    )
    found = Facts(
        customer_ids, purchases, refunds, _no_rows(Lines, product=np.int64, quantity=np.float32)
    )
    return found if lines is None else found.with_lines(lines)


def _with_discounts(
    bought: Purchases, lines: pd.DataFrame, place: np.ndarray, rows: np.ndarray | slice
) -> Purchases:
    """The purchases with what was taken off their lines, as far as it came with the order."""
    if "discount" not in lines:
        return bought
    found = lines["discount"].to_numpy(float)[rows]
    off = np.flatnonzero(found)  # few lines have one
    recorded = columns.microseconds(lines["recorded_at"])[rows][off]
    off = off[recorded <= bought.recorded[place[off]]]
    if not off.size:
        return bought
    discount = bought.discount.copy()
    np.add.at(discount, place[off], _scaled(found[off]))
    return replace(bought, discount=discount)


def _no_rows(kind: type[AnyRows], **own: type) -> AnyRows:
    """No rows at all; ``own`` are the columns that `Rows` does not have, with their types."""
    none = [np.zeros(0, each) for each in (np.int32, np.int64, np.int64, bool)]
    return kind(*none, **{name: np.zeros(0, each) for name, each in own.items()})


def _no_goods() -> Goods:
    none = np.zeros(0, np.int16)
    return Goods(np.zeros(0, np.int64), none, none, ("",), ("",), np.zeros(0, np.float32))


def _trusted(rows: AnyRows) -> AnyRows:
    return replace(rows, is_backfill=np.ones(rows.placed.size, dtype=bool))


def _scaled(money: np.ndarray) -> np.ndarray:
    found = money * MONEY_SCALE
    return np.rint(found, out=found).astype(np.int64)
