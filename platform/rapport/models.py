"""Rows of the house itself: long jobs, API keys, remembered answers and the audit trail."""

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from rest_framework_api_key.models import AbstractAPIKey


class Run(models.Model):
    """One long job: what it is, how far it is, how it ended."""

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"
        CANCELLED = "cancelled"
        LOST = "lost"  # its process died; a resumable one goes on where it was

    kind = models.CharField(max_length=40)  # import, retrain, segment, simulate …
    title = models.CharField(max_length=200)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    stage = models.CharField(max_length=80, blank=True)
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(null=True, blank=True)  # unknown while null
    message = models.TextField(blank=True)
    error = models.TextField(blank=True)
    params = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    checkpoint = models.JSONField(default=dict, encoder=DjangoJSONEncoder)  # where to resume
    result = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    cancel_requested = models.BooleanField(default=False)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["state", "heartbeat_at"], name="run_alive")]

    def __str__(self) -> str:
        return f"{self.title} ({self.state})"

    @property
    def is_over(self) -> bool:
        return self.state not in (self.State.QUEUED, self.State.RUNNING)

    @property
    def done_share(self) -> float | None:
        return min(1.0, self.done / self.total) if self.total else None


class ApiKey(AbstractAPIKey):
    """One program's way in: a hashed key with the scopes it may use."""

    scopes = models.JSONField(default=list)  # "customers:read", "campaigns:launch" …; see access.py
    last_used_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta(AbstractAPIKey.Meta):
        verbose_name = "API key"
        verbose_name_plural = "API keys"


class RememberedAnswer(models.Model):
    """The answer given to one idempotency key: a repeated write is answered, not repeated."""

    api_key = models.CharField(max_length=150)
    path = models.CharField(max_length=300)
    key = models.CharField(max_length=200)
    request_sha256 = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(default=0)
    body = models.JSONField(null=True, encoder=DjangoJSONEncoder)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["api_key", "path", "key"], name="one_answer_per_key")
        ]


class AuditEntry(models.Model):
    """Who did what to which thing, and when.  Append-only."""

    happened_at = models.DateTimeField()
    actor = models.CharField(max_length=200)  # a user's name, "key: …" or "rapport"
    action = models.CharField(max_length=80)  # campaign.launched, customer.erased …
    target = models.CharField(max_length=200)
    details = models.JSONField(default=dict, encoder=DjangoJSONEncoder)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "audit entries"
        indexes = [models.Index(fields=["target", "happened_at"], name="audit_of_target")]
