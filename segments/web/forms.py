"""Forms of the pages of segments."""

from typing import Any

from django import forms
from django.db.models import QuerySet

from segments.models import Cluster


class AcceptForm(forms.Form):
    """The name under which a cluster becomes a segment."""

    name = forms.CharField(label="Name of the segment", max_length=120)
    note = forms.CharField(
        label="What it is for",
        required=False,
        max_length=1_000,
        widget=forms.TextInput(),
    )


class RenameForm(forms.Form):
    """Another name for a group that was accepted, and for its segment."""

    name = forms.CharField(label="Another name", max_length=120)


class MergeForm(forms.Form):
    """Several groups that are one segment to a person."""

    clusters = forms.ModelMultipleChoiceField(
        label="Groups to merge",
        queryset=Cluster.objects.none(),
        widget=forms.CheckboxSelectMultiple(),
    )
    name = forms.CharField(label="Name of the one segment", max_length=120)
    note = forms.CharField(
        label="Why they are one", required=False, max_length=1_000, widget=forms.TextInput()
    )

    def __init__(self, *args: Any, clusters: QuerySet[Cluster], **more: Any) -> None:
        super().__init__(*args, **{"auto_id": "id_merge_%s", **more})
        choice = self.fields["clusters"]
        assert isinstance(choice, forms.ModelMultipleChoiceField)
        choice.queryset = clusters

    def clean_clusters(self) -> QuerySet[Cluster]:
        chosen: QuerySet[Cluster] = self.cleaned_data["clusters"]
        if len(chosen) < 2:
            raise forms.ValidationError("Choose at least two groups.")
        return chosen


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
