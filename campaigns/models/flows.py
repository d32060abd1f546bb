"""Flows: their versions, and everybody's way through them."""

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

from campaigns.models.campaigns import Campaign
from customers.models import Customer


class FlowVersion(models.Model):
    """One wording of a flow; the newest lets people in, older ones serve those still inside."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="flow_versions")
    number = models.PositiveIntegerField()
    definition = models.JSONField()  # see campaigns/flows/language.py
    note = models.CharField(max_length=300, blank=True)  # what was changed
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["campaign_id", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["campaign", "number"], name="one_version_per_number")
        ]

    def __str__(self) -> str:
        return f"version {self.number}"


class FlowWatch(models.Model):
    """How far a running flow has read what lets people in or out."""

    campaign = models.OneToOneField(Campaign, on_delete=models.CASCADE, related_name="flow_watch")
    changes = models.JSONField(default=dict)  # see segments/services/history.py
    snapshot = models.TextField(blank=True)  # what was seen of customers' touches
    swept_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "flow watches"


class Journey(models.Model):
    """One way of one customer through a flow, from an entry to its end."""

    class State(models.TextChoices):
        WAITING = "waiting", "On the way"
        DONE = "done", "Went to the end"
        EXITED = "exited", "Left before the end"
        HOLDOUT = "holdout", "Left alone to measure"

    class Exit(models.TextChoices):
        """Why a journey is over."""

        NONE = "", "–"
        FINISHED = "finished", "No step was left"
        STEP = "step", "An exit step"
        FILTERED = "filtered", "Did not pass a filter"
        ORDERED = "ordered", "Ordered"
        EVENT = "event", "Did what ends the flow"
        HOLDOUT = "holdout", "Left alone to measure"
        GLOBAL_HOLDOUT = "global_holdout", "Left alone by all marketing, to measure"
        NOT_SAMPLED = "not_sampled", "Not in the sample"
        SPLIT_HOLDOUT = "split_holdout", "Left alone from a split on, to measure"
        CHANGED = "changed", "The step is not in the flow any more"
        CANCELLED = "cancelled", "The campaign was cancelled"
        ERASED = "erased", "Erased or merged"
        BROKEN = "broken", "The step could not be done"

    campaign = models.ForeignKey(
        Campaign, on_delete=models.CASCADE, db_index=False, related_name="journeys"
    )
    customer = models.ForeignKey(
        Customer, on_delete=models.DO_NOTHING, db_constraint=False, related_name="journeys"
    )
    number = models.PositiveIntegerField(default=1)  # her first, second … entry
    version = models.ForeignKey(FlowVersion, on_delete=models.RESTRICT, related_name="journeys")
    step = models.PositiveSmallIntegerField()  # where she is, or was last
    state = models.CharField(max_length=7, choices=State, default=State.WAITING)
    step_at = models.DateTimeField(null=True, blank=True)  # since when she waits there
    due_at = models.DateTimeField(null=True, blank=True)  # when the step goes on; null: over
    waits_for = models.CharField(max_length=120, blank=True)  # an event's name
    waits_for_order = models.BooleanField(default=False)
    cause = models.CharField(max_length=120)  # segment_entered, segment_exited, present, an event
    caused_at = models.DateTimeField()  # what set it off happened then
    data = models.JSONField(default=dict, encoder=DjangoJSONEncoder)  # `event` in its templates
    offer_id = models.BigIntegerField(null=True, blank=True)  # the next sends carry it
    entered_at = models.DateTimeField()
    exited_at = models.DateTimeField(null=True, blank=True)
    exit_reason = models.CharField(max_length=14, choices=Exit, default=Exit.NONE, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "customer"],
                condition=models.Q(state="waiting"),
                name="one_open_journey",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    state="waiting", due_at__isnull=False, exited_at__isnull=True, exit_reason=""
                )
                | (
                    ~models.Q(state="waiting")
                    & models.Q(due_at__isnull=True, exited_at__isnull=False)
                    & ~models.Q(exit_reason="")
                ),
                name="journey_waits_or_is_over",
            ),
        ]
        indexes = [
            models.Index(
                fields=["campaign", "due_at", "id"],
                condition=models.Q(state="waiting"),
                name="journey_due",
            ),
            models.Index(fields=["campaign", "customer", "-number"], name="journeys_of_person"),
            models.Index(fields=["campaign", "-id"], name="journeys_newest"),
        ]

    def __str__(self) -> str:
        return f"journey {self.pk}"


class JourneyStep(models.Model):
    """One thing that happened on a journey.  Append-only."""

    class What(models.TextChoices):
        ENTERED = "entered", "Entered"
        WAITED = "waited", "Waits"
        WENT_ON = "went_on", "Waited long enough"
        HEARD = "heard", "Did what was waited for"
        TIMED_OUT = "timed_out", "Did not do what was waited for"
        PLANNED = "planned", "Message planned"
        SKIPPED = "skipped", "No message"
        PASSED = "passed", "Passed the filter"
        BRANCHED = "branched", "Took a branch"
        SPLIT = "split", "Drawn into an arm"
        OFFERED = "offered", "Offer chosen"
        TOLD = "told", "Another system is told"
        TRAIT = "trait", "Trait written"
        MOVED = "moved", "Moved to another version"
        LEFT = "left", "Left"
        LEFT_ALONE = "left_alone", "Left alone"
        DONE = "done", "Went to the end"

    journey = models.ForeignKey(Journey, on_delete=models.CASCADE, related_name="log")
    step = models.PositiveSmallIntegerField()
    what = models.CharField(max_length=10, choices=What)
    detail = models.CharField(max_length=120, blank=True)
    happened_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]


class CampaignRun(models.Model):
    """One run of a recurring campaign: its number is the occasion of its messages."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="runs")
    number = models.PositiveIntegerField()
    tick_at = models.DateTimeField()  # when the clock asked for it
    happened_at = models.DateTimeField()
    planned = models.PositiveIntegerField(default=0)
    left_out = models.JSONField(default=dict)  # by reason
    is_passed_over = models.BooleanField(default=False)  # the campaign was paused

    class Meta:
        ordering = ["campaign_id", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["campaign", "number"], name="one_run_per_number"),
            models.UniqueConstraint(fields=["campaign", "tick_at"], name="one_run_per_tick"),
        ]

    def __str__(self) -> str:
        return f"run {self.number}"
