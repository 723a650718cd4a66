"""
Ranks are numbers with gaps; facts of before have places in a list instead, 0 to 18. The worker gives them their numbers
(dashboard.refolding), and finds them by this index, in which nothing stands afterwards.
"""

from django.db import migrations, models

from config.migrating import IndexBeside


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('timeline', '0007_messages_are_found'),
    ]

    operations = [
        IndexBeside(
            model_name='timelineevent',
            index=models.Index(condition=models.Q(('rank__lt', 100)), fields=['id'], name='fact_to_renumber'),
        ),
    ]
