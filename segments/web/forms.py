"""Forms of the pages of segments."""

import json
from typing import Any

from django import forms

from segments.web import builder


class AcceptForm(forms.Form):
    """The name under which a cluster becomes a segment."""

    name = forms.CharField(label="Name of the segment", max_length=120)
    note = forms.CharField(
        label="What it is for",
        required=False,
        max_length=1_000,
        widget=forms.TextInput(),
    )


class RejectForm(forms.Form):
    """Why a cluster is of no use."""

    note = forms.CharField(
        label="Why it is of no use",
        required=False,
        max_length=1_000,
        widget=forms.TextInput(),
    )


class SegmentForm(forms.Form):
    """A segment's name and words; its rule comes from the rows of the builder."""

    name = forms.CharField(label="Name", max_length=120)
    description = forms.CharField(
        label="What it is for", required=False, max_length=1_000, widget=forms.TextInput()
    )
    match = forms.CharField(required=False, widget=forms.HiddenInput())
    rows = forms.CharField(required=False, widget=forms.HiddenInput())

    def __init__(self, *given: Any, keeps_rule: bool = False, **more: Any) -> None:
        super().__init__(*given, **more)
        self.keeps_rule = keeps_rule
        self.rule: dict[str, Any] = {}

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if not self.keeps_rule:
            try:
                rows = json.loads(found.get("rows") or "[]")
                self.rule = builder.rule_of(found.get("match", ""), rows)
            except builder.RowError as error:
                self.add_error(None, str(error))
            except (ValueError, TypeError, AttributeError):
                self.add_error(None, "The conditions did not arrive whole. Send them again.")
        return found
