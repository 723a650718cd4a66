"""
Groups of incidents as records, and whose id an incident's group has. The groups that sources' incidents are in become
records.
"""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

from timeline.identity import source_key

SOURCE = ("team_id", "integration_id", "source_organization_id", "source_team_id", "incident_group_id")


def groups_of_sources(apps, schema_editor):
    """Make a record of each group that a mirrored incident is in."""
    incident, group = apps.get_model("incidents", "Incident"), apps.get_model("incidents", "IncidentGroup")
    grouped = incident.objects.filter(incident_group_id__isnull=False, integration_id__isnull=False)
    for team_id, integration_id, organization, team, number in grouped.values_list(*SOURCE).distinct().order_by():
        group.objects.get_or_create(
            source_key=source_key(integration_id, organization, team, "incident_group", number),
            defaults={
                "team_id": team_id,
                "integration_id": integration_id,
                "source_organization_id": organization,
                "source_team_id": team,
                "source_id": number,
            },
        )


class Migration(migrations.Migration):

    dependencies = [
        ('incidents', '0002_one_index_for_each_list'),
        ('teams', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='IncidentGroup',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.TextField(blank=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('integration_id', models.BigIntegerField(blank=True, help_text='Whose mirror it is; empty: native.', null=True)),
                ('source_organization_id', models.TextField(blank=True, null=True)),
                ('source_team_id', models.TextField(blank=True, null=True)),
                ('source_id', models.BigIntegerField(blank=True, help_text='Its id at the source.', null=True)),
                ('source_key', models.BinaryField(max_length=32, null=True, unique=True)),
                ('team', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='incident_groups', to='teams.team')),
            ],
            options={
                'indexes': [models.Index(fields=['team', '-id'], name='incidentgroup_newest')],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('integration_id__isnull', True), ('source_id__isnull', True), ('source_key__isnull', True)), models.Q(('integration_id__isnull', False), ('source_id__gte', 0), ('source_id__isnull', False), ('source_key__isnull', False)), _connector='OR'), name='incidentgroup_native_or_mirrored')],
            },
        ),
        migrations.AddField(
            model_name='incident',
            name='incident_group_native',
            field=models.BooleanField(db_default=False, default=False, help_text="Whether the group's id is ours rather than the source's."),
        ),
        migrations.RunPython(groups_of_sources, migrations.RunPython.noop, elidable=True),
    ]
