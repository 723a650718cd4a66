"""
What incidents are found by is written by incidents.words, and no longer by PostgreSQL by its own rules and locale.

The generated column becomes a plain one and keeps what stands there, which takes a moment and rewrites nothing; the
worker writes it anew, bit by bit (dashboard.refolding), and until then an incident is found as before.
"""

import django.contrib.postgres.indexes
import django.contrib.postgres.search
from django.db import migrations, models

from config.migrating import index_beside

# The way back, for whoever has to take it: PostgreSQL's rules, as 0001 said them.
GENERATED = """
ALTER TABLE incidents_incident DROP COLUMN search;
ALTER TABLE incidents_incident ADD COLUMN search tsvector GENERATED ALWAYS AS (
    to_tsvector('simple'::regconfig, coalesce(translate(left(title, 1000), './-_:@#?&=%%+,;~|*', '                 '), '')
    || ' ' || coalesce(translate(left(error_message, 1000), './-_:@#?&=%%+,;~|*', '                 '), '')
    || ' ' || coalesce(translate(left(resource_name, 200), './-_:@#?&=%%+,;~|*', '                 '), ''))
) STORED;
CREATE INDEX incident_words ON incidents_incident USING gin (search);
"""


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('incidents', '0007_folds_have_versions'),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            [migrations.RunSQL(
                'ALTER TABLE incidents_incident ALTER COLUMN search DROP EXPRESSION IF EXISTS', GENERATED,
            )],
            [
                migrations.RemoveIndex(model_name='incident', name='incident_words'),
                migrations.RemoveField(model_name='incident', name='search'),
                migrations.AddField(model_name='incident', name='search', field=django.contrib.postgres.search.SearchVectorField(editable=False, null=True)),
                migrations.AddIndex(model_name='incident', index=django.contrib.postgres.indexes.GinIndex(fields=['search'], name='incident_words')),
            ],
        ),
        migrations.RunSQL(
            'ALTER TABLE incidents_incident ADD COLUMN IF NOT EXISTS words_version smallint NULL',
            'ALTER TABLE incidents_incident DROP COLUMN IF EXISTS words_version',
            state_operations=[
                migrations.AddField(model_name='incident', name='words_version', field=models.SmallIntegerField(editable=False, help_text='Which version of incidents.words wrote `search`; none: PostgreSQL did.', null=True)),
            ],
        ),
        *index_beside('incident', models.Index(condition=models.Q(('words_version__isnull', True)), fields=['id'], name='incident_unworded')),
    ]
