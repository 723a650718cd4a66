"""
Sessions are kept under a digest of their key (teams.sessions). Those there are go on; a key has 32 characters, a digest
40, so that this can be run again. What has ended is not worth changing.
"""

from django.db import migrations

END = "DELETE FROM django_session WHERE expire_date < now()"
CHANGE = """
    UPDATE django_session SET session_key = left(encode(sha256(convert_to(session_key, 'UTF8')), 'hex'), 40)
    WHERE length(session_key) = 32
"""


class Migration(migrations.Migration):

    dependencies = [
        ('teams', '0003_entry_links_and_failed_logins'),
        ('sessions', '0001_initial'),
    ]

    operations = [
        migrations.RunSQL(END, migrations.RunSQL.noop),
        # Backwards nobody is logged in any more: a key can't be had from its digest.
        migrations.RunSQL(CHANGE, migrations.RunSQL.noop),
    ]
