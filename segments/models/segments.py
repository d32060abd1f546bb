"""Named definitions, and who is in them since when."""

from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models.expressions import Func
from django.db.models.functions import Cast

from customers.models import Customer
from customers.models.touches import TransactionIdField
from rapport.models import Run
from segments.models.learning import Cluster


class Segment(models.Model):
    """A named rule: whoever it holds for is a member."""

    class State(models.TextChoices):
        LIVE = "live"
        INVALID = "invalid"  # its rule cannot be read: it selects nobody
        ARCHIVED = "archived"

    key = models.SlugField(max_length=80, unique=True)
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    rule = models.JSONField()  # {"version": 1, "where": {...}}; see segments/rules/language.py
    rule_version = models.PositiveIntegerField(default=1)  # grows with each edit
    # What members follow while those of an edited rule are computed; null: the rule above.
    live_rule = models.JSONField(null=True, blank=True)
    live_version = models.PositiveIntegerField(null=True, blank=True)
    run = models.ForeignKey(
        Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )  # the rebuild at work on an edit, or the last one
    state = models.CharField(max_length=10, choices=State, default=State.LIVE)
    error = models.TextField(blank=True)
    is_ready_made = models.BooleanField(default=False)
    cluster = models.OneToOneField(
        Cluster, null=True, blank=True, on_delete=models.SET_NULL, related_name="segment"
    )
    members_count = models.PositiveIntegerField(default=0)
    refreshed_at = models.DateTimeField(null=True, blank=True)  # the count is as of then
    refresh_seconds = models.FloatField(null=True, blank=True)
    seen_from = TransactionIdField(null=True, blank=True)  # see Recheck; of the last full rebuild
    # The last nightly proof: memberships that were not what the rule says, since repaired.
    differences = models.PositiveIntegerField(null=True, blank=True)
    verified_at = models.DateTimeField(null=True, blank=True)
    verified_seconds = models.FloatField(null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A customer's present stay in a segment; past stays are in `MembershipChange`."""

    # The one statement that writes stays joins them to their segments, and none is ever deleted:
    # checking row by row is a fifth of a first rebuild.  The constraint's index begins with it.
    segment = models.ForeignKey(
        Segment,
        on_delete=models.CASCADE,
        db_constraint=False,
        db_index=False,
        related_name="memberships",
    )
    customer = models.ForeignKey(
        Customer,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="memberships",
    )
    entered_at = models.DateTimeField()
    rule_version = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["segment", "customer"], name="one_stay_per_segment")
        ]
        indexes = [
            # a customer's segments without a look at the rows, which lie by segment
            models.Index(fields=["customer", "segment"], name="stays_of_customer"),
        ]


class MembershipChange(models.Model):
    """One entry into or exit from a segment, with its moment and cause.  Append-only."""

    class Kind(models.TextChoices):
        ENTERED = "entered"
        EXITED = "exited"

    class Cause(models.TextChoices):
        EVENT = "event"
        IMPORT = "import"
        CONSENT = "consent"
        CLOCK = "clock"
        EDIT = "edit"
        MODEL = "model"

    segment = models.ForeignKey(  # as of a stay; the index below begins with it
        Segment,
        on_delete=models.CASCADE,
        db_constraint=False,
        db_index=False,
        related_name="changes",
    )
    customer = models.ForeignKey(
        Customer, on_delete=models.DO_NOTHING, db_constraint=False, related_name="changes"
    )
    kind = models.CharField(max_length=8, choices=Kind)
    cause = models.CharField(max_length=8, choices=Cause)
    happened_at = models.DateTimeField()
    rule_version = models.PositiveIntegerField()
    # The writing transaction: ids commit out of order, so readers go by this; see services/history.
    xid = models.BigIntegerField(
        editable=False,
        db_default=Cast(
            Cast(
                Func(function="pg_current_xact_id", output_field=models.TextField()),
                models.TextField(),
            ),
            models.BigIntegerField(),
        ),
    )

    class Meta:
        indexes = [
            models.Index(fields=["segment", "happened_at"], name="changes_of_segment"),
            # Kept up as rows come: what it does not cover is read whole by every look for news.
            BrinIndex(
                fields=["xid", "happened_at"], name="changes_by_transaction", autosummarize=True
            ),
        ]


class Recheck(models.Model):
    """When a customer was last asked about, and when time alone may next change an answer."""

    customer = models.OneToOneField(
        Customer,
        primary_key=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="recheck",
    )
    due_at = models.DateTimeField(null=True)  # null: time changes nothing
    asked_at = models.DateTimeField()
    # Every transaction before this one had ended when the facts were read: its touches are seen.
    seen_from = TransactionIdField()

    class Meta:
        indexes = [
            models.Index(
                fields=["due_at"], name="recheck_due", condition=models.Q(due_at__isnull=False)
            )
        ]

    def __str__(self) -> str:
        return f"customer {self.customer_id}, due {self.due_at or 'never'}"
