"""
An installation says when its first team was set up by `create_team`, which made its manager an operator. Where that was
before this version, the key that was made with it tells: by its name, and by opening everything.
"""

from django.db import migrations, models

NAME, SCOPES = "create_team", ["read", "write", "ingest"]


def remember(apps, schema_editor):
    first = apps.get_model("teams", "APIKey").objects.filter(name=NAME, scopes__contains=SCOPES).order_by("created_at").first()
    if first is not None:
        installations = apps.get_model("timeline", "Installation").objects
        installations.get_or_create(pk=1)
        installations.filter(set_up_at=None).update(set_up_at=first.created_at)


class Migration(migrations.Migration):

    dependencies = [
        ('teams', '0004_sessions_as_digests'),
        ('timeline', '0012_when_checkpoints_were_known'),
    ]

    operations = [
        migrations.AddField(
            model_name='installation',
            name='set_up_at',
            field=models.DateTimeField(editable=False, help_text='When create_team set up a team for the first time.', null=True),
        ),
        migrations.RunPython(remember, migrations.RunPython.noop),
    ]
