"""The deliveries that wait are found by when they are due; and no row has a verdict that there is not."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations, models

from config.migrating import IndexBeside


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('integrations', '0003_deliveries_wait'),
    ]

    operations = [
        ValidateConstraint(
            model_name='inbounddelivery',
            name='delivery_status_known',
        ),
        IndexBeside(
            model_name='inbounddelivery',
            index=models.Index(condition=models.Q(('status', 'waiting')), fields=['due_at', 'id'], name='delivery_waiting'),
        ),
    ]
