"""The development inbox: where mail goes while there is no mail server."""

from django.db import models


class InboxMail(models.Model):
    """One e-mail that would have left, exactly as it would have left."""

    sender = models.CharField(max_length=300)
    recipient = models.CharField(max_length=254)
    subject = models.CharField(max_length=300)
    message_id = models.BigIntegerField(null=True, blank=True, unique=True)  # of the ledger
    raw = models.BinaryField()  # RFC 5322, CRLF
    received_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["recipient"], name="inbox_of_recipient")]

    def __str__(self) -> str:
        return f"{self.recipient}: {self.subject}"
