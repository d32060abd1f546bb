"""Where push, in-app and webhook messages go, and what comes in by SMS."""

from django.db import models

from campaigns.models.campaigns import Campaign
from campaigns.models.messages import Message
from customers.models import Customer
from customers.models.consent import Channel


class PushSubscription(models.Model):
    """One browser that agreed to show notifications (RFC 8030), and whose it is."""

    customer = models.ForeignKey(
        Customer,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="push_subscriptions",
    )
    endpoint = models.CharField(max_length=1_000, unique=True)  # of the browser's push service
    p256dh = models.CharField(max_length=90)  # its public key, base64url
    auth = models.CharField(max_length=24)  # its shared secret, base64url
    user_agent = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()
    gone_at = models.DateTimeField(null=True, blank=True)  # the service knows it no more

    class Meta:
        indexes = [
            models.Index(
                fields=["customer"],
                condition=models.Q(gone_at__isnull=True),
                name="push_of_customer",
            )
        ]

    def __str__(self) -> str:
        return f"Push subscription {self.pk}"


class InAppMessage(models.Model):
    """One message that waits for its customer to open the shop's page."""

    message = models.OneToOneField(Message, on_delete=models.CASCADE, related_name="in_app")
    customer = models.ForeignKey(
        Customer, on_delete=models.DO_NOTHING, db_constraint=False, related_name="in_app_messages"
    )
    title = models.CharField(max_length=200, blank=True)
    html = models.TextField()  # clean; see `campaigns/messages/pieces.py`
    url = models.CharField(max_length=3_000, blank=True)  # tracked
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    fetched_at = models.DateTimeField(null=True, blank=True)  # the page has it
    closed_at = models.DateTimeField(null=True, blank=True)  # she wants to see it no more

    class Meta:
        indexes = [
            models.Index(
                fields=["customer", "-id"],
                condition=models.Q(closed_at__isnull=True),
                name="in_app_open",
            )
        ]

    def __str__(self) -> str:
        return self.title or f"In-app message {self.pk}"


class WebhookReceiver(models.Model):
    """A system of the shop's own that takes messages of the channel webhook."""

    campaign = models.OneToOneField(
        Campaign, null=True, blank=True, on_delete=models.CASCADE, related_name="receiver"
    )  # null: of all campaigns that have none of their own
    url = models.CharField(max_length=500)
    secret_salt = models.CharField(max_length=64)  # the secret is derived, and stored nowhere
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["campaign"], nulls_distinct=False, name="one_receiver_per_campaign"
            )
        ]

    def __str__(self) -> str:
        return self.url


class WebhookCall(models.Model):
    """One try to hand a message to a receiver, and what was answered.  Append-only."""

    receiver = models.ForeignKey(WebhookReceiver, on_delete=models.CASCADE, related_name="calls")
    message = models.ForeignKey(
        Message, null=True, blank=True, on_delete=models.CASCADE, related_name="webhook_calls"
    )  # null: a test
    happened_at = models.DateTimeField()
    seconds = models.FloatField()
    status = models.PositiveSmallIntegerField(null=True, blank=True)  # null: no answer came
    error = models.CharField(max_length=500, blank=True)
    answer = models.CharField(max_length=1_000, blank=True)  # its first characters

    class Meta:
        ordering = ["-id"]


class InboundText(models.Model):
    """One message that somebody sent to the shop's number."""

    class Meaning(models.TextChoices):
        STOP = "stop"
        START = "start"
        HELP = "help"
        OTHER = "other"

    channel = models.CharField(max_length=10, choices=Channel, default=Channel.SMS)
    provider = models.CharField(max_length=40)
    provider_id = models.CharField(max_length=120)  # a repeat has the same
    customer = models.ForeignKey(
        Customer,
        null=True,
        blank=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="inbound_texts",
    )  # null: nobody we know
    sender = models.CharField(max_length=40)  # E.164
    text = models.TextField(blank=True)
    meaning = models.CharField(max_length=5, choices=Meaning)
    reply = models.CharField(max_length=500, blank=True)
    received_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["provider", "provider_id"], name="one_inbound_per_id")
        ]
        indexes = [models.Index(fields=["sender"], name="inbound_of_sender")]

    def __str__(self) -> str:
        return f"{self.sender}: {self.meaning}"
