"""Bring orders, lines and events out of PostgreSQL as sorted columns.  Writes nothing.

Numbers travel packed, a block of pages in one value of fixed-width records; texts beside them,
parted by a byte that UTF-8 never has, and become codes on arrival.
"""

import re
import struct
import threading
from collections import Counter
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from django.db import connection, transaction

from customers.services.wire import POSTGRES_EPOCH, WIRE, Column
from segments.rules import language as L
from segments.rules.columns import EVENT_COLUMNS, LINE_COLUMNS, MOST, ORDER_COLUMNS, Facts

PAGES_A_BLOCK = 64  # half a megabyte of a table
READERS = 2  # connections that read at once; PostgreSQL uses one core for each
BETWEEN_ROWS, BETWEEN_FIELDS = b"\xff", b"\xfe"
UNITS_SQL = "({0} * 10000)::int8"
MOST_TABLE = 50_000_000  # ids up to which a plain table finds their places
CODES_MOST = 60_000  # of names with properties: they fit two bytes
SAMPLE_EVENTS = 20_000  # looked at to choose properties
SAMPLE_CODES = 2_000  # different ones in that sample, at most
REPEATS = 20  # times that values of a property nobody asks about must repeat, to be kept
PROPERTY = re.compile(r"[A-Za-z0-9_ .-]{1,60}")
PROPERTY_BYTES = 200
FLOAT_SAFE = 2.0**62  # above it, as a float, an amount may not fit 64 bits


@dataclass(frozen=True)
class Source:
    """One table of facts: the numbers of each row, and one text made of several fields."""

    table: str
    numbers: tuple[Column, ...]
    texts: tuple[tuple[str, ...], ...]  # for each text the expressions that make it up
    where: str
    where_ids: str


ORDERS = Source(
    "customers_order",
    (
        Column("customer_id", "int8send", "f.customer_id"),
        Column("id", "int8send", "f.id"),
        Column("at", "timestamptz_send", "f.happened_at"),
        Column("recorded", "timestamptz_send", "f.recorded_at"),
        Column("total", "int8send", UNITS_SQL.format("f.total")),
    ),
    (("f.kind", "f.status", "f.source", "f.currency"), ("f.coupon_code",)),
    "f.customer_id IS NOT NULL",
    "f.customer_id = ANY(%(ids)s::bigint[])",
)
LINES = Source(
    "customers_orderline",
    (
        Column("order_id", "int8send", "f.order_id"),
        Column("product_id", "int8send", "f.product_id"),
        Column("quantity", "int4send", "f.quantity"),
        Column("price", "int8send", UNITS_SQL.format("f.unit_price")),
        Column("discount", "int8send", UNITS_SQL.format("f.discount")),
    ),
    (),
    "TRUE",
    "f.order_id IN (SELECT id FROM customers_order WHERE customer_id = ANY(%(ids)s::bigint[]))",
)
EVENTS = Source(
    "customers_event",
    (
        Column("customer_id", "int8send", "f.customer_id"),
        Column("at", "timestamptz_send", "f.happened_at"),
        Column("recorded", "timestamptz_send", "f.recorded_at"),
    ),
    (("f.name",),),
    "f.customer_id IS NOT NULL",
    "f.customer_id = ANY(%(ids)s::bigint[])",
)


def events_with(properties: Sequence[str]) -> Source:
    """Events whose text has the JSON of these properties beside the name."""
    texts = [f"coalesce((f.properties -> '{one}')::text, '')" for one in properties]
    return replace(EVENTS, texts=(("f.name", *texts),))


class TooLarge(ValueError):
    """Amounts whose sums could leave 64 bits; PostgreSQL must add these."""


class Codes(dict[bytes, int]):
    """A dictionary of texts that numbers what it meets for the first time, in any thread."""

    def __init__(self, most: int | None = None) -> None:
        super().__init__()
        self.most, self.is_full = most, False  # and some then have a code that is not theirs
        self._lock = threading.Lock()

    def __missing__(self, text: bytes) -> int:
        with self._lock:
            if self.most is not None and len(self) >= self.most and text not in self:
                self.is_full = True
                return 0
            return self.setdefault(text, len(self))

    def fields(self) -> list[tuple[str, ...]]:
        return [tuple(one.decode() for one in text.split(BETWEEN_FIELDS)) for text in self]


