import django.db.models.deletion
import rapport.sealed
from django.db import migrations, models

ID = ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"))
CHANNELS = [("email", "Email"), ("sms", "Sms"), ("push", "Push"), ("in_app", "In App"), ("webhook", "Webhook")]
KINDS = [
    ("smtp", "SMTP server"), ("postmark", "Postmark"), ("mailgun", "Mailgun"), ("sendgrid", "SendGrid"),
    ("brevo", "Brevo"), ("mailjet", "Mailjet"), ("resend", "Resend"), ("sparkpost", "SparkPost"),
    ("mailersend", "MailerSend"), ("mandrill", "Mandrill"),
]
SECURITY = [("none", "None"), ("starttls", "STARTTLS"), ("tls", "TLS from the first byte")]
SPANS = [("second", "Second"), ("minute", "Minute"), ("day", "Day")]


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0008_audience")]

    operations = [
        migrations.CreateModel(
            name="MailServer",
            fields=[
                ID,
                ("name", models.CharField(max_length=80, unique=True)),
                ("kind", models.CharField(choices=KINDS, default="smtp", max_length=10)),
                ("host", models.CharField(blank=True, max_length=253)),
                ("port", models.PositiveIntegerField(blank=True, null=True)),
                ("security", models.CharField(choices=SECURITY, default="starttls", max_length=8)),
                ("login", models.CharField(blank=True, max_length=200)),
                ("password", rapport.sealed.SealedField(blank=True)),
                ("region", models.CharField(blank=True, max_length=10)),
                ("weight", models.PositiveSmallIntegerField(default=1)),
                ("is_enabled", models.BooleanField(default=True)),
                ("created_at", models.DateTimeField()),
                ("changed_at", models.DateTimeField()),
            ],
            options={"ordering": ["name"]},
        ),
        migrations.CreateModel(
            name="SendingLimit",
            fields=[
                ID,
                ("channel", models.CharField(choices=CHANNELS, default="email", max_length=10)),
                ("domain", models.CharField(blank=True, max_length=253)),
                ("per_second", models.PositiveIntegerField(blank=True, null=True)),
                ("per_hour", models.PositiveIntegerField(blank=True, null=True)),
                ("created_at", models.DateTimeField()),
                ("changed_at", models.DateTimeField()),
            ],
            options={"ordering": ["channel", "domain"]},
        ),
        migrations.CreateModel(
            name="SendingUse",
            fields=[
                ID,
                ("scope", models.CharField(max_length=280)),
                ("span", models.CharField(choices=SPANS, max_length=6)),
                ("starts_at", models.DateTimeField()),
                ("used", models.PositiveIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="WarmUp",
            fields=[
                ID,
                ("domain", models.CharField(max_length=253, unique=True)),
                ("starts_on", models.DateField()),
                ("first_day", models.PositiveIntegerField(default=200)),
                ("growth", models.FloatField(default=1.5)),
                ("until", models.PositiveIntegerField(default=100000)),
                ("created_at", models.DateTimeField()),
                ("changed_at", models.DateTimeField()),
            ],
            options={"ordering": ["domain"]},
        ),
        migrations.CreateModel(
            name="SendingLine",
            fields=[
                ID,
                ("scope", models.CharField(max_length=280)),
                ("until", models.DateTimeField()),
                ("campaign", models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="+",
                    to="campaigns.campaign",
                )),
            ],
        ),
        migrations.AddField(
            model_name="campaign",
            name="judged_from",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(("state__in", ["bounced", "complained"])),
                fields=["campaign", "state"], name="message_came_back_bad",
            ),
        ),
        migrations.AddConstraint(
            model_name="mailserver",
            constraint=models.CheckConstraint(
                condition=models.Q(("weight__gte", 1)), name="mail_server_weighs"
            ),
        ),
        migrations.AddConstraint(
            model_name="sendinglimit",
            constraint=models.UniqueConstraint(
                fields=("channel", "domain"), name="one_limit_per_domain"
            ),
        ),
        migrations.AddConstraint(
            model_name="sendinglimit",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("per_second__isnull", False), ("per_hour__isnull", False), _connector="OR"
                    ),
                    models.Q(
                        ("per_second__isnull", True), ("per_second__gte", 1), _connector="OR"
                    ),
                    models.Q(("per_hour__isnull", True), ("per_hour__gte", 1), _connector="OR"),
                ),
                name="limit_limits",
            ),
        ),
        migrations.AddConstraint(
            model_name="sendinguse",
            constraint=models.UniqueConstraint(
                fields=("scope", "span", "starts_at"), name="one_use_per_span"
            ),
        ),
        migrations.AddConstraint(
            model_name="warmup",
            constraint=models.CheckConstraint(
                condition=models.Q(("first_day__gte", 1), ("growth__gt", 1), ("growth__lte", 10)),
                name="warm_up_grows",
            ),
        ),
        migrations.AddConstraint(
            model_name="sendingline",
            constraint=models.UniqueConstraint(
                fields=("campaign", "scope"), name="one_line_per_limit"
            ),
        ),
    ]
