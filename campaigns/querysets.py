"""Questions about sets of people, messages and arms.  Nothing here writes."""

from typing import Any

from django.db import connection

from campaigns.experiments.assignment import HASH_BITS
from campaigns.models import Campaign
from customers.services import consent
from segments.models import Membership

Query = tuple[str, list[Any]]

# The same number as `campaigns.experiments.assignment.draw`; %s is the salt.
DRAW_SQL = f"""(('x' || left(encode(sha256(convert_to(%s || ':' || {{customer}}::text, 'UTF8')),
    'hex'), {HASH_BITS // 4}))::bit({HASH_BITS})::bigint / {2**HASH_BITS}::float8)"""


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


def judged(campaign: Campaign) -> Query:
    """Each customer of the population with the drawn arm and what stands in the way of a message.

    ``customer_id``, ``arm``, ``obstacle`` (empty for the eligible) and ``reason`` (empty for those
    to be written to).  The arm is drawn for everybody, by the id alone.  The obstacle is judged
    without looking at the arm, so that the eligible of both arms are alike.  The first that holds
    is named: erased, unreachable, suppressed, no_consent; then, as a reason alone, holdout.
    """
    people, people_params = population(campaign)
    allowed, allowed_params = consent.allowed_sql(campaign.channel, campaign.topic)
    fingerprint = consent.ADDRESS_SHA256_SQL.format(address="c.email")
    text = f"""
        SELECT customer_id, arm, obstacle,
            CASE WHEN obstacle = '' AND arm = 'holdout' THEN 'holdout' ELSE obstacle END AS reason
        FROM (
            SELECT p.customer_id,
                CASE WHEN {DRAW_SQL.format(customer="p.customer_id")} < %s
                    THEN 'holdout' ELSE 'treated' END AS arm,
                CASE
                    WHEN c.id IS NULL OR c.erased_at IS NOT NULL THEN 'erased'
                    WHEN btrim(coalesce(c.email, '')) = '' THEN 'unreachable'
                    WHEN s.id IS NOT NULL THEN 'suppressed'
                    WHEN a.customer_id IS NULL THEN 'no_consent'
                    ELSE ''
                END AS obstacle
            FROM ({people}) p
            LEFT JOIN customers_customer c ON c.id = p.customer_id
            LEFT JOIN customers_suppression s
                ON s.channel = %s AND s.address_sha256 = {fingerprint}
            LEFT JOIN ({allowed}) a ON a.customer_id = p.customer_id
        ) one"""
    params = [campaign.salt, campaign.holdout_share, *people_params]
    return text, [*params, campaign.channel, *allowed_params]


def rows(query: Query) -> list[dict[str, Any]]:
    """The rows of a query, each by the names of its columns."""
    with connection.cursor() as cursor:
        cursor.execute(*query)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]
