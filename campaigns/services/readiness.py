"""Say what keeps a campaign from being launched, everything at once.  Writes nothing."""

from django.db.models import Q

from campaigns.messages import render
from campaigns.models import Campaign, Offer
from campaigns.services import offer_rows
from customers.models.consent import Channel
from segments.models import Segment
from segments.services import approvals


def faults(campaign: Campaign) -> list[str]:
    """Every reason not to launch this campaign, a sentence each; empty when there is none."""
    found = segment_faults(campaign) + _words_faults(campaign)
    if campaign.channel != Channel.EMAIL:
        found.append(f"The channel is {campaign.channel}; only e-mail can be sent.")
    for offer in Offer.objects.filter(
        Q(campaign=campaign) | Q(candidates__campaign=campaign) | Q(variant__campaign=campaign)
    ).distinct():
        found += offer_rows.launch_faults(offer)
    return found


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


def _words_faults(campaign: Campaign) -> list[str]:
    found = []
    for field, words in (("subject", campaign.subject), ("body", campaign.body)):
        if not words.strip():
            found.append(f"The {field} is empty.")
    if not found:
        try:
            render.compile(campaign.subject, campaign.preheader, campaign.body)
        except render.TemplateError as error:
            found += error.faults
    return found