class Receiver:
    """The receiving end of a binary COPY of blocks: one value of records, then one of each text."""

    HEADER_BYTES = len(b"PGCOPY\n\xff\r\n\0") + 8

    def __init__(self, source: Source, codes: Sequence[Codes]) -> None:
        self.record = np.dtype([(c.name, WIRE[c.send]) for c in source.numbers])
        self.moments = [c.name for c in source.numbers if c.send == "timestamptz_send"]
        self.codes = codes
        self.numbers: dict[str, list[np.ndarray]] = {c.name: [] for c in source.numbers}
        self.texts: list[list[np.ndarray]] = [[] for _ in codes]
        self._skip = self.HEADER_BYTES

    def write(self, data: bytes) -> int:
        at, self._skip = self._skip, 0
        (number_of_fields,) = struct.unpack_from(">h", data, at)
        if number_of_fields < 0:  # the end
            return len(data)
        at += 2
        values = []
        for _ in range(number_of_fields):
            (length,) = struct.unpack_from(">i", data, at)
            at += 4
            values.append(data[at : at + length] if length >= 0 else None)
            at += max(length, 0)
        if values[0] is not None:
            self._take(values)
        return len(data)

    def _take(self, values: list) -> None:
        rows = np.frombuffer(values[0], self.record)
        for name, parts in self.numbers.items():
            parts.append(rows[name].astype(rows[name].dtype.newbyteorder("=")))
        for codes, found, text in zip(self.codes, self.texts, values[1:], strict=True):
            each = text.split(BETWEEN_ROWS)
            found.append(np.fromiter(map(codes.__getitem__, each), np.int32, rows.size))


def load(source: Source, codes: Sequence[Codes], *, ids: list[int] | None = None) -> dict[str, Any]:
    """Load one table on this connection; for given customers by index, else block by block."""
    if ids is not None:
        receiver = Receiver(source, codes)
        _copy(_packed(source, source.where_ids), {"ids": ids}, receiver)
        return _columns(source, [receiver])
    return _columns(source, [_blocks(source, codes, 0, 1)])


def load_apart(source: Source, codes: Sequence[Codes], *, snapshot: str) -> dict[str, Any]:
    """Load one whole table over `READERS` connections that share an exported snapshot."""

    def read(number: int) -> Receiver:
        try:
            with transaction.atomic():
                share(snapshot)
                return _blocks(source, codes, number, READERS)
        finally:
            connection.close()  # Django keeps one a thread, and this thread ends

    with ThreadPoolExecutor(READERS) as pool:
        return _columns(source, list(pool.map(read, range(READERS))))


def share(snapshot: str) -> None:
    """See in this transaction, which has just begun, what another one sees."""
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SET TRANSACTION SNAPSHOT %s", [snapshot])


def customer_ids() -> np.ndarray:
    """All customers, ascending."""
    receiver = Receiver(
        Source("customers_customer", (Column("id", "int8send", "f.id"),), (), "", ""), ()
    )
    _copy(
        "SELECT string_agg(int8send(f.id), '') FROM customers_customer f GROUP BY f.id >> 16",
        {},
        receiver,
    )
    return np.sort(np.concatenate([np.empty(0, np.int64), *receiver.numbers["id"]]))


