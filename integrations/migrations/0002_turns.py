"""
The queue's index leads from each integration to the next, and the rows' own weight is less.

Indexes of foreign keys that others begin with, or that are empty in most rows, cost every delivery and help nobody.
"""

from django.contrib.postgres.operations import RemoveIndexConcurrently
from django.conf import settings
from django.db import migrations, models
import django.db.models.deletion

from config.migrating import IndexBeside, without_index


def key(to, name, **options):
    return models.ForeignKey(
        to, on_delete=django.db.models.deletion.PROTECT, related_name=name, db_index=False, **options
    )


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('integrations', '0001_initial'),
        ('teams', '0001_initial'),
        ('timeline', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        IndexBeside(
            model_name='inbounddelivery',
            index=models.Index(condition=models.Q(('status', 'received')), fields=['integration', 'due_at', 'id'], name='delivery_turn'),
        ),
        RemoveIndexConcurrently(model_name='inbounddelivery', name='delivery_due'),
        IndexBeside(
            model_name='inbounddelivery',
            index=models.Index(condition=models.Q(('fact__isnull', False)), fields=['fact'], name='delivery_by_fact'),
        ),
        IndexBeside(
            model_name='inbounddelivery',
            index=models.Index(condition=models.Q(('replayed_by__isnull', False)), fields=['replayed_by'], name='delivery_by_replayer'),
        ),
        without_index('integrations_inbounddelivery', 'fact_id', '70c9617a', key('timeline.timelineevent', '+', null=True)),
        without_index('integrations_inbounddelivery', 'replayed_by_id', '4de69052', key(settings.AUTH_USER_MODEL, '+', null=True)),
        without_index('integrations_inbounddelivery', 'team_id', 'ef581653', key('teams.team', 'deliveries')),
        without_index('integrations_inbounddelivery', 'integration_id', '80e7fcda', key('integrations.integration', 'deliveries')),
    ]
