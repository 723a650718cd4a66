"""Those that wait for others are found when one of these is over."""

from django.db import migrations, models

from config.migrating import IndexBeside


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('timeline', '0009_messages_after_others'),
    ]

    operations = [
        IndexBeside(
            model_name='message',
            index=models.Index(
                condition=models.Q(('after__isnull', False), ('status', 'behind')),
                fields=['endpoint'],
                name='message_after_others',
            ),
        ),
    ]
