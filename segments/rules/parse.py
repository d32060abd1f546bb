"""Read a definition from JSON into nodes once, refusing it with every fault at once."""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from itertools import count
from typing import Any, cast

from segments.rules import language as L
from segments.rules import rfm
from segments.rules.values import MOST_DAYS, MOST_DEPTH, MOST_NODES, MOST_RESOLVED, Reader


def parse(definition: Any, *, zone: str = L.SHOP_ZONE) -> L.Rule:
    """The rule that a definition means.

    Parameters
    ----------
    definition : object
        What JSON gave: ``{"version": 1, "where": {"type": …}}``.
    zone : str
        The shop's time zone, in which days begin.

    Returns
    -------
    Rule
        Frozen; equal definitions give equal rules.

    Raises
    ------
    RuleError
        With one `Fault` for each thing that is wrong: an unknown node, field, operator or key, a
        missing child, a value of the wrong type or out of range.

    Examples
    --------
    >>> rule = parse({"version": 1, "where": {"type": "orders", "measure": "count", "op": ">=",
    ...                                       "value": 2, "window_days": 30}})
    >>> rule.where.comparison.op, rule.where.window_days
    ('>=', Decimal('30'))
    >>> parse({"version": 1, "where": {"type": "order"}})
    Traceback (most recent call last):
    ...
    segments.rules.language.RuleError: where.type: 'order' is not one of and, or, not, everybody, \
field, orders, events, sequence, score, cluster, rfm, consent, reachable, suppressed, segment, \
list, share
    """
    read = Reader(zone=zone)
    where: L.Node | None = None
    if read.mapping(definition, "rule", keys=("version", "where"), required=("version", "where")):
        version = definition.get("version")
        if "version" in definition and (version != L.VERSION or isinstance(version, bool)):
            read.fault("version", f"{version!r} is not the version {L.VERSION} this reads")
        if "where" in definition:
            where = _node(read, definition["where"], "where", 1)
    if read.faults:
        raise L.RuleError(read.faults)
    assert where is not None
    return L.Rule(where)


def resolve(rule: L.Rule, others: Mapping[str, L.Rule]) -> L.Rule:
    """The rule with the rules of other segments in place of their names.

    Raises `RuleError` when a segment is unknown (or not live), leads back to itself, or when all
    together have more than `MOST_RESOLVED` nodes: segments that each name others twice would grow
    without end.
    """
    return L.Rule(_resolve(rule.where, others, (), count(1)))


def _resolve(
    node: L.Node, others: Mapping[str, L.Rule], inside: tuple[str, ...], numbers: Iterator[int]
) -> L.Node:
    if next(numbers) > MOST_RESOLVED:
        reason = f"the segments it names have more than {MOST_RESOLVED} nodes together"
        raise L.RuleError([L.Fault("where", reason)])
    if isinstance(node, L.Every | L.Some):
        return type(node)(tuple(_resolve(child, others, inside, numbers) for child in node.of))
    if isinstance(node, L.Not):
        return L.Not(_resolve(node.of, others, inside, numbers))
    if not isinstance(node, L.Member):
        return node
    if node.key in inside:
        circle = " → ".join((*inside, node.key))
        raise L.RuleError([L.Fault("where", f"segments lead in a circle: {circle}")])
    if node.key not in others:
        raise L.RuleError([L.Fault("where", f"there is no live segment {node.key!r}")])
    return _resolve(others[node.key].where, others, (*inside, node.key), numbers)


def _node(read: Reader, raw: Any, path: str, depth: int) -> L.Node | None:
    read.nodes += 1
    if depth > MOST_DEPTH or read.nodes > MOST_NODES:
        reason = f"nests deeper than {MOST_DEPTH}" if depth > MOST_DEPTH else "is one node too many"
        read.fault(path, f"{reason} (at most {MOST_NODES} nodes)")
        return None
    if not isinstance(raw, dict):
        read.fault(path, f"{raw!r:.60} is not an object with a type")
        return None
    if "type" not in raw:
        read.fault(f"{path}.type", "is missing")
        return None
    kind = raw["type"]
    if not isinstance(kind, str) or kind not in NODES:
        read.fault(f"{path}.type", f"{kind!r:.60} is not one of {', '.join(NODES)}")
        return None
    build, required, optional = NODES[kind]
    read.mapping(raw, path, keys=("type", *required, *optional), required=required)
    return build(read, raw, path, depth)


