"""The tables a statement reads: each table of facts once, parameters bound once.

For given customers every table is read by its index on the customer, one customer after the other
(``LATERAL``); for everybody each is read from end to end and grouped.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from segments.rules import language as L
from segments.rules.sql_comparisons import compare

ADDRESS = {"email": "email", "sms": "phone"}
AS_OF = "%(as_of)s::timestamptz"
LINE_AMOUNT = "l.quantity * l.unit_price - l.discount"


MANY_ASK = 3  # times that a condition is asked from which working it out beforehand is cheaper


@dataclass
class Aggregates:
    """The aggregates asked of one table, each only once.

    ``seen`` is put to every filter: empty where the rows are restricted to what is seen already.
    Where many aggregates ask the same of a row, and only their windows differ, it is worked out
    once a row (``q``): half the time of a statement of fifty rules goes there.
    """

    alias: str
    seen: str = ""
    columns: dict[tuple[str, str, str], str] = field(default_factory=dict)  # what is asked -> name
    once: dict[str, str] = field(default_factory=dict)  # condition on a row -> its name

    def aggregate(self, call: str, wanted: str, *, since: str = "") -> str:
        """An aggregate of the rows that are wanted, and in a window pass ``since``."""
        # seen comes last: nearly every row passes it, so the cheap refusals go first
        return self._ask(call, f"{wanted} AND {self.seen}" if self.seen else wanted, since)

    def unseen(self, call: str, wanted: str) -> str:
        """As `aggregate`, of the rows not seen yet too."""
        return self._ask(call, wanted, "")

    def select(self) -> str:
        return ", ".join(
            f"{call} FILTER (WHERE {' AND '.join(filter(None, (self._met(wanted), since)))})"
            f" AS {name}"
            for (call, wanted, since), name in self.columns.items()
        )

    def beforehand(self) -> str:
        """A join that works the conditions out once a row; empty where that does not pay."""
        if not self._pays:
            return ""
        found = ", ".join(f"({condition}) AS {name}" for condition, name in self.once.items())
        return f" CROSS JOIN LATERAL (SELECT {found} OFFSET 0) q"

    @property
    def _pays(self) -> bool:
        return len(self.columns) > MANY_ASK * len(self.once)

    def _met(self, wanted: str) -> str:
        return f"q.{self.once[wanted]}" if self._pays else wanted

    def _ask(self, call: str, wanted: str, since: str) -> str:
        self.once.setdefault(wanted, f"q{len(self.once)}")
        name = self.columns.setdefault((call, wanted, since), f"a{len(self.columns)}")
        return f"{self.alias}.{name}"


class Sources:
    """What one statement joins to the customers ``c``, and its parameters.

    Parameters
    ----------
    as_of : datetime or None
        Aware.  None leaves the moment open: the text then depends on the rules alone, and every
        moment in it is worked out from the parameter ``as_of``.
    has_ids : bool
        Whether only the customers of the parameter ``ids`` are asked for.
    has_changes : bool
        Whether facts not seen yet are read as well, to tell when they will be.
    """

    def __init__(self, as_of: datetime | None, *, has_ids: bool, has_changes: bool = False) -> None:
        if as_of is not None and as_of.tzinfo is None:
            raise ValueError("as_of needs a time zone")
        # in UTC: elsewhere Python adds days of the calendar, not of 24 hours
        self.as_of = None if as_of is None else as_of.astimezone(UTC)
        self.params: dict[str, Any] = {} if as_of is None else {"as_of": as_of}
        self.has_ids = has_ids
        self.has_changes = has_changes
        self._names: dict[tuple[type, str], str] = {}
        self._edges: dict[timedelta, str] = {}
        self._tables: dict[str, Aggregates] = {}
        self._is_plain = False  # whether an order counts without a look at its lines
        self._lines = Aggregates("l")
        self._line_filters: dict[str, None] = {}
        self._windows: dict[str, list[Decimal | None]] = {}
        self._event_names: set[str] = set()
        self._score_names: set[str] = set()
        self._joins: dict[str, str] = {}  # alias -> its join, for suppressions

    def bind(self, value: Any) -> str:
        """The placeholder of a parameter; equal values share one."""
        key = (type(value), repr(value))
        if key not in self._names:
            name = self._names[key] = f"p{len(self._names)}"
            self.params[name] = value
        return f"%({self._names[key]})s"

    def at(self, away: timedelta = timedelta()) -> str:
        """The moment this far from the one asked about."""
        if self.as_of is not None:
            return self.bind(self.as_of + away)
        if self.has_ids:
            # one row beside the customers: worked out once, not for each row of facts
            return f"w.{self._edges.setdefault(away, f't{len(self._edges)}')}"
        return f"({AS_OF} + {span(away)})"

    def ago(self, days: Decimal) -> str:
        return self.at(-L.length(days))

    def base(self) -> str:
        """The condition on ``c`` that leaves the customers who can be in any segment at all."""
        return f"{self.asked()} AND {self.seen('c')}"

    def asked(self) -> str:
        """The condition on ``c`` that leaves who is asked for, known as of the moment or not."""
        only = " AND c.id = ANY(%(ids)s::bigint[])" if self.has_ids else ""
        return f"c.erased_at IS NULL{only}"

    def seen(self, alias: str) -> str:
        return f"{alias}.happened_at <= {self.at()} AND {alias}.recorded_at <= {self.at()}"

    def seen_next(self, source: Aggregates, row: str) -> str:
        """The moment from which one more fact of this table will be seen."""
        unseen = f"({row}.happened_at > {self.at()} OR {row}.recorded_at > {self.at()})"
        return source.unseen(f"min(greatest({row}.happened_at, {row}.recorded_at))", unseen)

    def orders(
        self, wanted: L.OrderFilter, window_days: Decimal | None, *, needs_lines: bool = False
    ) -> Aggregates:
        self._windows.setdefault("o", []).append(window_days)
        self._is_plain |= not wanted.has_lines
        if needs_lines or wanted.has_lines:
            self._windows.setdefault("l", []).append(window_days)
        return self._table("o")

    def zone(self, shop_zone: str, *, is_own: bool) -> str:
        """The shop's time zone, or the customer's own where she has one that is known."""
        if not is_own:
            return self.bind(shop_zone)
        self._joins["z"] = "LEFT JOIN segments_timezone z ON z.name = c.time_zone"
        return f"coalesce(z.name, {self.bind(shop_zone)})"

    def since(self, row: str, window_days: Decimal | None) -> str:
        """The condition on a row that the window lets through; empty for ever."""
        return "" if window_days is None else f"{row}.happened_at >= {self.ago(window_days)}"

    def wanted_orders(self, wanted: L.OrderFilter) -> str:
        parts = [self._is_in("o.kind", wanted.kind), self._is_in("o.status", wanted.status)]
        for column in ("source", "currency", "coupon"):
            if getattr(wanted, column):
                name = "coupon_code" if column == "coupon" else column
                parts.append(self._one_of(f"o.{name}", getattr(wanted, column)))
        if wanted.has_coupon is not None:
            parts.append(f"o.coupon_code {'<>' if wanted.has_coupon else '='} ''")
        if wanted.total is not None:
            parts.append(compare("o.total", wanted.total, self))
        if wanted.has_lines:
            parts.append(f"{self.of_lines('count(*)', wanted)} > 0")
        return " AND ".join(parts)

    def of_lines(self, call: str, wanted: L.OrderFilter, more: str = "") -> str:
        """An aggregate of those lines of an order that are wanted."""
        columns = ("external_id", "category", "brand")
        parts = [
            self._one_of(f"p.{column}", values)
            for column, values in zip(columns, wanted.lines, strict=True)
            if values
        ]
        if wanted.price is not None:
            parts.append(compare("l.unit_price", wanted.price, self))
        condition = " AND ".join(parts) or "TRUE"
        self._line_filters[condition] = None
        return self._lines.aggregate(call, condition + more)

    def events(self, names: tuple[str, ...], window_days: Decimal | None) -> Aggregates:
        self._windows.setdefault("e", []).append(window_days)
        self._event_names |= set(names)
        return self._table("e")

    def is_named(self, names: tuple[str, ...]) -> str:
        return self._is_in("e.name", names)

    def score(self, name: str, column: str) -> str:
        """The value or band of the one score of this name that a customer can have."""
        self._score_names.add(name)
        source = self._table("s", seen=f"s.as_of <= {self.at()}")
        return source.aggregate(f"max(s.{column})", f"s.name = {self.bind(name)}")

    def next_score(self, name: str) -> str:
        self._score_names.add(name)
        source = self._table("s", seen=f"s.as_of <= {self.at()}")
        wanted = f"s.name = {self.bind(name)} AND s.as_of > {self.at()}"
        return source.unseen("min(s.as_of)", wanted)

    def consent(self, channel: str, topic: str) -> str:
        """The latest word; ties of both clocks are settled by the row written last."""
        latest = (
            "array_agg(k.is_granted ORDER BY k.happened_at DESC, k.recorded_at DESC, k.id DESC)"
        )
        wanted = f"k.channel = {self.bind(channel)} AND k.topic = {self.bind(topic)}"
        return f"({self._table('k').aggregate(latest, wanted)})[1]"

    def next_consent(self) -> str:
        return self.seen_next(self._table("k"), "k")

    def listed(self, key: str) -> str:
        """Whether the customer is on the list of this key; NULL where on no list at all."""
        source = self._table("m", seen=f"m.added_at <= {self.at()}")
        return source.aggregate("bool_or(TRUE)", f"n.key = {self.bind(key)}")

    def next_listed(self, key: str) -> str:
        source = self._table("m", seen=f"m.added_at <= {self.at()}")
        wanted = f"n.key = {self.bind(key)} AND m.added_at > {self.at()}"
        return source.unseen("min(m.added_at)", wanted)

    def suppression(self, channel: str) -> str:
        """The alias of a join that has at most one row for a customer, seen or not."""
        alias = f"x_{channel}"
        address = f"convert_to(lower(btrim({self.address(channel)})), 'UTF8')"
        self._joins[alias] = (
            f"LEFT JOIN customers_suppression {alias} ON {alias}.channel = {self.bind(channel)}"
            f" AND {alias}.address_sha256 = encode(sha256({address}), 'hex')"
        )
        return alias

    def address(self, channel: str) -> str:
        return f"NULLIF(c.{ADDRESS[channel]}, '')"

    def tables(self) -> str:
        """The FROM clause; written last, when all questions are known."""
        written = {"o": self._orders, "e": self._events, "k": self._plain, "s": self._scores}
        parts = [
            self._grouped(row, written.get(row, self._lists)(row)) for row in self._tables
        ] + list(self._joins.values())
        customers = "FROM customers_customer c"
        if self._edges:
            edges = ", ".join(f"{AS_OF} + {span(a)} AS {t}" for a, t in self._edges.items())
            # OFFSET 0 keeps PostgreSQL from working each out again wherever it is used
            customers = f"FROM (SELECT {edges} OFFSET 0) w CROSS JOIN customers_customer c"
        return "\n".join([customers, *parts])

    def _table(self, row: str, *, seen: str = "") -> Aggregates:
        if row not in self._tables:
            if not seen and self.has_changes:
                seen = self.seen(row)
            self._tables[row] = Aggregates(f"f_{row}", seen)
        return self._tables[row]

    def _grouped(self, row: str, source: str) -> str:
        made = self._tables[row]
        if self.has_ids:
            inner = f"SELECT {made.select()} {source} AND {row}.customer_id = c.id"
            return f"CROSS JOIN LATERAL ({inner}) {made.alias}"
        inner = (
            f"SELECT {row}.customer_id, {made.select()} {source} AND {row}.customer_id IS NOT NULL"
            f" GROUP BY {row}.customer_id"
        )
        return f"LEFT JOIN ({inner}) {made.alias} ON {made.alias}.customer_id = c.id"

    def _orders(self, row: str) -> str:
        where = f"{self._tables[row].beforehand()} WHERE {self._since(row)}"
        if not self._lines.columns:
            return f"FROM customers_order o{where}"
        lines = (
            f"SELECT {self._lines.select()} FROM customers_orderline l JOIN customers_product p"
            f" ON p.id = l.product_id{self._lines.beforehand()} WHERE"
        )
        if self.has_ids:
            of_one = f"{lines} l.order_id = o.id"
            windows = [days for days in self._windows["l"] if days is not None]
            if len(windows) == len(self._windows["l"]):
                of_one += f" AND o.happened_at >= {self.ago(max(windows))}"
            return f"FROM customers_order o CROSS JOIN LATERAL ({of_one}) l{where}"
        any_of = " OR ".join(f"({one})" for one in self._line_filters)
        of_all = lines.replace("SELECT", "SELECT l.order_id,", 1) + f" ({any_of})"
        join = "LEFT JOIN" if self._is_plain else "JOIN"
        return (
            f"FROM customers_order o {join} ({of_all} GROUP BY l.order_id) l"
            f" ON l.order_id = o.id{where}"
        )

    def _events(self, row: str) -> str:
        named = self.bind(sorted(self._event_names))
        where = f"e.name = ANY({named}) AND {self._since(row)}"
        return f"FROM customers_event e{self._tables[row].beforehand()} WHERE {where}"

    def _scores(self, row: str) -> str:
        named = self.bind(sorted(self._score_names))
        return f"FROM segments_score s{self._tables[row].beforehand()} WHERE s.name = ANY({named})"

    def _plain(self, row: str) -> str:
        return f"FROM customers_consent k{self._tables[row].beforehand()} WHERE {self._since(row)}"

    def _lists(self, row: str) -> str:
        return (
            "FROM segments_listmember m JOIN segments_customerlist n ON n.id = m.list_id"
            f"{self._tables[row].beforehand()} WHERE TRUE"
        )

    def _since(self, row: str) -> str:
        """What the rows of a table need in common, to read no more of them than that."""
        parts = [] if self.has_changes else [self.seen(row)]
        asked = self._windows.get(row, [None])
        windows = [days for days in asked if days is not None]
        if len(windows) == len(asked):
            parts.append(f"{row}.happened_at >= {self.ago(max(windows))}")
        return " AND ".join(parts) or "TRUE"

    def _is_in(self, column: str, values: tuple[str, ...]) -> str:
        if len(values) == 1:
            return f"{column} = {self.bind(values[0])}"
        return f"{column} = ANY({self.bind(list(values))})"

    def _one_of(self, column: str, values: tuple[str, ...]) -> str:
        return self._is_in(f'lower({column} COLLATE "C")', tuple(L.folded(v) for v in values))


def span(length: timedelta) -> str:
    """A length of time in SQL: in seconds, for days of the calendar differ."""
    micros = abs(length) // timedelta(microseconds=1)
    sign = "-" if length < timedelta() else ""
    return f"interval '{sign}{micros // 1_000_000}.{micros % 1_000_000:06d} seconds'"
