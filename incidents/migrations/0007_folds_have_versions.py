"""Which version of the fold found a state: until now none; the worker folds those again."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('incidents', '0006_old_facts_name_their_groups'),
    ]

    operations = [
        migrations.AddField(
            model_name='incident',
            name='fold_version',
            field=models.SmallIntegerField(db_default=0, default=0, editable=False, help_text='Which version of the fold found this.'),
        ),
    ]
