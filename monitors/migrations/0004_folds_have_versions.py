"""Which version of the fold found a state: until now none; the worker folds those again."""

from django.db import migrations, models


def version():
    return models.SmallIntegerField(
        db_default=0, default=0, editable=False, help_text='Which version of the fold found this.'
    )


class Migration(migrations.Migration):

    dependencies = [
        ('monitors', '0003_kin'),
    ]

    operations = [
        migrations.AddField(model_name='heartbeat', name='fold_version', field=version()),
        migrations.AddField(model_name='monitor', name='fold_version', field=version()),
    ]
