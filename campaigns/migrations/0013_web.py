from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0012_proof")]

    operations = []
