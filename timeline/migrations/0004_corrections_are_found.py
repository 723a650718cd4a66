"""Corrections are found by what they correct."""

from django.db import migrations, models
from django.db.models.fields.json import KeyTextTransform

from config.migrating import index_beside


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('timeline', '0003_corrections'),
    ]

    operations = index_beside(
        'timelineevent',
        models.Index(
            models.F('subject_id'),
            KeyTextTransform('corrects', 'payload'),
            condition=models.Q(('event', 'incident.corrected')),
            name='fact_correction',
        ),
    )
