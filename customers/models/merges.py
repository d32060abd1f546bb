"""That two profiles turned out to be one person, and handles that were taken from nobody."""

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

from customers.models.people import Customer, Identity


class Merge(models.Model):
    """One profile that was found to be another: who, why, and what it takes to undo it."""

    class Rule(models.TextChoices):
        ANONYMOUS = "anonymous", "A visitor said who they are"
        ALIAS = "alias", "The shop joined two ids"
        SAME_EMAIL = "same_email", "Same verified e-mail"
        PERSON = "person", "A person decided"

    survivor = models.ForeignKey(
        Customer,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="merges",
    )
    merged = models.ForeignKey(
        Customer, on_delete=models.DO_NOTHING, db_constraint=False, related_name="merged_by"
    )
    rule = models.CharField(max_length=10, choices=Rule)
    reason = models.CharField(max_length=300, blank=True)  # a person's words, or what was seen
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    moved = models.JSONField(default=dict)  # table -> rows
    # Fields before and after, of the survivor; the merged one's address.  Empty once forgotten.
    fields = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    merged_at = models.DateTimeField()
    undone_at = models.DateTimeField(null=True, blank=True)
    undone_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    # The list of what moved is kept for some months; without it nothing can be undone.
    forgotten_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merged"],
                condition=models.Q(undone_at=None),
                name="merged_into_one_at_a_time",
            )
        ]
        indexes = [
            # how many lately, and a survivor's history
            models.Index(fields=["survivor", "-merged_at"], name="merge_of_survivor"),
            models.Index(fields=["-merged_at", "-id"], name="merge_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.merged_id} into {self.survivor_id}"

    @property
    def is_undoable(self) -> bool:
        return self.undone_at is None and self.forgotten_at is None


class MovedRows(models.Model):
    """The rows of one table that one merge moved, so that they can go back."""

    merge = models.ForeignKey(Merge, on_delete=models.CASCADE, related_name="moved_rows")
    table_name = models.CharField(max_length=63)
    ids = models.JSONField()  # [1, 2, 3]
    is_made = models.BooleanField(default=False)  # not moved: added by the merge itself

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merge", "table_name", "is_made"], name="one_list_per_table_of_merge"
            )
        ]


class RefusedClaim(models.Model):
    """A handle that somebody claimed and did not get, with the reason.  Repeats are one row."""

    class Reason(models.TextChoices):
        BLOCKED = "blocked", "Says nothing: a test or placeholder value"
        UNCLEAR = "unclear", "Is no address or number of this kind"
        TAKEN = "taken", "Belongs to another customer"
        LIMIT = "limit", "The customer has as many of this kind as one may have"
        APART = "apart", "A person said that these are two"
        PUBLIC_KEY = "public", "Both are known, and a public key may not join them"
        TOO_MANY_MERGES = "too_many", "Too many profiles came together within an hour"

    kind = models.CharField(max_length=10, choices=Identity.Kind)
    source = models.CharField(max_length=40, blank=True)
    value = models.CharField(max_length=254)
    reason = models.CharField(max_length=8, choices=Reason)
    customer = models.ForeignKey(  # who claimed it
        Customer,
        null=True,
        blank=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="refused_claims",
    )
    holder = models.ForeignKey(  # whose it is, where it is somebody's
        Customer,
        null=True,
        blank=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="defended_claims",
    )
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source", "kind", "value", "reason", "customer", "holder"],
                nulls_distinct=False,
                name="one_refusal_per_claim",
            )
        ]
        indexes = [models.Index(fields=["-last_at", "-id"], name="refused_claim_newest")]

    def __str__(self) -> str:
        return f"{self.kind} {self.value}: {self.reason}"
