"""
The queue's index leads from each integration to the next, and the rows' own weight is less.

Indexes of foreign keys that others begin with, or that are empty in most rows, cost every delivery and help nobody.
"""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.conf import settings
from django.db import migrations, models
import django.db.models.deletion


def without_index(name, column, field):
    """The field without the index that Django made for it, which is dropped beside the running system."""
    index = f"integrations_inbounddelivery_{column}_{name}"
    dropped = migrations.RunSQL(
        f'DROP INDEX CONCURRENTLY IF EXISTS "{index}"',
        f'CREATE INDEX CONCURRENTLY IF NOT EXISTS "{index}" ON integrations_inbounddelivery ({column})',
    )
    altered = migrations.AlterField("inbounddelivery", column.removesuffix("_id"), field)
    return migrations.SeparateDatabaseAndState([dropped], [altered])


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
        AddIndexConcurrently(
            model_name='inbounddelivery',
            index=models.Index(condition=models.Q(('status', 'received')), fields=['integration', 'due_at', 'id'], name='delivery_turn'),
        ),
        RemoveIndexConcurrently(model_name='inbounddelivery', name='delivery_due'),
        AddIndexConcurrently(
            model_name='inbounddelivery',
            index=models.Index(condition=models.Q(('fact__isnull', False)), fields=['fact'], name='delivery_by_fact'),
        ),
        AddIndexConcurrently(
            model_name='inbounddelivery',
            index=models.Index(condition=models.Q(('replayed_by__isnull', False)), fields=['replayed_by'], name='delivery_by_replayer'),
        ),
        without_index('70c9617a', 'fact_id', key('timeline.timelineevent', '+', null=True)),
        without_index('4de69052', 'replayed_by_id', key(settings.AUTH_USER_MODEL, '+', null=True)),
        without_index('ef581653', 'team_id', key('teams.team', 'deliveries')),
        without_index('80e7fcda', 'integration_id', key('integrations.integration', 'deliveries')),
    ]
