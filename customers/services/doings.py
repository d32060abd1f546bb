"""Bring events, reviews and goods from PostgreSQL into frames, by COPY.  Writes nothing."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from customers.features.names import ALIASES, BY_MACHINES_TOO, MACHINE_FLAGS
from customers.models import Product
from customers.services import wire
from customers.services.wire import Column

FIRST_ROWS = 1_000  # as told first: the least of their moments is when we began to be told
CUSTOMERS_BY_INDEX = 10_000  # up to so many the index is quicker than the whole table

NAME = " ".join(f"WHEN '{alias}' THEN {place}" for alias, place in ALIASES.items())
FLAGGED = " || ".join(f'$.{flag} == true || $.{flag} == "true"' for flag in MACHINE_FLAGS)
EVENTS = (
    Column("customer_id", "int8send", "f.customer_id"),
    Column("name", "int2send", f"(CASE f.name {NAME} END)::int2"),
    Column("happened_at", "timestamptz_send", "f.happened_at"),
    Column("recorded_at", "timestamptz_send", "f.recorded_at"),
)
# Whoever told them: for orders each source has a moment of its own, but events are many and of
# many sources, and finding the first of each would read the table.  What a later source brings of
# the time between counts from when it was recorded, so nothing is seen too early.
BEFORE_CONNECTION = """f.happened_at < coalesce((
    SELECT min(recorded_at)
    FROM (SELECT recorded_at FROM {table} ORDER BY id LIMIT %(first_rows)s) first_rows
), '-infinity')"""
REVIEWS = (
    Column("customer_id", "int8send", "f.customer_id"),
    Column("rating", "float8send", "coalesce(f.rating, 'NaN'::float8)"),
    Column("happened_at", "timestamptz_send", "f.happened_at"),
    Column("recorded_at", "timestamptz_send", "f.recorded_at"),
)


def events_frame(
    *,
    known_at: datetime,
    since: datetime,
    customer_ids: Sequence[int] | None = None,
    trust_import: bool = True,
) -> pd.DataFrame:
    """Load the events that features look at, of known customers, as known at ``known_at``.

    What a source marks as done by a machine (``MACHINE_FLAGS``) is left out: opens and clicks of
    mail scanners are nobody's.

    Parameters
    ----------
    known_at : datetime
        Aware; only events that happened and were recorded before it.
    since : datetime
        Aware; only events that happened at or after it.
    customer_ids : sequence of int, optional
        Only these customers; the same query, hence the same numbers.
    trust_import : bool
        Mark events from before the first was ever recorded here as ``is_backfill``: imported
        later, they count as known since they happened.

    Returns
    -------
    DataFrame of shape (n_events, 5), in no particular order
        ``customer_id``; ``name``, place in `EVENT_NAMES`; ``happened_at`` and ``recorded_at`` in
        UTC; ``is_backfill``.
    """
    return _of(events(known_at, since=since, trust_import=trust_import), customer_ids)


def reviews_frame(
    *, known_at: datetime, customer_ids: Sequence[int] | None = None, trust_import: bool = True
) -> pd.DataFrame:
    """Load the reviews of known customers; arguments and columns as of `events_frame`.

    ``rating`` takes the place of ``name``: 1 to 5 stars, NaN where none were given.
    """
    return _of(reviews(known_at, trust_import=trust_import), customer_ids)


def goods_frame(product_ids: Sequence[int] | None = None) -> pd.DataFrame:
    """Load how goods are described today: ``product_id``, ``category``, ``brand``, ``price``.

    Of all products, or of these: what a few customers bought.
    """
    names = ["product_id", "category", "brand", "price"]
    goods = Product.objects.filter(kind=Product.Kind.GOODS)
    if product_ids is not None:
        goods = goods.filter(pk__in=list(product_ids))
    rows = goods.values_list("pk", *names[1:]).iterator(chunk_size=10_000)
    found = pd.DataFrame.from_records(rows, columns=names)
    return found.astype({"product_id": "int64", "price": "float64"})


def events(known_at: datetime, *, since: datetime, trust_import: bool) -> wire.Query:
    query = _query("customers_event", EVENTS, known_at, trust_import=trust_import)
    query.where += [
        "f.name = ANY(%(names)s) AND f.happened_at >= %(since)s",
        "NOT CASE WHEN f.name = ANY(%(machines)s)"
        " THEN coalesce(f.properties @@ %(flagged)s, false) ELSE false END",
    ]
    query.params |= {"names": list(ALIASES), "machines": list(BY_MACHINES_TOO)}
    query.params |= {"since": since, "flagged": FLAGGED}
    return query


def reviews(known_at: datetime, *, trust_import: bool) -> wire.Query:
    return _query("customers_review", REVIEWS, known_at, trust_import=trust_import)


def _query(
    table: str, columns: Sequence[Column], known_at: datetime, *, trust_import: bool
) -> wire.Query:
    params: dict[str, Any] = {"known_at": known_at}
    trusted = "false"
    if trust_import:
        trusted, params["first_rows"] = BEFORE_CONNECTION.format(table=table), FIRST_ROWS
    return wire.Query(
        table,
        (*columns, Column("is_backfill", "boolsend", f"({trusted})")),
        [
            "f.customer_id IS NOT NULL",
            f"f.happened_at < %(known_at)s AND (f.recorded_at < %(known_at)s OR {trusted})",
        ],
        params,
    )


def _of(query: wire.Query, customer_ids: Sequence[int] | None) -> pd.DataFrame:
    if customer_ids is None:
        return wire.frame(query.copy())
    ids = list(customer_ids)
    if len(ids) > CUSTOMERS_BY_INDEX:
        found = wire.frame(query.copy())
        return found[np.isin(found["customer_id"].to_numpy(), ids)].reset_index(drop=True)
    query.where.append("f.customer_id = ANY(%(ids)s)")
    query.params["ids"] = ids
    return wire.frame(query.copy(by_index=True))
