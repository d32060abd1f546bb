"""Orders and their lines.

References between facts carry no foreign-key constraint: the one statement that writes a batch
joins it to its customers and products, which costs a fraction of checking row by row.
"""

from django.db import models

from customers.models.catalogue import Product
from customers.models.people import Customer


class Order(models.Model):
    """One purchase, refund or correction, as the shop booked it."""

    class Status(models.TextChoices):
        PAID = "paid"
        REFUNDED = "refunded"
        CANCELLED = "cancelled"

    class Kind(models.TextChoices):
        SALE = "sale"
        REFUND = "refund"  # a document of its own, with negative quantities
        ADJUSTMENT = "adjustment"  # bad debt and the like

    source = models.CharField(max_length=40)
    external_id = models.CharField(max_length=120)
    customer = models.ForeignKey(  # null: a guest
        Customer,
        null=True,
        blank=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="orders",
    )
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.SALE)
    status = models.CharField(max_length=10, choices=Status, default=Status.PAID)
    total = models.DecimalField(
        max_digits=14, decimal_places=4
    )  # what was paid; below 0 if paid back
    discount = models.DecimalField(max_digits=14, decimal_places=4, default=0)  # already in total
    currency = models.CharField(max_length=3)  # ISO 4217
    coupon_code = models.CharField(max_length=60, blank=True)
    country = models.CharField(max_length=2, blank=True)
    properties = models.JSONField(default=dict, blank=True)
    happened_at = models.DateTimeField()
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source", "external_id"], name="one_order_per_external_id"
            )
        ]
        indexes = [
            # Features, windows and attribution read one customer's orders in order of time. Her
            # orders lie years apart in the table: what rules ask most is here, in one place.
            models.Index(
                fields=["customer", "happened_at"],
                include=["recorded_at", "kind", "status", "total", "id"],
                name="orders_of_customer",
            ),
        ]

    def __str__(self) -> str:
        return self.external_id


class OrderLine(models.Model):
    """One position of an order."""

    order = models.ForeignKey(
        Order,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="lines",
    )
    position = models.PositiveIntegerField()  # from 1, in the order of the source
    product = models.ForeignKey(
        Product, on_delete=models.DO_NOTHING, db_constraint=False, related_name="lines"
    )
    title = models.CharField(max_length=300, blank=True)  # as printed on this order
    quantity = models.IntegerField()  # below 0 where goods came back
    unit_price = models.DecimalField(max_digits=14, decimal_places=4)
    discount = models.DecimalField(max_digits=14, decimal_places=4, default=0)  # of the whole line
    happened_at = models.DateTimeField()
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order", "position"], name="one_line_per_position")
        ]
