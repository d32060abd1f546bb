"""Forms of mail servers, sending limits and warm-up plans."""

from django import forms

from campaigns.models import MailServer
from customers.models.consent import Channel


class ServerForm(forms.Form):
    name = forms.CharField(label="Name", max_length=80, help_text="Only your team sees it.")
    kind = forms.ChoiceField(label="Kind", choices=MailServer.Kind.choices)
    host = forms.CharField(
        label="Host",
        max_length=253,
        required=False,
        help_text="Such as smtp.example.com. Mailgun: the domain you send for. Other services: "
        "leave it empty.",
    )
    port = forms.IntegerField(
        label="Port",
        min_value=1,
        max_value=65_535,
        required=False,
        help_text="Empty: 587 with STARTTLS, 465 with TLS, 25 without.",
    )
    security = forms.ChoiceField(label="Security", choices=MailServer.Security.choices)
    login = forms.CharField(
        label="User", max_length=200, required=False, help_text="Mailjet: the secret key."
    )
    password = forms.CharField(
        label="Password or token",
        max_length=500,
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Kept sealed and never shown again. Empty: the one that is stored stays.",
    )
    region = forms.CharField(
        label="Region",
        max_length=10,
        required=False,
        help_text="Mailgun, SendGrid and SparkPost: eu for accounts in Europe.",
    )
    weight = forms.IntegerField(
        label="Weight",
        min_value=1,
        max_value=1_000,
        help_text="A server of weight 3 sends three messages for one of a server of weight 1.",
    )
    is_enabled = forms.BooleanField(label="In use", required=False)


class LimitForm(forms.Form):
    channel = forms.ChoiceField(label="Channel", choices=Channel.choices, initial="email")
    domain = forms.CharField(
        label="Domain of recipients",
        max_length=253,
        required=False,
        help_text="Such as gmail.com. Empty: all together.",
    )
    per_second = forms.IntegerField(label="Per second", min_value=1, required=False)
    per_hour = forms.IntegerField(
        label="Per hour", min_value=1, required=False, help_text="Without either it is removed."
    )


class WarmUpForm(forms.Form):
    domain = forms.CharField(
        label="Sending domain", max_length=253, help_text="What follows the @ in your sender."
    )
    starts_on = forms.DateField(
        label="First day", widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    first_day = forms.IntegerField(label="Messages on the first day", min_value=1, initial=200)
    growth = forms.FloatField(
        label="Growth a day",
        min_value=1.01,
        max_value=10,
        initial=1.5,
        help_text="1.5: each day half as many again as the day before.",
    )
    until = forms.IntegerField(
        label="Until messages a day", min_value=1, initial=100_000, help_text="Then it is over."
    )
