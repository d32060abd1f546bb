import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0011_coming_back")]

    operations = [
        migrations.CreateModel(
            name="Measuring",
            fields=[
                (
                    "campaign",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="measuring",
                        serialize=False,
                        to="campaigns.campaign",
                    ),
                ),
                ("is_adjusted", models.BooleanField(default=False)),
                ("looks", models.PositiveSmallIntegerField(default=5)),
                (
                    "spending",
                    models.CharField(
                        choices=[
                            ("obrien_fleming", "Little at first (O'Brien–Fleming)"),
                            ("pocock", "Evenly (Pocock)"),
                        ],
                        default="obrien_fleming",
                        max_length=14,
                    ),
                ),
                ("customers_planned", models.PositiveIntegerField(blank=True, null=True)),
                ("unsubscribe_rate_most", models.FloatField(default=0.005)),
                ("complaint_rate_most", models.FloatField(default=0.001)),
                ("bounce_rate_most", models.FloatField(default=0.02)),
                ("changed_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("looks__gte", 1), ("looks__lte", 50)),
                        name="looks_1_to_50",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Look",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveSmallIntegerField()),
                ("looked_at", models.DateTimeField()),
                ("customers", models.PositiveIntegerField()),
                ("information", models.FloatField()),
                ("share", models.FloatField()),
                ("difference", models.FloatField()),
                ("error", models.FloatField()),
                ("boundary", models.FloatField()),
                ("spent", models.FloatField()),
                (
                    "campaign",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="looks",
                        to="campaigns.campaign",
                    ),
                ),
                (
                    "variant",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="looks",
                        to="campaigns.variant",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("campaign", "variant", "number"),
                        name="one_look_per_number",
                        nulls_distinct=False,
                    )
                ],
            },
        ),
    ]
