"""Let the index of a customer's orders hold what rules ask of them; writers are not kept waiting."""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # indexes are built and dropped beside the writers

    dependencies = [("customers", "0007_joining_needs_a_secret_key")]

    operations = [
        AddIndexConcurrently(
            model_name="order",
            index=models.Index(
                fields=["customer", "happened_at"],
                include=("recorded_at", "kind", "status", "total", "id"),
                name="orders_of_customer",
            ),
        ),
        RemoveIndexConcurrently(model_name="order", name="order_of_customer"),
    ]
