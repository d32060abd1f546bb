"""What sending so much takes: how long, what it costs, what had better be looked at.

Writes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.conf import settings
from django.db.models import Count, Q

from campaigns import judging, querysets
from campaigns.models import Campaign, Coupon
from campaigns.services import offer_rows
from campaigns.timing import leaving, rules
from customers.models.consent import Channel

# Where nothing was sent yet: what a small mail server, and a provider of the others, takes.
PER_HOUR_BY_DEFAULT = {"email": 50_000.0}
PER_HOUR_ELSEWHERE = 10_000.0
MEASURED_LEAST = 500  # messages of a channel
MEASURED_MOST = 50_000  # messages looked at, the latest
RATES = """
    SELECT channel, count(*) AS n, count(DISTINCT date_trunc('minute', sent_at)) AS minutes
    FROM (
        SELECT channel, sent_at FROM campaigns_message WHERE sent_at IS NOT NULL
        ORDER BY id DESC LIMIT %s
    ) latest
    WHERE channel = ANY(%s) GROUP BY channel"""
CODES_LEAST = 100  # that have run out, to expect how many will be redeemed


@dataclass(frozen=True)
class Rate:
    """How many messages of a channel leave in an hour."""

    per_hour: float
    n: int  # messages it was measured on; 0: not measured, a default

    @property
    def is_measured(self) -> bool:
        return self.n > 0


@dataclass(frozen=True)
class Cost:
    """What the messages and the offer are expected to cost, in the shop's currency."""

    messages: float
    unknown: list[str]  # channels whose cost nobody has stated
    offer: float | None  # None: no offer, or nothing to expect it from
    offer_basis: str
    currency: str

    @property
    def total(self) -> float:
        return self.messages + (self.offer or 0.0)


def rates(channels: Sequence[str]) -> dict[str, Rate]:
    """Of each channel, over the minutes in which the latest messages left."""
    if not channels:
        return {}
    measured = {
        row["channel"]: Rate(60 * row["n"] / row["minutes"], row["n"])
        for row in querysets.rows((RATES, [MEASURED_MOST, list(channels)]))
        if row["n"] >= MEASURED_LEAST
    }
    return {
        channel: measured.get(channel)
        or Rate(PER_HOUR_BY_DEFAULT.get(channel, PER_HOUR_ELSEWHERE), 0)
        for channel in channels
    }


def done_at(found: Mapping[str, Rate], due: Sequence[tuple[str, datetime, int]]) -> datetime | None:
    """When the last message of the slowest channel will have left."""
    ends = [
        leaving.done_at(
            [(at, n) for channel, at, n in due if channel == one], per_hour=rate.per_hour
        )
        for one, rate in found.items()
    ]
    return max((end for end in ends if end), default=None)


def cost(campaign: Campaign, messages: Mapping[str, int], *, now: datetime) -> Cost:
    """Messages by the campaign's own cost or the channel's; the offer by how many were redeemed."""
    each = rules.costs(judging.policy().costs, channels=Channel.values)
    total, unknown = Decimal(0), []
    for channel, n in messages.items():
        one = campaign.cost_per_message
        one = each.get(channel) if one is None else one
        if one is None:
            unknown.append(channel)
        else:
            total += one * n
    offer, basis = _offer_cost(campaign, sum(messages.values()), now=now)
    return Cost(float(total), sorted(unknown), offer, basis, settings.CURRENCY)


def warnings(campaign: Campaign) -> list[str]:
    """What had better be looked at before a launch; nothing of it stops one."""
    policy = judging.policy()
    small = [
        segment.name
        for segment in campaign.included.order_by("members_count", "pk")
        if segment.members_count < policy.small_people
    ]
    if len(small) <= policy.small_segments_most:
        return []
    shown = ", ".join(small[:5]) + (" …" if len(small) > 5 else "")
    return [
        f"{len(small)} of its segments have fewer than {policy.small_people:,} people: {shown}. "
        "So few say little about what works; larger segments would."
    ]


def _offer_cost(campaign: Campaign, people: int, *, now: datetime) -> tuple[float | None, str]:
    if campaign.offer is None:
        return None, ""
    one = offer_rows.cost_of(campaign.offer, basket=offer_rows.basket(now=now)[0])
    if one is None:
        return None, "Nobody has stated what the offer costs."
    over = Q(expires_at__lte=now) | Q(redeemed_at__isnull=False)
    found = Coupon.objects.filter(over, offer=campaign.offer, given_at__isnull=False).aggregate(
        n=Count("pk"), redeemed=Count("pk", filter=Q(redeemed_at__isnull=False))
    )
    if found["n"] < CODES_LEAST:
        return None, f"Fewer than {CODES_LEAST} of its codes have run out: too few to expect from."
    share = found["redeemed"] / found["n"]
    basis = f"{100 * share:.1f} % of {found['n']:,} earlier codes were redeemed, {one:.2f} each."
    return people * share * one, basis
