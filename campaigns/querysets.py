"""Questions about sets of people, messages and arms.  Nothing here writes."""

from datetime import datetime
from typing import Any

from django.db import connection

from campaigns import judging
from campaigns.judging import Query
from campaigns.models import Campaign
from customers.models.consent import Channel
from customers.services import consent
from segments.models import Membership

DRAW_SQL = judging.DRAW_SQL

# Where a customer ``c`` is reached; empty or null: nowhere.
ADDRESS_SQL = {
    Channel.EMAIL.value: "c.email",
    Channel.SMS.value: "c.phone",
    Channel.PUSH.value: """(SELECT c.id::text WHERE EXISTS (
        SELECT FROM campaigns_pushsubscription p
        WHERE p.customer_id = c.id AND p.gone_at IS NULL))""",
    Channel.IN_APP.value: "c.id::text",
    Channel.WEBHOOK.value: "c.id::text",
}


def population(campaign: Campaign) -> Query:
    """The customers in an included segment and in no excluded one."""
    included = list(campaign.included.values_list("pk", flat=True))
    excluded = list(campaign.excluded.values_list("pk", flat=True))
    text = """
        SELECT customer_id FROM segments_membership WHERE segment_id = ANY(%s)
        EXCEPT
        SELECT customer_id FROM segments_membership WHERE segment_id = ANY(%s)"""
    return text, [included, excluded]


def count_included(campaign: Campaign) -> int:
    """How many customers are in at least one included segment."""
    return (
        Membership.objects.filter(segment__in=campaign.included.all())
        .values("customer_id")
        .distinct()
        .count()
    )


def judged(
    campaign: Campaign,
    *,
    people: Query | None = None,
    channel: str = "",
    now: datetime | None = None,
) -> Query:
    """Each of these customers with the drawn arm and what stands in the way of a message.

    Parameters
    ----------
    people : (text, params), optional
        A query with one column, ``customer_id``; without it the campaign's `population`.
    channel : str, optional
        Without it the campaign's, or what it prefers for each person.
    now : datetime, optional
        Without it no cap is asked.

    Returns
    -------
    (text, params)
        ``customer_id``, ``arm``, ``channel``, ``obstacle`` (empty for the eligible), ``reason``
        (empty for those to be written to), ``zone`` and ``hour`` (of the customer's clock: the one
        wished for, or -1).  The arm is drawn for everybody, by the id alone.  The obstacle is
        judged without looking at the arm, so that the eligible of both arms are alike.  The first
        that holds is named: erased, unreachable, suppressed, no_consent, global_holdout,
        not_sampled, capped; then, as a reason alone, holdout.
    """
    channels = [channel] if channel else judging.channels_of(campaign)
    parts = [
        _judged_on(campaign, one, place, people=people, now=now)
        for place, one in enumerate(channels)
    ]
    text = " UNION ALL ".join(part for part, _params in parts)
    if len(parts) > 1:
        # Preferred: the best channel without an obstacle.  In a comparison of channels, only who
        # could be reached on each of them may be compared.
        order = (
            "(obstacle <> ''), likely DESC, place"
            if judging.is_preferred(campaign)
            else "(obstacle = ''), place"
        )
        text = f"SELECT DISTINCT ON (customer_id) * FROM ({text}) e ORDER BY customer_id, {order}"
    text = f"""
        SELECT customer_id, arm, channel, obstacle,
            CASE WHEN obstacle = '' AND arm = 'holdout' THEN 'holdout' ELSE obstacle END AS reason,
            zone, hour
        FROM ({text}) one"""
    return text, [param for _part, params in parts for param in params]


def _judged_on(
    campaign: Campaign, channel: str, place: int, *, people: Query | None, now: datetime | None
) -> Query:
    chosen, chosen_params = people or population(campaign)
    is_transactional = campaign.kind == Campaign.Kind.TRANSACTIONAL
    rules = judging.rules_of(campaign)
    allowed, allowed_params = consent.allowed_sql(channel, campaign.topic)
    address = ADDRESS_SQL[channel]
    fingerprint = consent.ADDRESS_SHA256_SQL.format(address=address)
    tests: list[tuple[str, Query]] = [
        ("erased", ("c.id IS NULL OR c.erased_at IS NOT NULL", [])),
        ("unreachable", (f"btrim(coalesce({address}, '')) = ''", [])),
        ("suppressed", ("s.id IS NOT NULL", [])),
    ]
    if not is_transactional:
        tests.append(("no_consent", ("a.customer_id IS NULL", [])))
    tests += judging.draws(campaign, rules)
    if now is not None:
        full = judging.capped(campaign, rules, channel, one_by_one=people is not None, now=now)
        tests += [("capped", full)] if full else []
    whens = " ".join(f"WHEN {test} THEN '{reason}'" for reason, (test, _params) in tests)
    hour, hour_params, best = judging.hour(campaign)
    likely, likely_params, score = _likely(campaign, channel)
    consents = f"LEFT JOIN ({allowed}) a ON a.customer_id = p.customer_id"
    text = f"""
        SELECT p.customer_id,
            CASE WHEN {DRAW_SQL.format(customer="p.customer_id")} < %s
                THEN 'holdout' ELSE 'treated' END AS arm,
            %s AS channel, CASE {whens} ELSE '' END AS obstacle,
            c.time_zone AS zone, {hour} AS hour, {likely} AS likely, %s AS place
        FROM ({chosen}) p
        LEFT JOIN customers_customer c ON c.id = p.customer_id
        LEFT JOIN customers_suppression s
            ON s.channel = %s AND s.address_sha256 = {fingerprint}
        {"" if is_transactional else consents}
        {best} {score}"""
    share = 0.0 if is_transactional else campaign.holdout_share
    params = [campaign.salt, share, channel]
    params += [param for _reason, (_test, given) in tests for param in given]
    params += [*hour_params, *likely_params, place, *chosen_params, channel]
    return text, params + ([] if is_transactional else allowed_params)


