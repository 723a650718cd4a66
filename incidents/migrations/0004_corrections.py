"""
How many corrections an incident has, so that those without any are not asked for them; and whether it has only notes.
"""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('incidents', '0003_groups'),
        ('timeline', '0003_corrections'),
    ]

    operations = [
        migrations.AddField(
            model_name='incident',
            name='corrections',
            field=models.BigIntegerField(db_default=0, default=0, help_text='How many of its facts correct others.'),
        ),
        migrations.AddField(
            model_name='incident',
            name='only_noted',
            field=models.BooleanField(db_default=False, default=False, help_text='There are notes of it, no events.'),
        ),
    ]
