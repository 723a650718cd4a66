"""What corrections make of a fact stands beside it."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('timeline', '0002_a_teams_facts_in_order'),
    ]

    operations = [
        migrations.AddField(
            model_name='timelineevent',
            name='correction',
            field=models.JSONField(help_text='What was said of it later: see timeline.corrections.', null=True),
        ),
    ]
