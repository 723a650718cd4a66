"""Messages are found by what they are about, and what failed is found at once."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('teams', '0002_passwords_to_be_changed'),
        ('timeline', '0006_outbound'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='endpoint',
            index=models.Index(condition=models.Q(('deleted_at', None), models.Q(('disabled_why', ''), _negated=True)), fields=['team'], name='endpoint_failed'),
        ),
        migrations.AddIndex(
            model_name='message',
            index=models.Index(fields=['subject_kind', 'subject_id', '-id'], name='message_about'),
        ),
        migrations.AddIndex(
            model_name='message',
            index=models.Index(condition=models.Q(('status', 'dead')), fields=['endpoint', '-id'], name='message_dead'),
        ),
    ]
