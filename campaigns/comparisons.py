"""Questions about arms: what the people in them bought in their windows, and before.

Nothing here writes.  Every figure is a sum over people, so that a million of them cross into Python
as one row an arm.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection

from campaigns.judging import DRAW_SQL, Query
from campaigns.models import SendingPolicy
from campaigns.querysets import EARNED_SQL, ORDERED_SQL, rows

EARLIER_DAYS = 180  # of purchases before the draw that the adjustment knows
COST = "cost"  # the property of a product that says what one of it costs the shop
_NUMBER = r"^[0-9]{1,9}(\.[0-9]{1,6})?$"


@dataclass(frozen=True)
class Period:
    """Which purchases count: of each person's own window, as known at a moment."""

    days: int  # from the person's own draw
    first: datetime  # the earliest draw, and the latest: between them all windows begin
    last: datetime
    now: datetime
    currency: str = ""

    @property
    def start(self) -> datetime:
        return self.first - timedelta(days=EARLIER_DAYS)

    @property
    def end(self) -> datetime:
        return self.last + timedelta(days=self.days)


def assigned(campaign_id: int, *, until: datetime) -> Query:
    """Everybody whom chance gave an arm of a campaign; compared are those drawn by ``until``."""
    text = """
        SELECT a.customer_id, 0 AS part, a.arm, a.variant_id,
            a.is_eligible AND a.assigned_at <= %s AS is_compared, a.assigned_at AS since
        FROM campaigns_assignment a WHERE a.campaign_id = %s"""
    return text, [until, campaign_id]


def reached(campaign_id: int, *, until: datetime) -> Query:
    """Everybody who came to a step with variants, by the first variant that chance gave there.

    Whoever gets there is drawn, so those of one step may be compared with each other.
    """
    text = """
        SELECT DISTINCT ON (m.customer_id, m.step) m.customer_id, m.step::int AS part,
            'treated' AS arm, m.variant_id, m.planned_at <= %s AS is_compared,
            m.planned_at AS since
        FROM campaigns_message m
        WHERE m.campaign_id = %s AND m.variant_id IS NOT NULL
            AND m.reason NOT IN ('holdout', 'global_holdout', 'not_sampled')
        ORDER BY m.customer_id, m.step, m.planned_at, m.id"""
    return text, [until, campaign_id]


def members_assigned(segment_id: int, *, campaign_ids: list[int], until: datetime) -> Query:
    """As `assigned`, of several campaigns, of those who were members when chance drew them.

    Who is a member now may be so because of a message, and would not be compared fairly.
    """
    text = """
        SELECT a.customer_id, a.campaign_id AS part, a.arm, NULL::bigint AS variant_id,
            a.is_eligible AND a.assigned_at <= %s AS is_compared, a.assigned_at AS since
        FROM campaigns_assignment a
        JOIN (
            SELECT c.customer_id, c.kind, c.happened_at AS entered_at,
                lead(c.happened_at) OVER (
                    PARTITION BY c.customer_id ORDER BY c.happened_at, c.id) AS left_at
            FROM segments_membershipchange c WHERE c.segment_id = %s
        ) s ON s.customer_id = a.customer_id AND s.kind = 'entered'
            AND a.assigned_at >= s.entered_at
            AND (s.left_at IS NULL OR a.assigned_at < s.left_at)
        WHERE a.campaign_id = ANY(%s::bigint[])"""
    return text, [until, segment_id, campaign_ids]


def all_marketing(policy: SendingPolicy) -> Query:
    """Everybody known when the global holdout was drawn, by whether they are in it."""
    assert policy.holdout_since is not None  # the caller has looked
    text = f"""
        SELECT c.id AS customer_id, 0 AS part,
            CASE WHEN {DRAW_SQL.format(customer="c.id")} < %s THEN 'holdout' ELSE 'treated' END
                AS arm,
            NULL::bigint AS variant_id, c.erased_at IS NULL AS is_compared,
            %s::timestamptz AS since
        FROM customers_customer c WHERE c.recorded_at <= %s"""
    since = policy.holdout_since
    return text, [policy.holdout_salt, policy.holdout_share, since, since]


