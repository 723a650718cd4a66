"""
A team's facts are read in order; nobody asks for all facts of a user, and every fact paid for that.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from config.migrating import IndexBeside, without_index


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('timeline', '0001_initial'),
        ('teams', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        IndexBeside(
            model_name='timelineevent', index=models.Index(fields=['team', 'id'], name='fact_of_team')
        ),
        without_index('timeline_timelineevent', 'team_id', '204ff8d4', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='timeline_events', to='teams.team')),
        without_index('timeline_timelineevent', 'user_id', '16748630', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
    ]
