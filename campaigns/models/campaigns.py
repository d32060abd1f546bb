"""Plans to speak to somebody, and the draw of who is left alone."""

from django.conf import settings
from django.db import models

from campaigns.models.offers import Offer
from customers.models import Customer
from customers.models.consent import Channel
from segments.models import Segment


class Campaign(models.Model):
    """To whom, what, when, and how it will be measured.

    A broadcast, once; or what goes on until it is ended: recurring, triggered, a flow of steps.
    *Sending* means that it runs.
    """

    class Kind(models.TextChoices):
        BROADCAST = "broadcast", "Once"
        RECURRING = "recurring", "Again and again"  # a segment as it is at each run
        TRIGGERED = "triggered", "When something happens"  # one message; a flow of one step
        FLOW = "flow", "Flow of steps"
        TRANSACTIONAL = "transactional", "Transactional"  # by API; outside caps and holdouts

    class State(models.TextChoices):
        DRAFT = "draft"
        SCHEDULED = "scheduled"
        PLANNING = "planning"
        SENDING = "sending"
        PAUSED = "paused"
        FINISHED = "finished"
        CANCELLED = "cancelled"

    EDITABLE = (State.DRAFT, State.SCHEDULED)

    class Objective(models.TextChoices):
        CONVERT = "convert", "Win orders"
        KEEP = "keep", "Keep customers"
        RAISE_VALUE = "raise_value", "Raise value"
        SATISFY = "satisfy", "Satisfy customers"

    class Metric(models.TextChoices):
        """What decides, chosen before anything is sent."""

        CONVERSION = "conversion", "Customers who order"
        ORDERS = "orders", "Orders per customer"
        REVENUE = "revenue", "Revenue per customer"
        MARGIN = "margin", "Margin per customer"

    class Timing(models.TextChoices):
        AT_ONCE = "at_once", "All at once"
        LOCAL_HOUR = "local_hour", "At an hour of the recipient's clock"
        BEST_HOUR = "best_hour", "At each person's own best hour"

    class ChannelChoice(models.TextChoices):
        FIXED = "fixed", "This channel"
        PREFERRED = "preferred", "Each person's preferred channel"

    class Stopping(models.TextChoices):
        """When an experiment may be concluded, chosen before anything is sent."""

        FIXED = "fixed", "Once, when the window closes"
        SEQUENTIAL = "sequential", "At planned looks (group-sequential)"
        ALWAYS_VALID = "always_valid", "At any time (always-valid)"
        THOMPSON = "thompson", "Never: shift towards what works (Thompson sampling)"

    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=13, choices=Kind, default=Kind.BROADCAST)
    state = models.CharField(max_length=10, choices=State, default=State.DRAFT)
    state_reason = models.CharField(max_length=300, blank=True)  # why it is paused or cancelled
    objective = models.CharField(max_length=12, choices=Objective, default=Objective.CONVERT)
    metric = models.CharField(max_length=10, choices=Metric, default=Metric.ORDERS)
    stopping = models.CharField(max_length=12, choices=Stopping, default=Stopping.FIXED)
    channel = models.CharField(max_length=10, choices=Channel, default=Channel.EMAIL)
    channel_choice = models.CharField(
        max_length=9, choices=ChannelChoice, default=ChannelChoice.FIXED
    )
    other_channels = models.JSONField(default=list, blank=True)  # of PREFERRED: ["sms", …]
    topic = models.CharField(max_length=40, default="marketing")  # the consent it needs
    included = models.ManyToManyField(Segment, related_name="campaigns_including")
    excluded = models.ManyToManyField(Segment, related_name="campaigns_excluding", blank=True)
    offer = models.ForeignKey(Offer, null=True, blank=True, on_delete=models.PROTECT)
    subject = models.CharField(max_length=200)  # Liquid
    preheader = models.CharField(max_length=200, blank=True)  # Liquid
    body = models.TextField()  # MJML with Liquid
    blocks = models.JSONField(null=True, blank=True)  # the block editor's document; makes the body
    text = models.TextField(blank=True)  # Liquid: SMS, push, in-app, webhook
    # {"fr": {"subject": …, "preheader": …, "body": …, "blocks": …, "text": …}}; what is missing
    # is said in the words above
    translations = models.JSONField(default=dict, blank=True)
    sender_name = models.CharField(max_length=120, blank=True)
    sender_email = models.EmailField(max_length=254, blank=True)
    holdout_share = models.FloatField(default=0.10)
    salt = models.CharField(max_length=32)  # drawn once; decides the holdout with the customer's id
    attribution_days = models.PositiveSmallIntegerField(default=7)
    cost_per_message = models.DecimalField(
        max_digits=10, decimal_places=5, null=True, blank=True
    )  # in the shop's currency; null: the channel's
    sampled_share = models.FloatField(null=True, blank=True)  # of the audience; null: all
    pilot_share = models.FloatField(null=True, blank=True)  # written to first; null: no pilot
    scaled_at = models.DateTimeField(null=True, blank=True)  # when the rest followed a pilot
    priority = models.PositiveSmallIntegerField(default=100)  # under caps the lowest goes first
    timing = models.CharField(max_length=10, choices=Timing, default=Timing.AT_ONCE)
    local_hour = models.PositiveSmallIntegerField(null=True, blank=True)  # 0 to 23
    window_from = models.TimeField(null=True, blank=True)  # of the recipient's day
    window_to = models.TimeField(null=True, blank=True)
    recurrence = models.CharField(max_length=120, blank=True)  # cron, five fields
    time_zone = models.CharField(max_length=40, blank=True)  # IANA, of the recurrence; "": ours
    ends_at = models.DateTimeField(null=True, blank=True)  # no run and nobody new after it
    # {"on": "segment_entered" | "segment_exited" | "event", "segment": key, "event": name,
    #  "where": […]}: who enters a triggered campaign or a flow
    trigger = models.JSONField(null=True, blank=True)
    # bounces and complaints of what left before it pause no more: a person has looked at them
    judged_from = models.DateTimeField(null=True, blank=True)
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


class Variant(models.Model):
    """What one step of a campaign says: one of several in an A/B test, or the only one of a flow.

    What is empty here is as in the campaign.
    """

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="variants")
    step = models.PositiveSmallIntegerField(default=0)  # of a flow; 0 elsewhere
    name = models.CharField(max_length=40)  # A, B, …
    weight = models.FloatField(default=1.0)  # its share is weight / sum of weights
    channel = models.CharField(max_length=10, choices=Channel, blank=True)
    subject = models.CharField(max_length=200, blank=True)
    preheader = models.CharField(max_length=200, blank=True)
    body = models.TextField(blank=True)
    blocks = models.JSONField(null=True, blank=True)
    text = models.TextField(blank=True)
    translations = models.JSONField(default=dict, blank=True)
    offer = models.ForeignKey(Offer, null=True, blank=True, on_delete=models.PROTECT)
    local_hour = models.PositiveSmallIntegerField(null=True, blank=True)
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ["campaign_id", "step", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "step", "name"], name="one_variant_per_name"
            ),
            models.CheckConstraint(condition=models.Q(weight__gte=0), name="variant_weighs"),
        ]

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
    variant = models.ForeignKey(
        "Variant", null=True, blank=True, on_delete=models.SET_NULL, related_name="assignments"
    )  # of an A/B test in a broadcast; a flow keeps those of its steps in its journeys
    # could be written to at that moment, by facts that do not know the arm: these are compared
    is_eligible = models.BooleanField(default=True)
    assigned_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["campaign", "customer"], name="one_arm_per_customer")
        ]
