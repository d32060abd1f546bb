"""What the shop sells."""

from django.db import models


class Product(models.Model):
    """One thing the shop sells, or books like a sale (postage, manual corrections)."""

    class Kind(models.TextChoices):
        GOODS = "goods"
        SERVICE = "service"  # postage, wrapping
        ADJUSTMENT = "adjustment"  # fees, discounts, manual codes: never recommended

    source = models.CharField(max_length=40)
    external_id = models.CharField(max_length=120)
    name = models.CharField(max_length=300, blank=True)
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.GOODS)
    category = models.CharField(max_length=120, blank=True)
    brand = models.CharField(max_length=120, blank=True)
    price = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True)  # ISO 4217
    url = models.URLField(max_length=500, blank=True)
    image_url = models.URLField(max_length=500, blank=True)
    is_available = models.BooleanField(default=True)
    properties = models.JSONField(default=dict, blank=True)
    happened_at = models.DateTimeField()
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source", "external_id"], name="one_product_per_external_id"
            )
        ]

    def __str__(self) -> str:
        return self.name or self.external_id
