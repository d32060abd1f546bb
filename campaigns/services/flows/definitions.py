"""A flow's wording: keep it, check it, read it.  The only writer of FlowVersion and of a flow's
``Campaign.trigger``.

For the editor's page: `current`, `faults`, `keep` (a draft) and `changing.change` (one that runs).
"""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from campaigns.flows import language
from campaigns.flows import steps as S
from campaigns.flows.language import Flow, FlowError
from campaigns.models import Campaign, FlowVersion, Offer
from rapport.access import audit
from rapport.errors import Conflict, DomainError
from segments.models import Segment, WebhookEndpoint
from segments.rules import language as rule_language
from segments.services import definitions as rules

KINDS = (Campaign.Kind.FLOW, Campaign.Kind.TRIGGERED)
EDITABLE = Campaign.EDITABLE
# What a new flow of the editor begins with.
STARTER: dict[str, Any] = {
    "version": 1,
    "trigger": {"on": "segment_entered", "segment": "everybody"},
    "reentry": "after_exit",
    "exit_on": {"order": True},
    "first": 1,
    "steps": [
        {"number": 1, "kind": "wait", "hours": 1, "next": 2},
        {"number": 2, "kind": "send", "next": None},
    ],
}


class FlowRefused(DomainError):
    """A definition that cannot be kept; ``faults`` has every reason, with its path."""

    code = "invalid_flow"

    def __init__(self, faults: list[language.Fault]) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = faults


def current(campaign: Campaign) -> FlowVersion | None:
    """The newest version of a campaign's flow; None where nothing was saved yet."""
    return FlowVersion.objects.filter(campaign=campaign).order_by("-number").first()


def definition_of(campaign: Campaign) -> dict[str, Any]:
    """What the editor shows: the newest version, or what a triggered campaign comes to, or the
    beginning of a new flow."""
    version = current(campaign)
    if version is not None:
        return version.definition
    return from_trigger(campaign) if campaign.kind == Campaign.Kind.TRIGGERED else STARTER


def read(version: FlowVersion) -> Flow:
    """The flow of a stored version, which was sound when it was saved."""
    return language.parse(version.definition, zone=settings.TIME_ZONE)


def from_trigger(campaign: Campaign) -> dict[str, Any]:
    """A triggered campaign as a flow of one send step; ``reentry`` may stand in its trigger.

    Its step has the number 0, under which the campaign's own words and variants are.
    """
    trigger = dict(campaign.trigger or {})
    reentry = trigger.pop("reentry", S.AFTER_EXIT)
    return {
        "version": 1,
        "trigger": trigger,
        "reentry": reentry,
        "exit_on": None,
        "first": 0,
        "steps": [{"number": 0, "kind": "send", "next": None}],
    }


def faults(definition: Any) -> list[language.Fault]:
    """Everything wrong with a definition, by itself and with what it names; empty when sound."""
    try:
        flow = language.parse(definition, zone=settings.TIME_ZONE)
    except FlowError as error:
        return list(error.faults)
    return _trigger_faults(flow.trigger) + [
        fault
        for place, step in enumerate(flow.steps)
        for fault in _step_faults(step, f"steps[{place}]")
    ]


def check(definition: Any) -> Flow:
    """The flow of a definition; `FlowRefused` names every fault."""
    found = faults(definition)
    if found:
        raise FlowRefused(found)
    return language.parse(definition, zone=settings.TIME_ZONE)


@transaction.atomic
def keep(
    campaign: Campaign, definition: Any, *, user: Any, now: datetime, note: str = ""
) -> FlowVersion:
    """Keep the definition of a flow that was not launched yet, as its only version."""
    flow = check(definition)
    held = Campaign.objects.select_for_update().get(pk=campaign.pk)
    if held.kind != Campaign.Kind.FLOW:
        raise Conflict(f"The campaign {held} is no flow of steps: its kind is {held.kind}.")
    if held.state not in EDITABLE:
        raise Conflict(
            f"The flow {held} is {held.state}: change it instead, for people are inside."
        )
    version = write(held, flow, user=user, now=now, note=note, number=1)
    campaign.trigger = held.trigger
    return version


@transaction.atomic
def ready(campaign: Campaign, *, now: datetime) -> FlowVersion:
    """The version that a launch starts with; that of a triggered campaign is made here."""
    if campaign.kind == Campaign.Kind.TRIGGERED:
        flow = check(from_trigger(campaign))
        return write(campaign, flow, user=campaign.launched_by, now=now, number=1, keeps=True)
    version = current(campaign)
    if version is None:
        raise Conflict(f"The flow {campaign} has no steps yet.")
    return version


def write(
    campaign: Campaign,
    flow: Flow,
    *,
    user: Any,
    now: datetime,
    number: int,
    note: str = "",
    keeps: bool = False,
) -> FlowVersion:
    """Write a version, in the place of what had its number; with ``keeps`` the trigger stays."""
    definition = language.to_json(flow)
    version, _ = FlowVersion.objects.update_or_create(
        campaign=campaign,
        number=number,
        defaults={
            "definition": definition,
            "note": note,
            "created_by": user,
            "created_at": now,
        },
    )
    if not keeps:
        campaign.trigger = definition["trigger"]
        Campaign.objects.filter(pk=campaign.pk).update(trigger=campaign.trigger, changed_at=now)
    audit(user, "flow.saved", f"campaign {campaign.pk}", version=number, note=note)
    return version


def _trigger_faults(trigger: S.Trigger) -> list[language.Fault]:
    if not trigger.segment:
        return []
    state = Segment.objects.filter(key=trigger.segment).values_list("state", flat=True).first()
    return _segment_fault("trigger.segment", trigger.segment, state)


def _segment_fault(path: str, key: str, state: str | None) -> list[language.Fault]:
    if state is None:
        return [language.Fault(path, f"there is no segment {key}")]
    if state != Segment.State.LIVE:
        return [language.Fault(path, f"the segment {key} is {state}")]
    return []


def _step_faults(step: S.Step, path: str) -> list[language.Fault]:
    if isinstance(step, S.Filter | S.Branch):
        try:
            rules.check(step.rule)
        except rules.RuleRefused as refused:
            return [
                rule_language.Fault(f"{path}.rule.{one.path}", one.reason) for one in refused.faults
            ]
    there_is: bool | None = None
    if isinstance(step, S.GiveOffer) and step.offer:
        there_is, name, number = Offer.objects.filter(pk=step.offer).exists(), "offer", step.offer
    elif isinstance(step, S.Webhook):
        there_is = WebhookEndpoint.objects.filter(pk=step.endpoint).exists()
        name, number = "endpoint", step.endpoint
    if there_is is False:
        return [language.Fault(f"{path}.{name}", f"there is no {name} {number}")]
    return []
