"""Write keys of browsers, which everybody has, and of servers, which are kept secret.

Those that exist may stand in pages, so they become keys of browsers.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("customers", "0005_merges")]

    operations = [
        migrations.AddField(
            model_name="writekey",
            name="kind",
            field=models.CharField(
                choices=[("browser", "Browser"), ("server", "Server")],
                default="browser",
                max_length=10,
            ),
        ),
    ]
