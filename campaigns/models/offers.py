"""What is given, and the codes that carry it."""

from django.db import models

from customers.models import Customer


class Offer(models.Model):
    """A decision to give something: a percentage, an amount, free shipping."""

    class Kind(models.TextChoices):
        PERCENT = "percent"
        AMOUNT = "amount"
        FREE_SHIPPING = "free_shipping"

    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=14, choices=Kind)
    share = models.DecimalField(
        max_digits=5, decimal_places=4, null=True, blank=True
    )  # of the price
    amount = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True)  # ISO 4217
    code_prefix = models.CharField(max_length=12, blank=True)  # VIP gives VIP-7K3M9QXA
    valid_days = models.PositiveSmallIntegerField(default=14)  # from the day of the message
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind="percent", share__gt=0, share__lte=1)
                | models.Q(kind="amount", amount__gt=0)
                | models.Q(kind="free_shipping"),
                name="offer_says_how_much",
            )
        ]

    def __str__(self) -> str:
        return self.name


class Coupon(models.Model):
    """One code of one person, for one campaign."""

    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, related_name="coupons")
    campaign = models.ForeignKey("Campaign", on_delete=models.CASCADE, related_name="coupons")
    customer = models.ForeignKey(
        Customer, on_delete=models.DO_NOTHING, db_constraint=False, related_name="coupons"
    )
    code = models.CharField(max_length=30, unique=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    redeemed_at = models.DateTimeField(null=True, blank=True)
    order_id = models.BigIntegerField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["campaign", "customer"], name="one_coupon_per_person")
        ]

    def __str__(self) -> str:
        return self.code
