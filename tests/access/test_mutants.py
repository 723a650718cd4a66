"""A test of the tests: without any one of the team filters in the source, they go wrong."""

import ast

import pytest

from tests.access.mutants import RELATIONS, filters, functions, probes, taken_out, watched
from tests.trust.conftest import FULL
from timeline.record import OURS

pytestmark = pytest.mark.django_db

# Filters without which nothing of a team gets to another, and why.
OPERATORS = "asked by forms of admin, whose readers see all"
KNOWN = "what is asked for is narrowed by an id of the team's own record"
LOOKED_UP = "what is found is looked up by ids in the team's own rows"
AGAIN = "asked once more of what was found through the team"
SPARE = {
    f"timeline/record.py module: {ast.unparse(ast.Constant(OURS))}": "what is compared is made of an act that names "
    "its record, by an id that only one team has",
    "teams/entry_links.py make_link: team.entry_links": "counts links, and shows nothing",
    "teams/forms.py MakersForm.refuse_strangers: team.memberships": OPERATORS,
    "integrations/taking.py kept_aside: incident.team.incidents": KNOWN,
    "dashboard/mirroring.py kept_aside: InboundDelivery.objects.filter(incident_id=incident.pk, team=incident.team, "
    "status=Verdict.QUARANTINED)": KNOWN,
    "teams/forms.py NewMembershipForm.clean: team.memberships": OPERATORS,
    "integrations/forms.py IntegrationForm.clean_name: team.integrations": OPERATORS,
    "timeline/outbound/api.py ManagedMessages.naming_incidents: self.incidents._default_manager.filter(team=self.team, "
    "pk__in=numbers)": LOOKED_UP,
    "timeline/outbound/filters.py MessageFilters.about_incident: self.incidents._default_manager.filter("
    "team=self.team, uuid=uuid)": "the messages are the team's; this spares the search",
    "timeline/outbound/filters.py MessageFilters.to_endpoint: self.team.endpoints": "likewise",
    "integrations/filters.py DeliveryFilters.of_integration: self.team.integrations": "likewise",
    "timeline/outbound/lifecycle.py create_endpoint: team.endpoints": "counts endpoints, and shows nothing",
    "dashboard/views/team_messages.py listed: team.endpoints": LOOKED_UP,
    "dashboard/views/team_messages.py listed: team.incidents": LOOKED_UP,
    "teams/lifecycle.py leave_a_manager: Membership.objects.filter(team=membership.team_id, role=Role.MANAGER, "
    "user__is_active=True)": "counts managers, and shows nothing",
    "incidents/filters.py about_resource: incidents.filter(team_id=team, resource_id=identity, resource_type=kind)": (
        OPERATORS
    ),
    "incidents/filters.py IncidentFilters.of_group: self.team.incident_groups": "the incidents are the team's; this "
    "spares the search",
    "incidents/api.py Updates.post: self.team.incidents": AGAIN,
    "incidents/api_corrections.py Timeline.post: self.team.incidents": AGAIN,
    "incidents/grouping.py group_of: incident.team.incident_groups": KNOWN,
    "incidents/grouping.py incidents_of: group.team.incidents": KNOWN,
    "incidents/lifecycle.py is_member: team.memberships": "doors find people through the team before",
    "incidents/lifecycle.py taken: team.incidents": KNOWN,
    "incidents/reports.py handling: Incident.objects.filter(team_id=resource.team_id, resource_type=resource.kind, "
    "resource_id=resource.pk, started_at__gte=since, started_at__lt=until, destroyed_at=None)": KNOWN,
    "incidents/resources.py live_incidents: Incident.objects.filter(team_id=resource.team_id, "
    "resource_type=resource.kind, resource_id=resource.pk)": KNOWN,
    "dashboard/views/acting.py delete: request.team.integrations": KNOWN,
    "dashboard/views/acting.py answered: request.team.incidents": AGAIN,
    "dashboard/views/deliveries.py led_to: Incident.objects.filter(team_id=found.team_id, pk=found.incident_id)": KNOWN,
    "dashboard/views/facts.py fact: InboundDelivery.objects.filter(team=request.team, fact=found)": KNOWN,
    "dashboard/views/incidents.py integration_names: team.integrations": LOOKED_UP,
    "dashboard/views/managing.py last_act: TimelineEvent.objects.filter(team_id=found.team_id, "
    "subject_kind=found.kind, subject_id=found.pk)": KNOWN,
    "dashboard/views/overview.py lines_by_id: TimelineEvent.objects.filter(team=team, pk__in=ids)": KNOWN,
    "dashboard/views/overview.py lines_by_id: team.integrations": LOOKED_UP,
    "dashboard/views/resources.py recent_incidents: Incident.objects.filter(team_id=found.team_id, "
    "resource_type=found.kind, resource_id=found.pk)": KNOWN,
    "dashboard/views/team.py managing: request.team.memberships": "the role, asked again under the lock",
    "dashboard/views/team.py save_role: request.team.memberships": AGAIN,
    "dashboard/views/team.py after: Membership.objects.filter(team=request.team, user=request.user, "
    "role=Role.MANAGER)": "says only which page follows",
    "dashboard/views/team_integrations.py quarantined: team.deliveries": LOOKED_UP,
    "dashboard/views/team_integrations.py integration: request.team.integrations": AGAIN,
    "dashboard/views/team_keys.py known_keys: Membership.objects.filter(team=OuterRef('team'), "
    "user=OuterRef('user'))": "says only whether a key of the team opens anything",
}


def test_filters_are_found():
    found = filters()
    assert len(found) > 60
    named = {each.text.rpartition(".")[2] for each in found}
    assert RELATIONS & named >= {"incidents", "monitors", "heartbeats", "incident_groups", "deliveries", "integrations"}
    assert RELATIONS & named >= {"memberships", "api_keys"}


@pytest.mark.skipif(not FULL, reason="a minute of watching what calls what: in full runs")
def test_no_filter_can_be_taken_out_unnoticed(scene):
    asked = probes(scene)
    seen = [watched(probe) for probe in asked]
    assert [wrong for wrong, _ in seen if wrong] == []
    running, survivors = functions(), []
    for each in filters():
        with taken_out(each, running) as others:
            concerned = [probe for probe, (_, called) in zip(asked, seen, strict=True) if called & others]
            if any(name == "" for _, name, _ in others):
                concerned = asked
            if not any(wrong(probe) for probe in concerned):
                survivors.append(str(each))
    unexplained = [each for each in survivors if each not in SPARE]
    assert not unexplained, "noticed by nobody:\n" + "\n".join(unexplained)
    # What is noticed after all is not spare any more. (Of two alike one may be.)
    assert SPARE.keys() - set(survivors) == set()


def wrong(probe):
    """What a probe finds; that the source without a filter breaks is one way of noticing."""
    try:
        return probe()
    except Exception as error:
        return repr(error)
