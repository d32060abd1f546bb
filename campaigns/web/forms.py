"""Forms of the pages of campaigns."""

from django import forms
from django.conf import settings


class LaunchForm(forms.Form):
    """Now, or at a time."""

    at = forms.DateTimeField(
        label="At",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"],
        help_text=f"Time zone: {settings.TIME_ZONE}. Empty: now.",
    )