def currencies(people: Query, period: Period) -> Query:
    """The currencies of what the compared bought in their windows, the commonest first."""
    text = f"""
        SELECT o.currency, count(*) AS n
        FROM ({people[0]}) p
        JOIN customers_order o ON o.customer_id = p.customer_id
        WHERE p.is_compared AND {EARNED_SQL} AND o.happened_at >= p.since
            AND o.happened_at < p.since + make_interval(days => %s)
            AND o.happened_at >= %s AND o.happened_at < %s AND o.recorded_at <= %s
        GROUP BY o.currency ORDER BY n DESC, o.currency"""
    return text, [*people[1], period.days, period.first, period.end, period.now]


def sums(people: Query, period: Period, *, has_costs: bool) -> Query:
    """One row a part, arm and variant, with the sums of what its compared people bought.

    ``orders``, ``revenue`` and ``margin`` of a person are all that happened in the window and was
    known by ``now``, whether or not a message or a code led to it.  ``early_orders`` and
    ``early_revenue`` are of the `EARLIER_DAYS` before the draw: every sale, whatever became of it,
    for that may have been decided after the draw.  A column ``x_y`` or ``x_y_z`` sums products.
    """
    margin, costs = _margin(period, has_costs=has_costs)
    inside = "o.happened_at >= p.since"
    values = ["orders", "revenue", "margin", "early_orders", "early_revenue"]
    columns = [
        f"coalesce(sum({name}) FILTER (WHERE is_compared), 0)::float8 AS {name}" for name in values
    ]
    products = [(name, name) for name in values]
    products += [("buyer", "early_orders"), ("orders", "early_orders")]
    products += [("revenue", "early_revenue"), ("margin", "early_revenue"), ("revenue", "orders")]
    triples = [(name,) * 3 for name in values]
    pairs = {"orders": "early_orders", "revenue": "early_revenue", "margin": "early_revenue"}
    triples += [("buyer", "early_orders", "early_orders")]
    triples += [(after, after, before) for after, before in pairs.items()]
    triples += [(after, before, before) for after, before in pairs.items()]
    columns += [
        f"coalesce(sum({' * '.join(each)}) FILTER (WHERE is_compared), 0)::float8"
        f" AS {'_'.join(each)}"
        for each in [*products, *triples]
    ]
    text = f"""
        WITH people AS MATERIALIZED ({people[0]}),
        bought AS (
            SELECT p.customer_id, p.part,
                count(*) FILTER (WHERE {inside} AND {ORDERED_SQL})::float8 AS orders,
                sum(o.total::float8) FILTER (WHERE {inside} AND {EARNED_SQL} AND o.currency = %s)
                    AS revenue,
                sum({margin}) FILTER (WHERE {inside} AND {EARNED_SQL} AND o.currency = %s)
                    AS margin,
                count(*) FILTER (WHERE o.happened_at < p.since AND o.kind = 'sale')::float8
                    AS early_orders,
                sum(o.total::float8) FILTER (WHERE o.happened_at < p.since AND o.kind = 'sale'
                    AND o.currency = %s) AS early_revenue
            FROM people p JOIN customers_order o ON o.customer_id = p.customer_id
            {costs[0]}
            WHERE p.is_compared AND o.happened_at >= p.since - make_interval(days => %s)
                AND o.happened_at < p.since + make_interval(days => %s)
                AND o.happened_at >= %s AND o.happened_at < %s AND o.recorded_at <= %s
            GROUP BY p.customer_id, p.part
        ),
        each AS (
            SELECT p.part, p.arm, p.variant_id, p.is_compared, p.since,
                (b.orders > 0)::int::float8 AS buyer, b.orders, b.early_orders,
                coalesce(b.revenue, 0) AS revenue, coalesce(b.margin, 0) AS margin,
                coalesce(b.early_revenue, 0) AS early_revenue
            FROM people p LEFT JOIN bought b USING (customer_id, part)
        )
        SELECT part, arm, variant_id, count(*) AS assigned,
            count(*) FILTER (WHERE is_compared) AS n,
            count(*) FILTER (WHERE is_compared AND buyer > 0) AS buyers,
            count(*) FILTER (WHERE since > %s - interval '28 days') AS lately,
            {", ".join(columns)}
        FROM each GROUP BY part, arm, variant_id ORDER BY part, arm, variant_id"""
    return text, [
        *people[1],
        *[period.currency] * 3,
        *costs[1],
        EARLIER_DAYS,
        period.days,
        *(period.start, period.end, period.now, period.now),
    ]


