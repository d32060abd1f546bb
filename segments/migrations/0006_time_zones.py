"""The time zones this server knows, so that a customer's zone it does not know breaks no statement.

PostgreSQL raises an error for an unknown zone, and its own view of all zones reads hundreds of
files.  Rules join this table instead; whose zone is not in it has the shop's.
"""

from django.db import migrations

FORWARD = """
CREATE TABLE segments_timezone (name text PRIMARY KEY);
INSERT INTO segments_timezone (name)
SELECT name FROM pg_timezone_names WHERE name ~ '^[A-Z][A-Za-z_]+/' ON CONFLICT DO NOTHING;
ANALYZE segments_timezone;
"""


class Migration(migrations.Migration):
    dependencies = [("segments", "0005_seen_values")]
    operations = [migrations.RunSQL(FORWARD, "DROP TABLE segments_timezone")]
