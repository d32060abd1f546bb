"""The ledger: one row for each person and campaign, and what came back."""

from django.db import models

from campaigns.models.campaigns import Campaign
from campaigns.models.offers import Coupon
from customers.models import Customer
from customers.models.consent import Channel


class Message(models.Model):
    """One message to one customer for one campaign: planned once, sent at most once."""

    class State(models.TextChoices):
        PLANNED = "planned"
        SENDING = "sending"
        SENT = "sent"
        DELIVERED = "delivered"
        BOUNCED = "bounced"
        COMPLAINED = "complained"
        SKIPPED = "skipped"  # with a reason
        FAILED = "failed"  # with a reason: it certainly did not leave
        UNKNOWN = "unknown"  # a crash between hand-over and record: never re-sent by itself

    class Reason(models.TextChoices):
        NONE = "", "–"
        HOLDOUT = "holdout", "Left alone to measure"
        GLOBAL_HOLDOUT = "global_holdout", "Left alone by all marketing, to measure"
        NOT_SAMPLED = "not_sampled", "Not in the sample"
        CAPPED = "capped", "Had enough messages lately"
        OFFER_EXHAUSTED = "offer_exhausted", "The offer's budget is spent"
        NO_OFFER_FITS = "no_offer_fits", "No offer leaves enough margin"
        LEFT_FLOW = "left_flow", "Left the flow before it was due"
        QUIET = "quiet", "No hour in its window was left"
        NO_CONSENT = "no_consent", "No consent"
        SUPPRESSED = "suppressed", "Address is suppressed"
        UNREACHABLE = "unreachable", "No address"
        ERASED = "erased", "Erased"
        TOO_LATE = "too_late", "Too late to be useful"
        CANCELLED = "cancelled", "Campaign was cancelled"
        RENDER_ERROR = "render_error", "Template failed"
        REFUSED = "refused", "Server refused it"
        TRIES_EXHAUSTED = "tries_exhausted", "Server was unavailable too often"
        CRASHED = "crashed", "Sender died while handing over"
        CONNECTION_LOST = "connection_lost", "Connection broke while handing over"

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="messages")
    step = models.PositiveSmallIntegerField(default=0)  # of a flow; 0 in a broadcast
    # which run of a recurring campaign, which journey of a flow, which transactional send; else 0
    occasion = models.BigIntegerField(default=0)
    variant = models.ForeignKey(
        "Variant", null=True, blank=True, on_delete=models.SET_NULL, related_name="messages"
    )
    customer = models.ForeignKey(
        Customer, on_delete=models.DO_NOTHING, db_constraint=False, related_name="messages"
    )
    channel = models.CharField(max_length=10, choices=Channel)
    state = models.CharField(max_length=10, choices=State, default=State.PLANNED)
    reason = models.CharField(max_length=20, choices=Reason, default=Reason.NONE, blank=True)
    detail = models.CharField(
        max_length=300, blank=True
    )  # the server's words, the template's error
    data = models.JSONField(null=True, blank=True)  # `event` in its templates: what set it off
    provider_id = models.CharField(max_length=120, blank=True)  # its name at the other side
    cost = models.DecimalField(max_digits=10, decimal_places=5, null=True, blank=True)
    coupon = models.ForeignKey(Coupon, null=True, blank=True, on_delete=models.SET_NULL)
    tries = models.PositiveSmallIntegerField(default=0)
    planned_at = models.DateTimeField()
    due_at = models.DateTimeField()  # not before
    sending_since = models.DateTimeField(null=True, blank=True)
    claimed_by = models.CharField(max_length=80, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "occasion", "step", "customer"],
                name="one_message_per_occasion_step",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    state__in=["sent", "delivered", "bounced", "complained"], sent_at__isnull=False
                )
                | models.Q(
                    state__in=["planned", "sending", "skipped", "failed", "unknown"],
                    sent_at__isnull=True,
                ),
                name="sent_means_sent_at",
            ),
            models.CheckConstraint(
                condition=~models.Q(state__in=["skipped", "failed", "unknown"])
                | ~models.Q(reason=""),
                name="ended_early_means_reason",
            ),
        ]
        indexes = [
            # claiming takes the next planned ones, sweeping finds the stuck ones
            models.Index(
                fields=["campaign", "due_at", "id"],
                condition=models.Q(state="planned"),
                name="message_to_claim",
            ),
            # the few that speak against a campaign while it runs
            models.Index(
                fields=["campaign", "state"],
                condition=models.Q(state__in=["bounced", "complained"]),
                name="message_came_back_bad",
            ),
            models.Index(
                fields=["provider_id"],
                condition=~models.Q(provider_id=""),
                name="message_at_provider",
            ),
            models.Index(
                fields=["customer", "sent_at"],
                condition=models.Q(sent_at__isnull=False),
                name="message_sent_to",
            ),
            models.Index(
                fields=["sending_since"],
                condition=models.Q(state="sending"),
                name="message_in_flight",
            ),
        ]


class Outcome(models.Model):
    """Something that came back for a message: an open, a click, an order."""

    class Kind(models.TextChoices):
        DELIVERED = "delivered"
        OPEN = "open"
        CLICK = "click"
        UNSUBSCRIBE = "unsubscribe"
        BOUNCE = "bounce"
        COMPLAINT = "complaint"
        ORDER = "order"

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="outcomes")
    kind = models.CharField(max_length=12, choices=Kind)
    key = models.CharField(max_length=120, blank=True)  # order id, link number: repeats are one
    is_machine = models.BooleanField(default=False)  # a scanner or prefetcher, not a person
    url = models.CharField(max_length=500, blank=True)
    amount = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True)
    happened_at = models.DateTimeField()
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["message", "kind", "key", "is_machine"], name="one_outcome_per_key"
            ),
            models.UniqueConstraint(
                fields=["key"],
                condition=models.Q(kind="order"),
                name="one_message_per_order",
            ),
        ]
