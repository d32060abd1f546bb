"""What is watched of models that serve: scores over time, drift, and who allowed their use."""

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

from customers.models import Customer
from segments.models.learning import ModelRun


class ScoreChange(models.Model):
    """One customer's step from one band of a score to another."""

    name = models.CharField(max_length=40)  # as of Score
    customer = models.ForeignKey(
        Customer,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="score_changes",
    )
    run = models.ForeignKey(
        ModelRun, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    band_before = models.CharField(max_length=20, blank=True)  # empty: had no score
    band_after = models.CharField(max_length=20, blank=True)  # empty: has none any more
    happened_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(
                fields=["customer", "name", "happened_at"], name="score_change_of_customer"
            )
        ]


class ScoreSummary(models.Model):
    """How the scores of one name were spread at one scoring of everybody."""

    name = models.CharField(max_length=40)  # as of Score
    run = models.ForeignKey(ModelRun, on_delete=models.CASCADE, related_name="summaries")
    as_of = models.DateTimeField()
    n = models.PositiveIntegerField()
    mean = models.FloatField(null=True)
    bands = models.JSONField(default=dict)  # band -> customers
    edges = models.JSONField(default=list)  # of the bins below: one more than bins
    counts = models.JSONField(default=list)  # customers in each bin
    # Where the top share that a rule asks for begins, until the next scoring: share -> value.
    cuts = models.JSONField(default=dict)

    class Meta:
        ordering = ["-as_of", "name"]
        constraints = [
            models.UniqueConstraint(fields=["name", "as_of"], name="one_summary_per_scoring")
        ]


class DriftCheck(models.Model):
    """One look at whether a feature, a score or a model's quality has moved away."""

    class Kind(models.TextChoices):
        FEATURE = "feature"
        SCORE = "score"
        QUALITY = "quality"  # judged again, once what it foretold is known

    run = models.ForeignKey(ModelRun, on_delete=models.CASCADE, related_name="drift_checks")
    kind = models.CharField(max_length=8, choices=Kind)
    name = models.CharField(max_length=40)  # of the feature, the score or the metric
    checked_at = models.DateTimeField()
    statistic = models.FloatField(null=True)  # null: could not be computed; words say why
    threshold = models.FloatField(null=True)  # from the null at these sample sizes
    n_reference = models.PositiveIntegerField(default=0)
    n_now = models.PositiveIntegerField(default=0)
    is_alarm = models.BooleanField(default=False)
    words = models.TextField(blank=True)  # a sentence for a page
    detail = models.JSONField(default=dict, encoder=DjangoJSONEncoder)

    class Meta:
        ordering = ["-checked_at", "-is_alarm", "name"]
        constraints = [
            models.UniqueConstraint(
                fields=["run", "kind", "name", "checked_at"], name="one_drift_check_at_a_time"
            )
        ]


class LearntApproval(models.Model):
    """A person's word that what one kind of model says may decide whom a campaign addresses."""

    kind = models.CharField(max_length=20, choices=ModelRun.Kind, unique=True)
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    approved_at = models.DateTimeField()
    note = models.TextField(blank=True)

    def __str__(self) -> str:
        return f"{self.kind} may be targeted"


class ForecastPoint(models.Model):
    """What one run expects of one week, for the shop, a category or a product."""

    class Subject(models.TextChoices):
        SHOP = "shop"
        CATEGORY = "category"
        PRODUCT = "product"

    class Measure(models.TextChoices):
        ORDERS = "orders"
        UNITS = "units"

    run = models.ForeignKey(ModelRun, on_delete=models.CASCADE, related_name="points")
    subject_kind = models.CharField(max_length=8, choices=Subject)
    subject = models.CharField(max_length=120, blank=True)  # category's name, or product's id
    measure = models.CharField(max_length=6, choices=Measure)
    week_start = models.DateField()  # a Monday, UTC
    expected = models.FloatField()
    low = models.FloatField()  # of the interval that the run's card states
    high = models.FloatField()
    baseline = models.FloatField()  # the same week by the seasonal baseline

    class Meta:
        ordering = ["subject_kind", "subject", "measure", "week_start"]
        constraints = [
            models.UniqueConstraint(
                fields=["run", "subject_kind", "subject", "measure", "week_start"],
                name="one_point_per_week",
            )
        ]
