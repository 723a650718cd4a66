"""Whether another Watchkeeper's staff may act on our incidents. Off for integrations that are there: somebody decides."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0005_hearing'),
    ]

    operations = [
        migrations.AddField(
            model_name='integration',
            name='may_act',
            field=models.BooleanField(db_default=False, default=False, help_text='What another Watchkeeper’s staff do to incidents of ours that are mirrored there is done here, too.', verbose_name='may act on our incidents'),
        ),
    ]
