"""Who is told of entries and exits, what was told to them, and every try of it."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

from segments.models.segments import Segment


class WebhookEndpoint(models.Model):
    """An address of another system that is told who entered and left segments, and what else it
    wishes to hear of."""

    class State(models.TextChoices):
        ACTIVE = "active"
        PAUSED = "paused"  # a person stopped it
        FAILING = "failing"  # it answered nothing good for days, so we stopped

    url = models.URLField(max_length=500)
    name = models.CharField(max_length=120)
    state = models.CharField(max_length=8, choices=State, default=State.ACTIVE)
    wants_entered = models.BooleanField(default=True)
    wants_exited = models.BooleanField(default=True)
    wants_every_segment = models.BooleanField(default=True)
    segments = models.ManyToManyField(Segment, blank=True, related_name="webhook_endpoints")
    # what else it hears of, of the types that were registered with services/webhooks
    event_types = ArrayField(models.CharField(max_length=60), default=list, blank=True)
    # The secret itself is nowhere: it is derived from these and SECRET_KEY, see services/webhooks.
    secret_salt = models.CharField(max_length=64)
    previous_salt = models.CharField(max_length=64, blank=True)
    previous_until = models.DateTimeField(null=True, blank=True)  # signs along until then
    cursor = models.JSONField(default=dict)  # how far the changes were told; see services/history
    failing_since = models.DateTimeField(null=True, blank=True)  # the first failure in a row
    last_success_at = models.DateTimeField(null=True, blank=True)
    notice = models.TextField(blank=True)  # why it is failing
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(wants_entered=True)
                | models.Q(wants_exited=True)
                | ~models.Q(event_types=[]),
                name="endpoint_wants_something",
            )
        ]

    def __str__(self) -> str:
        return self.name


class WebhookDelivery(models.Model):
    """One message to one endpoint: some changes of membership, told until it says yes."""

    class Kind(models.TextChoices):
        CHANGES = "changes"
        TEST = "test"

    class State(models.TextChoices):
        PLANNED = "planned"
        SENDING = "sending"
        DELIVERED = "delivered"
        FAILED = "failed"  # given up; a person may replay it

    endpoint = models.ForeignKey(
        WebhookEndpoint, on_delete=models.CASCADE, related_name="deliveries"
    )
    message_id = models.CharField(max_length=64, unique=True)  # webhook-id, the same in every try
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.CHANGES)
    payload = models.JSONField(encoder=DjangoJSONEncoder)
    n_changes = models.PositiveIntegerField(default=0)
    customer_ids = ArrayField(models.BigIntegerField(), default=list)  # whom the payload names
    state = models.CharField(max_length=9, choices=State, default=State.PLANNED)
    attempts = models.PositiveSmallIntegerField(default=0)  # since planned or replayed
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    give_up_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True, blank=True)
    last_status = models.PositiveSmallIntegerField(null=True, blank=True)
    last_error = models.TextField(blank=True)
    created_at = models.DateTimeField()
    delivered_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "webhook deliveries"
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                condition=models.Q(state="planned"),
                name="deliveries_due",
            ),
            models.Index(
                fields=["claimed_at"],
                condition=models.Q(state="sending"),
                name="deliveries_at_work",
            ),
            models.Index(fields=["endpoint", "-id"], name="deliveries_of_endpoint"),
            GinIndex(fields=["customer_ids"], name="deliveries_of_customer"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state="delivered", delivered_at__isnull=False)
                | ~models.Q(state="delivered"),
                name="delivered_has_its_moment",
            ),
            models.CheckConstraint(
                condition=models.Q(state="planned", next_attempt_at__isnull=False)
                | ~models.Q(state="planned"),
                name="planned_has_its_moment",
            ),
        ]

    def __str__(self) -> str:
        return self.message_id


class WebhookAttempt(models.Model):
    """One try of a delivery: what was answered, or why nothing was.  Append-only."""

    delivery = models.ForeignKey(WebhookDelivery, on_delete=models.CASCADE, related_name="tries")
    happened_at = models.DateTimeField()
    seconds = models.FloatField()
    status = models.PositiveSmallIntegerField(null=True, blank=True)  # null: no answer came
    error = models.TextField(blank=True)
    answer = models.TextField(blank=True)  # its first characters

    class Meta:
        ordering = ["-id"]
