"""Forms of slots and of what stands in them."""

from typing import Any

from django import forms
from django.conf import settings

from campaigns.models import Offer, Slot, SlotContent
from segments.models import Segment

PERCENT = 100
MOMENT = "%Y-%m-%dT%H:%M"


class SlotForm(forms.Form):
    """A marked place on the shop's pages."""

    name = forms.CharField(label="Name", max_length=120, help_text="Only your team sees it.")
    key = forms.RegexField(
        r"^[a-z0-9][a-z0-9_-]{0,59}$",
        label="Key",
        help_text="As in <code>data-rapport-slot</code>: small letters, digits, - and _.",
        error_messages={"invalid": "Small letters, digits, - and _, such as hero or cart-side."},
    )
    state = forms.ChoiceField(label="State", choices=Slot.State.choices)
    holdout_percent = forms.DecimalField(
        label="Members left with the fallback, to measure (%)",
        min_value=0,
        max_value=90,
        decimal_places=1,
        help_text="Chosen by chance. Without them nobody can say what the contents changed.",
    )

    def fields_given(self) -> dict[str, Any]:
        given = dict(self.cleaned_data)
        given["holdout_share"] = float(given.pop("holdout_percent")) / PERCENT
        return given


class ContentForm(forms.Form):
    """What a slot shows, to whom, and when."""

    name = forms.CharField(label="Name", max_length=120, help_text="Only your team sees it.")
    segment = forms.ModelChoiceField(
        label="Shown to",
        queryset=Segment.objects.none(),
        required=False,
        empty_label="Everybody (the fallback)",
    )
    priority = forms.IntegerField(
        label="Priority",
        min_value=0,
        max_value=32_767,
        help_text="The lowest number that fits a visitor is shown.",
    )
    title = forms.CharField(label="Title", max_length=200, required=False)
    body = forms.CharField(
        label="Content",
        required=False,
        widget=forms.Textarea(attrs={"rows": 12, "spellcheck": "false"}),
        help_text="HTML with Liquid: <code>{{ customer.first_name | default: 'you' }}</code>, "
        "<code>{{ offer.words }}</code>. Scripts, frames and forms are taken out.",
    )
    offer = forms.ModelChoiceField(
        label="Offer", queryset=Offer.objects.all(), required=False, empty_label="No offer"
    )
    starts_at = forms.DateTimeField(
        label="From",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format=MOMENT),
        input_formats=[MOMENT, "%Y-%m-%d %H:%M"],
        help_text=f"Time zone: {settings.TIME_ZONE}.",
    )
    ends_at = forms.DateTimeField(
        label="Until",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format=MOMENT),
        input_formats=[MOMENT, "%Y-%m-%d %H:%M"],
    )
    state = forms.ChoiceField(label="State", choices=SlotContent.State.choices)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["segment"]
        field.queryset = Segment.objects.exclude(state=Segment.State.ARCHIVED)

    @staticmethod
    def values_of(content: SlotContent) -> dict[str, Any]:
        return {name: getattr(content, name) for name in ContentForm.base_fields}

    def fields_given(self) -> dict[str, Any]:
        return dict(self.cleaned_data)
