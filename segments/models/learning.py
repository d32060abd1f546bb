"""Fitted, judged and stored estimators, and what they say about customers."""

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

from customers.models import Customer


class ModelRun(models.Model):
    """One fitted, judged, stored instance of an estimator."""

    class Kind(models.TextChoices):
        CLUSTERS = "clusters"
        CHURN = "churn_90d"
        CLV = "clv_365d"
        PROPENSITY = "propensity_7d"
        RESPONSE = "response"
        FORECAST = "forecast"
        UPLIFT = "uplift"  # one for each past campaign: its subject

    class State(models.TextChoices):
        TRAINING = "training"
        JUDGED = "judged"  # good enough, waiting for promotion
        LIVE = "live"
        RETIRED = "retired"  # was live before
        REFUSED = "refused"  # worse than its baseline or than the live run
        FALLBACK = "fallback"  # too little data: a rule of thumb serves, and says so
        FAILED = "failed"

    kind = models.CharField(max_length=20, choices=Kind)
    subject = models.CharField(max_length=80, blank=True)  # what it is about, where not the shop
    state = models.CharField(max_length=10, choices=State, default=State.TRAINING)
    method = models.CharField(max_length=60, blank=True)  # "logistic regression", "MBG/NBD …"
    as_of = models.DateTimeField()  # what was known then is what was learnt from
    n_customers = models.PositiveIntegerField(default=0)
    params = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    metrics = models.JSONField(default=dict, encoder=DjangoJSONEncoder)  # ours, each with interval
    baseline = models.JSONField(
        default=dict, encoder=DjangoJSONEncoder
    )  # the same, of the baseline
    card = models.JSONField(default=dict, encoder=DjangoJSONEncoder)  # window, features, limits …
    summary = models.TextField(blank=True)  # one sentence for a page
    data_sha256 = models.CharField(max_length=64, blank=True)
    versions = models.JSONField(default=dict)  # code and libraries
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    promoted_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)
    retrain_because = models.TextField(blank=True)  # why the next training shall not wait

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "subject"],
                condition=models.Q(state="live"),
                name="one_live_run_per_subject",
            )
        ]
        permissions = [("promote_modelrun", "May promote and roll back models")]

    def __str__(self) -> str:
        return f"{self.kind} #{self.pk}"


class ModelArtefact(models.Model):
    """The stored form of a fitted estimator, loaded only where its checksum matches."""

    run = models.OneToOneField(ModelRun, on_delete=models.CASCADE, related_name="artefact")
    content = models.BinaryField()  # skops
    sha256 = models.CharField(max_length=64)


class Score(models.Model):
    """What the live run of one kind says about one customer."""

    name = models.CharField(max_length=40)  # churn_90d, clv_365d, orders_365d, cluster …
    customer = models.ForeignKey(
        Customer,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="scores",
    )
    run = models.ForeignKey(ModelRun, on_delete=models.CASCADE, related_name="scores")
    value = models.FloatField()
    low = models.FloatField(null=True)  # of its interval, where the model states one
    high = models.FloatField(null=True)
    band = models.CharField(max_length=20, blank=True)  # low, medium, high; a cluster's key
    reasons = models.JSONField(default=list)  # [{"feature", "value", "contribution", "words"}]
    as_of = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["customer", "name"], name="one_score_per_name")
        ]
        indexes = [models.Index(fields=["name", "value"], name="score_by_value")]


class Cluster(models.Model):
    """A group that an estimator found: a proposal until a person accepts it."""

    class State(models.TextChoices):
        PROPOSED = "proposed"
        ACCEPTED = "accepted"
        REJECTED = "rejected"
        MERGED = "merged"  # its customers belong to the segment of another

    run = models.ForeignKey(ModelRun, on_delete=models.CASCADE, related_name="clusters")
    key = models.PositiveSmallIntegerField()  # the label in this run, 0 upwards
    proposed_name = models.CharField(max_length=120)
    name = models.CharField(max_length=120, blank=True)  # a person's, once accepted
    note = models.TextField(blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.PROPOSED)
    size = models.PositiveIntegerField()
    profile = models.JSONField(default=dict)  # feature -> {"mean", "base_mean", "z"}
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    merged_into = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="merged_from"
    )

    class Meta:
        ordering = ["-run_id", "-size"]
        constraints = [models.UniqueConstraint(fields=["run", "key"], name="one_cluster_per_key")]

    def __str__(self) -> str:
        return self.name or self.proposed_name
