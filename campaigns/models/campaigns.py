"""Plans to speak to somebody, and the draw of who is left alone."""

from django.conf import settings
from django.db import models

from campaigns.models.offers import Offer
from customers.models import Customer
from customers.models.consent import Channel
from segments.models import Segment


class Campaign(models.Model):
    """One broadcast: to whom, what, when, and how it will be measured."""

    class State(models.TextChoices):
        DRAFT = "draft"
        SCHEDULED = "scheduled"
        PLANNING = "planning"
        SENDING = "sending"
        PAUSED = "paused"
        FINISHED = "finished"
        CANCELLED = "cancelled"

    class Objective(models.TextChoices):
        CONVERT = "convert", "Win orders"
        KEEP = "keep", "Keep customers"
        RAISE_VALUE = "raise_value", "Raise value"

    name = models.CharField(max_length=120)
    state = models.CharField(max_length=10, choices=State, default=State.DRAFT)
    state_reason = models.CharField(max_length=300, blank=True)  # why it is paused or cancelled
    objective = models.CharField(max_length=12, choices=Objective, default=Objective.CONVERT)
    channel = models.CharField(max_length=10, choices=Channel, default=Channel.EMAIL)
    topic = models.CharField(max_length=40, default="marketing")  # the consent it needs
    included = models.ManyToManyField(Segment, related_name="campaigns_including")
    excluded = models.ManyToManyField(Segment, related_name="campaigns_excluding", blank=True)
    offer = models.ForeignKey(Offer, null=True, blank=True, on_delete=models.PROTECT)
    subject = models.CharField(max_length=200)  # Liquid
    preheader = models.CharField(max_length=200, blank=True)  # Liquid
    body = models.TextField()  # MJML with Liquid
    sender_name = models.CharField(max_length=120, blank=True)
    sender_email = models.EmailField(max_length=254, blank=True)
    holdout_share = models.FloatField(default=0.10)
    salt = models.CharField(max_length=32)  # drawn once; decides the holdout with the customer's id
    attribution_days = models.PositiveSmallIntegerField(default=7)
    scheduled_at = models.DateTimeField(null=True, blank=True)
    launched_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    launched_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(holdout_share__gte=0, holdout_share__lte=0.9),
                name="holdout_leaves_somebody",
            )
        ]
        permissions = [("launch_campaign", "May launch, pause and cancel campaigns")]

    def __str__(self) -> str:
        return self.name


class Assignment(models.Model):
    """The arm that chance gave a customer in a campaign, drawn before anything is sent."""

    class Arm(models.TextChoices):
        TREATED = "treated"
        HOLDOUT = "holdout"

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="assignments")
    customer = models.ForeignKey(
        Customer, on_delete=models.DO_NOTHING, db_constraint=False, related_name="assignments"
    )
    arm = models.CharField(max_length=8, choices=Arm)
    # could be written to at that moment, by facts that do not know the arm: these are compared
    is_eligible = models.BooleanField(default=True)
    assigned_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["campaign", "customer"], name="one_arm_per_customer")
        ]
