"""A group's incidents in the order of lists."""

from django.db import migrations, models

from config.migrating import index_beside


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('incidents', '0004_corrections'),
    ]

    operations = index_beside(
        'incident',
        models.Index(condition=models.Q(('incident_group_id__isnull', False)), fields=['team', 'incident_group_id', '-started_at', '-id'], name='incident_of_group'),
    )