def _group(read: Reader, raw: dict, path: str, depth: int) -> L.Node | None:
    of = raw.get("of", ())
    if not isinstance(of, list | tuple):
        read.fault(f"{path}.of", "is not a list of rules")
        return None
    if not of and "of" in raw:
        read.fault(f"{path}.of", "is empty: a group needs at least one rule")
    children = [
        _node(read, child, f"{path}.of[{place}]", depth + 1) for place, child in enumerate(of)
    ]
    kind = L.Every if raw["type"] == "and" else L.Some
    return kind(tuple(cast(list[L.Node], children)))


def _not(read: Reader, raw: dict, path: str, depth: int) -> L.Node | None:
    if "of" not in raw:
        return None
    return L.Not(cast(L.Node, _node(read, raw["of"], f"{path}.of", depth + 1)))


def _everybody(read: Reader, raw: dict, path: str, depth: int) -> L.Node:
    return L.Everybody()


def _field(read: Reader, raw: dict, path: str, depth: int) -> L.Node | None:
    name = read.text(raw, "field", path)
    if not name:
        return None
    if name in L.FIELDS:
        reading = L.FIELDS[name]
        ops = (L.TEXT_OPS if reading == L.TEXT else L.DATE_OPS) + L.PRESENCE_OPS
        return L.Field(name, read.comparison(raw, path, ops, reading))
    if not name.startswith(L.TRAIT) or name == L.TRAIT:
        known = ", ".join(L.FIELDS)
        read.fault(f"{path}.field", f"{name!r} is not one of {known}, or traits.<name>")
        return None
    return L.Field(name, read.open_comparison(raw, path))


def _orders(read: Reader, raw: dict, path: str, depth: int) -> L.Node:
    measure = read.choice(raw, "measure", path, L.ORDER_MEASURES)
    return L.Orders(
        measure,
        read.measured(raw, path, is_moment=measure in L.MOMENT_MEASURES),
        read.days(raw, "window_days", path),
        _order_filter(read, raw.get("filter"), f"{path}.filter"),
    )


def _order_filter(read: Reader, raw: Any, path: str) -> L.OrderFilter:
    if raw is None:
        return L.OrderFilter()
    lists = ("source", "currency", "coupon", "product", "category", "brand")
    amounts = ("price", "total")
    if not read.mapping(raw, path, keys=("kind", "status", "has_coupon", *lists, *amounts)):
        return L.OrderFilter()
    given: dict[str, Any] = {key: read.texts(raw, key, path) for key in lists if key in raw}
    for key, options in (("kind", L.ORDER_KINDS), ("status", L.ORDER_STATUSES)):
        if key in raw:
            given[key] = read.texts(raw, key, path, options=options)
    if "has_coupon" in raw:
        given["has_coupon"] = read.flag(raw, "has_coupon", path)
    for key in amounts:
        here = f"{path}.{key}"
        if key in raw and read.mapping(
            raw[key], here, keys=("op", "value"), required=("op", "value")
        ):
            given[key] = read.comparison(raw[key], here, L.NUMBER_OPS, L.NUMBER)
    return L.OrderFilter(**given)


def _events(read: Reader, raw: dict, path: str, depth: int) -> L.Node:
    measure = "count"
    if "measure" in raw:
        measure = read.choice(raw, "measure", path, L.EVENT_MEASURES)
    return L.Events(
        read.texts(raw, "names", path),
        measure,
        read.measured(raw, path, is_moment=measure in L.MOMENT_MEASURES),
        read.days(raw, "window_days", path),
        _properties(read, raw, path),
    )


def _properties(read: Reader, raw: dict, path: str) -> tuple[L.Property, ...]:
    found = raw.get("properties", ())
    if not isinstance(found, list | tuple):
        read.fault(f"{path}.properties", "is not a list")
        return ()
    properties = []
    for place, one in enumerate(found):
        here = f"{path}.properties[{place}]"
        if read.mapping(one, here, keys=("name", "op", "value"), required=("name", "op")):
            name = read.text(one, "name", here)
            properties.append(L.Property(name, read.open_comparison(one, here)))
    return tuple(properties)


