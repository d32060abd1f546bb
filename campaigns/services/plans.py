"""What makes a plan: a campaign's fields, and all that is wrong with them.  Writes nothing."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import available_timezones

from cronsim import CronSim, CronSimError

from campaigns.messages import block_reader
from campaigns.messages.blocks import BlocksError
from campaigns.models import Campaign
from customers.models.consent import Channel
from rapport.errors import DomainError

FIELDS = (
    "name",
    "kind",
    "objective",
    "metric",
    "stopping",
    "channel",
    "channel_choice",
    "other_channels",
    "topic",
    "offer",
    "subject",
    "preheader",
    "body",
    "blocks",
    "text",
    "translations",
    "sender_name",
    "sender_email",
    "holdout_share",
    "attribution_days",
    "cost_per_message",
    "sampled_share",
    "pilot_share",
    "priority",
    "timing",
    "local_hour",
    "window_from",
    "window_to",
    "recurrence",
    "time_zone",
    "ends_at",
    "trigger",
)
WORDS = ("subject", "preheader", "body", "blocks", "text")  # what a language or a variant may say
HOLDOUT_SHARE_MOST = 0.9
ATTRIBUTION_DAYS_MOST = 365
PRIORITY_MOST = 1_000
LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})?")
TRIGGERS = ("segment_entered", "segment_exited", "event")
EVENT_LENGTH_MOST = 200
FIELDS_OF_CRON = 5


class CampaignRefused(DomainError):
    """Fields that make no campaign; `faults` has every reason, `by_field` those with a place."""

    code = "campaign_refused"

    def __init__(self, faults: list[str], by_field: dict[str, list[str]] | None = None) -> None:
        super().__init__(" ".join(faults))
        self.faults = faults
        self.by_field = by_field or {}

    @classmethod
    def of(cls, pairs: list[tuple[str, str]]) -> "CampaignRefused":
        """From pairs of a field, empty where there is none, and what is wrong with it."""
        by_field: dict[str, list[str]] = {}
        for field, fault in pairs:
            by_field.setdefault(field, []).append(fault)
        return cls([fault for _field, fault in pairs], by_field)


Faults = list[tuple[str, str]]


def faults(fields: dict[str, Any]) -> Faults:
    """What is wrong with each of these values by itself, by field."""
    found: Faults = []
    for name, value in fields.items():
        check = CHECKS.get(name)
        if check and (value is not None or name in NEVER_NULL):
            found += [(name, fault) for fault in check(value)]
    return found


def faults_together(campaign: Campaign) -> Faults:
    """What is wrong between the fields of a campaign that may not be saved yet."""
    found: Faults = []
    if campaign.timing == Campaign.Timing.LOCAL_HOUR and campaign.local_hour is None:
        found.append(("local_hour", "Choose the hour at which it is to arrive."))
    if (campaign.window_from is None) != (campaign.window_to is None):
        missing = "window_from" if campaign.window_from is None else "window_to"
        found.append((missing, "A send window needs both its beginning and its end."))
    elif campaign.window_from is not None and campaign.window_from == campaign.window_to:
        found.append(("window_to", "The send window ends when it begins: nothing would leave."))
    others = campaign.other_channels
    if campaign.channel in others:
        found.append(("other_channels", "The campaign's own channel is no other channel."))
    if others and campaign.channel_choice == Campaign.ChannelChoice.FIXED:
        found.append(("other_channels", "Other channels are for “each person's preferred” alone."))
    if campaign.pilot_share is not None and campaign.kind != Campaign.Kind.BROADCAST:
        found.append(("pilot_share", "Only what is sent once can begin with a pilot."))
    return found


def _name(value: Any) -> list[str]:
    return [] if str(value).strip() else ["A campaign needs a name."]


def _channel(value: Any) -> list[str]:
    return [] if value in Channel.values else [f"There is no channel {value}."]


def _other_channels(value: Any) -> list[str]:
    if not isinstance(value, list):
        return [f"Other channels are a list such as [“sms”], found {value!r:.60}."]
    strange = [one for one in value if one not in Channel.values]
    if strange:
        return [f"There is no channel {one!s:.20}." for one in strange]
    return [] if len(set(value)) == len(value) else ["A channel is named twice."]


def _share(least: float, most: float, what: str, remedy: str = "") -> Callable[[Any], list[str]]:
    def check(value: Any) -> list[str]:
        is_share = isinstance(value, int | float) and not isinstance(value, bool)
        if is_share and least <= value <= most:
            return []
        return [f"The {what} must be {least:g} to {most:g}, found {value}.{remedy}"]

    return check


def _days(value: Any) -> list[str]:
    if isinstance(value, int) and 1 <= value <= ATTRIBUTION_DAYS_MOST:
        return []
    return [f"The window must be 1 to {ATTRIBUTION_DAYS_MOST} days, found {value}."]


def _hour(value: Any) -> list[str]:
    if isinstance(value, int) and 0 <= value <= 23:
        return []
    return [f"An hour is 0 to 23, found {value}."]


def _priority(value: Any) -> list[str]:
    if isinstance(value, int) and 1 <= value <= PRIORITY_MOST:
        return []
    return [f"The priority must be 1 to {PRIORITY_MOST}, found {value}; the lowest goes first."]


def _cost(value: Any) -> list[str]:
    return [] if value >= 0 else [f"A message cannot cost less than nothing, found {value}."]


def _recurrence(value: Any) -> list[str]:
    if not value:
        return []
    try:
        if len(str(value).split()) != FIELDS_OF_CRON:
            raise CronSimError("five fields are wanted")
        CronSim(str(value), datetime(2000, 1, 1))  # noqa: DTZ001  only to have it read
    except (CronSimError, ValueError) as error:
        return [
            f"“{value}” is no repetition: five fields are needed, minute, hour, day of the month, "
            f"month, day of the week, such as “0 9 * * 1” for Mondays at 9. ({error})"
        ]
    return []


def _time_zone(value: Any) -> list[str]:
    if not value or value in available_timezones():
        return []
    return [f"There is no time zone {value}; it is written as in Europe/Paris."]


def _ends_at(value: Any) -> list[str]:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return []
    return [f"The end must be a moment with its time zone, found {value}."]


def _blocks(value: Any) -> list[str]:
    if not value:  # written by hand
        return []
    try:
        block_reader.parse(value)
    except BlocksError as error:
        return [str(fault) for fault in error.faults]
    return []


def _translations(value: Any) -> list[str]:
    if not isinstance(value, dict):
        return ["Translations are a language each, such as {“fr”: {“subject”: …}}."]
    found = []
    for language, said in value.items():
        if not LANGUAGE.fullmatch(str(language)):
            found.append(f"“{language}” is no language; write fr, or pt-BR.")
        elif not isinstance(said, dict):
            found.append(f"What is said in {language} must be named: subject, body, …")
        else:
            found += _language(str(language), said)
    return found


def _language(language: str, said: dict[str, Any]) -> list[str]:
    strange = [name for name in said if name not in WORDS]
    found = [f"{language}: there is nothing called {name}." for name in strange]
    found += [f"{language}: {one}" for one in _blocks(said.get("blocks"))]
    wrong = [name for name in WORDS if name != "blocks" and not isinstance(said.get(name, ""), str)]
    return found + [f"{language}: the {name} must be a text." for name in wrong]


def _trigger(value: Any) -> list[str]:
    """The shape alone; whether its segment exists is asked by `campaigns.services.campaigns`."""
    if not isinstance(value, dict) or value.get("on") not in TRIGGERS:
        return [f"What sets it off must be one of: {', '.join(TRIGGERS)}."]
    if value["on"] == "event":
        name = value.get("event")
        if not isinstance(name, str) or not 1 <= len(name.strip()) <= EVENT_LENGTH_MOST:
            return ["Choose the event that sets it off."]
        return [] if isinstance(value.get("where", []), list) else ["“where” must be a list."]
    return [] if isinstance(value.get("segment"), str) else ["Choose the segment that sets it off."]


CHECKS: dict[str, Callable[[Any], list[str]]] = {
    "name": _name,
    "channel": _channel,
    "other_channels": _other_channels,
    "holdout_share": _share(0, HOLDOUT_SHARE_MOST, "holdout share"),
    "sampled_share": _share(0.0001, 1, "sampled share", " Leave it empty for everybody."),
    "pilot_share": _share(0.0001, 0.9, "pilot share", " Leave it empty for no pilot."),
    "attribution_days": _days,
    "local_hour": _hour,
    "priority": _priority,
    "cost_per_message": _cost,
    "recurrence": _recurrence,
    "time_zone": _time_zone,
    "ends_at": _ends_at,
    "blocks": _blocks,
    "translations": _translations,
    "trigger": _trigger,
}
NEVER_NULL = {
    "name", "channel", "other_channels", "holdout_share", "attribution_days", "priority",
    "translations",
}  # fmt: skip
