import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def id_field():
    return models.BigAutoField(
        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
    )


def person_field():
    return models.ForeignKey(
        blank=True,
        null=True,
        on_delete=django.db.models.deletion.SET_NULL,
        related_name="+",
        to=settings.AUTH_USER_MODEL,
    )


class Migration(migrations.Migration):
    dependencies = [
        ("campaigns", "0007_offers"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="SendingPolicy",
            fields=[
                ("id", id_field()),
                ("version", models.PositiveIntegerField(default=1)),
                ("quiet_hours", models.JSONField(blank=True, default=dict)),
                ("caps", models.JSONField(blank=True, default=list)),
                ("holdout_share", models.FloatField(default=0.0)),
                ("holdout_salt", models.CharField(max_length=32)),
                ("holdout_since", models.DateTimeField(blank=True, null=True)),
                ("approval_above", models.PositiveIntegerField(blank=True, null=True)),
                ("costs", models.JSONField(blank=True, default=dict)),
                ("small_people", models.PositiveIntegerField(default=100)),
                ("small_segments_most", models.PositiveSmallIntegerField(default=3)),
                ("changed_at", models.DateTimeField()),
                ("changed_by", person_field()),
            ],
            options={
                "verbose_name_plural": "sending policies",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("pk", 1)), name="one_sending_policy"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("holdout_share__gte", 0), ("holdout_share__lte", 0.5)),
                        name="global_holdout_leaves_most",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Approval",
            fields=[
                ("id", id_field()),
                ("content_sha256", models.CharField(max_length=64)),
                ("audience", models.PositiveIntegerField()),
                (
                    "verdict",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("approved", "Approved"),
                            ("refused", "Refused"),
                        ],
                        default="waiting",
                        max_length=8,
                    ),
                ),
                ("note", models.CharField(blank=True, max_length=300)),
                ("asked_at", models.DateTimeField()),
                ("decided_at", models.DateTimeField(blank=True, null=True)),
                ("asked_by", person_field()),
                (
                    "campaign",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="approvals",
                        to="campaigns.campaign",
                    ),
                ),
                ("decided_by", person_field()),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("verdict", "waiting")),
                        fields=("campaign",),
                        name="one_open_question_per_campaign",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("decided_at__isnull", True), ("verdict", "waiting")),
                            models.Q(
                                ("decided_at__isnull", False),
                                ("verdict__in", ["approved", "refused"]),
                            ),
                            _connector="OR",
                        ),
                        name="decided_means_decided_at",
                    ),
                ],
            },
        ),
    ]
