"""The rule language as a JSON Schema, for editors, clients and reviewers.

It is built from the same constants as `parse`.  What a schema cannot say (a range in order, a day
that exists, nesting that ends) `parse` alone refuses.
"""

from typing import Any

from segments.rules import language as L
from segments.rules import rfm
from segments.rules.values import (
    MOST_ANNIVERSARY_DAYS,
    MOST_DAYS,
    MOST_LIST,
    MOST_NUMBER,
    MOST_TEXT,
    OPEN_OPS,
)

_TEXT = {"type": "string", "minLength": 1, "maxLength": MOST_TEXT}
_TEXTS = {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": MOST_LIST}
_NUMBER = {"type": "number", "minimum": -MOST_NUMBER, "maximum": MOST_NUMBER}
_DAY = {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
_DAYS = {"type": "number", "minimum": 0, "maximum": MOST_DAYS}
_WHOLE_DAYS = {"type": "integer", "minimum": 0, "maximum": MOST_DAYS}
_WINDOW = {"type": ["number", "null"], "exclusiveMinimum": 0, "maximum": MOST_DAYS}
_SCALAR = {"anyOf": [_TEXT, {"type": "boolean"}]}
_FLAG = {"type": "boolean"}
_NODE = {"$ref": "#/$defs/node"}


def schema() -> dict[str, Any]:
    """The schema of a whole definition (JSON Schema 2020-12)."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Segment rule",
        "type": "object",
        "required": ["version", "where"],
        "additionalProperties": False,
        "properties": {"version": {"const": L.VERSION}, "where": _NODE},
        "$defs": {"node": {"oneOf": [*_groups(), *_about_customers(), *_about_facts()]}},
    }


def _groups() -> list[dict]:
    of = {"type": "array", "items": _NODE, "minItems": 1}
    return [
        _object("and", {"of": of}),
        _object("or", {"of": of}),
        _object("not", {"of": _NODE}),
        _object("everybody", {}),
    ]


def _about_customers() -> list[dict]:
    texts = [name for name, reading in L.FIELDS.items() if reading == L.TEXT]
    days = [name for name, reading in L.FIELDS.items() if reading == L.DAY]
    moments = [name for name, reading in L.FIELDS.items() if reading == L.MOMENT]
    trait = {"type": "string", "pattern": "^traits\\..+"}
    score = {"name": _TEXT}
    top = {"type": "number", "exclusiveMinimum": 0, "maximum": 1}
    return [
        *_compared("field", {"field": {"enum": texts}}, [*_text_ops(), *_presence()]),
        *_compared("field", {"field": {"enum": days}}, [*_day_ops(), *_presence()]),
        *_compared("field", {"field": {"enum": moments}}, [*_date_ops(L.DATE_OPS), *_presence()]),
        *_compared("field", {"field": trait}, [_any_op()]),
        *_compared("score", score, [*_number_ops(), *_presence()]),
        *_compared("score", score, [_op(("band",), _TEXTS), _op(("top_share",), top)]),
        _object("cluster", {"key": {"type": "integer", "minimum": 0, "maximum": 32_767}}),
        _object("rfm", {"groups": _list_of(tuple(rfm.BY_KEY))}),
        _object(
            "consent",
            {"channel": {"enum": list(L.CONSENT_CHANNELS)}},
            {"topic": _TEXT, "is_granted": _FLAG},
        ),
        _object("reachable", {"channel": {"enum": list(L.CHANNELS)}}),
        _object("suppressed", {"channel": {"enum": list(L.CHANNELS)}}),
        _object("segment", {"key": _TEXT}),
        _object("list", {"key": _TEXT}),
        _object("share", {"share": {"type": "number", "minimum": 0, "maximum": 1}, "salt": _TEXT}),
    ]


def _about_facts() -> list[dict]:
    names = ("source", "currency", "coupon", "product", "category", "brand")
    amount = {"oneOf": [_with_op({}, op) for op in _number_ops()]}
    wanted = {
        "type": ["object", "null"],
        "additionalProperties": False,
        "properties": {
            "kind": _list_of(L.ORDER_KINDS),
            "status": _list_of(L.ORDER_STATUSES),
            "has_coupon": _FLAG,
            **dict.fromkeys(names, _TEXTS),
            "price": amount,
            "total": amount,
        },
    }
    having = {"type": "array", "items": _with_op({"name": _TEXT}, _any_op())}
    orders = {"window_days": _WINDOW, "filter": wanted}
    events = {"window_days": _WINDOW, "properties": having}
    numbers, moments = {"enum": list(L.NUMBER_MEASURES)}, {"enum": list(L.MOMENT_MEASURES)}
    sequence = _object(
        "sequence",
        {"names": _TEXTS, "window_days": {**_WINDOW, "type": "number"}},
        {
            "properties": having,
            "at_least_minutes_ago": {"type": "number", "minimum": 0},
            "unless": _TEXTS,
            "unless_order": _FLAG,
        },
    )
    order_ends = {"properties": {"unless_order": {"const": True}}, "required": ["unless_order"]}
    ends = [{"required": ["unless"]}, order_ends]
    return [
        *_compared("orders", {"measure": numbers}, _number_ops(), orders),
        *_compared("orders", {"measure": moments}, _date_ops(L.PAST_OPS), orders),
        *_compared(
            "events", {"names": _TEXTS}, _number_ops(), {**events, "measure": {"const": "count"}}
        ),
        *_compared("events", {"names": _TEXTS, "measure": moments}, _date_ops(L.PAST_OPS), events),
        {**sequence, "anyOf": ends},
    ]


Op = tuple[tuple[str, ...], dict | None]  # operators that take the same value, and that value


def _op(ops: tuple[str, ...], value: dict | None) -> Op:
    return ops, value


def _pair(of: dict) -> dict:
    return {"type": "array", "items": of, "minItems": 2, "maxItems": 2}


def _text_ops() -> list[Op]:
    listed = {"type": "array", "items": {"anyOf": [_SCALAR, _NUMBER]}, "minItems": 1}
    single = tuple(op for op in L.TEXT_OPS if op not in ("in", "not_in"))
    return [_op(single, _SCALAR), _op(("in", "not_in"), listed)]


def _number_ops() -> list[Op]:
    single = tuple(op for op in L.NUMBER_OPS if op != "between")
    return [_op(single, _NUMBER), _op(("between",), _pair(_NUMBER))]


def _day_ops() -> list[Op]:
    """Days of a calendar are whole."""
    return _date_ops(L.DATE_OPS, _WHOLE_DAYS)


def _date_ops(ops: tuple[str, ...], days: dict | None = None) -> list[Op]:
    relative = tuple(op for op in ops if op in L.RELATIVE_OPS)
    found = [
        _op(("before", "since"), _DAY),
        _op(("between",), _pair(_DAY)),
        _op(relative, days or _DAYS),
    ]
    if L.ANNIVERSARY_OPS[0] in ops:
        found.append(_op(L.ANNIVERSARY_OPS, {**_WHOLE_DAYS, "maximum": MOST_ANNIVERSARY_DAYS}))
    return found


def _presence() -> list[Op]:
    return [_op(L.PRESENCE_OPS, None)]


def _any_op() -> Op:
    """An operator on a value of any type: `parse` looks at which value goes with which."""
    return OPEN_OPS, {}


def _compared(kind: str, needed: dict, ops: list[Op], optional: dict | None = None) -> list[dict]:
    properties = {"type": {"const": kind}, **needed}
    return [_with_op(properties, op, optional) for op in ops]


def _with_op(needed: dict, op: Op, optional: dict | None = None) -> dict:
    ops, value = op
    required = [*needed, "op"]
    properties = {**needed, "op": {"enum": list(ops)}, **(optional or {})}
    properties["value"] = {"type": "null"} if value is None else value
    if value:  # an open value may be missing, for exists takes none
        required.append("value")
    return {
        "type": "object",
        "required": required,
        "additionalProperties": False,
        "properties": properties,
    }


def _object(kind: str, needed: dict, optional: dict | None = None) -> dict:
    return {
        "type": "object",
        "required": ["type", *needed],
        "additionalProperties": False,
        "properties": {"type": {"const": kind}, **needed, **(optional or {})},
    }


def _list_of(options: tuple[str, ...]) -> dict:
    return {"type": "array", "items": {"enum": list(options)}, "minItems": 1}
