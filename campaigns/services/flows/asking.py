"""What flows ask of the facts: who does a rule hold for, who ordered, who did what.  Writes
nothing.
"""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import connection

from campaigns.flows import steps as S
from campaigns.flows import values
from campaigns.models import Journey
from campaigns.querysets import ORDERED_SQL
from segments.rules import comparisons, to_sql
from segments.services import definitions

ORDERED = f"""
    SELECT j.id FROM unnest(%s::bigint[], %s::bigint[], %s::timestamptz[]) j(id, customer_id, since)
    WHERE EXISTS (
        SELECT FROM customers_order o
        WHERE o.customer_id = j.customer_id AND {ORDERED_SQL} AND o.happened_at > j.since
            AND o.recorded_at <= %s)"""
EVENTS = """
    SELECT j.id, e.id, e.customer_id, e.properties::text, e.happened_at, e.recorded_at
    FROM unnest(%s::bigint[], %s::bigint[], %s::timestamptz[]) j(id, customer_id, since)
    JOIN customers_event e ON e.customer_id = j.customer_id AND e.name = %s
        AND e.happened_at > j.since AND e.recorded_at <= %s
    ORDER BY e.happened_at, e.id"""
NEW_EVENTS = """
    SELECT 0, e.id, e.customer_id, e.properties::text, e.happened_at, e.recorded_at
    FROM customers_event e
    WHERE e.name = %s AND e.customer_id IS NOT NULL AND {whose}
        AND e.happened_at >= %s AND e.recorded_at >= %s AND e.recorded_at <= %s
    ORDER BY e.happened_at, e.id"""
PEOPLE = """
    SELECT id, time_zone FROM customers_customer WHERE id = ANY(%s) AND erased_at IS NULL"""


@dataclass(frozen=True)
class Happened:
    """One event, as it lets somebody in or is waited for."""

    journey_id: int
    event_id: int
    customer_id: int
    properties: dict[str, Any]
    happened_at: datetime
    recorded_at: datetime


def holds(rule: S.Json, customer_ids: Collection[int], *, now: datetime) -> set[int]:
    """Those of these customers for whom a segment rule holds, in one statement.

    Raises `segments.services.definitions.RuleRefused`, as when a segment it names is gone.
    """
    query = to_sql.to_sql(definitions.check(rule), now, ids=list(customer_ids))
    with connection.cursor() as cursor:
        cursor.execute(query.text, query.params)
        return {pk for (pk,) in cursor.fetchall()}


def ordered(journeys: Iterable[Journey], *, since: str, now: datetime) -> set[int]:
    """The ids of the journeys whose customers ordered after their moment ``since``, a column."""
    return set(_column(ORDERED, [*_asked(journeys, since), now]))


def did(
    journeys: Iterable[Journey], event: str, where: Collection[S.Json], *, since: str, now: datetime
) -> dict[int, Happened]:
    """By journey the first such event after its moment ``since``, a column."""
    found: dict[int, Happened] = {}
    for one in _matching(_events(EVENTS, [*_asked(journeys, since), event, now]), where, now):
        found.setdefault(one.journey_id, one)
    return found


def new_events(
    event: str,
    where: Collection[S.Json],
    *,
    customer_ids: list[int] | None,
    happened_since: datetime,
    recorded_since: datetime,
    now: datetime,
) -> list[Happened]:
    """Such events of these customers, or of anybody, the first that happened first."""
    whose, given = ("e.customer_id = ANY(%s)", [customer_ids])
    if customer_ids is None:
        whose, given = "true", []
    params = [event, *given, happened_since, recorded_since, now]
    return _matching(_events(NEW_EVENTS.format(whose=whose), params), where, now)


def zones(customer_ids: Collection[int]) -> dict[int, str]:
    """The time zone of each of these customers, as she told it; who was erased is not there."""
    with connection.cursor() as cursor:
        cursor.execute(PEOPLE, [list(customer_ids)])
        return dict(cursor.fetchall())


def _asked(journeys: Iterable[Journey], since: str) -> list[list[Any]]:
    rows = [(one.pk, one.customer_id, getattr(one, since)) for one in journeys]
    return [list(column) for column in zip(*rows, strict=True)] or [[], [], []]


def _column(text: str, params: list[Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(text, params)
        return [row[0] for row in cursor.fetchall()]


def _events(text: str, params: list[Any]) -> list[Happened]:
    with connection.cursor() as cursor:
        cursor.execute(text, params)
        return [
            Happened(journey_id, pk, customer_id, _read(properties), *moments)
            for journey_id, pk, customer_id, properties, *moments in cursor.fetchall()
        ]


def _read(properties: str) -> dict[str, Any]:
    found = json.loads(properties, parse_float=Decimal, parse_int=Decimal)
    return found if isinstance(found, dict) else {}


def _matching(found: list[Happened], where: Collection[S.Json], now: datetime) -> list[Happened]:
    if not where:
        return found
    asked = values.conditions(where, zone=settings.TIME_ZONE)
    return [
        one
        for one in found
        if all(
            comparisons.compare(
                comparisons.read(one.properties.get(ask.name), ask.comparison), ask.comparison, now
            )
            for ask in asked
        )
    ]
