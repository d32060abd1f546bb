"""The rules that hold for every campaign, and a second person's word about one."""

from django.conf import settings
from django.db import models

from campaigns.models.campaigns import Campaign


class SendingPolicy(models.Model):
    """The shop's rules of sending: one row, whose changes the audit trail keeps."""

    version = models.PositiveIntegerField(default=1)  # one more with each change
    # {"sms": ["21:00", "08:00"]}: of the recipient's day; nothing is sent in them
    quiet_hours = models.JSONField(default=dict, blank=True)
    # [{"channel": "" for any, "most": 3, "days": 7}]: within any so many days
    caps = models.JSONField(default=list, blank=True)
    holdout_share = models.FloatField(default=0.0)  # left alone by all marketing, to measure it
    holdout_salt = models.CharField(max_length=32)  # drawn once; see `Campaign.salt`
    holdout_since = models.DateTimeField(null=True, blank=True)  # when its share was set
    approval_above = models.PositiveIntegerField(null=True, blank=True)  # people; null: never
    costs = models.JSONField(default=dict, blank=True)  # {"sms": "0.05"}, in the shop's currency
    small_people = models.PositiveIntegerField(default=100)  # a segment with fewer is small
    small_segments_most = models.PositiveSmallIntegerField(default=3)  # more of them: a warning
    changed_at = models.DateTimeField()
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        verbose_name_plural = "sending policies"
        constraints = [
            models.CheckConstraint(condition=models.Q(pk=1), name="one_sending_policy"),
            models.CheckConstraint(
                condition=models.Q(holdout_share__gte=0, holdout_share__lte=0.5),
                name="global_holdout_leaves_most",
            ),
        ]

    def __str__(self) -> str:
        return f"Sending rules, version {self.version}"


class Approval(models.Model):
    """A question to a second person whether a campaign may go out as it is, and the answer."""

    class Verdict(models.TextChoices):
        WAITING = "waiting", "Waiting"
        APPROVED = "approved", "Approved"
        REFUSED = "refused", "Refused"

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="approvals")
    content_sha256 = models.CharField(max_length=64)  # of what was asked about
    audience = models.PositiveIntegerField()  # people, when it was asked
    verdict = models.CharField(max_length=8, choices=Verdict, default=Verdict.WAITING)
    note = models.CharField(max_length=300, blank=True)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    asked_at = models.DateTimeField()
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["campaign"],
                condition=models.Q(verdict="waiting"),
                name="one_open_question_per_campaign",
            ),
            models.CheckConstraint(
                condition=models.Q(verdict="waiting", decided_at__isnull=True)
                | models.Q(verdict__in=["approved", "refused"], decided_at__isnull=False),
                name="decided_means_decided_at",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.campaign}: {self.get_verdict_display()}"
