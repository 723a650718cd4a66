"""
One index for each way of reading a list of incidents, and no more: every fact writes to all of them.

Filters and sorts by status and severity share an index each; kinds of resource are indexed by their first characters;
what an assignee has, and the worst of what is live, are read in order; no index begins as another one does.
"""

import django.db.models.deletion
from django.conf import settings
from django.contrib.postgres.operations import RemoveIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Left

from config.migrating import IndexBeside, without_index


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('incidents', '0001_initial'),
        ('teams', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        RemoveIndexConcurrently(model_name='incident', name='incident_by_status'),
        RemoveIndexConcurrently(model_name='incident', name='incident_by_severity'),
        IndexBeside(
            model_name='incident',
            index=models.Index('team', Left('resource_type', 60), models.F('started_at').desc(), models.F('id').desc(), name='incident_of_kind'),
        ),
        RemoveIndexConcurrently(model_name='incident', name='incident_by_resource_type'),
        IndexBeside(
            model_name='incident',
            index=models.Index(condition=models.Q(('resource_id__isnull', False)), fields=['team', 'resource_id', '-started_at', '-id'], name='incident_about'),
        ),
        RemoveIndexConcurrently(model_name='incident', name='incident_of_resource'),
        IndexBeside(
            model_name='incident',
            index=models.Index(condition=models.Q(('assignee__isnull', False)), fields=['team', 'assignee', '-started_at', '-id'], name='incident_of_assignee'),
        ),
        IndexBeside(
            model_name='incident',
            index=models.Index(condition=models.Q(('is_live', True)), fields=['team', 'severity_place', 'status_place', '-started_at', '-id'], name='incident_live_worst'),
        ),
        without_index('incidents_incident', 'team_id', '099347d8', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='incidents', to='teams.team')),
        without_index('incidents_incident', 'assignee_id', '34068d21', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
        # Of an index on an expression PostgreSQL knows nothing before it looked.
        migrations.RunSQL('ANALYZE incidents_incident', migrations.RunSQL.noop),
    ]
