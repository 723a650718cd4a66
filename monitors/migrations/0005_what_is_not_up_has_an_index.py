"""What is down is found at once, the newest first, however many monitors and heartbeats are up."""

from django.db import migrations, models
from django.db.models import F, Q

from config.migrating import IndexBeside

NOT_UP = ['down', 'verifying_recovery', 'maintenance']


def index(name):
    return models.Index(
        F('team'), F('status'), F('status_since').desc(nulls_last=True), F('id').desc(),
        condition=Q(('destroyed_at__isnull', True), ('status__in', NOT_UP)),
        name=name,
    )


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('monitors', '0004_folds_have_versions'),
    ]

    operations = [
        IndexBeside(model_name='heartbeat', index=index('heartbeat_not_up')),
        IndexBeside(model_name='monitor', index=index('monitor_not_up')),
    ]
