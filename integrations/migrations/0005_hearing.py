"""How often each integration is heard from is kept; the worker fills it from what came so far."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0004_waiting_ones_are_found'),
    ]

    operations = [
        migrations.CreateModel(
            name='Hearing',
            fields=[
                ('integration', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='hearing', serialize=False, to='integrations.integration')),
                ('delivery_id', models.BigIntegerField(help_text='The last delivery that is taken in here.')),
                ('heard_at', models.DateTimeField(help_text='When that came.')),
                ('gaps', models.FloatField(default=0, help_text='The gaps between deliveries, in seconds; what is old fades.')),
                ('squares', models.FloatField(default=0, help_text='The same of their squares.')),
            ],
        ),
    ]
