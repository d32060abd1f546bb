"""The tables a statement reads: one join for each distinct question, parameters bound once."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from segments.rules import language as L

ADDRESS = {"email": "email", "sms": "phone"}


@dataclass
class Aggregates:
    """A grouped subquery under construction: asks the same aggregate only once."""

    alias: str
    columns: dict[str, str] = field(default_factory=dict)  # SQL of the aggregate -> its name

    def aggregate(self, call: str, wanted: str) -> str:
        sql = f"{call} FILTER (WHERE {wanted})"
        name = self.columns.setdefault(sql, f"a{len(self.columns)}")
        return f"{self.alias}.{name}"

    def select(self) -> str:
        return ", ".join(f"{sql} AS {name}" for sql, name in self.columns.items())


class Sources:
    """What one statement joins to the customers, and its parameters."""

    def __init__(self, as_of: datetime, ids: list[int] | None) -> None:
        if as_of.tzinfo is None:
            raise ValueError("as_of needs a time zone")
        self.as_of = as_of
        self.params: dict[str, Any] = {"as_of": as_of}
        self._restricted = ids is not None
        if ids is not None:
            self.params["ids"] = ids
        self._names: dict[tuple[type, str], str] = {}
        self._orders: dict[tuple, Aggregates] = {}  # by what the lines must be
        self._events: Aggregates | None = None
        self._event_names: set[str] = set()
        self._event_days: list[Decimal | None] = []
        self._joins: dict[str, str] = {}  # alias -> its join, for scores, consents, suppressions
        self._aliases: dict[tuple[str, ...], str] = {}

    def bind(self, value: Any) -> str:
        """The placeholder of a parameter; equal values share one."""
        key = (type(value), repr(value))
        if key not in self._names:
            name = self._names[key] = f"p{len(self._names)}"
            self.params[name] = value
        return f"%({self._names[key]})s"

    def ago(self, days: Decimal) -> datetime:
        return self.as_of - timedelta(days=float(days))

    def base(self) -> str:
        """The condition on ``c`` that leaves the customers who can be in any segment at all."""
        only = " AND c.id = ANY(%(ids)s::bigint[])" if self._restricted else ""
        return f"c.erased_at IS NULL AND {self._seen('c')}{only}"

    def orders(self, wanted: L.OrderFilter, *, needs_lines: bool = False) -> Aggregates:
        """The orders as one subquery for each distinct condition on their lines."""
        key = ("lines", *wanted.lines) if any(wanted.lines) or needs_lines else ()
        return self._orders.setdefault(key, Aggregates(f"o{len(self._orders)}"))

    def wanted_orders(self, wanted: L.OrderFilter, window_days: Decimal | None) -> str:
        parts = [
            f"o.kind = ANY({self.bind(list(wanted.kind))})",
            f"o.status = ANY({self.bind(list(wanted.status))})",
        ]
        for column in ("source", "currency", "coupon"):
            if getattr(wanted, column):
                name = "coupon_code" if column == "coupon" else column
                parts.append(self._one_of(f"o.{name}", getattr(wanted, column)))
        if wanted.has_coupon is not None:
            parts.append(f"o.coupon_code {'<>' if wanted.has_coupon else '='} ''")
        if window_days is not None:
            parts.append(f"o.happened_at >= {self.bind(self.ago(window_days))}")
        return " AND ".join(parts)

    def events(self, names: tuple[str, ...], window_days: Decimal | None) -> Aggregates:
        if self._events is None:
            self._events = Aggregates("e0")
        self._event_names |= set(names)
        self._event_days.append(window_days)
        return self._events

    def score(self, name: str) -> str:
        """The alias of a join that has at most one row for a customer."""
        return self._join(
            ("score", name),
            lambda alias: (
                f"segments_score {alias} ON {alias}.customer_id = c.id"
                f" AND {alias}.name = {self.bind(name)} AND {alias}.as_of <= %(as_of)s"
            ),
        )

    def consent(self, channel: str, topic: str) -> str:
        """The latest word; ties of both clocks are settled by the row written last."""
        return self._join(
            ("consent", channel, topic),
            lambda alias: (
                "(SELECT DISTINCT ON (k.customer_id) k.customer_id, k.is_granted"
                f" FROM customers_consent k WHERE k.channel = {self.bind(channel)}"
                f" AND k.topic = {self.bind(topic)} AND {self._seen('k')}{self._only('k')}"
                " ORDER BY k.customer_id, k.happened_at DESC, k.recorded_at DESC, k.id DESC)"
                f" {alias} ON {alias}.customer_id = c.id"
            ),
        )

    def suppression(self, channel: str) -> str:
        address = f"convert_to(lower(btrim({self.address(channel)})), 'UTF8')"
        return self._join(
            ("suppression", channel),
            lambda alias: (
                f"customers_suppression {alias} ON {alias}.channel = {self.bind(channel)}"
                f" AND {alias}.address_sha256 = encode(sha256({address}), 'hex')"
                f" AND {self._seen(alias)}"
            ),
        )

    def address(self, channel: str) -> str:
        return f"NULLIF(c.{ADDRESS[channel]}, '')"

    def tables(self) -> str:
        """The FROM clause; written last, when all questions are known."""
        parts = ["FROM customers_customer c"]
        for key, source in self._orders.items():
            inner = self._lines(key[1:]) if key else self._plain_orders()
            parts.append(self._grouped(source, inner))
        if self._events is not None:
            parts.append(self._grouped(self._events, self._all_events()))
        parts += [f"LEFT JOIN {join}" for join in self._joins.values()]
        return "\n".join(parts)

    def _grouped(self, source: Aggregates, inner: str) -> str:
        select = f"SELECT customer_id, {source.select()} {inner} GROUP BY customer_id"
        return f"LEFT JOIN ({select}) {source.alias} ON {source.alias}.customer_id = c.id"

    def _plain_orders(self) -> str:
        return (
            "FROM (SELECT o.*, o.total AS amount FROM customers_order o"
            f" WHERE o.customer_id IS NOT NULL AND {self._seen('o')}{self._only('o')}) o"
        )

    def _lines(self, wanted: tuple[tuple[str, ...], ...]) -> str:
        columns = ("external_id", "category", "brand")
        conditions = "".join(
            f" AND {self._one_of(f'p.{column}', values)}"
            for column, values in zip(columns, wanted, strict=True)
            if values
        )
        return (
            "FROM (SELECT o.*, sum(l.quantity * l.unit_price - l.discount) AS amount,"
            " sum(l.quantity) FILTER (WHERE p.kind = 'goods') AS items"
            " FROM customers_order o JOIN customers_orderline l ON l.order_id = o.id"
            " JOIN customers_product p ON p.id = l.product_id"
            f" WHERE o.customer_id IS NOT NULL AND {self._seen('o')}{self._only('o')}{conditions}"
            " GROUP BY o.id) o"
        )

    def _all_events(self) -> str:
        since = ""
        windows = [days for days in self._event_days if days is not None]
        if len(windows) == len(self._event_days):
            since = f" AND e.happened_at >= {self.bind(self.ago(max(windows)))}"
        names = self.bind(sorted(self._event_names))
        return (
            f"FROM customers_event e WHERE e.customer_id IS NOT NULL AND e.name = ANY({names})"
            f" AND {self._seen('e')}{self._only('e')}{since}"
        )

    def _join(self, key: tuple[str, ...], write: Any) -> str:
        if key not in self._aliases:
            alias = self._aliases[key] = f"j{len(self._aliases)}"
            self._joins[alias] = write(alias)
        return self._aliases[key]

    def _seen(self, alias: str) -> str:
        return f"{alias}.happened_at <= %(as_of)s AND {alias}.recorded_at <= %(as_of)s"

    def _only(self, alias: str) -> str:
        return f" AND {alias}.customer_id = ANY(%(ids)s::bigint[])" if self._restricted else ""

    def _one_of(self, column: str, values: tuple[str, ...]) -> str:
        return f'lower({column} COLLATE "C") = ANY({self.bind([L.folded(v) for v in values])})'
