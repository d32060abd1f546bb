"""Say who would hear of a campaign, who would not, and why.  Writes nothing.

The reasons and their order are in `campaigns.querysets.judged`, which planning uses as well: what
is shown before a launch is what the launch does.
"""

from dataclasses import dataclass
from datetime import datetime

from campaigns import querysets
from campaigns.models import Campaign, Message

# Why somebody is left out, the first that holds: what stands in the way of any message to them,
# and last the draw, which says nothing about the person.
REASONS = (
    Message.Reason.ERASED,
    Message.Reason.UNREACHABLE,
    Message.Reason.SUPPRESSED,
    Message.Reason.NO_CONSENT,
    Message.Reason.HOLDOUT,
)
PEOPLE_SHOWN = 50


@dataclass(frozen=True)
class AudienceReport:
    """Whom a campaign would reach if it were launched now.

    ``included`` = ``excluded`` + ``planned`` + ``holdout`` + the sum of ``skipped``.
    """

    included: int  # in an included segment
    excluded: int  # of these, also in an excluded segment
    planned: int  # would be written to
    holdout: int  # could be written to, and are left alone to measure
    skipped: dict[str, int]  # cannot be written to, by reason; every reason but holdout is named
    as_of: datetime

    @property
    def audience(self) -> int:
        return self.included - self.excluded


@dataclass(frozen=True)
class Person:
    """One member of an audience and what would happen to them."""

    customer_id: int
    name: str
    email: str
    reason: str  # empty: would be written to


def dry_run(campaign: Campaign, *, now: datetime) -> AudienceReport:
    """Count who would be written to and who would not, by reason, as of now."""
    judged, params = querysets.judged(campaign)
    found = {
        row["reason"]: row["n"]
        for row in querysets.rows(
            (f"SELECT reason, count(*) AS n FROM ({judged}) every GROUP BY reason", params)
        )
    }
    included = querysets.count_included(campaign)
    holdout = found.get(Message.Reason.HOLDOUT.value, 0)
    return AudienceReport(
        included=included,
        excluded=included - sum(found.values()),
        planned=found.get("", 0),
        holdout=holdout,
        skipped={
            reason.value: found.get(reason.value, 0)
            for reason in REASONS
            if reason != Message.Reason.HOLDOUT
        },
        as_of=now,
    )


def people(campaign: Campaign, *, reason: str = "", limit: int = PEOPLE_SHOWN) -> list[Person]:
    """Some of those who would be written to, or with a reason, of those left out for it."""
    judged, params = querysets.judged(campaign)
    text = f"""
        SELECT j.customer_id, coalesce(c.email, '') AS email,
            btrim(coalesce(c.first_name, '') || ' ' || coalesce(c.last_name, '')) AS name
        FROM ({judged}) j LEFT JOIN customers_customer c ON c.id = j.customer_id
        WHERE j.reason = %s ORDER BY j.customer_id LIMIT %s"""
    found = querysets.rows((text, [*params, reason, limit]))
    return [Person(reason=reason, **row) for row in found]
