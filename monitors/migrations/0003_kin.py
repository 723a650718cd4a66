"""
Which resources a Watchkeeper created, this one or another that tells of it: until now those that are native, once their
creation was told. States between two facts (checkpoints) are told the new word.
"""

from django.db import migrations, models


# Few rows are native, and those alone are written.
CREATED_HERE = "UPDATE {table} SET kin = true WHERE integration_id IS NULL AND NOT provisional AND NOT kin"
IN_CHECKPOINTS = """
UPDATE timeline_checkpoint SET state = (state - 'native') || jsonb_build_object('kin', state -> 'native')
WHERE subject_kind IN ('monitor', 'heartbeat') AND jsonb_exists(state, 'native')
"""


class Migration(migrations.Migration):

    dependencies = [
        ('monitors', '0002_heartbeats_are_expected'),
        ('timeline', '0006_outbound'),
    ]

    operations = [
        migrations.AddField(
            model_name='heartbeat',
            name='kin',
            field=models.BooleanField(db_default=False, default=False, editable=False, help_text='A Watchkeeper created it, this one or another.'),
        ),
        migrations.AddField(
            model_name='monitor',
            name='kin',
            field=models.BooleanField(db_default=False, default=False, editable=False, help_text='A Watchkeeper created it, this one or another.'),
        ),
        *(
            migrations.RunSQL(CREATED_HERE.format(table=table), migrations.RunSQL.noop)
            for table in ('monitors_monitor', 'monitors_heartbeat')
        ),
        migrations.RunSQL(IN_CHECKPOINTS, migrations.RunSQL.noop),
    ]
