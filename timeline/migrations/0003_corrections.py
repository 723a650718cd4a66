"""
What corrections make of a fact stands beside it; corrections are found by what they correct.
"""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.fields.json import KeyTextTransform


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('timeline', '0002_a_teams_facts_in_order'),
    ]

    operations = [
        migrations.AddField(
            model_name='timelineevent',
            name='correction',
            field=models.JSONField(help_text='What was said of it later: see timeline.corrections.', null=True),
        ),
        AddIndexConcurrently(
            model_name='timelineevent',
            index=models.Index(
                models.F('subject_id'),
                KeyTextTransform('corrects', 'payload'),
                condition=models.Q(('event', 'incident.corrected')),
                name='fact_correction',
            ),
        ),
    ]
