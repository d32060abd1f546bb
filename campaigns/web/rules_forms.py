"""The form of the sending rules."""

from datetime import time
from typing import Any

from django import forms
from django.forms.boundfield import BoundField

from campaigns.models import SendingPolicy
from customers.models.consent import Channel

LABELS = {
    "email": "E-mail", "sms": "SMS", "push": "Push", "in_app": "In the shop", "webhook": "Webhook",
}  # fmt: skip
CAPS_SHOWN = 4
ANY = [("", "All channels together"), *LABELS.items()]


class RulesForm(forms.Form):
    """One row a channel, a few rows of caps, and the numbers of the whole shop."""

    version = forms.IntegerField(widget=forms.HiddenInput)
    holdout = forms.FloatField(
        label="Left alone by all marketing, in %",
        min_value=0,
        max_value=50,
        help_text="Drawn once by chance; they get no campaign at all, so that the whole of "
        "marketing can be measured. 0: nobody.",
    )
    approval_above = forms.IntegerField(
        label="A second person approves above so many people",
        required=False,
        min_value=0,
        help_text="Empty: never.",
    )
    small_people = forms.IntegerField(label="A segment is small below so many people", min_value=0)
    small_segments_most = forms.IntegerField(
        label="Warn of a campaign with more small segments than", min_value=0, max_value=1000
    )

    def __init__(self, data: Any = None, *, policy: SendingPolicy) -> None:
        super().__init__(data, initial=_initial(policy))
        for channel, label in LABELS.items():
            self.fields[f"from_{channel}"] = _clock(f"{label}: quiet from")
            self.fields[f"to_{channel}"] = _clock(f"{label}: quiet until")
            self.fields[f"cost_{channel}"] = forms.DecimalField(
                label=f"{label}: cost of a message",
                required=False, min_value=0, max_value=999, decimal_places=5,
            )  # fmt: skip
        for number in range(max(CAPS_SHOWN, len(policy.caps) + 1)):
            self.fields[f"most_{number}"] = forms.IntegerField(
                label=f"Cap {number + 1}: messages at most", required=False, min_value=0
            )
            self.fields[f"days_{number}"] = forms.FloatField(
                label=f"Cap {number + 1}: within days", required=False, min_value=0
            )
            self.fields[f"on_{number}"] = forms.ChoiceField(
                label=f"Cap {number + 1}: on", required=False, choices=ANY
            )

    def by_channel(self) -> list[tuple[str, BoundField, BoundField, BoundField]]:
        return [
            (label, self[f"from_{key}"], self[f"to_{key}"], self[f"cost_{key}"])
            for key, label in LABELS.items()
        ]

    def caps(self) -> list[tuple[BoundField, BoundField, BoundField]]:
        return [
            (self[f"most_{number}"], self[f"on_{number}"], self[f"days_{number}"])
            for number in self._numbers()
        ]

    def of_the_shop(self) -> list[BoundField]:
        names = ("holdout", "approval_above", "small_people", "small_segments_most")
        return [self[name] for name in names]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        for channel in Channel.values:
            if (given.get(f"from_{channel}") is None) != (given.get(f"to_{channel}") is None):
                self.add_error(f"to_{channel}", "Quiet hours need both their beginning and end.")
        for number in self._numbers():
            if (given.get(f"most_{number}") is None) != (given.get(f"days_{number}") is None):
                self.add_error(f"days_{number}", "A cap needs both messages and days.")
        return given

    def rules(self) -> dict[str, Any]:
        """The fields as `campaigns.services.policy.change` takes them."""
        given = self.cleaned_data
        return {
            "quiet_hours": {
                channel: [f"{given[f'from_{channel}']:%H:%M}", f"{given[f'to_{channel}']:%H:%M}"]
                for channel in Channel.values
                if given[f"from_{channel}"] is not None
            },
            "costs": {
                channel: str(given[f"cost_{channel}"].normalize())
                for channel in Channel.values
                if given[f"cost_{channel}"] is not None
            },
            "caps": [
                {
                    "channel": given[f"on_{number}"],
                    "most": given[f"most_{number}"],
                    "days": given[f"days_{number}"],
                }
                for number in self._numbers()
                if given[f"most_{number}"] is not None
            ],
            "holdout_share": given["holdout"] / 100,
            "approval_above": given["approval_above"],
            "small_people": given["small_people"],
            "small_segments_most": given["small_segments_most"],
        }

    def _numbers(self) -> range:
        return range(sum(name.startswith("most_") for name in self.fields))


def _clock(label: str) -> forms.TimeField:
    widget = forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
    return forms.TimeField(label=label, required=False, widget=widget)


def _initial(policy: SendingPolicy) -> dict[str, Any]:
    found: dict[str, Any] = {
        "version": policy.version,
        "holdout": f"{100 * policy.holdout_share:g}",
        "approval_above": policy.approval_above,
        "small_people": policy.small_people,
        "small_segments_most": policy.small_segments_most,
    }
    for channel, (start, end) in policy.quiet_hours.items():
        found[f"from_{channel}"] = time.fromisoformat(start)
        found[f"to_{channel}"] = time.fromisoformat(end)
    found |= {f"cost_{channel}": cost for channel, cost in policy.costs.items()}
    for number, cap in enumerate(policy.caps):
        found[f"most_{number}"], found[f"days_{number}"] = cap["most"], f"{cap['days']:g}"
        found[f"on_{number}"] = cap["channel"]
    return found
