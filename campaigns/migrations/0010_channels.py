import django.db.models.deletion
from django.db import migrations, models

CHANNELS = [
    ("email", "Email"),
    ("sms", "Sms"),
    ("push", "Push"),
    ("in_app", "In App"),
    ("webhook", "Webhook"),
]


def pk():
    return models.BigAutoField(
        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
    )


def customer(name, **given):
    return models.ForeignKey(
        db_constraint=False,
        on_delete=django.db.models.deletion.DO_NOTHING,
        related_name=name,
        to="customers.customer",
        **given,
    )


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0009_sending"), ("customers", "0009_webhook_channel")]

    operations = [
        migrations.AddField(
            model_name="inboxmail",
            name="channel",
            field=models.CharField(choices=CHANNELS, default="email", max_length=10),
        ),
        migrations.CreateModel(
            name="WebhookReceiver",
            fields=[
                ("id", pk()),
                ("url", models.CharField(max_length=500)),
                ("secret_salt", models.CharField(max_length=64)),
                ("created_at", models.DateTimeField()),
                ("changed_at", models.DateTimeField()),
                (
                    "campaign",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="receiver",
                        to="campaigns.campaign",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="WebhookCall",
            fields=[
                ("id", pk()),
                ("happened_at", models.DateTimeField()),
                ("seconds", models.FloatField()),
                ("status", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("error", models.CharField(blank=True, max_length=500)),
                ("answer", models.CharField(blank=True, max_length=1000)),
                (
                    "message",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="webhook_calls",
                        to="campaigns.message",
                    ),
                ),
                (
                    "receiver",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="calls",
                        to="campaigns.webhookreceiver",
                    ),
                ),
            ],
            options={"ordering": ["-id"]},
        ),
        migrations.CreateModel(
            name="InAppMessage",
            fields=[
                ("id", pk()),
                ("title", models.CharField(blank=True, max_length=200)),
                ("html", models.TextField()),
                ("url", models.CharField(blank=True, max_length=3000)),
                ("created_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("fetched_at", models.DateTimeField(blank=True, null=True)),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                ("customer", customer("in_app_messages")),
                (
                    "message",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="in_app",
                        to="campaigns.message",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("closed_at__isnull", True)),
                        fields=["customer", "-id"],
                        name="in_app_open",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="InboundText",
            fields=[
                ("id", pk()),
                ("channel", models.CharField(choices=CHANNELS, default="sms", max_length=10)),
                ("provider", models.CharField(max_length=40)),
                ("provider_id", models.CharField(max_length=120)),
                ("sender", models.CharField(max_length=40)),
                ("text", models.TextField(blank=True)),
                (
                    "meaning",
                    models.CharField(
                        choices=[
                            ("stop", "Stop"),
                            ("start", "Start"),
                            ("help", "Help"),
                            ("other", "Other"),
                        ],
                        max_length=5,
                    ),
                ),
                ("reply", models.CharField(blank=True, max_length=500)),
                ("received_at", models.DateTimeField()),
                ("customer", customer("inbound_texts", blank=True, null=True)),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [models.Index(fields=["sender"], name="inbound_of_sender")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("provider", "provider_id"), name="one_inbound_per_id"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="PushSubscription",
            fields=[
                ("id", pk()),
                ("endpoint", models.CharField(max_length=1000, unique=True)),
                ("p256dh", models.CharField(max_length=90)),
                ("auth", models.CharField(max_length=24)),
                ("user_agent", models.CharField(blank=True, max_length=200)),
                ("created_at", models.DateTimeField()),
                ("gone_at", models.DateTimeField(blank=True, null=True)),
                ("customer", customer("push_subscriptions")),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("gone_at__isnull", True)),
                        fields=["customer"],
                        name="push_of_customer",
                    )
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="webhookreceiver",
            constraint=models.UniqueConstraint(
                fields=("campaign",), name="one_receiver_per_campaign", nulls_distinct=False
            ),
        ),
    ]
