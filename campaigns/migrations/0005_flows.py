import django.core.serializers.json
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("campaigns", "0004_campaigns_grow"),
        ("customers", "0009_webhook_channel"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="FlowVersion",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                ("definition", models.JSONField()),
                ("note", models.CharField(blank=True, max_length=300)),
                ("created_at", models.DateTimeField()),
                (
                    "campaign",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="flow_versions",
                        to="campaigns.campaign",
                    ),
                ),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["campaign_id", "-number"],
            },
        ),
        migrations.CreateModel(
            name="FlowWatch",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("changes", models.JSONField(default=dict)),
                ("snapshot", models.TextField(blank=True)),
                ("swept_at", models.DateTimeField()),
                (
                    "campaign",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="flow_watch",
                        to="campaigns.campaign",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "flow watches",
            },
        ),
        migrations.CreateModel(
            name="Journey",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField(default=1)),
                ("step", models.PositiveSmallIntegerField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "On the way"),
                            ("done", "Went to the end"),
                            ("exited", "Left before the end"),
                            ("holdout", "Left alone to measure"),
                        ],
                        default="waiting",
                        max_length=7,
                    ),
                ),
                ("step_at", models.DateTimeField(blank=True, null=True)),
                ("due_at", models.DateTimeField(blank=True, null=True)),
                ("waits_for", models.CharField(blank=True, max_length=120)),
                ("waits_for_order", models.BooleanField(default=False)),
                ("cause", models.CharField(max_length=120)),
                ("caused_at", models.DateTimeField()),
                (
                    "data",
                    models.JSONField(
                        default=dict, encoder=django.core.serializers.json.DjangoJSONEncoder
                    ),
                ),
                ("offer_id", models.BigIntegerField(blank=True, null=True)),
                ("entered_at", models.DateTimeField()),
                ("exited_at", models.DateTimeField(blank=True, null=True)),
                (
                    "exit_reason",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("", "–"),
                            ("finished", "No step was left"),
                            ("step", "An exit step"),
                            ("filtered", "Did not pass a filter"),
                            ("ordered", "Ordered"),
                            ("event", "Did what ends the flow"),
                            ("holdout", "Left alone to measure"),
                            ("global_holdout", "Left alone by all marketing, to measure"),
                            ("not_sampled", "Not in the sample"),
                            ("split_holdout", "Left alone from a split on, to measure"),
                            ("changed", "The step is not in the flow any more"),
                            ("cancelled", "The campaign was cancelled"),
                            ("erased", "Erased or merged"),
                            ("broken", "The step could not be done"),
                        ],
                        default="",
                        max_length=14,
                    ),
                ),
                (
                    "campaign",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="journeys",
                        to="campaigns.campaign",
                    ),
                ),
                (
                    "customer",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="journeys",
                        to="customers.customer",
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="journeys",
                        to="campaigns.flowversion",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="JourneyStep",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("step", models.PositiveSmallIntegerField()),
                (
                    "what",
                    models.CharField(
                        choices=[
                            ("entered", "Entered"),
                            ("waited", "Waits"),
                            ("went_on", "Waited long enough"),
                            ("heard", "Did what was waited for"),
                            ("timed_out", "Did not do what was waited for"),
                            ("planned", "Message planned"),
                            ("skipped", "No message"),
                            ("passed", "Passed the filter"),
                            ("branched", "Took a branch"),
                            ("split", "Drawn into an arm"),
                            ("offered", "Offer chosen"),
                            ("told", "Another system is told"),
                            ("trait", "Trait written"),
                            ("moved", "Moved to another version"),
                            ("left", "Left"),
                            ("left_alone", "Left alone"),
                            ("done", "Went to the end"),
                        ],
                        max_length=10,
                    ),
                ),
                ("detail", models.CharField(blank=True, max_length=120)),
                ("happened_at", models.DateTimeField()),
                (
                    "journey",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="log",
                        to="campaigns.journey",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="CampaignRun",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                ("tick_at", models.DateTimeField()),
                ("happened_at", models.DateTimeField()),
                ("planned", models.PositiveIntegerField(default=0)),
                ("left_out", models.JSONField(default=dict)),
                ("is_passed_over", models.BooleanField(default=False)),
                (
                    "campaign",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="runs",
                        to="campaigns.campaign",
                    ),
                ),
            ],
            options={
                "ordering": ["campaign_id", "-number"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("campaign", "number"), name="one_run_per_number"
                    ),
                    models.UniqueConstraint(
                        fields=("campaign", "tick_at"), name="one_run_per_tick"
                    ),
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="flowversion",
            constraint=models.UniqueConstraint(
                fields=("campaign", "number"), name="one_version_per_number"
            ),
        ),
        migrations.AddIndex(
            model_name="journey",
            index=models.Index(
                condition=models.Q(("state", "waiting")),
                fields=["campaign", "due_at", "id"],
                name="journey_due",
            ),
        ),
        migrations.AddIndex(
            model_name="journey",
            index=models.Index(
                fields=["campaign", "customer", "-number"], name="journeys_of_person"
            ),
        ),
        migrations.AddIndex(
            model_name="journey",
            index=models.Index(fields=["campaign", "-id"], name="journeys_newest"),
        ),
        migrations.AddConstraint(
            model_name="journey",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "waiting")),
                fields=("campaign", "customer"),
                name="one_open_journey",
            ),
        ),
        migrations.AddConstraint(
            model_name="journey",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("due_at__isnull", False),
                        ("exit_reason", ""),
                        ("exited_at__isnull", True),
                        ("state", "waiting"),
                    ),
                    models.Q(
                        models.Q(("state", "waiting"), _negated=True),
                        ("due_at__isnull", True),
                        ("exited_at__isnull", False),
                        models.Q(("exit_reason", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="journey_waits_or_is_over",
            ),
        ),
    ]
