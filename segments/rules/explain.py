"""Say a rule in a sentence, and clause by clause why it holds for one customer or not."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from segments.rules import evaluate, rfm
from segments.rules import language as L
from segments.rules.person import Person, Scored
from segments.rules.values import plain_text

FIELD_WORDS = {
    "email": "e-mail address",
    "phone": "phone number",
    "first_name": "first name",
    "last_name": "last name",
    "time_zone": "time zone",
    "birth_date": "date of birth",
    "happened_at": "first day with the shop",
}
ANNIVERSARY_WORDS = {"birth_date": "birthday", "happened_at": "anniversary with the shop"}
SCORE_WORDS = {
    "churn_90d": "risk of leaving within 90 days",
    "clv_365d": "expected revenue of the next 365 days",
    "worth_365d": "revenue of a year at the customer's own pace",
    "orders_365d": "expected orders of the next 365 days",
    "clv_90d": "expected revenue of the next 90 days",
    "orders_90d": "expected orders of the next 90 days",
    "next_order_days": "expected wait for the next order, in days,",
    "propensity_7d": "chance of an order within 7 days",
    "response_email": "chance to answer an e-mail",
    "response_sms": "chance to answer an SMS",
    "best_hour": "hour of the day for messages",
    "cluster": "cluster",
}
CHANNEL_WORDS = {"email": "e-mail", "sms": "SMS", "push": "push", "in_app": "in-app message"}
NUMBER_WORDS = {
    "=": "exactly {}",
    "!=": "not exactly {}",
    ">": "more than {}",
    ">=": "at least {}",
    "<": "less than {}",
    "<=": "at most {}",
}
TEXT_WORDS = {
    "=": "is {}",
    "!=": "is not {}",
    "contains": "contains {}",
    "not_contains": "does not contain {}",
    "starts_with": "starts with {}",
    "in": "is {}",
    "not_in": "is neither {}",
}
DATE_WORDS = {
    "before": "before {}",
    "since": "on or after {}",
    "more_than_days_ago": "more than {} ago",
    "less_than_days_ago": "within the last {}",
    "in_next_days": "within the next {}",
    "anniversary_in_next_days": "within the next {}",
    "anniversary_in_last_days": "within the last {}",
    "anniversary_in_days": "in {}",
}


@dataclass(frozen=True)
class Clause:
    """One part of a rule, what was found for it, and whether it holds.

    A group comes before its parts, which are one deeper; its ``actual`` is empty.  ``changes_at``
    is the earliest moment at which time alone could change ``holds``; None means never.
    """

    words: str
    actual: str
    holds: bool
    depth: int = 0
    changes_at: datetime | None = None


def sentence(rule: L.Rule) -> str:
    """The rule as a marketer reads it.

    >>> from segments.rules.parse import parse
    >>> sentence(parse({"version": 1, "where": {"type": "and", "of": [
    ...     {"type": "orders", "measure": "count", "op": ">=", "value": 2, "window_days": 90},
    ...     {"type": "not", "of": {"type": "field", "field": "country", "op": "in",
    ...                            "value": ["FR", "BE"]}}]}}))
    'Customers with at least 2 orders in the last 90 days, and not those whose country is FR or BE.'
    """
    return f"Customers {words(rule.where)}."


def why(rule: L.Rule, person: Person, as_of: datetime) -> list[Clause]:
    """Every clause of the rule with the value found for this customer, from the top down."""
    return _clauses(rule.where, person, as_of.astimezone(UTC), 0)


def words(node: L.Node) -> str:
    """One node, to be read after "customers"."""
    return WORDS[type(node)](node)


def _clauses(node: L.Node, person: Person, as_of: datetime, depth: int) -> list[Clause]:
    is_true = evaluate.holds(node, person, as_of)
    until = evaluate.changes_at(node, person, as_of)
    if isinstance(node, L.Every | L.Some):
        title = "All of these hold" if isinstance(node, L.Every) else "At least one of these holds"
        children = node.of
    elif isinstance(node, L.Not):
        title, children = "This does not hold", (node.of,)
    else:
        return [Clause(words(node), _actual(node, person, as_of), is_true, depth, until)]
    below = [clause for child in children for clause in _clauses(child, person, as_of, depth + 1)]
    return [Clause(title, "", is_true, depth, until), *below]


def _actual(node: L.Node, person: Person, as_of: datetime) -> str:
    """What was found, in words."""
    if isinstance(node, L.Rfm):
        return _rfm_found(person, as_of)
    found = evaluate.actual(node, person, as_of)
    if isinstance(node, L.Sequence):
        return "no" if found is None else f"yes, on {_moment(found)}"
    if isinstance(node, L.Consent):
        return {None: "no word", True: "yes", False: "no"}[found]
    if found is None:
        return "none"
    if isinstance(found, Scored):
        return _scored(node, found)
    if isinstance(found, bool):
        return "yes" if found else "no"
    if isinstance(node, L.Orders) and node.measure in ("count", "items"):
        return _counted(found, "order" if node.measure == "count" else "item")
    if isinstance(node, L.Events) and node.measure == "count":
        return _counted(found, "time")
    if isinstance(found, datetime):
        return f"{_moment(found)}, {_ago(found, as_of)}"
    if isinstance(found, list):
        return _listed(tuple(map(_plain, found)), "and")
    return _plain(found)


def _rfm_found(person: Person, as_of: datetime) -> str:
    for group in rfm.GROUPS:
        if evaluate.holds(L.Rfm((group.key,)), person, as_of):
            return group.name
    return "no order yet"


def _scored(node: L.Node, found: Scored) -> str:
    if isinstance(node, L.Cluster):
        return f"cluster {found.value:.0f}"
    assert isinstance(node, L.Score)
    if node.comparison.op == "band":
        return found.band or "no band"
    if node.comparison.op == "top_share":
        return f"{found.value:.6g}, {100 * found.above / found.total:.3g} % have more"
    return f"{found.value:.6g}"


def _group(joiner: str, node: Any) -> str:
    parts = [f"({words(p)})" if isinstance(p, L.Every | L.Some) else words(p) for p in node.of]
    return f", {joiner} ".join(parts) if len(parts) == 2 else _series(parts, joiner)


def _series(parts: list[str], joiner: str) -> str:
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])}, {joiner} {parts[-1]}"


def _not(node: L.Not) -> str:
    inner = words(node.of)
    counted = node.of if isinstance(node.of, L.Orders | L.Events) else None
    if counted and counted.measure == "count" and counted.comparison.is_any:
        none = L.Comparison("=", Decimal(0), L.NUMBER)
        return words(replace(counted, comparison=none))
    return f"not those ({inner})" if isinstance(node.of, L.Every | L.Some) else f"not those {inner}"


def _field(node: L.Field) -> str:
    comparison = node.comparison
    name = node.name.removeprefix(L.TRAIT)
    label = FIELD_WORDS.get(node.name, name)
    if node.name.startswith(L.TRAIT):
        label = f"trait “{name}”"
    if comparison.op in L.ANNIVERSARY_OPS:
        label = ANNIVERSARY_WORDS.get(node.name, f"anniversary of {label}")
    return f"whose {label} {_compared(comparison)}"


def _compared(comparison: L.Comparison) -> str:
    """A comparison after the thing it is of: "is FR or BE", "is at least 3"."""
    if comparison.reading == L.PRESENCE:
        return "is known" if comparison.op == "exists" else "is not known"
    if comparison.reading == L.NUMBER:
        return f"is {_number(comparison)}"
    if comparison.reading in (L.DAY, L.MOMENT):
        return f"is {_when(comparison)}"
    value = comparison.value
    if comparison.reading == L.ELEMENT:
        verb = "includes" if comparison.op == "includes" else "does not include"
        return f"{verb} {_plain(value)}"
    if isinstance(value, tuple):
        listed = _listed(tuple(map(str, value)), "nor" if comparison.op == "not_in" else "or")
        return TEXT_WORDS[comparison.op].format(listed)
    return TEXT_WORDS[comparison.op].format(_plain(value))


def _orders(node: L.Orders) -> str:
    what, comparison = _filtered(node.filter), node.comparison
    when = _window(node.window_days)
    if node.measure == "count":
        if comparison.is_none:
            if node.filter.has_lines and not when:
                return f"who never bought {_goods(node.filter, 'anything')}"
            return f"without any order{what}{when}"
        if comparison.is_any and node.filter.has_lines:
            return f"who bought {_goods(node.filter, 'something')}{when}"
        return f"with {_number(comparison)} {_plural('order', comparison)}{what}{when}"
    if node.measure == "items":
        return f"who bought {_number(comparison)} {_plural('item', comparison)}{what}{when}"
    if node.measure in L.MOMENT_MEASURES:
        return f"whose {node.measure} order{what}{when} was {_when(comparison)}"
    name = {"revenue": "orders{} sum to", "average": "average order{} is"}
    label = name.get(node.measure, "largest order{} is").format(what + when)
    return f"whose {label} {_number(comparison)}"


def _goods(wanted: L.OrderFilter, thing: str) -> str:
    """What was bought: a product by its name, or something of a category."""
    said = _filtered(wanted).lstrip()
    return said.removeprefix("of ") if wanted.product else f"{thing} {said}"


def _filtered(wanted: L.OrderFilter) -> str:
    parts = []
    for label in ("product", "category", "brand"):
        if getattr(wanted, label):
            parts.append(f"of {label} {_listed(getattr(wanted, label))}")
    if wanted.price is not None:
        parts.append(f"priced {_number(wanted.price)}")
    if wanted.total is not None:
        parts.append(f"of {_number(wanted.total)} in all")
    if wanted.coupon:
        parts.append(f"with coupon {_listed(wanted.coupon)}")
    if wanted.has_coupon is not None:
        parts.append("with a coupon" if wanted.has_coupon else "without coupon")
    if wanted.source:
        parts.append(f"from {_listed(wanted.source)}")
    if wanted.currency:
        parts.append(f"in {_listed(wanted.currency)}")
    if (wanted.kind, wanted.status) != (("sale",), ("paid",)):
        parts.append(f"({_listed(wanted.status)}; {_listed(wanted.kind)})")
    return "".join(f" {part}" for part in parts)


def _events(node: L.Events) -> str:
    what = f"{_quoted(node.names)}{_having(node.properties)}"
    when, comparison = _window(node.window_days), node.comparison
    if node.measure != "count":
        return f"whose {node.measure} {what}{when} was {_when(comparison)}"
    if comparison.is_none:
        return f"without any {what}{when}"
    return f"with {what} {_number(comparison)} {_plural('time', comparison)}{when}"


def _having(properties: tuple[L.Property, ...]) -> str:
    parts = [f"{one.name} {_compared(one.comparison)}" for one in properties]
    return f" (where {' and '.join(parts)})" if parts else ""


def _sequence(node: L.Sequence) -> str:
    wait = ""
    if node.at_least_minutes_ago:
        wait = f", at least {_plain(node.at_least_minutes_ago)} minutes ago"
    after = ([_quoted(node.unless)] if node.unless else []) + ["order"] * node.unless_order
    did = f"{_quoted(node.names)}{_having(node.properties)}"
    return f"with {did}{_window(node.window_days)}{wait}, and no {' or '.join(after)} since"


def _score(node: L.Score) -> str:
    label = SCORE_WORDS.get(node.name, f"score {node.name}")
    comparison = node.comparison
    if comparison.op == "band":
        assert isinstance(comparison.value, tuple)
        return f"whose {label} is {_listed(tuple(map(str, comparison.value)))}"
    if comparison.op == "top_share":
        assert isinstance(comparison.value, Decimal)
        return f"whose {label} is among the highest {_plain(100 * comparison.value)} %"
    return f"whose {label} {_compared(comparison)}"


def _cluster(node: L.Cluster) -> str:
    return f"in cluster {node.key}"


def _rfm(node: L.Rfm) -> str:
    groups = [rfm.BY_KEY[key] for key in node.groups]
    described = [f"{group.name} ({group.meaning})" for group in groups]
    return f"in the RFM group {_listed(tuple(described))}"


def _consent(node: L.Consent) -> str:
    verb = "who agreed" if node.is_granted else "who have not agreed"
    return f"{verb} to {node.topic} by {CHANNEL_WORDS[node.channel]}"


def _reachable(node: L.Reachable) -> str:
    return f"who can be reached by {CHANNEL_WORDS[node.channel]}"


def _suppressed(node: L.Suppressed) -> str:
    return f"whose address for {CHANNEL_WORDS[node.channel]} is suppressed"


def _member(node: L.Member) -> str:
    return f"in the segment “{node.key}”"


def _list(node: L.List) -> str:
    return f"on the list “{node.key}”"


def _share(node: L.Share) -> str:
    return f"in a random {_plain(100 * node.share)} % (“{node.salt}”)"


def _everybody(node: L.Everybody) -> str:
    return "of every kind"


def _number(comparison: L.Comparison) -> str:
    if comparison.op == "between":
        assert isinstance(comparison.value, tuple)
        low, high = map(_plain, comparison.value)
        return f"between {low} and {high}"
    return NUMBER_WORDS[comparison.op].format(_plain(comparison.value))


def _when(comparison: L.Comparison) -> str:
    if comparison.op == "between":
        assert isinstance(comparison.value, tuple)
        low, high = map(_plain, comparison.value)
        return f"from {low} to {high}"
    value = _plain(comparison.value)
    if comparison.value == 0 and comparison.op in ("less_than_days_ago", *L.ANNIVERSARY_OPS):
        return (
            "today" if comparison.reading == L.DAY or comparison.op in L.ANNIVERSARY_OPS else "now"
        )
    if comparison.has_clock:
        value = f"{value} {'day' if comparison.value == 1 else 'days'}"
    return DATE_WORDS[comparison.op].format(value)


def _window(days: Decimal | None) -> str:
    if days is None:
        return ""
    return " in the last day" if days == 1 else f" in the last {_plain(days)} days"


def _plural(noun: str, comparison: L.Comparison) -> str:
    return noun if comparison.value == 1 else f"{noun}s"


def _counted(number: Any, noun: str) -> str:
    return f"{number} {noun if number == 1 else noun + 's'}"


def _quoted(names: tuple[str, ...]) -> str:
    return _listed(tuple(f"“{name}”" for name in names))


def _listed(values: tuple[str, ...], joiner: str = "or") -> str:
    if len(values) < 2:
        return "".join(values)
    return f"{', '.join(values[:-1])} {joiner} {values[-1]}"


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return _moment(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Fraction):
        return f"{float(value):.2f}"
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, list | dict):
        return str(value)
    return plain_text(value)


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


def _ago(moment: datetime, as_of: datetime) -> str:
    days = (as_of - moment).days
    if days < 0:
        return "ahead"
    return "today" if days == 0 else f"{_counted(days, 'day')} ago"


WORDS: dict[type, Callable[[Any], str]] = {
    L.Every: lambda node: _group("and", node),
    L.Some: lambda node: _group("or", node),
    L.Not: _not,
    L.Everybody: _everybody,
    L.Field: _field,
    L.Orders: _orders,
    L.Events: _events,
    L.Sequence: _sequence,
    L.Score: _score,
    L.Cluster: _cluster,
    L.Rfm: _rfm,
    L.Consent: _consent,
    L.Reachable: _reachable,
    L.Suppressed: _suppressed,
    L.Member: _member,
    L.List: _list,
    L.Share: _share,
}
