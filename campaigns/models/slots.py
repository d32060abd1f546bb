"""Places on the shop's own pages, and what may stand in them."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from campaigns.models.offers import Offer
from segments.models import Segment


class Slot(models.Model):
    """A marked place on the shop's pages, filled for each visitor."""

    class State(models.TextChoices):
        LIVE = "live"
        PAUSED = "paused"  # every page keeps what its own HTML says

    key = models.SlugField(max_length=60, unique=True)  # as in data-rapport-slot
    name = models.CharField(max_length=120)
    state = models.CharField(max_length=6, choices=State, default=State.LIVE)
    holdout_share = models.FloatField(default=0.0)  # of the members, shown the fallback
    salt = models.CharField(max_length=32)  # drawn once; decides the holdout with the customer's id
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()  # of the slot or of any of its contents

    class Meta:
        ordering = ["key"]
        constraints = [
            models.CheckConstraint(
                condition=Q(holdout_share__gte=0, holdout_share__lte=0.9),
                name="slot_holdout_leaves_somebody",
            )
        ]

    def __str__(self) -> str:
        return self.name


class SlotContent(models.Model):
    """One thing that a slot may show: to the members of a segment, or to everybody."""

    class State(models.TextChoices):
        LIVE = "live"
        PAUSED = "paused"

    slot = models.ForeignKey(Slot, on_delete=models.CASCADE, related_name="contents")
    name = models.CharField(max_length=120)  # only the team sees it
    priority = models.PositiveSmallIntegerField(default=100)  # the lowest that fits is shown
    # Null: everybody, the fallback.  Protected: were the segment to vanish, its words would be
    # said to everybody.
    segment = models.ForeignKey(
        Segment, null=True, blank=True, on_delete=models.PROTECT, related_name="slot_contents"
    )
    offer = models.ForeignKey(
        Offer, null=True, blank=True, on_delete=models.PROTECT, related_name="slot_contents"
    )
    title = models.CharField(max_length=200, blank=True)  # Liquid, plain text
    body = models.TextField(blank=True)  # Liquid in HTML
    starts_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)
    state = models.CharField(max_length=6, choices=State, default=State.LIVE)
    version = models.PositiveIntegerField(default=1)  # grows with each edit
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ["slot_id", "priority", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(starts_at__isnull=True)
                | Q(ends_at__isnull=True)
                | Q(ends_at__gt=F("starts_at")),
                name="slot_content_ends_after_it_starts",
            )
        ]

    def __str__(self) -> str:
        return self.name
