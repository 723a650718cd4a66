"""A fact says what of its event was read otherwise than it was sent."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('timeline', '0010_messages_after_others_are_found'),
    ]

    operations = [
        migrations.AddField(
            model_name='timelineevent',
            name='reading',
            field=models.JSONField(help_text='What was read otherwise than it was sent: see timeline.record.', null=True),
        ),
        migrations.AlterField(
            model_name='timelineevent',
            name='identity',
            field=models.BinaryField(help_text="SHA-256 of the event's canonical JSON, as it was sent.", max_length=32),
        ),
    ]
