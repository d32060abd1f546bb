"""Lists of customers that people keep: picked by hand, or brought in with a file."""

from django.conf import settings
from django.db import models

from customers.models import Customer


class CustomerList(models.Model):
    """A named set of customers that no rule decides."""

    class Kind(models.TextChoices):
        STATIC = "static"  # people add and remove customers
        IMPORTED = "imported"  # a file or another system replaces it as a whole

    key = models.SlugField(max_length=80, unique=True)
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.STATIC)
    members_count = models.PositiveIntegerField(default=0)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class ListMember(models.Model):
    """A customer's place on a list."""

    list = models.ForeignKey(CustomerList, on_delete=models.CASCADE, related_name="members")
    customer = models.ForeignKey(
        Customer,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="lists",
    )
    added_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["customer", "list"], name="one_place_per_list")
        ]