def properties_to_keep(asked: Collection[str]) -> tuple[str, ...]:
    """The properties of events that repeat, those asked about first, as a sample shows.

    So many that all their values together, with the names, are few.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples FROM pg_class WHERE oid = 'customers_event'::regclass")
        share = min(100.0, 200.0 * SAMPLE_EVENTS / max(1.0, cursor.fetchone()[0]))
        cursor.execute(
            "SELECT e.number, e.name, p.key, p.value::text FROM (SELECT row_number() OVER () AS"
            " number, name, properties FROM customers_event TABLESAMPLE SYSTEM (%s) REPEATABLE (0)"
            " LIMIT %s) e LEFT JOIN LATERAL jsonb_each(e.properties) p ON TRUE",
            [share, SAMPLE_EVENTS],
        )
        rows = cursor.fetchall()
    codes: dict[int, tuple[str, ...]] = {number: (name,) for number, name, _key, _value in rows}
    values: dict[str, dict[int, str]] = {}
    for number, _name, key, value in rows:
        if key is not None and PROPERTY.fullmatch(key):
            values.setdefault(key, {})[number] = value
    different = {key: len(Counter(found.values())) for key, found in values.items()}
    kept: list[str] = []
    for key in sorted(values, key=lambda key: (key not in asked, different[key], key)):
        found = values[key]
        if key not in asked and different[key] * REPEATS > len(found):
            continue
        if max(len(value.encode()) for value in found.values()) > PROPERTY_BYTES:
            continue
        wider = {number: (*code, found.get(number, "")) for number, code in codes.items()}
        if len(set(wider.values())) <= SAMPLE_CODES:
            codes = wider
            kept.append(key)
    return tuple(kept)


def for_customers(ids: np.ndarray, properties: tuple[str, ...] = ()) -> Facts:
    """All facts of these customers, ascending, read on this connection as it sees them."""
    sorts, coupons, names = Codes(), Codes(), Codes()
    given = ids.tolist()
    found = order_columns(load(ORDERS, (sorts, coupons), ids=given), ids)
    order_ids = found.pop("order_id")
    found |= line_columns(load(LINES, (), ids=given), order_ids)
    found |= event_columns(load(events_with(properties), (names,), ids=given), ids)
    check_amounts(found)
    texts = dictionaries(sorts, coupons, names)
    return Facts(ids=ids, **found, **texts, properties=properties)


def no_facts(ids: np.ndarray, properties: tuple[str, ...] = ()) -> Facts:
    """Customers of whom there is not one order or event."""
    nothing, starts = np.empty(0, np.int64), np.zeros(ids.size + 1, np.int64)
    columns = dict.fromkeys((*ORDER_COLUMNS, *LINE_COLUMNS, *EVENT_COLUMNS), nothing)
    return Facts(
        ids=ids,
        orders_from=starts,
        lines_from=np.zeros(1, np.int64),
        events_from=starts,
        **columns,
        order_sorts=(),
        coupons=(),
        event_names=(),
        properties=properties,
        product_ids=nothing,
        latest=-(2**63),
    )


def order_columns(raw: dict[str, Any], ids: np.ndarray) -> dict[str, Any]:
    """Sort orders by customer and time; ``order_id`` is theirs, for the lines."""
    whose, raw = _known(raw, "customer_id", ids)
    order = np.lexsort((raw["at"], whose))
    latest = _latest(raw)
    return {
        "orders_from": _starts(whose, ids.size),
        "order_id": raw.pop("id")[order],
        "order_at": raw.pop("at")[order],
        "order_recorded": raw.pop("recorded")[order],
        "order_total": raw.pop("total")[order],
        "order_sort": _narrow(raw.pop("text0"))[order],
        "order_coupon": _narrow(raw.pop("text1"))[order],
        "latest": latest,
    }


def line_columns(raw: dict[str, Any], order_ids: np.ndarray) -> dict[str, Any]:
    """Sort lines by the place of their order; lines of guests are dropped."""
    by_id = np.argsort(order_ids, kind="stable")
    found = Places(order_ids[by_id]).of(raw.pop("order_id"))
    kept = np.flatnonzero(found >= 0)
    whose = by_id[found[kept]]
    del found
    order = np.argsort(whose, kind="stable")
    starts = _starts(whose, order_ids.size)
    del whose
    kept = kept[order]
    del order
    quantity, price = raw.pop("quantity")[kept], raw.pop("price")[kept]
    discount = raw.pop("discount")[kept]
    if np.abs(quantity.astype(float) * price).max(initial=0) > FLOAT_SAFE:
        raise TooLarge("a line's amount does not fit 64 bits")
    products = raw.pop("product_id")[kept]
    known = distinct(products)
    return {
        "lines_from": starts,
        "line_quantity": quantity,
        "line_price": price,
        "line_amount": quantity * price - discount,
        "line_product": _narrow(Places(known).of(products)),
        "product_ids": known,
    }


def event_columns(raw: dict[str, Any], ids: np.ndarray) -> dict[str, Any]:
    """Sort events by customer and time."""
    whose, raw = _known(raw, "customer_id", ids)
    order = np.lexsort((raw["at"], whose))
    latest = _latest(raw)
    return {
        "events_from": _starts(whose, ids.size),
        "event_at": raw.pop("at")[order],
        "event_recorded": raw.pop("recorded")[order],
        "event_name": _narrow(raw.pop("text0"))[order],
        "latest_event": latest,
    }


def check_amounts(found: dict[str, Any]) -> None:
    """Refuse amounts that a sum over one customer might not hold, and join the two moments."""
    for amounts in (found["order_total"], found["line_amount"]):
        # a bound for any one customer: all of them together, as floats
        if float(np.abs(amounts.astype(np.float64)).sum()) >= MOST:
            raise TooLarge("amounts together may not fit 64 bits")
    found["latest"] = max(found["latest"], found.pop("latest_event"))


def dictionaries(sorts: Codes, coupons: Codes, names: Codes) -> dict[str, Any]:
    """What the codes mean, folded as it is compared."""
    return {
        "order_sorts": [
            (kind, status, L.folded(source), L.folded(currency))
            for kind, status, source, currency in sorts.fields()
        ],
        "coupons": [L.folded(one) for (one,) in coupons.fields()],
        "event_names": names.fields(),
    }


class Places:
    """Finds the place of each id among ascending ids, -1 where it is none of them."""

    def __init__(self, ids: np.ndarray) -> None:
        self.ids = ids
        self.table: np.ndarray | None = None
        if ids.size and ids[0] >= 0 and ids[-1] <= max(MOST_TABLE, 4 * ids.size):
            self.table = np.full(int(ids[-1]) + 1, -1, np.int32)
            self.table[ids] = np.arange(ids.size, dtype=np.int32)

    def of(self, wanted: np.ndarray) -> np.ndarray:
        if not self.ids.size:
            return np.full(wanted.size, -1, np.int32)
        if self.table is not None:
            inside = (wanted >= 0) & (wanted < self.table.size)
            if inside.all():
                return self.table[wanted]
            return np.where(inside, self.table[np.where(inside, wanted, 0)], -1)
        found = np.minimum(np.searchsorted(self.ids, wanted), self.ids.size - 1)
        return np.where(self.ids[found] == wanted, found, -1)


def distinct(ids: np.ndarray) -> np.ndarray:
    """The different ids, ascending."""
    if ids.size and ids.min() >= 0 and ids.max() <= MOST_TABLE:
        seen = np.zeros(int(ids.max()) + 1, bool)
        seen[ids] = True
        return np.flatnonzero(seen)
    return np.unique(ids)


def _blocks(source: Source, codes: Sequence[Codes], number: int, of: int) -> Receiver:
    """Read every ``of``-th run of pages of a table."""
    first = "('(' || page || ',0)')::tid"
    after = f"('(' || page + {PAGES_A_BLOCK} || ',0)')::tid"
    packed = _packed(source, f"{source.where} AND f.ctid >= {first} AND f.ctid < {after}")
    receiver = Receiver(source, codes)
    _copy(
        f"SELECT packed.* FROM generate_series({number * PAGES_A_BLOCK},"
        f" (pg_relation_size('{source.table}') / current_setting('block_size')::int)::bigint,"
        f" {of * PAGES_A_BLOCK}) page, LATERAL ({packed}) packed",
        {},
        receiver,
    )
    return receiver


def _packed(source: Source, where: str) -> str:
    record = " || ".join(f"{column.send}({column.expression})" for column in source.numbers)
    texts = "".join(
        f", string_agg({_joined(text)}, '\\x{BETWEEN_ROWS.hex()}'::bytea) AS text{number}"
        for number, text in enumerate(source.texts)
    )
    return f"SELECT string_agg({record}, '') AS numbers{texts} FROM {source.table} f WHERE {where}"


def _joined(fields: tuple[str, ...]) -> str:
    between = f" || '\\x{BETWEEN_FIELDS.hex()}'::bytea || "
    return between.join(f"convert_to({one}, 'UTF8')" for one in fields)


def _copy(query: str, params: dict[str, Any], receiver: Receiver) -> None:
    with connection.cursor() as cursor:
        wanted = cursor.mogrify(query, params).decode() if params else query
        cursor.copy_expert(f"COPY ({wanted}) TO STDOUT (FORMAT binary)", receiver)


def _columns(source: Source, receivers: list[Receiver]) -> dict[str, Any]:
    """The columns of all that was received, whose parts are let go one by one."""
    moments, record = set(receivers[0].moments), receivers[0].record
    found: dict[str, Any] = {}
    for column in source.numbers:
        parts = [part for receiver in receivers for part in receiver.numbers.pop(column.name)]
        empty = np.empty(0, record[column.name].newbyteorder("="))
        found[column.name] = np.concatenate([empty, *parts])
        if column.name in moments:
            found[column.name] += POSTGRES_EPOCH
    for number in range(len(source.texts)):
        texts = [part for receiver in receivers for part in receiver.texts[number]]
        found[f"text{number}"] = np.concatenate([np.empty(0, np.int32), *texts])
    return found


def _known(raw: dict[str, Any], key: str, ids: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """The places of the customers, without the rows of those we do not have."""
    whose = Places(ids).of(raw.pop(key))
    if (whose < 0).any():
        kept = np.flatnonzero(whose >= 0)
        return whose[kept], {name: column[kept] for name, column in raw.items()}
    return whose, raw


def _latest(raw: dict[str, Any]) -> int:
    low = np.iinfo(np.int64).min
    return int(max(raw["at"].max(initial=low), raw["recorded"].max(initial=low)))


def _starts(whose: np.ndarray, size: int) -> np.ndarray:
    counts = np.bincount(whose, minlength=size) if whose.size else np.zeros(size, np.int64)
    starts = np.zeros(size + 1, np.int64)
    np.cumsum(counts, out=starts[1:])
    return starts.astype(np.int32) if starts[-1] < 2**31 else starts


def _narrow(codes: np.ndarray) -> np.ndarray:
    return codes.astype(np.min_scalar_type(int(codes.max(initial=0))))
