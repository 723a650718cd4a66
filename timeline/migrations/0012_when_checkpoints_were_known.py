"""
Checkpoints say when the last of what stands up to them was recorded. Those there are don't, and are not begun at for what was
known at a moment until they are made anew.
"""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('timeline', '0011_facts_say_how_they_were_read'),
    ]

    operations = [
        migrations.AddField(
            model_name='checkpoint',
            name='known_at',
            field=models.DateTimeField(help_text='When the last of these was recorded; empty: not known.', null=True),
        ),
    ]
