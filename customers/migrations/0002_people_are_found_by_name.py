"""Indexes for the search box: the beginning of a name, an address or a shop's own number.

``text_pattern_ops`` serves LIKE 'abc%' under every locale of the server. Written as SQL because
an index on an expression with an operator class needs django.contrib.postgres.
"""

from django.db import migrations

INDEXES = {
    "customer_by_first_name": "customers_customer (lower(first_name) text_pattern_ops)",
    "customer_by_last_name": "customers_customer (lower(last_name) text_pattern_ops)",
    "identity_by_value": "customers_identity (value text_pattern_ops)",
}


class Migration(migrations.Migration):
    dependencies = [("customers", "0001_facts")]

    operations = [
        migrations.RunSQL(f"CREATE INDEX {name} ON {on}", f"DROP INDEX {name}")
        for name, on in INDEXES.items()
    ]
