"""What came back and could not be told to a message."""

from django.db import models

from customers.models.consent import Channel


class ProviderEvent(models.Model):
    """A word of a provider that waits for its message, or that was refused, with the reason.

    What found its message at once leaves no row here: its outcome says it all.
    """

    class State(models.TextChoices):
        WAITING = "waiting"  # its message is not known yet, or still being handed over
        REJECTED = "rejected"  # with a reason; kept to be looked at

    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    reason = models.CharField(max_length=300, blank=True)
    provider = models.CharField(max_length=40, blank=True)
    provider_id = models.CharField(max_length=120, blank=True)
    # By its number or its name at the provider; no foreign key, for it may not be written yet.
    message_number = models.BigIntegerField(null=True, blank=True)
    key = models.CharField(max_length=64, unique=True)  # the same word twice is one row
    kind = models.CharField(max_length=12, blank=True)
    channel = models.CharField(max_length=10, choices=Channel, blank=True)
    detail = models.CharField(max_length=300, blank=True)
    url = models.CharField(max_length=500, blank=True)
    is_machine = models.BooleanField(default=False)
    address = models.CharField(max_length=254, blank=True)
    happened_at = models.DateTimeField()
    recorded_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["id"], condition=models.Q(state="waiting"), name="arrivals_waiting"
            )
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.kind}".strip()
