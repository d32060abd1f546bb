from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("campaigns", "0010_channels"),
    ]

    operations = [
        migrations.CreateModel(
            name="ProviderEvent",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[("waiting", "Waiting"), ("rejected", "Rejected")],
                        default="waiting",
                        max_length=8,
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=300)),
                ("provider", models.CharField(blank=True, max_length=40)),
                ("provider_id", models.CharField(blank=True, max_length=120)),
                ("message_number", models.BigIntegerField(blank=True, null=True)),
                ("key", models.CharField(max_length=64, unique=True)),
                ("kind", models.CharField(blank=True, max_length=12)),
                (
                    "channel",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("email", "Email"),
                            ("sms", "Sms"),
                            ("push", "Push"),
                            ("in_app", "In App"),
                            ("webhook", "Webhook"),
                        ],
                        max_length=10,
                    ),
                ),
                ("detail", models.CharField(blank=True, max_length=300)),
                ("url", models.CharField(blank=True, max_length=500)),
                ("is_machine", models.BooleanField(default=False)),
                ("address", models.CharField(blank=True, max_length=254)),
                ("happened_at", models.DateTimeField()),
                ("recorded_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "waiting")),
                        fields=["id"],
                        name="arrivals_waiting",
                    )
                ],
            },
        ),
    ]
