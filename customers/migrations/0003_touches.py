"""Whose facts changed in which transaction."""

from django.db import migrations, models

import customers.models.touches


class Migration(migrations.Migration):
    dependencies = [("customers", "0002_people_are_found_by_name")]

    operations = [
        migrations.CreateModel(
            name="TouchReader",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=120, unique=True)),
                ("needs_from", customers.models.touches.TransactionIdField()),
                ("seen_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Touch",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("customer_id", models.BigIntegerField(null=True)),
                ("xid", customers.models.touches.TransactionIdField(db_default=models.Func(function="pg_current_xact_id", output_field=customers.models.touches.TransactionIdField()))),
                ("touched_at", models.DateTimeField()),
            ],
            options={
                "verbose_name_plural": "touches",
                "indexes": [models.Index(fields=["xid"], name="touch_by_transaction")],
            },
        ),
    ]