def _margin(period: Period, *, has_costs: bool) -> tuple[str, Query]:
    """What an order leaves: less what its goods cost, where the catalogue says so.

    For the rest of an order the shop's usual share is taken: `settings.MARGIN_SHARE`.
    """
    share = repr(float(settings.MARGIN_SHARE))
    if not has_costs:
        return f"o.total::float8 * {share}", ("", [])
    costs = f"""
        LEFT JOIN (
            SELECT l.order_id, sum(l.quantity * g.cost) AS cost,
                CASE WHEN sum(abs(l.quantity * l.unit_price)) > 0
                    THEN (sum(abs(l.quantity * l.unit_price)) FILTER (WHERE g.cost IS NULL)
                        / sum(abs(l.quantity * l.unit_price)))::float8
                END AS unknown_share
            FROM customers_orderline l JOIN (
                SELECT id, CASE WHEN properties ->> '{COST}' ~ '{_NUMBER}'
                    THEN (properties ->> '{COST}')::float8 END AS cost
                FROM customers_product
            ) g ON g.id = l.product_id
            WHERE l.happened_at >= %s AND l.happened_at < %s
            GROUP BY l.order_id
        ) k ON k.order_id = o.id"""
    margin = f"""(o.total::float8 * (1 - coalesce(k.unknown_share, (k.order_id IS NULL)::int)
        * (1 - {share})) - coalesce(k.cost, 0))"""
    return margin, (costs, [period.first, period.end])


def has_costs() -> bool:
    """Whether the catalogue knows what any product costs."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM customers_product WHERE properties ? %s)", [COST]
        )
        return bool(cursor.fetchone()[0])


def costs_of_messages(campaign_id: int) -> list[dict[str, Any]]:
    """By channel: messages that left, what the other side said they cost, and of how many."""
    text = """
        SELECT channel, count(*) AS sent, coalesce(sum(cost), 0)::float8 AS told,
            count(cost) AS n_told
        FROM campaigns_message
        WHERE campaign_id = %s AND (sent_at IS NOT NULL OR cost IS NOT NULL)
        GROUP BY channel ORDER BY channel"""
    return rows((text, [campaign_id]))


def redeemed(campaign_id: int, *, currency: str, now: datetime) -> list[dict[str, Any]]:
    """By offer: codes that were used, what these orders were lowered by, and what one costs."""
    text = """
        SELECT f.id, f.name, f.kind, f.cost::float8 AS cost, count(*) AS n,
            coalesce(sum(o.discount) FILTER (WHERE o.currency = %s), 0)::float8 AS discount
        FROM campaigns_coupon c
        JOIN campaigns_offer f ON f.id = c.offer_id
        LEFT JOIN customers_order o ON o.id = c.order_id
        WHERE c.campaign_id = %s AND c.redeemed_at <= %s
        GROUP BY f.id ORDER BY f.id"""
    return rows((text, [currency, campaign_id, now]))


def came_back(campaign_id: int, *, now: datetime) -> list[dict[str, Any]]:
    """By step and variant: messages that left, and how many were left, complained of, bounced."""
    text = """
        SELECT m.variant_id, m.step, count(*) AS sent,
            count(*) FILTER (WHERE r.unsubscribed) AS unsubscribe,
            count(*) FILTER (WHERE r.complained) AS complaint,
            count(*) FILTER (WHERE r.bounced) AS bounce
        FROM campaigns_message m
        LEFT JOIN (
            SELECT r.message_id, bool_or(r.kind = 'unsubscribe') AS unsubscribed,
                bool_or(r.kind = 'complaint') AS complained, bool_or(r.kind = 'bounce') AS bounced
            FROM campaigns_outcome r JOIN campaigns_message m ON m.id = r.message_id
            WHERE m.campaign_id = %s AND r.recorded_at <= %s
                AND r.kind IN ('unsubscribe', 'complaint', 'bounce')
            GROUP BY r.message_id
        ) r ON r.message_id = m.id
        WHERE m.campaign_id = %s AND m.sent_at IS NOT NULL
        GROUP BY m.variant_id, m.step ORDER BY m.step, m.variant_id"""
    return rows((text, [campaign_id, now, campaign_id]))
