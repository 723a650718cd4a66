"""What reading incidents costs, whatever their number: lists are read off an index, and statements are few."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from incidents import search
from incidents.models import Incident, Severity, Status
from monitors.models import Monitor
from tests.conftest import NOON, an_event, make_integration, tell_it

LIST = "/api/incidents"


@pytest.fixture
def many(integration):
    """Incidents about two monitors, some of them resolved."""
    for number in range(1, 8):
        about = {"incident_id": number, "incident_name": f"Shop {number}", "resource_id": number % 2}
        tell_it(integration, an_event("incident.started", NOON, **about))
        if number > 4:
            tell_it(integration, an_event("incident.resolved", NOON, **about))


@pytest.fixture
def crowd(team, user, db):
    """So many incidents that PostgreSQL cares which index it takes; each value is seldom."""
    Incident.objects.bulk_create(
        Incident(
            team=team,
            status=Status.values[number % 50 % 4],
            severity=Severity.values[number % 60 % 4],
            resource_type="monitor" if number % 40 == 0 else f"kind {number % 40}",
            resource_id=number % 300,
            assignee=user if number % 200 == 0 else None,
            started_at=NOON + timedelta(minutes=number),
            updated_at=NOON + timedelta(minutes=number),
        )
        for number in range(2_000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE incidents_incident")


def asked_of(action):
    """The statements that an action makes."""
    with CaptureQueriesContext(connection) as queries:
        action()
    return [query["sql"] for query in queries]


def plan_of(statement):
    """How PostgreSQL reads a list if the table is large: off an index, unless none has its order."""
    with connection.cursor() as cursor:
        for way in ("seqscan", "bitmapscan", "sort"):
            cursor.execute(f"SET LOCAL enable_{way} = off")
        cursor.execute("EXPLAIN " + statement.replace("%", "%%"))
        return "\n".join(line for (line,) in cursor.fetchall())


def list_of(api, **asked):
    """The last statement that reads a list of incidents."""
    return [each for each in asked_of(lambda: api.get(LIST, asked)) if 'FROM "incidents_incident"' in each][-1]


# What is asked of the list → the index that has its order.
ORDERS: list[tuple[dict[str, Any], str]] = [
    ({}, "incident_newest"),
    ({"sort_order": "asc"}, "incident_newest"),
    ({"status": "resolved"}, "incident_furthest"),
    ({"severity": "major"}, "incident_worst"),
    ({"resource_type": "monitor"}, "incident_of_kind"),
    ({"resource_type": "a vendor's own word " * 20}, "incident_of_kind"),
    ({"resource_id": 1}, "incident_about"),
    ({"sort_by": "updated_at"}, "incident_updated"),
    ({"sort_by": "severity", "sort_order": "desc"}, "incident_worst"),
    ({"sort_by": "severity", "sort_order": "asc"}, "incident_worst"),
    ({"sort_by": "status", "sort_order": "desc"}, "incident_furthest"),
    ({"sort_by": "status", "sort_order": "asc"}, "incident_furthest"),
]


def test_a_list_with_one_filter_is_read_in_the_order_of_an_index(crowd, api):
    plans = [(asked, index, plan_of(list_of(api, **asked))) for asked, index in ORDERS]
    assert [each for each in plans if f"using {each[1]} " not in each[2] or "Sort" in each[2]] == []


def test_what_an_assignee_has_is_read_in_the_order_of_an_index(crowd, api, user):
    plan = plan_of(list_of(api, assignee=user.uuid))
    assert "using incident_of_assignee " in plan
    assert "Sort" not in plan


def test_a_list_in_both_directions_goes_through_one_value_at_a_time(many, api):
    # Of a first page that one value fills, the others are not asked for.
    statements = asked_of(lambda: api.get(LIST, {"sort_by": "status", "sort_order": "asc", "limit": 2}))
    assert sum('"incidents_incident"."status_place" = ' in each for each in statements) == 1


def test_the_newest_incidents_of_a_resource_are_read_off_an_index(many, client, user):
    client.force_login(user)
    monitor = Monitor.objects.earliest("id")
    statements = asked_of(lambda: client.get(f"/monitors/{monitor.pk}"))
    [incidents] = [each for each in statements if '"incidents_incident"."resource_id" = ' in each]
    assert "using incident_about " in plan_of(incidents)


@pytest.mark.usefixtures("still")
def test_updates_are_few_statements_for_many_facts_as_for_few(many, api, integration):
    def cost(incident):
        return len(asked_of(lambda: api.get(f"{LIST}/{incident.uuid}/updates")))

    few = Incident.objects.get(source_id=1)
    api.get(LIST)  # notes that the key was used, and counts some requests in advance
    before = cost(few)
    again = {"incident_id": 1, "incident_name": "Shop 1", "resource_id": 1}
    for _ in range(3):
        tell_it(integration, *(an_event(f"incident.{each}", NOON, **again) for each in ("resolved", "reopened")))
    assert before == cost(few) == 3  # the key, the incident, its updates


# --- searching --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nearest", [1, 3, 100])
@pytest.mark.parametrize(
    ("words", "found"), [("shop", [7, 6, 5, 4, 3, 2, 1]), ("shop 2", [2]), ("refused", []), ("sho 7", [7])]
)
@pytest.mark.parametrize("where", ["api", "page", "admin"])
def test_what_is_found_is_the_same_however_far_is_looked_first(
    nearest, words, found, where, many, api, client, user, operator, monkeypatch
):
    monkeypatch.setattr(search, "NEAREST", nearest)
    if where == "api":
        answer = api.get(LIST, {"q": words}).json()["data"]["incidents"]
        shown = [each["title"] for each in answer]
    else:
        client.force_login(user if where == "page" else operator)
        path = "/incidents" if where == "page" else "/admin/incidents/incident/"
        text = client.get(path, {"q": words}).content.decode()
        places = {text.find(f"Shop {n}<"): f"Shop {n}" for n in range(1, 8) if f"Shop {n}<" in text}
        shown = [places[place] for place in sorted(places)]
    assert shown == [f"Shop {number}" for number in found]


@pytest.mark.parametrize("nearest", [1, 3, 100])
def test_a_search_is_paged_through_once(nearest, many, api, monkeypatch):
    monkeypatch.setattr(search, "NEAREST", nearest)
    seen, more_of_it = [], {}
    while more_of_it is not None:
        data = api.get(LIST, {"q": "shop", "limit": 2} | more_of_it).json()["data"]
        seen += [each["title"] for each in data["incidents"]]
        cursor = data["pagination"]["next_cursor"]
        more_of_it = {"cursor": cursor} if cursor else None
    assert seen == [f"Shop {number}" for number in range(7, 0, -1)]


def test_a_search_does_not_leave_the_team(many, api, other_team):
    other = make_integration(other_team)
    tell_it(other, an_event("incident.started", NOON, incident_id=99, incident_name="Shop of strangers"))
    assert len(api.get(LIST, {"q": "shop"}).json()["data"]["incidents"]) == 7


def test_what_is_rare_is_sorted_and_not_walked_to(many, api, monkeypatch):
    monkeypatch.setattr(search, "NEAREST", 1)
    plan = plan_of(list_of(api, q="shop 2"))
    assert "Sort" in plan
