"""Forms of the pages of segments."""

from django import forms


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
    """A segment's name and words; its rule comes from the conditions of the builder."""

    name = forms.CharField(label="Name", max_length=120)
    description = forms.CharField(
        label="What it is for", required=False, max_length=1_000, widget=forms.TextInput()
    )
