"""The development inbox: where messages go while their channel is not set up."""

from django.db import models

from customers.models.consent import Channel


class InboxMail(models.Model):
    """One message that would have left, exactly as it would have left."""

    channel = models.CharField(max_length=10, choices=Channel, default=Channel.EMAIL)
    sender = models.CharField(max_length=300)
    recipient = models.CharField(max_length=254)
    subject = models.CharField(max_length=300)
    message_id = models.BigIntegerField(null=True, blank=True, unique=True)  # of the ledger
    raw = models.BinaryField()  # as `Outgoing.data`
    received_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["recipient"], name="inbox_of_recipient")]

    def __str__(self) -> str:
        return f"{self.recipient}: {self.subject}"
