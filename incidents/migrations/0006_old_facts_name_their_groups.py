"""Facts that were recorded before they named their groups by our ids do so, too, so that they can be passed on."""

from django.db import migrations


# A group is one of the source's team of which its incident is.
NAME_GROUPS = """
UPDATE timeline_timelineevent AS fact SET group_id = grp.id
FROM incidents_incident AS incident JOIN incidents_incidentgroup AS grp
    ON grp.integration_id = incident.integration_id
    AND grp.source_organization_id = incident.source_organization_id AND grp.source_team_id = incident.source_team_id
WHERE fact.event = 'incident.grouped' AND fact.group_id IS NULL AND fact.integration_id = incident.integration_id
    AND fact.subject_kind = 'incident' AND fact.subject_id = incident.id
    AND grp.source_id = (fact.payload ->> 'incident_group_id')::bigint
"""


class Migration(migrations.Migration):

    dependencies = [
        ('incidents', '0005_incidents_of_a_group'),
        ('timeline', '0005_facts_name_their_groups'),
    ]

    operations = [migrations.RunSQL(NAME_GROUPS, migrations.RunSQL.noop)]