def _sequence(read: Reader, raw: dict, path: str, depth: int) -> L.Node:
    unless = read.texts(raw, "unless", path) if "unless" in raw else ()
    unless_order = read.flag(raw, "unless_order", path) if "unless_order" in raw else False
    if not unless and not unless_order:
        read.fault(path, "needs unless (event names) or unless_order: true")
    minutes = Decimal(0)
    if "at_least_minutes_ago" in raw:
        minutes = read.number(raw, "at_least_minutes_ago", path, least=0, most=MOST_DAYS * 1440)
    return L.Sequence(
        names=read.texts(raw, "names", path),
        window_days=read.days(raw, "window_days", path) or Decimal(1),
        properties=_properties(read, raw, path),
        at_least_minutes_ago=minutes,
        unless=unless,
        unless_order=unless_order,
    )


def _score(read: Reader, raw: dict, path: str, depth: int) -> L.Node:
    ops = (*L.NUMBER_OPS, *L.PRESENCE_OPS, "band", "top_share")
    name = read.text(raw, "name", path)
    op = raw.get("op")
    if op == "band":
        return L.Score(name, L.Comparison("band", read.texts(raw, "value", path), L.TEXT))
    if op == "top_share":
        share = read.number(raw, "value", path, least=0, most=1, is_above_least=True)
        return L.Score(name, L.Comparison("top_share", share, L.NUMBER))
    return L.Score(name, read.comparison(raw, path, ops, L.NUMBER))


def _cluster(read: Reader, raw: dict, path: str, depth: int) -> L.Node:
    key = raw.get("key", 0)
    if not isinstance(key, int) or isinstance(key, bool) or not 0 <= key < 32_768:
        read.fault(f"{path}.key", f"{key!r:.60} is not the key of a cluster, 0 or more")
        key = 0
    return L.Cluster(key)


def _rfm(read: Reader, raw: dict, path: str, depth: int) -> L.Node:
    return L.Rfm(read.texts(raw, "groups", path, options=tuple(rfm.BY_KEY)))


def _consent(read: Reader, raw: dict, path: str, depth: int) -> L.Node:
    return L.Consent(
        read.choice(raw, "channel", path, L.CONSENT_CHANNELS),
        read.text(raw, "topic", path) if "topic" in raw else "marketing",
        read.flag(raw, "is_granted", path) if "is_granted" in raw else True,
    )


def _reachable(read: Reader, raw: dict, path: str, depth: int) -> L.Node:
    channel = read.choice(raw, "channel", path, L.CHANNELS)
    return L.Reachable(channel) if raw["type"] == "reachable" else L.Suppressed(channel)


def _segment(read: Reader, raw: dict, path: str, depth: int) -> L.Node:
    return L.Member(read.text(raw, "key", path))


def _list(read: Reader, raw: dict, path: str, depth: int) -> L.Node:
    return L.List(read.text(raw, "key", path))


def _share(read: Reader, raw: dict, path: str, depth: int) -> L.Node:
    share = read.number(raw, "share", path, least=0, most=1)
    return L.Share(share, read.text(raw, "salt", path))


Build = Callable[[Reader, dict, str, int], L.Node | None]

# type -> how to build it, the keys it must have, the keys it may have
NODES: dict[str, tuple[Build, tuple[str, ...], tuple[str, ...]]] = {
    "and": (_group, ("of",), ()),
    "or": (_group, ("of",), ()),
    "not": (_not, ("of",), ()),
    "everybody": (_everybody, (), ()),
    "field": (_field, ("field", "op"), ("value",)),
    "orders": (_orders, ("measure", "op", "value"), ("window_days", "filter")),
    "events": (_events, ("names", "op", "value"), ("measure", "window_days", "properties")),
    "sequence": (
        _sequence,
        ("names", "window_days"),
        ("properties", "at_least_minutes_ago", "unless", "unless_order"),
    ),
    "score": (_score, ("name", "op"), ("value",)),
    "cluster": (_cluster, ("key",), ()),
    "rfm": (_rfm, ("groups",), ()),
    "consent": (_consent, ("channel",), ("topic", "is_granted")),
    "reachable": (_reachable, ("channel",), ()),
    "suppressed": (_reachable, ("channel",), ()),
    "segment": (_segment, ("key",), ()),
    "list": (_list, ("key",), ()),
    "share": (_share, ("share", "salt"), ()),
}
