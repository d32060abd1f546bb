"""The form of a campaign: every field of a plan, in the words of those who write them."""

from typing import Any

from django import forms
from django.conf import settings

from campaigns.flows import steps as flow_steps
from campaigns.models import Campaign, Offer
from campaigns.services import plans
from campaigns.services.plans import CampaignRefused
from campaigns.web import repeating
from campaigns.web.content import JsonField
from customers.models.consent import Channel
from segments.models import Segment

PERCENT = 100
LANGUAGES = 40
MOMENT = "%Y-%m-%dT%H:%M"
Kind = Campaign.Kind
KINDS = [
    (Kind.BROADCAST, "Once, to everybody who is in the segments then"),
    (Kind.RECURRING, "Again and again, to who is in the segments at each run"),
    (Kind.TRIGGERED, "When something happens: one message to whom it happens to"),
    (Kind.FLOW, "A flow of steps: waits, branches, several messages"),
    (Kind.TRANSACTIONAL, "When your shop asks for it, through the API: receipts, passwords"),
]
TRIGGERS = [
    ("", "choose …"),
    (flow_steps.ENTERED, "somebody enters a segment"),
    (flow_steps.EXITED, "somebody leaves a segment"),
    (flow_steps.EVENT, "an event happens"),
]
NEEDS_SEGMENTS = (Kind.BROADCAST, Kind.RECURRING)


def _time(label: str, help_text: str = "") -> forms.TimeField:
    widget = forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
    return forms.TimeField(label=label, required=False, widget=widget, help_text=help_text)


def _percent(label: str, *, most: int = 100, help_text: str = "") -> forms.DecimalField:
    return forms.DecimalField(
        label=label,
        min_value=0,
        max_value=most,
        decimal_places=2,
        required=False,
        help_text=help_text,
    )


def _choice(label: str, choices: Any, **more: Any) -> forms.ChoiceField:
    return forms.ChoiceField(label=label, choices=choices, required=False, **more)


