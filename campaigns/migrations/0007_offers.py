import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0006_content")]

    operations = [
        migrations.AlterModelOptions(
            name="coupon",
            options={"permissions": [("export_coupons", "May export codes")]},
        ),
        migrations.CreateModel(
            name="OfferCandidate",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("campaign", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="offer_candidates", to="campaigns.campaign")),
                ("offer", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="candidates", to="campaigns.offer")),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("campaign", "offer"), name="one_candidate_per_offer")],
            },
        ),
    ]
