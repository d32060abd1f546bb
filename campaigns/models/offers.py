"""What is given, and the codes that carry it."""

from django.db import models

from customers.models import Customer


class Offer(models.Model):
    """A decision to give something: a percentage, an amount, free shipping."""

    class Kind(models.TextChoices):
        PERCENT = "percent"
        AMOUNT = "amount"
        FREE_SHIPPING = "free_shipping"
        GIFT = "gift"
        POINTS = "points"

    class Codes(models.TextChoices):
        UNIQUE = "unique", "A code of one's own, made here"
        POOL = "pool", "A code of one's own, from a list of the shop's"
        STATIC = "static", "The same code for everybody"
        NONE = "none", "No code"

    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=14, choices=Kind)
    share = models.DecimalField(
        max_digits=5, decimal_places=4, null=True, blank=True
    )  # of the price
    amount = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True)  # ISO 4217
    gift = models.CharField(max_length=120, blank=True)  # what is given
    gift_product = models.CharField(
        max_length=100, blank=True
    )  # its external id, if in the catalogue
    points = models.PositiveIntegerField(null=True, blank=True)
    codes = models.CharField(max_length=6, choices=Codes, default=Codes.UNIQUE)
    static_code = models.CharField(max_length=30, blank=True)
    code_prefix = models.CharField(max_length=12, blank=True)  # VIP gives VIP-7K3M9QXA
    valid_days = models.PositiveSmallIntegerField(default=14)  # from the day of the message
    starts_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)  # no code is given or valid after it
    given_most = models.PositiveIntegerField(null=True, blank=True)  # people it is given to
    redeemed_most = models.PositiveIntegerField(null=True, blank=True)
    budget = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True)
    # expected cost of one redemption in the shop's currency; null: worked out from what it gives
    cost = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True)
    margin_share_least = models.DecimalField(
        max_digits=5, decimal_places=4, null=True, blank=True
    )  # of an expected order, after the offer
    order_least = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True)
    is_stackable = models.BooleanField(default=False)  # beside another open offer of the person
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind="percent", share__gt=0, share__lte=1)
                | models.Q(kind="amount", amount__gt=0)
                | models.Q(kind="free_shipping")
                | (models.Q(kind="gift") & ~models.Q(gift=""))
                | models.Q(kind="points", points__gt=0),
                name="offer_says_how_much",
            )
        ]

    def __str__(self) -> str:
        return self.name


class Coupon(models.Model):
    """One code: of one person for one occasion of a campaign, or free in an offer's pool."""

    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, related_name="coupons")
    campaign = models.ForeignKey(
        "Campaign", null=True, blank=True, on_delete=models.CASCADE, related_name="coupons"
    )
    customer = models.ForeignKey(
        Customer,
        null=True,
        blank=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="coupons",
    )
    occasion = models.BigIntegerField(default=0)  # as in the message
    step = models.PositiveSmallIntegerField(default=0)
    code = models.CharField(max_length=30)  # unique but where everybody has the same
    is_shared = models.BooleanField(default=False)  # a static code
    created_at = models.DateTimeField()
    given_at = models.DateTimeField(null=True, blank=True)  # null: free in the pool
    expires_at = models.DateTimeField(null=True, blank=True)
    redeemed_at = models.DateTimeField(null=True, blank=True)
    order_id = models.BigIntegerField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "occasion", "step", "customer"], name="one_coupon_per_occasion"
            ),
            models.UniqueConstraint(
                fields=["code"], condition=models.Q(is_shared=False), name="one_person_per_code"
            ),
            models.CheckConstraint(
                condition=models.Q(
                    given_at__isnull=True, customer__isnull=True, campaign__isnull=True
                )
                | models.Q(
                    given_at__isnull=False, campaign__isnull=False, expires_at__isnull=False
                ),
                name="coupon_free_or_given",
            ),
        ]
        indexes = [
            models.Index(
                fields=["offer", "id"],
                condition=models.Q(given_at__isnull=True),
                name="coupon_free",
            ),
            models.Index(fields=["code"], name="coupon_by_code"),
        ]
        permissions = [("export_coupons", "May export codes")]

    def __str__(self) -> str:
        return self.code


class OfferCandidate(models.Model):
    """One of several offers among which the best is chosen for each person of a campaign."""

    campaign = models.ForeignKey(
        "Campaign", on_delete=models.CASCADE, related_name="offer_candidates"
    )
    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, related_name="candidates")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["campaign", "offer"], name="one_candidate_per_offer")
        ]
