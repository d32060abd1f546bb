"""Customers and the handles we know them by."""

from django.db import models
from django.db.models.functions import Lower


class Customer(models.Model):
    """A person the shop knows, identified or not."""

    source = models.CharField(max_length=40, blank=True)  # who told us first
    email = models.EmailField(max_length=254, null=True, blank=True)
    phone = models.CharField(max_length=20, null=True, blank=True)  # E.164
    first_name = models.CharField(max_length=120, blank=True)
    last_name = models.CharField(max_length=120, blank=True)
    language = models.CharField(max_length=12, blank=True)  # BCP 47
    time_zone = models.CharField(max_length=40, blank=True)  # IANA; empty means the shop's
    country = models.CharField(max_length=2, blank=True)  # ISO 3166-1 alpha-2
    birth_date = models.DateField(null=True, blank=True)
    traits = models.JSONField(default=dict, blank=True)
    happened_at = models.DateTimeField()  # became known to the shop
    recorded_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    erased_at = models.DateTimeField(null=True, blank=True)  # or merged; out of every count
    # Who this one turned out to be, at the end of every chain; see customers/services/identities.
    merged_into = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="merged_from",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(Lower("email"), name="one_customer_per_email"),
            models.CheckConstraint(
                condition=models.Q(merged_into=None) | models.Q(erased_at__isnull=False),
                name="merged_means_out_of_every_count",
            ),
        ]
        indexes = [
            models.Index(fields=["-happened_at", "-id"], name="customer_newest"),
            models.Index(
                fields=["merged_into"],
                condition=models.Q(merged_into__isnull=False),
                name="customer_merged_into",
            ),
        ]
        permissions = [
            ("export_customer", "May export a customer's personal data"),
            ("erase_customer", "May erase a customer"),
        ]

    def __str__(self) -> str:
        name = f"{self.first_name} {self.last_name}".strip()
        return name or self.email or f"Customer {self.pk}"


class Identity(models.Model):
    """One handle of a customer: the shop's own id, an address, a cookie."""

    class Kind(models.TextChoices):
        EXTERNAL = "external"  # the source's customer id
        EMAIL = "email"  # lower case
        PHONE = "phone"  # E.164
        ANONYMOUS = "anonymous"  # a browser or a device

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="identities")
    kind = models.CharField(max_length=10, choices=Kind)
    source = models.CharField(max_length=40, blank=True)  # empty for email and phone
    value = models.CharField(max_length=254)
    recorded_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "identities"
        constraints = [
            models.UniqueConstraint(
                fields=["source", "kind", "value"], name="one_owner_per_identity"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.value}"
