"""Profiles that turned out to be one person, and handles that were refused."""

import django.core.serializers.json
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("customers", "0004_write_keys"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Merge",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "rule",
                    models.CharField(
                        choices=[
                            ("anonymous", "A visitor said who they are"),
                            ("alias", "The shop joined two ids"),
                            ("same_email", "Same verified e-mail"),
                            ("person", "A person decided"),
                        ],
                        max_length=10,
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=300)),
                ("moved", models.JSONField(default=dict)),
                (
                    "fields",
                    models.JSONField(
                        default=dict, encoder=django.core.serializers.json.DjangoJSONEncoder
                    ),
                ),
                ("merged_at", models.DateTimeField()),
                ("undone_at", models.DateTimeField(blank=True, null=True)),
                ("forgotten_at", models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            name="MovedRows",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("table_name", models.CharField(max_length=63)),
                ("ids", models.JSONField()),
                ("is_made", models.BooleanField(default=False)),
            ],
        ),
        migrations.CreateModel(
            name="RefusedClaim",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("external", "External"),
                            ("email", "Email"),
                            ("phone", "Phone"),
                            ("anonymous", "Anonymous"),
                        ],
                        max_length=10,
                    ),
                ),
                ("source", models.CharField(blank=True, max_length=40)),
                ("value", models.CharField(max_length=254)),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("blocked", "Says nothing: a test or placeholder value"),
                            ("unclear", "Is no address or number of this kind"),
                            ("taken", "Belongs to another customer"),
                            ("limit", "The customer has as many of this kind as one may have"),
                            ("apart", "A person said that these are two"),
                            ("too_many", "Too many profiles came together within an hour"),
                        ],
                        max_length=8,
                    ),
                ),
                ("first_at", models.DateTimeField()),
                ("last_at", models.DateTimeField()),
            ],
        ),
        migrations.AddField(
            model_name="customer",
            name="merged_into",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="merged_from",
                to="customers.customer",
            ),
        ),
        migrations.AddIndex(
            model_name="customer",
            index=models.Index(
                condition=models.Q(("merged_into__isnull", False)),
                fields=["merged_into"],
                name="customer_merged_into",
            ),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(
                condition=models.Q(("customer__isnull", True)),
                fields=["source", "anonymous_id"],
                name="event_of_nobody",
            ),
        ),
        migrations.AddConstraint(
            model_name="customer",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("merged_into", None), ("erased_at__isnull", False), _connector="OR"
                ),
                name="merged_means_out_of_every_count",
            ),
        ),
        migrations.AddField(
            model_name="merge",
            name="merged",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="merged_by",
                to="customers.customer",
            ),
        ),
        migrations.AddField(
            model_name="merge",
            name="survivor",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="merges",
                to="customers.customer",
            ),
        ),
        migrations.AddField(
            model_name="merge",
            name="undone_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="merge",
            name="user",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="movedrows",
            name="merge",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="moved_rows",
                to="customers.merge",
            ),
        ),
        migrations.AddField(
            model_name="refusedclaim",
            name="customer",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="refused_claims",
                to="customers.customer",
            ),
        ),
        migrations.AddField(
            model_name="refusedclaim",
            name="holder",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="defended_claims",
                to="customers.customer",
            ),
        ),
        migrations.AddIndex(
            model_name="merge",
            index=models.Index(fields=["survivor", "-merged_at"], name="merge_of_survivor"),
        ),
        migrations.AddIndex(
            model_name="merge",
            index=models.Index(fields=["-merged_at", "-id"], name="merge_newest"),
        ),
        migrations.AddConstraint(
            model_name="merge",
            constraint=models.UniqueConstraint(
                condition=models.Q(("undone_at", None)),
                fields=("merged",),
                name="merged_into_one_at_a_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="movedrows",
            constraint=models.UniqueConstraint(
                fields=("merge", "table_name", "is_made"), name="one_list_per_table_of_merge"
            ),
        ),
        migrations.AddIndex(
            model_name="refusedclaim",
            index=models.Index(fields=["-last_at", "-id"], name="refused_claim_newest"),
        ),
        migrations.AddConstraint(
            model_name="refusedclaim",
            constraint=models.UniqueConstraint(
                fields=("source", "kind", "value", "reason", "customer", "holder"),
                name="one_refusal_per_claim",
                nulls_distinct=False,
            ),
        ),
    ]
