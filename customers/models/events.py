"""What customers did and said."""

from django.db import models

from customers.models.catalogue import Product
from customers.models.people import Customer


class Event(models.Model):
    """One thing that happened, immutable."""

    source = models.CharField(max_length=40)
    message_id = models.CharField(max_length=100)  # the source's own id, or one we derive
    customer = models.ForeignKey(
        Customer,
        null=True,
        blank=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="events",
    )
    anonymous_id = models.CharField(max_length=254, blank=True)
    name = models.CharField(max_length=120)
    properties = models.JSONField(default=dict, blank=True)
    happened_at = models.DateTimeField()
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source", "message_id"], name="one_event_per_message_id"
            )
        ]
        indexes = [
            # rules ask: this customer, this event, since then
            models.Index(fields=["customer", "name", "happened_at"], name="event_of_customer"),
            # a browser's events while nobody knows whose it is
            models.Index(
                fields=["source", "anonymous_id"],
                condition=models.Q(customer__isnull=True),
                name="event_of_nobody",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Review(models.Model):
    """What a customer wrote about a product."""

    source = models.CharField(max_length=40)
    external_id = models.CharField(max_length=120)
    customer = models.ForeignKey(
        Customer,
        null=True,
        blank=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="reviews",
    )
    product = models.ForeignKey(
        Product,
        null=True,
        blank=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="reviews",
    )
    rating = models.PositiveSmallIntegerField(null=True, blank=True)  # 1 to 5 stars
    is_recommended = models.BooleanField(null=True, blank=True)
    title = models.CharField(max_length=300, blank=True)
    text = models.TextField(blank=True)
    happened_at = models.DateTimeField()
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source", "external_id"], name="one_review_per_external_id"
            ),
            models.CheckConstraint(
                condition=models.Q(rating__isnull=True) | models.Q(rating__range=(1, 5)),
                name="rating_is_one_to_five",
            ),
        ]

    def __str__(self) -> str:
        return self.title or f"Review {self.external_id}"
