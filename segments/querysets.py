"""What pages read of segments: those in use, their members, and how their number moved.

Nothing here writes.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Count, Q, QuerySet

from customers.models import Customer
from segments.models import Membership, MembershipChange, Segment

# Each change falls into one stretch of 24 hours; those before the first stretch into number 0 too.
MOVEMENT = """SELECT %(first)s::timestamptz + make_interval(secs => d.n * 86400),
    sum(coalesce(m.step, 0)) OVER (ORDER BY d.n)::bigint,
    coalesce(m.came, 0), coalesce(m.went, 0)
FROM generate_series(0, %(days)s - 1) d(n)
LEFT JOIN (
    SELECT greatest(ceil(extract(epoch FROM happened_at - %(first)s) / 86400), 0)::int AS n,
        sum(CASE kind WHEN 'entered' THEN 1 ELSE -1 END) AS step,
        count(*) FILTER (WHERE kind = 'entered' AND happened_at > %(before)s) AS came,
        count(*) FILTER (WHERE kind = 'exited' AND happened_at > %(before)s) AS went
    FROM segments_membershipchange
    WHERE segment_id = %(segment)s AND happened_at <= %(until)s
    GROUP BY 1
) m USING (n)
ORDER BY d.n"""


@dataclass(frozen=True)
class Day:
    """A segment at the end of one stretch of 24 hours."""

    at: datetime
    members: int
    entered: int  # in the 24 hours before
    exited: int


def in_use() -> QuerySet[Segment]:
    """Segments that are not archived, by name."""
    return Segment.objects.exclude(state=Segment.State.ARCHIVED)


def members(segment: Segment) -> QuerySet[Membership]:
    """Present members with their customers, the last to enter first."""
    stays = Membership.objects.filter(segment=segment, customer__erased_at=None)
    return stays.select_related("customer").order_by("-entered_at", "-id")


def of_customer(customer: Customer) -> QuerySet[Membership]:
    """The segments a customer is in, by name."""
    stays = Membership.objects.filter(customer=customer).select_related("segment")
    return stays.order_by("segment__name")


def changes(segment: Segment, *, since: datetime) -> QuerySet[MembershipChange]:
    """Who entered and who left since then, the newest first."""
    moves = MembershipChange.objects.filter(segment=segment, happened_at__gte=since)
    return moves.select_related("customer").order_by("-happened_at", "-id")


def movement(segment: Segment, *, until: datetime, days: int = 30) -> list[Day]:
    """Members at the end of each of the last ``days`` stretches of 24 hours, the oldest first."""
    first = until - timedelta(days=days - 1)
    params: dict[str, Any] = {
        "segment": segment.pk,
        "first": first,
        "before": first - timedelta(days=1),
        "until": until,
        "days": days,
    }
    with connection.cursor() as cursor:
        cursor.execute(MOVEMENT, params)
        return [Day(*row) for row in cursor.fetchall()]


def moved_since(since: datetime) -> dict[int, tuple[int, int]]:
    """How many entered and left each segment since then, by its id."""
    rows = (
        MembershipChange.objects.filter(happened_at__gte=since)
        .values("segment_id")
        .annotate(
            came=Count("id", filter=Q(kind=MembershipChange.Kind.ENTERED)),
            went=Count("id", filter=Q(kind=MembershipChange.Kind.EXITED)),
        )
        .order_by()
    )
    return {row["segment_id"]: (row["came"], row["went"]) for row in rows}