def _likely(campaign: Campaign, channel: str) -> tuple[str, list[Any], str]:
    """(expression, params, join): how likely the customer ``p`` answers on the channel; -1 where
    nothing is known.
    """
    if not judging.is_preferred(campaign):
        return "0::float8", [], ""
    join = f"""LEFT JOIN segments_score likes
        ON likes.customer_id = p.customer_id AND likes.name = 'response_{Channel(channel).value}'"""
    return "coalesce(likes.value, -1)", [], join


def variants(campaign: Campaign, *, customer: str) -> Query:
    """An SQL expression: the id of the variant that chance gives a customer in step 0, or null.

    Drawn apart from the arm, so that each arm holds every variant in the same shares.
    """
    found = list(campaign.variants.filter(step=0, weight__gt=0).order_by("id"))
    if not found:
        return "NULL::bigint", []
    total, until, cases, params = sum(one.weight for one in found), 0.0, [], []
    for one in found[:-1]:
        until += one.weight / total
        cases.append("WHEN d < %s THEN %s")
        params += [until, one.pk]
    drawn = f"SELECT {DRAW_SQL.format(customer=customer)} AS d"
    chosen = f"CASE {' '.join(cases)} ELSE %s END" if cases else "%s"
    return f"(SELECT {chosen} FROM ({drawn}) v)::bigint", [
        *params, found[-1].pk, f"{campaign.salt}:variant"
    ]  # fmt: skip


def placed(campaign: Campaign, *, now: datetime, which: Query = ("true", [])) -> Query:
    """Those of the audience for whom ``which`` holds of ``p``, as `judged`, with their variant.

    A variant may have a channel and an hour of its own.
    """
    judgement, params = judged(campaign, now=now)
    variant, variant_params = variants(campaign, customer="p.customer_id")
    text = f"""
        SELECT j.customer_id, j.variant_id, coalesce(nullif(v.channel, ''), j.channel) AS channel,
            j.arm, j.obstacle, j.reason, j.zone, coalesce(v.local_hour, j.hour) AS hour
        FROM (SELECT p.*, {variant} AS variant_id FROM ({judgement}) p WHERE {which[0]}) j
        LEFT JOIN campaigns_variant v ON v.id = j.variant_id"""
    return text, [*variant_params, *params, *which[1]]


# Orders that stand: neither cancelled nor given back as a whole.
ORDERED_SQL = "(o.kind = 'sale' AND o.status = 'paid')"
# What was paid, less what was paid back in a document of its own.
EARNED_SQL = f"({ORDERED_SQL} OR (o.kind = 'refund' AND o.status <> 'cancelled'))"


def buyers(campaign_id: int, *, window: tuple[datetime, datetime], now: datetime) -> Query:
    """Each customer that a broadcast compares, the arm, and whether they ordered in the window."""
    text = f"""
        SELECT a.customer_id, a.arm, EXISTS (
            SELECT FROM customers_order o
            WHERE o.customer_id = a.customer_id AND {ORDERED_SQL}
                AND o.happened_at >= %s AND o.happened_at < %s AND o.recorded_at <= %s
        ) AS has_bought
        FROM campaigns_assignment a
        WHERE a.campaign_id = %s AND a.is_eligible
        ORDER BY a.customer_id"""
    return text, [*window, now, campaign_id]


def outcome_counts(campaign_id: int, *, currency: str, now: datetime) -> Query:
    """How many messages of a campaign were opened, clicked and so on; a click is an open too."""
    text = f"""
        SELECT
            count(DISTINCT r.message_id) FILTER (
                WHERE r.kind IN ('open', 'click') AND NOT r.is_machine) AS opened,
            count(DISTINCT r.message_id) FILTER (
                WHERE r.kind = 'open' AND r.is_machine) AS opened_by_machines,
            count(DISTINCT r.message_id) FILTER (
                WHERE r.kind = 'click' AND NOT r.is_machine) AS clicked,
            count(DISTINCT r.message_id) FILTER (
                WHERE r.kind = 'click' AND r.is_machine) AS clicked_by_machines,
            count(DISTINCT r.message_id) FILTER (WHERE r.kind = 'unsubscribe') AS unsubscribed,
            count(DISTINCT r.message_id) FILTER (WHERE r.kind = 'complaint') AS complained,
            count(DISTINCT r.message_id) FILTER (WHERE r.kind = 'bounce') AS bounced,
            count(DISTINCT r.message_id) FILTER (WHERE {ORDERED_SQL}) AS ordered,
            count(*) FILTER (WHERE {ORDERED_SQL}) AS attributed_orders,
            coalesce(sum(o.total) FILTER (WHERE {ORDERED_SQL} AND o.currency = %s), 0)::float8
                AS attributed_revenue
        FROM campaigns_outcome r
        JOIN campaigns_message m ON m.id = r.message_id
        LEFT JOIN customers_order o
            ON o.id = CASE WHEN r.kind = 'order' THEN r.key::bigint END
        WHERE m.campaign_id = %s AND r.recorded_at <= %s"""
    return text, [currency, campaign_id, now]


def rows(query: Query) -> list[dict[str, Any]]:
    """The rows of a query, each by the names of its columns."""
    with connection.cursor() as cursor:
        cursor.execute(*query)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]
