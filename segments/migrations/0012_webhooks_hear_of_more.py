import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("segments", "0011_cuts_of_scores")]

    operations = [
        migrations.AddField(
            model_name="webhookendpoint",
            name="event_types",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=60), blank=True, default=list, size=None
            ),
        ),
        migrations.RemoveConstraint(model_name="webhookendpoint", name="endpoint_wants_something"),
        migrations.AddConstraint(
            model_name="webhookendpoint",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("wants_entered", True),
                    ("wants_exited", True),
                    models.Q(("event_types", []), _negated=True),
                    _connector="OR",
                ),
                name="endpoint_wants_something",
            ),
        ),
    ]
