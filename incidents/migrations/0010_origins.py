"""Which installation told of a mirrored incident as of its own: found when it is folded again."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('incidents', '0009_what_sources_say'),
    ]

    operations = [
        migrations.AddField(
            model_name='incident',
            name='origin',
            field=models.TextField(blank=True, help_text='The installation that told of it as of its own.', null=True),
        ),
    ]
