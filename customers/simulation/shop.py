"""The invented shop, chunk by chunk: facts as text, and the truth that made them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from customers.simulation import (
    baskets,
    browsing,
    buying,
    effects,
    people,
    reviews,
    rows,
)
from customers.simulation.catalogue import CATEGORIES, Catalogue, catalogue
from customers.simulation.plan import Plan
from customers.simulation.seasons import Clock

GUEST_ORDERS_PER_CUSTOMER = 0.1
KINDS = ("products", "customers", "consent", "orders", "events", "reviews")  # in order of import


@dataclass(frozen=True)
class Chunk:
    """Everything that happened to one chunk of customers, as arrays."""

    index: int
    crowd: people.People
    words: people.Consents
    past: buying.Histories
    bought: baskets.Orders
    seen: browsing.Events
    written: reviews.Reviews
    truth: effects.Truth


class Shop:
    """One simulated shop.

    Chunks are independent: each is drawn from the plan's seed and its own index, in any order, in
    any process, and always the same. Memory is that of one chunk, however many there are.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> plan = Plan(customers=50, seed=1, until=datetime(2026, 1, 1, tzinfo=UTC))
    >>> chunk = Shop(plan).chunk(0)
    >>> chunk.crowd.size, chunk.truth.external_id[0]
    (50, 'C00000001')
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.goods: Catalogue = catalogue(plan)
        self.clock = Clock(plan.start_second, plan.end_second)

    def chunk(self, index: int) -> Chunk:
        """Draw chunk ``index``, from 0 to ``plan.chunks - 1``."""
        plan, goods = self.plan, self.goods
        stream = plan.streams(index)
        crowd = people.people(plan, index, self.clock, next(stream))
        words = people.consents(plan, crowd, next(stream))
        past = buying.histories(plan, crowd, self.clock, next(stream))
        bought = self._orders(crowd, past, next(stream))
        return Chunk(
            index=index,
            crowd=crowd,
            words=words,
            past=past,
            bought=bought,
            seen=browsing.events(plan, goods, crowd, past, bought, next(stream)),
            written=reviews.reviews(plan, goods, crowd, past, bought, next(stream)),
            truth=effects.truth(plan, crowd, past, next(stream)),
        )

    def _orders(
        self, crowd: people.People, past: buying.Histories, rng: np.random.Generator
    ) -> baskets.Orders:
        known = baskets.Buyers(
            customer=past.customer,
            ordinal=past.ordinal,
            moment=past.moment,
            behaviour=crowd.behaviour[past.customer],
            favourite=crowd.favourite[past.customer],
            country=crowd.country[past.customer],
        )
        guests = baskets.guests(
            rng,
            past.moment,
            size=int(rng.poisson(GUEST_ORDERS_PER_CUSTOMER * crowd.size)),
            countries=len(people.COUNTRIES),
            categories=len(CATEGORIES),
        )
        return baskets.orders(
            self.goods, baskets.joined(known, guests), rng, end_second=self.plan.end_second
        )

    def products(self) -> str:
        """The catalogue as CSV lines, without a header."""
        return rows.products(self.plan, self.goods)

    def texts(self, chunk: Chunk) -> Iterator[tuple[str, str]]:
        """Kind and text of every piece of ``chunk``: CSV lines without headers."""
        yield "customers", rows.customers(chunk.crowd)
        yield "consent", rows.consent(chunk.crowd, chunk.words)
        for text in rows.orders(
            self.plan, self.goods, chunk.crowd.number, chunk.bought, chunk.index
        ):
            yield "orders", text
        for text in rows.events(
            self.plan, self.goods, chunk.crowd, chunk.bought, chunk.seen, chunk.index
        ):
            yield "events", text
        yield (
            "reviews",
            rows.reviews(self.goods, chunk.crowd, chunk.bought, chunk.written, chunk.index),
        )
