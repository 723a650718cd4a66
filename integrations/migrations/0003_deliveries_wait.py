"""
Deliveries that are dated ahead wait; of those that are too large the beginning is kept; what was ignored is said.

The new list of verdicts is written beside the old rows without looking at them; the next migration looks.
"""

import django.contrib.postgres.fields
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models

VERDICTS = [('received', 'Received'), ('applied', 'Applied'), ('waiting', 'Waiting'), ('unrecognized', 'Unrecognized'), ('quarantined', 'Quarantined'), ('duplicate', 'Duplicate'), ('conflict', 'Conflict')]


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0002_turns'),
    ]

    operations = [
        migrations.AddField(
            model_name='doorcount',
            name='last_at',
            field=models.DateTimeField(help_text='When the last of them came.', null=True),
        ),
        migrations.AddField(
            model_name='inbounddelivery',
            name='dated_at',
            field=models.DateTimeField(help_text='When it is taken to have occurred, against what it says.', null=True),
        ),
        migrations.AddField(
            model_name='inbounddelivery',
            name='ignored',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), help_text='Which of its fields were ignored, for they had a wrong type.', null=True, size=None),
        ),
        migrations.AddField(
            model_name='inbounddelivery',
            name='size',
            field=models.BigIntegerField(help_text='How many bytes it had, where only the first of them are kept.', null=True),
        ),
        migrations.AlterField(
            model_name='doorcount',
            name='reason',
            field=models.TextField(help_text='What was counted: a refusal, or the name of an event to be counted only.'),
        ),
        migrations.AlterField(
            model_name='inbounddelivery',
            name='status',
            field=models.CharField(choices=VERDICTS, default='received', max_length=20),
        ),
        migrations.RemoveConstraint(
            model_name='inbounddelivery',
            name='delivery_status_known',
        ),
        AddConstraintNotValid(
            model_name='inbounddelivery',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', [verdict for verdict, _ in VERDICTS])), name='delivery_status_known'),
        ),
    ]
