"""Ways out for e-mail, how much may leave by them, and how much has."""

from django.db import models

from campaigns.models.campaigns import Campaign
from customers.models.consent import Channel
from rapport.sealed import SealedField


class MailServer(models.Model):
    """One way out for e-mail: an SMTP server, or the service of a provider."""

    class Kind(models.TextChoices):
        SMTP = "smtp", "SMTP server"
        POSTMARK = "postmark", "Postmark"
        MAILGUN = "mailgun", "Mailgun"
        SENDGRID = "sendgrid", "SendGrid"
        BREVO = "brevo", "Brevo"
        MAILJET = "mailjet", "Mailjet"
        RESEND = "resend", "Resend"
        SPARKPOST = "sparkpost", "SparkPost"
        MAILERSEND = "mailersend", "MailerSend"
        MANDRILL = "mandrill", "Mandrill"

    class Security(models.TextChoices):
        NONE = "none", "None"
        STARTTLS = "starttls", "STARTTLS"
        TLS = "tls", "TLS from the first byte"

    name = models.CharField(max_length=80, unique=True)
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.SMTP)
    host = models.CharField(max_length=253, blank=True)  # Mailgun: the sending domain
    port = models.PositiveIntegerField(null=True, blank=True)  # null: the usual one
    security = models.CharField(max_length=8, choices=Security, default=Security.STARTTLS)
    login = models.CharField(max_length=200, blank=True)
    password = SealedField(blank=True)  # or the provider's token
    region = models.CharField(max_length=10, blank=True)  # Mailgun, SparkPost: "eu"
    weight = models.PositiveSmallIntegerField(default=1)  # its share is weight / sum of weights
    is_enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=models.Q(weight__gte=1), name="mail_server_weighs")
        ]

    def __str__(self) -> str:
        return self.name


class SendingLimit(models.Model):
    """How many messages of a channel may leave, to one domain of recipients or to all."""

    channel = models.CharField(max_length=10, choices=Channel, default=Channel.EMAIL)
    domain = models.CharField(max_length=253, blank=True)  # of the recipient; empty: all together
    per_second = models.PositiveIntegerField(null=True, blank=True)
    per_hour = models.PositiveIntegerField(null=True, blank=True)
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ["channel", "domain"]
        constraints = [
            models.UniqueConstraint(fields=["channel", "domain"], name="one_limit_per_domain"),
            models.CheckConstraint(
                condition=(models.Q(per_second__isnull=False) | models.Q(per_hour__isnull=False))
                & (models.Q(per_second__isnull=True) | models.Q(per_second__gte=1))
                & (models.Q(per_hour__isnull=True) | models.Q(per_hour__gte=1)),
                name="limit_limits",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.channel} to {self.domain or 'all'}"


class WarmUp(models.Model):
    """The plan by which a new sending domain earns its name: few on the first day, then more."""

    domain = models.CharField(max_length=253, unique=True)  # of the sender
    starts_on = models.DateField()  # days are those of UTC
    first_day = models.PositiveIntegerField(default=200)
    growth = models.FloatField(default=1.5)  # each day as many times the day before
    until = models.PositiveIntegerField(default=100_000)  # a day; beyond it the plan is over
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ["domain"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(first_day__gte=1, growth__gt=1, growth__lte=10),
                name="warm_up_grows",
            )
        ]

    def __str__(self) -> str:
        return self.domain


class SendingUse(models.Model):
    """How many messages left under one limit in one second, minute or day."""

    class Span(models.TextChoices):
        SECOND = "second"
        MINUTE = "minute"
        DAY = "day"

    scope = models.CharField(max_length=280)  # "email", "email:gmail.com", "warm:shop.example"
    span = models.CharField(max_length=6, choices=Span)
    starts_at = models.DateTimeField()
    used = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["scope", "span", "starts_at"], name="one_use_per_span")
        ]


class SendingLine(models.Model):
    """How far ahead the messages of a campaign stand in line before one limit."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="+")
    scope = models.CharField(max_length=280)
    until = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["campaign", "scope"], name="one_line_per_limit")
        ]
