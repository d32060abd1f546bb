"""What was decided before the sending about how it will be judged, and each look that was taken."""

from django.db import models
from django.db.models import Q

from campaigns.models.campaigns import Campaign, Variant


class Measuring(models.Model):
    """How a campaign will be judged, beyond its metric and stopping rule; set before it starts.

    A campaign without such a row is judged by the defaults of these columns.
    """

    class Spending(models.TextChoices):
        OBRIEN_FLEMING = "obrien_fleming", "Little at first (O'Brien–Fleming)"
        POCOCK = "pocock", "Evenly (Pocock)"

    campaign = models.OneToOneField(
        Campaign, primary_key=True, on_delete=models.CASCADE, related_name="measuring"
    )
    is_adjusted = models.BooleanField(default=False)  # the lift adjusted by earlier spend decides
    looks = models.PositiveSmallIntegerField(default=5)  # planned, of a group-sequential rule
    spending = models.CharField(max_length=14, choices=Spending, default=Spending.OBRIEN_FLEMING)
    # of what goes on: compared once so many have had their window; null: when it has ended
    customers_planned = models.PositiveIntegerField(null=True, blank=True)
    # of the messages sent; above it a guard rail is broken
    unsubscribe_rate_most = models.FloatField(default=0.005)
    complaint_rate_most = models.FloatField(default=0.001)
    bounce_rate_most = models.FloatField(default=0.02)
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(looks__gte=1, looks__lte=50), name="looks_1_to_50")
        ]

    def __str__(self) -> str:
        return f"Measuring of campaign {self.campaign_id}"


class Look(models.Model):
    """One look at a running comparison, under a rule that allows it.  Append-only."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="looks")
    variant = models.ForeignKey(
        Variant, null=True, blank=True, on_delete=models.CASCADE, related_name="looks"
    )  # compared with the first of its step; null: the treated with the holdout
    number = models.PositiveSmallIntegerField()  # from 1
    looked_at = models.DateTimeField()
    customers = models.PositiveIntegerField()  # compared
    information = models.FloatField()  # grows from look to look; its unit is the rule's own
    share = models.FloatField()  # of the planned information
    difference = models.FloatField()  # of the deciding metric, per customer
    error = models.FloatField()  # its standard error
    boundary = models.FloatField()  # |difference / error| at which the rule stops
    spent = models.FloatField()  # of the allowed error, so far

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "variant", "number"],
                nulls_distinct=False,
                name="one_look_per_number",
            )
        ]

    def __str__(self) -> str:
        return f"Look {self.number} at campaign {self.campaign_id}"

    @property
    def is_crossed(self) -> bool:
        return self.error > 0 and abs(self.difference / self.error) >= self.boundary
