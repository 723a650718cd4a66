"""A fact says which incident group it names by our id, so that it can be passed on under it."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('timeline', '0004_corrections_are_found'),
    ]

    operations = [
        migrations.AddField(
            model_name='timelineevent',
            name='group_id',
            field=models.BigIntegerField(help_text='The incident group that the fact itself names.', null=True),
        ),
    ]
