"""Where a top share of scores begins is decided once a scoring."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("segments", "0010_learning_grows")]

    operations = [
        migrations.AddField("scoresummary", "cuts", models.JSONField(default=dict)),
    ]
