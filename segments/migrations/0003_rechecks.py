import django.db.models.deletion
from django.db import migrations, models

import customers.models.touches


class Migration(migrations.Migration):

    dependencies = [
        ('customers', '0003_touches'),
        ('rapport', '0001_jobs_and_access'),
        ('segments', '0002_lists'),
    ]

    operations = [
        migrations.AddField(
            model_name='segment',
            name='live_rule',
            field=models.JSONField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='segment',
            name='live_version',
            field=models.PositiveIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='segment',
            name='run',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='rapport.run'),
        ),
        migrations.AddField(
            model_name='segment',
            name='seen_from',
            field=customers.models.touches.TransactionIdField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='segment',
            name='differences',
            field=models.PositiveIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='segment',
            name='verified_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='segment',
            name='verified_seconds',
            field=models.FloatField(blank=True, null=True),
        ),
        migrations.AlterField(
            model_name='membership',
            name='segment',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='memberships', to='segments.segment'),
        ),
        migrations.AlterField(
            model_name='membershipchange',
            name='segment',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='changes', to='segments.segment'),
        ),
        migrations.CreateModel(
            name='Recheck',
            fields=[
                ('customer', models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, primary_key=True, related_name='recheck', serialize=False, to='customers.customer')),
                ('due_at', models.DateTimeField(null=True)),
                ('asked_at', models.DateTimeField()),
                ('seen_from', customers.models.touches.TransactionIdField()),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('due_at__isnull', False)), fields=['due_at'], name='recheck_due')],
            },
        ),
    ]
