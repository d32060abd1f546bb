"""Say what keeps a campaign from being launched, everything at once.  Writes nothing."""

from django.db.models import Q

from campaigns import judging
from campaigns.messages import render
from campaigns.models import Campaign, Offer
from campaigns.services import approving, checking, composing, offer_rows
from campaigns.timing import hours
from customers.models.consent import Channel
from segments.models import Segment
from segments.services import approvals

ON_AND_ON = (Campaign.Kind.RECURRING, Campaign.Kind.TRIGGERED, Campaign.Kind.FLOW)


def faults(campaign: Campaign) -> list[str]:
    """Every reason not to launch this campaign, a sentence each; empty when there is none."""
    found = segment_faults(campaign)
    if campaign.kind in ON_AND_ON:
        # Here, for what sets a flow off plans messages and so asks this module.
        from campaigns.services.flows import readiness as flows

        found += flows.faults(campaign)
    else:
        found += _words_faults(campaign)
    for offer in Offer.objects.filter(
        Q(campaign=campaign) | Q(candidates__campaign=campaign) | Q(variant__campaign=campaign)
    ).distinct():
        found += offer_rows.launch_faults(offer)
    return found + _hour_faults(campaign) + approving.faults(campaign)


def segment_faults(campaign: Campaign) -> list[str]:
    """What is wrong with the segments.

    An excluded segment that cannot be read would exclude nobody, and mail would go to the very
    people it was meant to spare: that is a fault as grave as having no audience.  So is one that
    goes by a model which no person has approved.
    """
    included, excluded = list(campaign.included.all()), list(campaign.excluded.all())
    needs_people = campaign.kind in (Campaign.Kind.BROADCAST, Campaign.Kind.RECURRING)
    found = []
    if needs_people and not included:
        found.append("No segment is included: nobody would be written to.")
    for segment in [*included, *excluded]:
        if segment.state == Segment.State.INVALID:
            found.append(f"The segment {segment.name} cannot be read: {segment.error}".rstrip(": "))
        elif segment.state == Segment.State.ARCHIVED:
            found.append(f"The segment {segment.name} is archived.")
        elif segment.refreshed_at is None:
            found.append(f"The segment {segment.name} has no members yet: it was never refreshed.")
    return found + approvals.faults([*included, *excluded])


def _hour_faults(campaign: Campaign) -> list[str]:
    """Whether the shop's quiet hours leave anything of the campaign's window."""
    rules = judging.rules_of(campaign)
    return [
        f"Quiet hours of {channel} leave nothing of the send window: no message could leave."
        for channel in judging.channels_of(campaign)
        if hours.leaves_nothing(rules.quiet.get(channel), rules.window)
    ]


def _words_faults(campaign: Campaign) -> list[str]:
    found = checking.word_faults(campaign)
    if not found and campaign.channel != Channel.EMAIL:
        try:
            composing.writer(campaign, campaign.channel)
        except render.TemplateError as error:
            found += error.faults
    return found
