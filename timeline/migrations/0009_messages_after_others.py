"""Messages that wait for others about other subjects. Of those there are, none does."""

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('timeline', '0008_ranks_are_numbers'),
    ]

    operations = [
        migrations.AddField(
            model_name='message',
            name='after',
            field=ArrayField(
                base_field=models.BigIntegerField(),
                null=True,
                size=None,
                help_text='Messages about other subjects that come first: of what is deleted, its incidents’ ends.',
            ),
        ),
    ]
