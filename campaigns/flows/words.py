"""A flow as a marketer reads it: each step in one line."""

from campaigns.flows import steps as S
from segments.rules import explain
from segments.rules import parse as rules

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
TITLES = {
    "send": "Send",
    "wait": "Wait",
    "wait_until": "Wait until",
    "filter": "Filter",
    "branch": "Branch",
    "split": "Split",
    "offer": "Offer",
    "webhook": "Webhook",
    "update_trait": "Update trait",
    "exit": "Exit",
}


def trigger(found: S.Trigger) -> str:
    """What lets people in.

    >>> trigger(S.Trigger("event", event="signed_up"))
    'Starts when somebody does “signed_up”.'
    """
    if found.on == S.EVENT:
        narrowed = ", under conditions" if found.where else ""
        return f"Starts when somebody does “{found.event}”{narrowed}."
    verb = "enters" if found.on == S.ENTERED else "leaves"
    also = " Those in it at the launch come in too." if found.present else ""
    return f"Starts when somebody {verb} the segment “{found.segment}”.{also}"


def step(found: S.Step) -> str:
    """What happens at a step.

    >>> step(S.Wait(1, days=3)), step(S.Send(2, channel="sms", hour=9))
    ('3 days', 'A message by sms, at 9:00 of the person’s clock')
    """
    words = {
        S.Send: _send,
        S.Wait: _wait,
        S.WaitUntil: _wait_until,
        S.Filter: lambda one: f"Only who fits goes on: {_rule(one.rule)}",
        S.Branch: lambda one: _rule(one.rule),
        S.Split: _split,
        S.GiveOffer: lambda one: (
            f"The next messages carry offer {one.offer}" if one.offer else "The usual offer again"
        ),
        S.Webhook: lambda one: f"Tell webhook endpoint {one.endpoint}",
        S.UpdateTrait: _trait,
        S.Exit: lambda one: "Leave the flow",
    }
    return words[type(found)](found)


def _send(found: S.Send) -> str:
    by = f" by {found.channel}" if found.channel else ""
    at = f", at {found.hour}:00 of the person’s clock" if found.hour is not None else ""
    within = f", between {found.window[0]} and {found.window[1]}" if found.window else ""
    return f"A message{by}{at}{within}"


def _wait(found: S.Wait) -> str:
    parts = (("day", found.days), ("hour", found.hours), ("minute", found.minutes))
    return " ".join(f"{n:g} {unit}{'' if n == 1 else 's'}" for unit, n in parts if n)


def _wait_until(found: S.WaitUntil) -> str:
    if found.hears:
        what = "an order" if found.order else f"“{found.event}”"
        return f"{what}, at most {_length(found.timeout_minutes)}"
    days = ", ".join(DAYS[one] for one in found.weekdays)
    at = f"{found.hour}:00 of the person’s clock" if found.hour is not None else ""
    return " at ".join(part for part in (days, at) if part)


def _length(minutes: float) -> str:
    for unit, size in (("day", 1440), ("hour", 60)):
        if minutes >= size and minutes % size == 0:
            n = minutes / size
            return f"{n:g} {unit}{'' if n == 1 else 's'}"
    return f"{minutes:g} minutes"


def _split(found: S.Split) -> str:
    total = sum(arm.weight for arm in found.arms) or 1
    kept = 1 - found.holdout_share
    parts = [f"{arm.name} {arm.weight / total * kept:.0%}" for arm in found.arms]
    if found.holdout_share:
        parts.append(f"left alone {found.holdout_share:.0%}")
    return ", ".join(parts)


def _trait(found: S.UpdateTrait) -> str:
    if found.value is None:
        return f"Remove the trait {found.trait}"
    return f"Set the trait {found.trait} to {found.value}"


def _rule(raw: S.Json) -> str:
    return explain.sentence(rules.parse(raw))
