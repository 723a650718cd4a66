"""Tests of dashboard.views.downloads: lists as CSV. How they are sent is tests/config/test_pump.py's affair."""

import csv
import io
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.test import Client

from config import clock, streams
from dashboard.views import downloads
from incidents.models import Incident
from teams.models import Membership, Role
from tests.conftest import NOON, an_event, make_user
from tests.dashboard.conftest import logged_in, words

MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def later():
    """Somebody looks at 15:00."""
    with clock.at(NOON + 180 * MINUTE) as now:
        yield now


@pytest.fixture
def five(tell):
    """Five incidents, of which one has a name that is a formula, one is resolved, and one is deleted."""
    for number, name in enumerate(("One", "=1+1", 'Say "three", now', "Four\nlines", "Five"), start=1):
        tell(an_event("incident.started", NOON + number * MINUTE, incident_id=number, incident_name=name))
    tell(an_event("incident.resolved", NOON + 9 * MINUTE, incident_id=1, incident_name="One"))
    tell(an_event("incident.destroyed", NOON + 9 * MINUTE, incident_id=5, incident_name="Five"))


def table(client, path):
    answer = client.get(path)
    assert answer.status_code == 200
    return list(csv.DictReader(io.StringIO(read(answer).decode(), newline="")))


def read(answer):
    """A whole answer; which closes it, as Django's client does."""
    return b"".join(answer.streaming_content)


def test_the_list_of_incidents_is_a_file_newest_first_with_no_formula_in_it(viewer, five):
    rows = table(viewer, "/incidents.csv")
    assert [row["title"] for row in rows] == ["Four\nlines", 'Say "three", now', "'=1+1", "One"]
    one = Incident.objects.get(title="One")
    last = rows[-1]
    assert (last["number"], last["id"], last["status"]) == (str(one.pk), str(one.uuid), "resolved")
    assert last["started_at"] == "2026-05-13T12:01:00.000+00:00"
    assert last["resolved_at"] == "2026-05-13T12:09:00.000+00:00"
    assert last["closed_at"] == ""


def test_it_says_what_it_is(viewer, five):
    answer = viewer.get("/incidents.csv")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8; header=present"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="incidents.csv"'
    assert "no-store" in answer.headers["Cache-Control"]
    assert "Content-Length" not in answer.headers
    read(answer)


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("status=resolved", ["One"]),
        ("destroyed=true", ["Five"]),
        ("q=three", ['Say "three", now']),
        ("q=nothing+like+it", []),
        ("severity=critical", []),
    ],
)
def test_the_filters_of_the_page_narrow_the_file(viewer, five, query, titles):
    assert [row["title"] for row in table(viewer, f"/incidents.csv?{query}")] == titles


@pytest.mark.parametrize("path", ["/incidents.csv?status=nonsense", "/deliveries.csv?integration=x"])
def test_filters_that_make_no_sense_are_an_error_page(viewer, db, path):
    assert viewer.get(path).status_code == 400
    assert streams.Rows.places.taken["process"] == 0


def test_times_are_in_the_readers_time_zone_with_their_offset(team, five):
    reader = logged_in(make_user("rita@example.com", team, Role.VIEWER, time_zone="America/New_York"))
    assert table(reader, "/incidents.csv?status=resolved")[0]["started_at"] == "2026-05-13T08:01:00.000-04:00"


def test_the_list_of_deliveries_is_a_file_too(viewer, integration, tell):
    tell(an_event("incident.started"), an_event("monitor.checked"), an_event("incident.started", incident_id="x"))
    rows = table(viewer, "/deliveries.csv")
    assert [(row["status"], row["event"], row["integration"]) for row in rows] == [
        ("quarantined", "incident.started", integration.name),
        ("unrecognized", "monitor.checked", integration.name),
        ("applied", "incident.started", integration.name),
    ]
    assert rows[0]["error_code"] == "VALIDATION_ERROR"
    assert rows[2]["incident_number"] == str(Incident.objects.get().pk)
    assert [row["status"] for row in table(viewer, "/deliveries.csv?status=unrecognized")] == ["unrecognized"]


def test_another_teams_records_are_in_no_file(viewer, five, other_team):
    stranger = logged_in(make_user("stranger@example.com", other_team, Role.VIEWER))
    assert table(stranger, "/incidents.csv") == table(stranger, "/deliveries.csv") == []


def test_each_file_costs_few_statements_however_many_rows_there_are(viewer, five, django_assert_max_num_queries):
    with django_assert_max_num_queries(8):
        table(viewer, "/incidents.csv?destroyed=any")


@pytest.mark.parametrize("page", ["incidents", "deliveries"])
def test_the_page_leads_to_the_file_with_its_filters(viewer, five, page):
    assert f'href="/{page}.csv"' in viewer.get(f"/{page}").content.decode()
    part = (
        viewer.get(f"/{page}?status=resolved&cursor=", headers={"HX-Request": "true"}) if page == "incidents" else None
    )
    if part:
        assert 'href="/incidents.csv?status=resolved"' in part.content.decode()
    assert "CSV" in words(viewer.get(f"/{page}"))


# --- whether its reader is still let in


@pytest.fixture
def asked(team, five):
    """What asks whether Rita, who downloads a list, is still let in; and she, and her browser."""
    rita = make_user("rita@example.com", team, Role.VIEWER)
    browser = logged_in(rita)
    answer = browser.get("/incidents.csv")
    assert answer.is_allowed()
    yield answer.is_allowed, rita, browser
    read(answer)


def test_who_has_logged_out_is_let_in_no_more(asked):
    is_allowed, _, browser = asked
    browser.post("/logout")
    assert not is_allowed()


def test_nor_is_whose_session_has_ended(asked):
    is_allowed, _, _ = asked
    Session.objects.all().delete()
    assert not is_allowed()


def test_nor_is_who_left_the_team_or_was_deactivated(asked):
    is_allowed, rita, _ = asked
    Membership.objects.filter(user=rita).delete()
    assert not is_allowed()


def test_nor_is_who_was_deactivated(asked):
    is_allowed, rita, _ = asked
    rita.is_active = False
    rita.save()
    assert not is_allowed()


def test_nor_is_whose_password_was_changed_elsewhere(asked):
    is_allowed, rita, _ = asked
    rita.set_password("another long password")
    rita.save()
    assert not is_allowed()


def test_nor_is_a_member_of_a_team_that_was_deactivated(asked, team):
    is_allowed, _, _ = asked
    team.deactivated_at = NOON
    team.save()
    assert not is_allowed()


def test_what_was_given_up_or_failed_takes_no_place(viewer, five, monkeypatch):
    read(viewer.get("/incidents.csv"))

    def fail(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(downloads, "INCIDENT", [downloads.Column("x", fail)])
    with pytest.raises(ZeroDivisionError):
        viewer.get("/incidents.csv")
    assert streams.Rows.places.taken["process"] == 0


def test_a_third_file_at_once_of_one_reader_is_refused_with_a_page(viewer, five):
    open_ones = [viewer.get("/incidents.csv") for _ in range(2)]
    refused = viewer.get("/incidents.csv")
    assert (refused.status_code, int(refused.headers["Retry-After"]) > 0) == (429, True)
    assert "are still open" in words(refused)
    for each in open_ones:
        read(each)
    assert table(viewer, "/incidents.csv")


def test_who_is_not_logged_in_is_sent_to_the_login_page(db):
    assert Client().get("/incidents.csv?status=open").url == "/login?next=/incidents.csv%3Fstatus%3Dopen"
