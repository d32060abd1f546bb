"""Why somebody got a message, or got none: for the person at the telephone.  Writes nothing."""

from dataclasses import dataclass
from datetime import datetime

from campaigns import querysets
from campaigns.models import Campaign, Message
from campaigns.services.flows import definitions, reading
from customers.models import Customer
from segments.models import Membership

Kind, State = Campaign.Kind, Campaign.State
MOST = 50
RUNNING = (State.PLANNING, State.SENDING, State.PAUSED, State.SCHEDULED)
SAID = {
    Message.Reason.ERASED: "Erased, so nothing is sent.",
    Message.Reason.UNREACHABLE: "There is no address for this channel.",
    Message.Reason.SUPPRESSED: "The address is suppressed: it bounced, complained or was closed.",
    Message.Reason.NO_CONSENT: "There is no consent to this topic on this channel.",
    Message.Reason.GLOBAL_HOLDOUT: "Left alone by all marketing, by chance, to measure it.",
    Message.Reason.NOT_SAMPLED: "Not drawn into the sample.",
    Message.Reason.CAPPED: "Had enough messages lately.",
    Message.Reason.HOLDOUT: "Left alone in this campaign, by chance, to measure it.",
}


@dataclass(frozen=True)
class Answer:
    """One campaign and one person."""

    campaign: Campaign
    is_in: bool  # has a message or is on the way through its steps
    sentences: tuple[str, ...]


def running(customer: Customer, *, now: datetime) -> list[Answer]:
    """Every campaign that runs or is scheduled, those the person is in first."""
    found = Campaign.objects.filter(state__in=RUNNING).prefetch_related("included", "excluded")
    campaigns = list(found.order_by("-pk")[:MOST])
    inside = _segments(customer)
    written = set(
        Message.objects.filter(customer=customer, campaign__in=campaigns).values_list(
            "campaign_id", flat=True
        )
    )
    answers = [
        _answer(one, customer, inside, is_written=one.pk in written, now=now) for one in campaigns
    ]
    return sorted(answers, key=lambda one: not one.is_in)


def _answer(
    campaign: Campaign, customer: Customer, inside: set[int], *, is_written: bool, now: datetime
) -> Answer:
    if campaign.kind in definitions.KINDS:
        found = reading.why(campaign, customer.pk, now=now)
        return Answer(campaign, found.is_inside or is_written, found.sentences)
    if campaign.kind == Kind.TRANSACTIONAL:
        said = "Sent when the shop asks for it."
        return Answer(campaign, is_written, (said,))
    if is_written and campaign.kind == Kind.BROADCAST:
        return Answer(campaign, True, ("Is in its ledger; see the messages.",))
    said_all = _why_not(campaign, customer, inside, now=now)
    return Answer(campaign, is_written, tuple(said_all))


def _why_not(
    campaign: Campaign, customer: Customer, inside: set[int], *, now: datetime
) -> list[str]:
    included = list(campaign.included.all())
    names = ", ".join(one.name for one in included)
    said = []
    if not inside & {one.pk for one in included}:
        said.append(f"Not a member of {names or 'any segment of it'}.")
    said += [f"A member of {one.name}, which is left out." for one in campaign.excluded.all()
             if one.pk in inside]  # fmt: skip
    reason = _reason(campaign, customer.pk, now=now)
    if reason:
        labels = dict(Message.Reason.choices)
        said.append(SAID.get(Message.Reason(reason), f"{labels.get(reason, reason)}."))
    if said:
        return said
    if campaign.kind == Kind.RECURRING:
        return ["Would be written to at the next run, as things stand."]
    if campaign.state == State.SCHEDULED:
        return ["Would be written to when it leaves, as things stand."]
    return ["Became a member after it was planned."]


def _reason(campaign: Campaign, customer_id: int, *, now: datetime) -> str:
    people = "SELECT %s::bigint AS customer_id", [customer_id]
    text, params = querysets.judged(campaign, people=people, now=now)
    found = querysets.rows((f"SELECT reason FROM ({text}) one", params))
    return found[0]["reason"] if found else ""


def _segments(customer: Customer) -> set[int]:
    return set(Membership.objects.filter(customer=customer).values_list("segment_id", flat=True))
