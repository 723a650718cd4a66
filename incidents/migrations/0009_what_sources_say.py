"""What its source called an incident last, and whether its source deleted it: found when it is folded again."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('incidents', '0008_words_are_ours'),
    ]

    operations = [
        migrations.AddField(
            model_name='incident',
            name='told_title',
            field=models.TextField(blank=True, help_text='What its source called it last.', null=True),
        ),
        migrations.AddField(
            model_name='incident',
            name='destroyed_at_source',
            field=models.BooleanField(db_default=False, default=False, help_text='Deleted by its source, and not by somebody here.'),
        ),
    ]
