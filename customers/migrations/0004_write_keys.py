"""Write keys, and messages that could not become facts."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("customers", "0003_touches"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="WriteKey",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("source", models.CharField(max_length=40)),
                ("key", models.CharField(max_length=40, unique=True)),
                ("name", models.CharField(max_length=120)),
                ("is_active", models.BooleanField(default=True)),
                ("created_at", models.DateTimeField()),
                ("last_used_at", models.DateTimeField(blank=True, null=True)),
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
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="RejectedMessage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "part",
                    models.CharField(
                        choices=[
                            ("message", "Message"),
                            ("order", "Order"),
                            ("review", "Review"),
                            ("trait", "Trait"),
                        ],
                        default="message",
                        max_length=10,
                    ),
                ),
                ("kind", models.CharField(blank=True, max_length=10)),
                ("message_id", models.CharField(blank=True, max_length=100)),
                ("user_id", models.CharField(blank=True, max_length=254)),
                ("anonymous_id", models.CharField(blank=True, max_length=254)),
                ("reason", models.CharField(max_length=500)),
                ("payload", models.TextField()),
                ("recorded_at", models.DateTimeField()),
                (
                    "write_key",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="rejected",
                        to="customers.writekey",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["write_key", "recorded_at"], name="rejected_of_write_key")
                ],
            },
        ),
    ]
