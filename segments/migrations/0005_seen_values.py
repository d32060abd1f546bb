from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("segments", "0004_webhooks"),
    ]

    operations = [
        migrations.CreateModel(
            name="SeenValue",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.CharField(max_length=20)),
                ("of", models.CharField(blank=True, max_length=200)),
                ("value", models.CharField(max_length=300)),
                ("times", models.BigIntegerField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("kind", "of", "value"), name="one_row_per_seen_value"
                    )
                ],
            },
        ),
    ]
