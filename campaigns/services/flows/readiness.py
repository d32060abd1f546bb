"""Say what keeps a campaign that goes on and on from being launched.  Writes nothing."""

from campaigns.flows import steps as S
from campaigns.flows.language import Flow
from campaigns.messages import render
from campaigns.models import Campaign, Variant
from campaigns.services import composing, recurring
from campaigns.services.contents import Contents
from campaigns.services.flows import definitions
from customers.models.consent import Channel
from segments.models import Segment
from segments.services import approvals


def faults(campaign: Campaign) -> list[str]:
    """Everything about the steps and their words, a sentence each; empty when there is nothing."""
    if campaign.kind == Campaign.Kind.RECURRING:
        return recurring.faults(campaign) + _words(campaign, Contents(campaign), 0)
    if campaign.kind == Campaign.Kind.TRIGGERED and not campaign.trigger:
        return ["Nothing sets it off: choose a segment or an event."]
    if campaign.kind == Campaign.Kind.FLOW and definitions.current(campaign) is None:
        return ["The flow has no steps yet."]
    definition = definitions.definition_of(campaign)
    wrong = definitions.faults(definition)
    if wrong:
        return [f"The flow, at {one.path}: {one.reason}." for one in wrong]
    flow = definitions.check(definition)
    return _segment(flow) + _sends(campaign, flow)


def _segment(flow: Flow) -> list[str]:
    segment = Segment.objects.filter(key=flow.trigger.segment).first()
    if segment is None:
        return []
    if segment.refreshed_at is None:
        return [f"The segment {segment.name} has no members yet: it was never refreshed."]
    return approvals.faults([segment])


def _sends(campaign: Campaign, flow: Flow) -> list[str]:
    contents, found = Contents(campaign), []
    numbers = {one.step for one in contents.variants.values()}
    for step in flow.sends:
        if step.number and step.number not in numbers:
            found.append(f"Step {step.number} sends, and says nothing yet: give it its words.")
        else:
            found += _words(campaign, contents, step.number, step)
    return found


def _words(
    campaign: Campaign, contents: Contents, number: int, step: S.Send | None = None
) -> list[str]:
    """What is wrong with the words of one step, in each variant and language."""
    found: list[str] = []
    mine: list[Variant | None] = [one for one in contents.variants.values() if one.step == number]
    mine = mine or [None]
    for variant in mine:
        named = (step.channel if step else "") or (variant.channel if variant else "")
        channel = named or campaign.channel
        for language in ("", *sorted(contents.languages())):
            content = contents.of(
                step=number, variant_id=variant.pk if variant else None, language=language
            )
            where = f"Step {number}: " if number else ""
            said = _mail(content) if channel == Channel.EMAIL else _text(content.text, channel)
            found += [f"{where}{one}" for one in said]
    return list(dict.fromkeys(found))


def _mail(content: composing.Content) -> list[str]:
    found = [] if content.subject.strip() else ["the subject is empty."]
    if not content.body.strip() and not content.blocks:
        found.append("the body is empty.")
    if found:
        return found
    try:
        composing.compiled(content)
    except render.TemplateError as error:
        return list(error.faults)
    return []


def _text(words: str, channel: str) -> list[str]:
    return [] if words.strip() else [f"the text for {channel} is empty."]
