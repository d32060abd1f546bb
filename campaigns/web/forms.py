"""Forms of the pages of campaigns."""

from typing import Any

from django import forms
from django.conf import settings

from campaigns.models import Campaign, Offer
from segments.models import Segment

PERCENT = 100


class CampaignForm(forms.Form):
    """To whom, what, and how it will be measured."""

    name = forms.CharField(label="Name", max_length=120, help_text="Only your team sees it.")
    objective = forms.ChoiceField(label="What it is for", choices=Campaign.Objective.choices)
    included = forms.ModelMultipleChoiceField(
        label="Send to the members of",
        queryset=Segment.objects.none(),
        help_text="Everybody in at least one of them.",
        widget=forms.CheckboxSelectMultiple,
    )
    excluded = forms.ModelMultipleChoiceField(
        label="But not to the members of",
        queryset=Segment.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    offer = forms.ModelChoiceField(
        label="Offer",
        queryset=Offer.objects.all(),
        required=False,
        empty_label="No offer",
        help_text="Everybody who is written to gets a code of their own.",
    )
    subject = forms.CharField(label="Subject", max_length=200)
    preheader = forms.CharField(
        label="Line after the subject", max_length=200, required=False, help_text="In the inbox."
    )
    body = forms.CharField(
        label="Message",
        widget=forms.Textarea(attrs={"rows": 22, "spellcheck": "false"}),
        help_text="MJML with Liquid: <code>{{ customer.first_name }}</code>, "
        "<code>{{ offer.code }}</code>, <code>{{ unsubscribe_url }}</code>.",
    )
    sender_name = forms.CharField(label="Sender's name", max_length=120, required=False)
    sender_email = forms.EmailField(label="Sender's address", max_length=254, required=False)
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

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        segments = Segment.objects.exclude(state=Segment.State.ARCHIVED)
        for name in ("included", "excluded"):
            field = self.fields[name]
            field.queryset = segments  # type: ignore[attr-defined]
            field.label_from_instance = _with_members  # type: ignore[attr-defined]
        self.fields["sender_name"].help_text = f"Empty: {settings.SENDER_NAME}"
        self.fields["sender_email"].help_text = f"Empty: {settings.DEFAULT_FROM_EMAIL}"

    @property
    def audience(self) -> list:
        return [self[name] for name in ("included", "excluded")]

    @property
    def content(self) -> list:
        return [self[name] for name in ("offer", "subject", "preheader", "body")]

    @property
    def sender(self) -> list:
        return [self[name] for name in ("sender_name", "sender_email")]

    @property
    def measuring(self) -> list:
        return [self[name] for name in ("holdout_percent", "attribution_days")]

    def fields_given(self) -> dict[str, Any]:
        """What the service takes: shares instead of percentages, lists instead of querysets."""
        given = dict(self.cleaned_data)
        given["holdout_share"] = float(given.pop("holdout_percent")) / PERCENT
        for name in ("included", "excluded"):
            given[name] = list(given[name])
        return given


def values_of(campaign: Campaign) -> dict[str, Any]:
    """What the form shows of a campaign."""
    shown = {
        name: getattr(campaign, name)
        for name in CampaignForm.base_fields
        if hasattr(campaign, name)
    }
    shown["included"] = list(campaign.included.values_list("pk", flat=True))
    shown["excluded"] = list(campaign.excluded.values_list("pk", flat=True))
    shown["offer"] = campaign.offer_id
    shown["holdout_percent"] = round(campaign.holdout_share * PERCENT, 1)
    return shown


class OfferForm(forms.Form):
    """What is given, and for how long."""

    name = forms.CharField(label="Name", max_length=120, help_text="Customers see it.")
    kind = forms.ChoiceField(
        label="What is given",
        choices=[
            (Offer.Kind.PERCENT, "Percent off"),
            (Offer.Kind.AMOUNT, "Amount off"),
            (Offer.Kind.FREE_SHIPPING, "Free shipping"),
        ],
    )
    percent = forms.DecimalField(
        label="Percent off", min_value=0, max_value=100, decimal_places=2, required=False
    )
    amount = forms.DecimalField(
        label=f"Amount off ({settings.CURRENCY})", min_value=0, decimal_places=2, required=False
    )
    code_prefix = forms.RegexField(
        r"^[A-Za-z0-9]{0,12}$",
        label="Codes begin with",
        required=False,
        help_text="Letters and digits, such as VIP: codes look like VIP-7K3M9QXA.",
    )
    valid_days = forms.IntegerField(
        label="Valid for (days)", min_value=1, max_value=365, initial=14
    )

    def fields_given(self) -> dict[str, Any]:
        """What the service takes; the figure of another kind is left out."""
        given = dict(self.cleaned_data)
        percent, amount = given.pop("percent"), given.pop("amount")
        if given["kind"] == Offer.Kind.PERCENT and percent is not None:
            given["share"] = percent / PERCENT
        if given["kind"] == Offer.Kind.AMOUNT:
            given |= {"amount": amount, "currency": settings.CURRENCY}
        return given


class LaunchForm(forms.Form):
    """Now, or at a time."""

    at = forms.DateTimeField(
        label="At",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"],
        help_text=f"Time zone: {settings.TIME_ZONE}. Empty: now.",
    )


def _with_members(segment: Segment) -> str:
    note = ", invalid" if segment.state == Segment.State.INVALID else ""
    return f"{segment.name} ({segment.members_count:,} members{note})"
