"""Whether we may speak to somebody, and the proof."""

from django.db import models

from customers.models.people import Customer


class Channel(models.TextChoices):
    EMAIL = "email"
    SMS = "sms"
    PUSH = "push"
    IN_APP = "in_app"
    WEBHOOK = "webhook"  # to a system of the shop's own, about a customer


class Consent(models.Model):
    """One yes or no of one customer for a channel and a topic.  Append-only: the latest counts."""

    customer = models.ForeignKey(
        Customer,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="consents",
    )
    channel = models.CharField(max_length=10, choices=Channel)
    topic = models.CharField(max_length=40, default="marketing")
    is_granted = models.BooleanField()
    source = models.CharField(max_length=40)  # where: checkout, preference page, import …
    proof_text = models.TextField(blank=True)  # what the person agreed to, word for word
    proof_url = models.CharField(max_length=500, blank=True)
    proof_ip = models.GenericIPAddressField(null=True, blank=True)
    happened_at = models.DateTimeField()
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            # a repeated import changes nothing; the index also finds the latest word
            models.UniqueConstraint(
                fields=["customer", "channel", "topic", "happened_at", "is_granted", "source"],
                name="one_consent_per_moment",
            )
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.topic}: {'yes' if self.is_granted else 'no'}"


class Suppression(models.Model):
    """An address that must not be written to, whoever it belongs to.

    Only its hash is kept, so that it outlives the erasure of the person.
    """

    class Reason(models.TextChoices):
        UNSUBSCRIBED = "unsubscribed"
        HARD_BOUNCE = "hard_bounce"
        COMPLAINT = "complaint"
        MANUAL = "manual"
        ERASED = "erased"

    channel = models.CharField(max_length=10, choices=Channel)
    address_sha256 = models.CharField(max_length=64)  # hex, of the address in lower case, UTF-8
    hint = models.CharField(max_length=60, blank=True)  # a***@example.com; empty once erased
    reason = models.CharField(max_length=12, choices=Reason)
    source = models.CharField(max_length=40, blank=True)
    happened_at = models.DateTimeField()
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["channel", "address_sha256"], name="one_suppression_per_address"
            )
        ]
