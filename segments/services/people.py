"""Load customers with all their facts for the Python reader of rules.  Writes nothing."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection

from segments.rules import language as L
from segments.rules import person as P

FIELDS = tuple(name for name in L.FIELDS if name != "happened_at")

CUSTOMERS = f"""SELECT id, happened_at, recorded_at, erased_at, traits::text, {", ".join(FIELDS)}
FROM customers_customer WHERE id = ANY(%(ids)s)"""
ORDERS = """SELECT o.id, o.customer_id, o.kind, o.status, o.source, o.currency, o.coupon_code,
    o.total, o.happened_at, o.recorded_at
FROM customers_order o WHERE o.customer_id = ANY(%(ids)s) ORDER BY o.happened_at, o.id"""
LINES = """SELECT l.order_id, p.external_id, p.category, p.brand, p.kind, l.quantity,
    l.quantity * l.unit_price - l.discount, l.unit_price
FROM customers_order o
JOIN customers_orderline l ON l.order_id = o.id
JOIN customers_product p ON p.id = l.product_id
WHERE o.customer_id = ANY(%(ids)s) ORDER BY l.order_id, l.position"""
EVENTS = """SELECT customer_id, name, properties::text, happened_at, recorded_at
FROM customers_event WHERE customer_id = ANY(%(ids)s) ORDER BY happened_at, id"""
CONSENTS = """SELECT customer_id, id, channel, topic, is_granted, happened_at, recorded_at
FROM customers_consent WHERE customer_id = ANY(%(ids)s)"""
SUPPRESSIONS = """SELECT c.id, s.channel, s.happened_at, s.recorded_at
FROM customers_customer c
JOIN customers_suppression s ON (s.channel, s.address_sha256) IN (
    ('email', encode(sha256(convert_to(lower(btrim(c.email)), 'UTF8')), 'hex')),
    ('sms', encode(sha256(convert_to(lower(btrim(c.phone)), 'UTF8')), 'hex'))
)
WHERE c.id = ANY(%(ids)s)"""
SCORES = """SELECT s.customer_id, s.name, s.value, s.band, s.as_of,
    (SELECT count(*) FROM segments_score t WHERE t.name = s.name AND t.value > s.value),
    (SELECT count(*) FROM segments_score t WHERE t.name = s.name)
FROM segments_score s WHERE s.customer_id = ANY(%(ids)s)"""

LISTS = """SELECT m.customer_id, l.key, m.added_at
FROM segments_listmember m JOIN segments_customerlist l ON l.id = m.list_id
WHERE m.customer_id = ANY(%(ids)s)"""


def load(customer_ids: Collection[int]) -> list[P.Person]:
    """The customers with their facts, in eight queries however many they are.

    Memory holds all their facts at once: for one person, or a sample, not for the base.  Numbers
    inside JSON become decimals, digit for digit as PostgreSQL stores them.
    """
    ids = {"ids": list(customer_ids)}
    lines: dict[int, list[P.Line]] = defaultdict(list)
    for order_id, *rest in _rows(LINES, ids):
        lines[order_id].append(P.Line(*rest))
    orders: dict[int, list[P.Order]] = defaultdict(list)
    for order_id, customer_id, *facts in _rows(ORDERS, ids):
        facts.append(tuple(lines[order_id]))
        orders[customer_id].append(P.Order(*facts))
    events: dict[int, list[P.Event]] = defaultdict(list)
    for customer_id, name, properties, *clocks in _rows(EVENTS, ids):
        events[customer_id].append(P.Event(name, _mapping(properties), *clocks))
    consents: dict[int, list[P.Word]] = defaultdict(list)
    for customer_id, *rest in _rows(CONSENTS, ids):
        consents[customer_id].append(P.Word(*rest))
    suppressions: dict[int, list[P.Suppression]] = defaultdict(list)
    for customer_id, *rest in _rows(SUPPRESSIONS, ids):
        suppressions[customer_id].append(P.Suppression(*rest))
    scores: dict[int, dict[str, P.Scored]] = defaultdict(dict)
    for customer_id, name, *rest in _rows(SCORES, ids):
        scores[customer_id][name] = P.Scored(*rest)
    lists: dict[int, dict[str, datetime]] = defaultdict(dict)
    for customer_id, key, added_at in _rows(LISTS, ids):
        lists[customer_id][key] = added_at
    return [
        P.Person(
            id=pk,
            happened_at=happened_at,
            recorded_at=recorded_at,
            erased_at=erased_at,
            traits=_mapping(traits),
            fields=dict(zip(FIELDS, fields, strict=True)),
            orders=tuple(orders[pk]),
            events=tuple(events[pk]),
            consents=tuple(consents[pk]),
            suppressions=tuple(suppressions[pk]),
            scores=scores[pk],
            lists=lists[pk],
        )
        for pk, happened_at, recorded_at, erased_at, traits, *fields in _rows(CUSTOMERS, ids)
    ]


def _rows(text: str, params: dict[str, Any]) -> Iterable[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(text, params)
        return cursor.fetchall()


def _mapping(text: str) -> dict[str, Any]:
    found = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    return found if isinstance(found, dict) else {}
