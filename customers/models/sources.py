"""Where facts come from as they happen: keys that sites and shops send with, and what was wrong."""

from django.conf import settings
from django.db import models


class WriteKey(models.Model):
    """What one site or shop sends its messages with."""

    class Kind(models.TextChoices):
        BROWSER = "browser"  # stands in pages, so everybody has it
        SERVER = "server"  # only the shop's server has it: it may learn who is in which segment

    source = models.CharField(max_length=40)  # of the facts that come with it
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.BROWSER)
    key = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=120)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    last_used_at = models.DateTimeField(null=True, blank=True)  # to the minute

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_secret(self) -> bool:
        return self.kind == self.Kind.SERVER


class RejectedMessage(models.Model):
    """One message, or a part of it, that could not become a fact; kept so that nothing is lost."""

    class Part(models.TextChoices):
        MESSAGE = "message"  # nothing of it was stored
        ORDER = "order"  # the event was, an order could not be made of it
        REVIEW = "review"
        TRAIT = "trait"

    write_key = models.ForeignKey(WriteKey, on_delete=models.CASCADE, related_name="rejected")
    part = models.CharField(max_length=10, choices=Part, default=Part.MESSAGE)
    kind = models.CharField(max_length=10, blank=True)  # track, identify …, as the source said
    message_id = models.CharField(max_length=100, blank=True)
    user_id = models.CharField(max_length=254, blank=True)
    anonymous_id = models.CharField(max_length=254, blank=True)
    reason = models.CharField(max_length=500)
    payload = models.TextField()  # as it came, JSON where that could be read
    recorded_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["write_key", "recorded_at"], name="rejected_of_write_key"),
        ]

    def __str__(self) -> str:
        return self.reason
