"""
A team's facts are read in order; nobody asks for all facts of a user, and every fact paid for that.
"""

import django.db.models.deletion
from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


def without_index(column, name, field):
    """The field without the index that Django made for it, which is dropped beside the running system."""
    index = f"timeline_timelineevent_{column}_{name}"
    dropped = migrations.RunSQL(
        f'DROP INDEX CONCURRENTLY IF EXISTS "{index}"',
        f'CREATE INDEX CONCURRENTLY IF NOT EXISTS "{index}" ON timeline_timelineevent ({column})',
    )
    altered = migrations.AlterField("timelineevent", column.removesuffix("_id"), field)
    return migrations.SeparateDatabaseAndState([dropped], [altered])


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('timeline', '0001_initial'),
        ('teams', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='timelineevent', index=models.Index(fields=['team', 'id'], name='fact_of_team')
        ),
        without_index('team_id', '204ff8d4', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='timeline_events', to='teams.team')),
        without_index('user_id', '16748630', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
    ]
