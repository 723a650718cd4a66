"""Tests of searching and narrowing lists: API, page and admin find the same, also what an older version wrote."""

import json

import pytest
from django.db import connection

from dashboard.refolding import Rewording
from incidents import grouping, keeper, words
from incidents.models import Incident
from tests.conftest import NOON, an_event, make_integration, make_team, tell_it
from tests.incidents.test_words import CORPUS

TITLES = [case["title"] for case in CORPUS]


@pytest.fixture
def titled(tell):
    """An incident of each title of the corpus, in its order."""
    tell(
        *(
            an_event("incident.started", incident_id=number, incident_name=title, resource_name="r", resource_id=number)
            for number, title in enumerate(TITLES)
        )
    )
    return list(Incident.objects.order_by("source_id"))


def by_api(api, **asked):
    """The titles that the API's list has, newest first."""
    return [one["title"] for one in api.get("/api/incidents", {"limit": 100} | asked).json()["data"]["incidents"]]


AS_BEFORE = """
UPDATE incidents_incident SET words_version = NULL, search = to_tsvector('simple'::regconfig,
    coalesce(translate(left(title, 1000), './-_:@#?&=%%+,;~|*', '                 '), '') || ' ' ||
    coalesce(translate(left(error_message, 1000), './-_:@#?&=%%+,;~|*', '                 '), '') || ' ' ||
    coalesce(translate(left(resource_name, 200), './-_:@#?&=%%+,;~|*', '                 '), '')) WHERE id = ANY(%s)
"""


def age(*incidents):
    """Let incidents be found as an older version left them."""
    with connection.cursor() as cursor:
        cursor.execute(AS_BEFORE, [[each.pk for each in incidents]])


@pytest.mark.parametrize("number", range(len(CORPUS)), ids=TITLES)
def test_everyday_titles_are_found_by_their_own_words(number, titled, api):
    case = CORPUS[number]
    for asked in case["found"]:
        assert case["title"] in by_api(api, q=asked), asked
    for asked in case["not"]:
        assert case["title"] not in by_api(api, q=asked), asked


@pytest.mark.parametrize("asked", ["連接", "连接", "ete", "gateway 502", "serv", "🔥", "#84", "—"])
def test_page_api_and_admin_find_the_same(asked, titled, api, client, user, operator):
    found = by_api(api, q=asked)
    client.force_login(user)
    page = client.get("/incidents", {"q": asked})
    client.force_login(operator)
    admin = client.get("/admin/incidents/incident/", {"q": asked})
    assert [one.title for one in page.context["incidents"]] == found
    assert sorted(one.title for one in admin.context["cl"].result_list) == sorted(found)


def test_a_number_and_a_uuid_find_their_incident(titled, api, other_team):
    one = titled[3]
    stranger = tell_it(make_integration(other_team), an_event("incident.started")) and Incident.objects.latest("pk")
    for asked in (f"#{one.pk}", f"# {one.pk}", str(one.pk), str(one.uuid), str(one.uuid).upper()):
        assert one.title in by_api(api, q=asked)
    wide = {place: place + 0xFEE0 for place in range(ord("!"), ord("~"))}
    for asked in (f"#{one.pk}", str(one.pk), str(one.uuid)):
        assert one.title in by_api(api, q=asked.translate(wide))
    assert by_api(api, q=f"#{one.pk}") == by_api(api, number=one.pk) == [one.title]
    for asked in (f"#{stranger.pk}", str(stranger.uuid), "#0", f"#{2**63}", "#" + "9" * 60):
        assert by_api(api, q=asked) == []
    assert by_api(api, number=stranger.pk) == []


def test_digits_find_words_that_begin_so_too(titled, api):
    assert [title for title in by_api(api, q="50") if "502" in title or "５０３" in title] == [TITLES[6], TITLES[1]]


def test_a_list_is_narrowed_to_an_integration(titled, team, api, other_team):
    other = make_integration(team, "Another")
    tell_it(other, an_event("incident.started", incident_name="Of another"))
    assert by_api(api, integration=other.pk) == ["Of another"]
    assert len(by_api(api, integration=titled[0].integration_id)) == len(TITLES)
    assert by_api(api, integration=make_integration(other_team).pk) == []


def test_a_list_is_narrowed_to_a_group(titled, team, user, api, other_team):
    group = team.incident_groups.create(name="Together")
    for one in titled[:2]:
        grouping.group(one, group, by=user, at=NOON.replace(hour=20))
    assert set(by_api(api, group=group.pk)) == set(TITLES[:2])
    assert by_api(api, group=group.pk, q="api") == [TITLES[1]]
    strange = other_team.incident_groups.create(name="Strange")
    assert by_api(api, group=strange.pk) == by_api(api, group=2**62) == []


@pytest.mark.parametrize("name", ["number", "integration", "group"])
@pytest.mark.parametrize("value", ["x", "-1", "1.0"])
def test_what_is_no_id_is_named(name, value, api):
    answer = api.get("/api/incidents", {name: value})
    assert answer.status_code == 400
    assert list(answer.json()["error"]["details"]["fields"]) == [name]


# --- what an older version wrote --------------------------------------------------------------------------------------


def test_old_incidents_are_found_as_before_until_they_are_written_anew(titled, api):
    age(*titled)
    assert by_api(api, q="gateway") == [TITLES[1]]  # as PostgreSQL took it apart
    assert by_api(api, q="失败") == []
    rewording = Rewording()
    while rewording.run(NOON):
        pass
    assert set(Incident.objects.values_list("words_version", flat=True)) == {words.VERSION}
    assert by_api(api, q="失败") == [TITLES[4]]
    assert by_api(api, q="gateway") == [TITLES[1]]


def test_old_and_new_ones_are_found_side_by_side(titled, api):
    age(titled[1], titled[6])
    assert by_api(api, q="gateway") == [TITLES[1]]
    assert by_api(api, q="サーバ") == []
    assert by_api(api, q="連接") == []
    assert by_api(api, q="连接") == [TITLES[4]]


def test_what_is_written_anew_is_what_the_keeper_writes(titled, api):
    before = dict(Incident.objects.values_list("pk", "search"))
    age(*titled)
    ids = sorted(before)
    assert keeper.reword(0, 10) == ids[:10]
    assert keeper.reword(ids[9], 100) == ids[10:]
    assert keeper.reword(0, 100) == []
    assert dict(Incident.objects.values_list("pk", "search")) == before


def test_an_edit_of_an_old_one_writes_its_words(titled, tell, api):
    age(*titled)
    tell(an_event("incident.acknowledged", NOON.replace(minute=5), incident_id=4, incident_name=TITLES[4]))
    assert by_api(api, q="失败") == [TITLES[4]]


def test_the_help_says_what_search_does_in_scripts_without_spaces(staff, api):
    said = json.dumps(api.get("/api/openapi.json").json()["paths"]["/api/incidents"]["get"]["parameters"])
    assert "In scripts without spaces" in said
    assert "scripts without spaces" in staff.get("/admin/incidents/incident/").content.decode()


def test_a_page_without_results_says_how_it_was_searched(client, team, user):
    client.force_login(user)
    assert "in scripts without spaces" in client.get("/incidents?q=zzz").content.decode()
    assert make_team("Another") != team