class CampaignForm(repeating.RepeatForm):
    """To whom, what, when, and how it will be measured."""

    name = forms.CharField(label="Name", max_length=120, help_text="Only your team sees it.")
    kind = _choice("When it is sent", KINDS, initial=Kind.BROADCAST, widget=forms.RadioSelect)
    objective = forms.ChoiceField(label="What it is for", choices=Campaign.Objective.choices)
    metric = _choice(
        "What decides whether it worked",
        Campaign.Metric.choices,
        initial=Campaign.Metric.ORDERS,
        help_text="Chosen before anything is sent, so that nobody picks what looks best.",
    )
    time_zone = forms.CharField(
        label="Time zone",
        max_length=40,
        required=False,
        help_text=f"Empty: {settings.TIME_ZONE}. As in Europe/Paris.",
    )
    ends_at = forms.DateTimeField(
        label="Ends",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format=MOMENT),
        input_formats=[MOMENT, "%Y-%m-%d %H:%M"],
        help_text="No run and nobody new after it. Empty: until somebody ends it.",
    )
    trigger_on = _choice("Starts when", TRIGGERS)
    trigger_segment = forms.ModelChoiceField(
        label="Which segment",
        queryset=Segment.objects.none(),
        required=False,
        empty_label="choose …",
        to_field_name="key",
    )
    trigger_event = forms.CharField(
        label="Which event",
        max_length=120,
        required=False,
        widget=forms.TextInput(attrs={"list": "c-events", "autocomplete": "off"}),
    )
    included = forms.ModelMultipleChoiceField(
        label="Send to the members of",
        queryset=Segment.objects.none(),
        required=False,
        help_text="Everybody in at least one of them.",
        widget=forms.CheckboxSelectMultiple,
    )
    excluded = forms.ModelMultipleChoiceField(
        label="But not to the members of",
        queryset=Segment.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    sampled_percent = _percent(
        "Only a sample of them (%)", help_text="Drawn by chance. Empty: everybody."
    )
    pilot_percent = _percent(
        "Pilot first, to (%)",
        most=90,
        help_text="The rest follows with one button, once you have seen how it went. "
        "Empty: no pilot.",
    )
    topic = forms.CharField(
        label="Consent it needs",
        max_length=40,
        required=False,
        help_text="Who has not agreed to this topic is left out, with the reason.",
    )
    channel = _choice("Channel", Channel.choices, initial=Channel.EMAIL)
    channel_choice = _choice(
        "To each person by", Campaign.ChannelChoice.choices, widget=forms.RadioSelect
    )
    other_channels = forms.MultipleChoiceField(
        label="Other channels it may take",
        choices=Channel.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    subject = forms.CharField(label="Subject", max_length=200, required=False)
    preheader = forms.CharField(
        label="Line after the subject", max_length=200, required=False, help_text="In the inbox."
    )
    body = forms.CharField(
        label="Message",
        required=False,
        widget=forms.Textarea(attrs={"rows": 18, "spellcheck": "false"}),
        help_text="MJML with Liquid: <code>{{ customer.first_name }}</code>, "
        "<code>{{ offer.code }}</code>, <code>{{ unsubscribe_url }}</code>.",
    )
    blocks = JsonField(label="Blocks", required=False)
    text = forms.CharField(
        label="Text for SMS, push and in-app",
        required=False,
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "true"}),
        help_text="Liquid as above. An SMS of 160 plain characters costs one, a longer one more.",
    )
    offer = forms.ModelChoiceField(
        label="Offer", queryset=Offer.objects.all(), required=False, empty_label="No offer"
    )
    sender_name = forms.CharField(label="Sender's name", max_length=120, required=False)
    sender_email = forms.EmailField(label="Sender's address", max_length=254, required=False)
    timing = _choice("Leaves", Campaign.Timing.choices, widget=forms.RadioSelect)
    local_hour = forms.IntegerField(
        label="At (hour of the recipient's clock, 0 to 23)",
        min_value=0,
        max_value=23,
        required=False,
    )
    window_from = _time("Not before")
    window_to = _time("Not after", "On the recipient's clock. Empty: at any time of day.")
    priority = forms.IntegerField(
        label="Priority",
        min_value=1,
        max_value=plans.PRIORITY_MOST,
        required=False,
        help_text="Where somebody may get only so many messages, the lowest goes first. "
        "Usual: 100.",
    )
    holdout_percent = forms.DecimalField(
        label="Left alone, to measure (%)",
        min_value=0,
        max_value=90,
        decimal_places=1,
        initial=10,
        help_text="Chosen by chance. Without them nobody can say what the campaign changed.",
    )
    attribution_days = forms.IntegerField(
        label="Measure orders for (days)", min_value=1, max_value=365, initial=7
    )
    stopping = _choice(
        "When it may be concluded",
        Campaign.Stopping.choices,
        help_text="Looking early and stopping when it pleases finds effects that are not there.",
    )
    cost_per_message = forms.DecimalField(
        label=f"Cost of a message ({settings.CURRENCY})",
        min_value=0,
        decimal_places=5,
        max_digits=10,
        required=False,
        help_text="Empty: what its channel costs.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        segments = Segment.objects.exclude(state=Segment.State.ARCHIVED)
        for name in ("included", "excluded", "trigger_segment"):
            field = self.fields[name]
            field.queryset = segments  # type: ignore[attr-defined]
            field.label_from_instance = _with_members  # type: ignore[attr-defined]
        self.fields["sender_name"].help_text = f"Empty: {settings.SENDER_NAME}"
        self.fields["sender_email"].help_text = f"Empty: {settings.DEFAULT_FROM_EMAIL}"

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        kind = given.get("kind") or Kind.BROADCAST
        if kind in NEEDS_SEGMENTS and not given.get("included") and "included" not in self.errors:
            self.add_error("included", "Choose at least one segment.")
        if kind == Kind.RECURRING:
            given["recurrence"] = self.recurrence()
        if kind == Kind.TRIGGERED:
            self._check_trigger(given)
        if kind in (*NEEDS_SEGMENTS, Kind.TRIGGERED, Kind.TRANSACTIONAL):
            self._check_words(given)
        return given

    def _check_trigger(self, given: dict[str, Any]) -> None:
        on = given.get("trigger_on")
        if not on:
            self.add_error("trigger_on", "Choose what starts it.")
        elif on == flow_steps.EVENT and not given.get("trigger_event"):
            self.add_error("trigger_event", "Name the event.")
        elif on != flow_steps.EVENT and not given.get("trigger_segment"):
            self.add_error("trigger_segment", "Choose the segment.")

    def _check_words(self, given: dict[str, Any]) -> None:
        channels = {given.get("channel") or Channel.EMAIL, *(given.get("other_channels") or [])}
        needed = ["subject", "body"] if Channel.EMAIL in channels else []
        needed += ["text"] if channels - {Channel.EMAIL} else []
        if given.get("blocks"):
            needed = [name for name in needed if name != "body"]
        for name in needed:
            if not given.get(name) and name not in self.errors:
                self.add_error(name, "This field is required for the channels chosen.")

    def sections(self, *names: str) -> list:
        return [self[name] for name in names]

    def fields_given(self) -> dict[str, Any]:
        """What the service takes: shares instead of percentages, lists instead of querysets."""
        given = dict(self.cleaned_data)
        kind = given["kind"] = given.get("kind") or Kind.BROADCAST
        for name in repeating.RepeatForm.base_fields:
            given.pop(name, None)
        given["recurrence"] = given.get("recurrence", "")
        given["holdout_share"] = float(given.pop("holdout_percent")) / PERCENT
        for name in ("sampled", "pilot"):
            share = given.pop(f"{name}_percent")
            given[f"{name}_share"] = float(share) / PERCENT if share else None
        if kind != Kind.BROADCAST:
            given["pilot_share"] = None
        for name in ("included", "excluded"):
            given[name] = list(given[name])
        trigger = {
            "on": given.pop("trigger_on"),
            "segment": given.pop("trigger_segment"),
            "event": given.pop("trigger_event"),
        }
        if kind == Kind.TRIGGERED:
            given["trigger"] = _trigger(trigger)
        for name, usual in USUAL.items():
            if given.get(name) in ("", None):
                given[name] = usual
        if given["channel_choice"] == Campaign.ChannelChoice.FIXED:
            given["other_channels"] = []
        if given["timing"] != Campaign.Timing.LOCAL_HOUR:
            given["local_hour"] = None
        return given

    def take(self, refusal: CampaignRefused) -> None:
        """Put what the service refuses beside its field."""
        for name, said in refusal.by_field.items():
            place = PLACES.get(name, name)
            for fault in said:
                self.add_error(place if place in self.fields else None, fault)
        if not refusal.by_field:
            self.add_error(None, str(refusal))


USUAL: dict[str, Any] = {
    "metric": Campaign.Metric.ORDERS,
    "stopping": Campaign.Stopping.FIXED,
    "channel": Channel.EMAIL,
    "channel_choice": Campaign.ChannelChoice.FIXED,
    "timing": Campaign.Timing.AT_ONCE,
    "topic": "marketing",
    "priority": 100,
}
# Where the service's field has another name in the form.
PLACES = {
    "recurrence": "cron",
    "trigger": "trigger_on",
    "holdout_share": "holdout_percent",
    "sampled_share": "sampled_percent",
    "pilot_share": "pilot_percent",
}


def values_of(campaign: Campaign) -> dict[str, Any]:
    """What the form shows of a campaign."""
    names = CampaignForm.base_fields
    shown = {name: getattr(campaign, name) for name in names if hasattr(campaign, name)}
    trigger = campaign.trigger or {}
    return {
        **shown,
        **repeating.values_of(campaign.recurrence),
        "included": list(campaign.included.values_list("pk", flat=True)),
        "excluded": list(campaign.excluded.values_list("pk", flat=True)),
        "offer": campaign.offer_id,
        "holdout_percent": round(campaign.holdout_share * PERCENT, 1),
        "sampled_percent": _shown(campaign.sampled_share),
        "pilot_percent": _shown(campaign.pilot_share),
        "trigger_on": trigger.get("on", ""),
        "trigger_segment": trigger.get("segment", ""),
        "trigger_event": trigger.get("event", ""),
    }


def _shown(share: float | None) -> float | None:
    return None if share is None else round(share * PERCENT, 2)


def _trigger(given: dict[str, Any]) -> dict[str, Any]:
    if given["on"] == flow_steps.EVENT:
        return {"on": given["on"], "event": given["event"]}
    return {"on": given["on"], "segment": given["segment"].key}


def _with_members(segment: Segment) -> str:
    note = ", invalid" if segment.state == Segment.State.INVALID else ""
    return f"{segment.name} ({segment.members_count:,} members{note})"
