import contextlib
import json
import re
from datetime import timedelta

import pytest

from config import clock
from config.errors import ApiError
from incidents.models import Incident
from integrations import applying, ingest
from integrations.models import InboundDelivery, Verdict
from tests.conftest import NOON, an_event, make_integration, tell_it
from tests.dashboard.conftest import words
from timeline.models import TimelineEvent

MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def later():
    """Somebody looks at 13:30, half an hour after everything came in."""
    with clock.at(NOON + 90 * MINUTE) as now:
        yield now


def send(integration, body, **headers):
    """A vendor sends bytes, whatever they are."""
    with contextlib.suppress(ApiError):
        ingest.receive_from(integration, body, headers, NOON + 60 * MINUTE)
    return InboundDelivery.objects.latest("id")


@pytest.fixture
def put_aside(integration):
    """A delivery that is in quarantine though it is sound: as if an older version had not understood it."""
    delivery = send(integration, json.dumps(an_event("incident.started")).encode())
    InboundDelivery.objects.update(status=Verdict.QUARANTINED, error={"code": "VALIDATION_ERROR", "message": "No."})
    delivery.refresh_from_db()
    return delivery


def rows(answer):
    return [int(pk) for pk in re.findall(r'class="row-link" href="/deliveries/(\d+)"', answer.content.decode())]


def test_the_list_shows_event_integration_verdict_and_error_and_the_quarantine_at_once(staff, integration, tell):
    tell(an_event("incident.started"), an_event("monitor.checked"), an_event("incident.started", incident_id="x"))
    send(integration, b"{")
    read = words(staff.get("/deliveries"))
    assert "2 in quarantine." in read
    assert "incident.started Better Stack Applied 30 min ago" in read
    assert "monitor.checked Better Stack Unrecognized" in read
    assert "incident.started Better Stack Not valid: incident_id." in read
    assert "Not an event Better Stack" in read


def test_the_list_is_narrowed_by_verdict_and_integration(staff, team, integration, tell):
    tell(an_event("incident.started"), an_event("monitor.checked"))
    other = make_integration(team, "Staging")
    tell_it(other, an_event("monitor.created"))
    everything = list(InboundDelivery.objects.order_by("-id").values_list("pk", flat=True))
    assert rows(staff.get("/deliveries")) == everything
    assert rows(staff.get(f"/deliveries?integration={other.pk}")) == everything[:1]
    assert rows(staff.get("/deliveries?status=unrecognized")) == everything[1:2]
    assert rows(staff.get(f"/deliveries?status=applied&integration={integration.pk}")) == everything[2:]


@pytest.mark.parametrize("query", ["status=lost", "integration=999999", "integration=x", "integration=" + "9" * 40])
def test_a_filter_that_does_not_exist_is_refused(query, staff):
    assert staff.get(f"/deliveries?{query}").status_code == 400


def test_another_team_s_integration_is_refused_as_a_filter(staff, strangers):
    answer = staff.get(f"/deliveries?integration={strangers.pk}")
    assert answer.status_code == 400
    assert "Theirs" not in answer.content.decode()


def test_a_delivery_shows_its_bytes_headers_verdict_and_what_it_led_to(staff, integration):
    body = b'{"dt":"2026-05-13T12:00:00Z",  "spaces": "<kept>"}'
    event = an_event("incident.started")
    text = json.dumps(event).encode() + b"  \n"
    delivery = send(integration, text, **{"user-agent": "Vendor/1.0 <x>"})
    while applying.apply_due(NOON + 61 * MINUTE):
        pass
    page = staff.get(f"/deliveries/{delivery.pk}")
    read = words(page)
    assert "Applied received 30 min ago from Better Stack" in read
    assert "Incident My Website is Down" in read
    assert f"/incidents/{Incident.objects.get().uuid}" in page.content.decode()
    assert "user-agent Vendor/1.0 <x>" in read
    refused = words(staff.get(f"/deliveries/{send(integration, body).pk}"))
    assert '"spaces": "<kept>"' in refused
    assert "VALIDATION_ERROR Not valid" in refused


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"\xff\xfe\x00\x01", "\\xff\\xfe\u2400\u2401"),
        (b'{"a": "\x1b[31m<script>alert(1)</script>"', "\u241b[31m<script>alert(1)</script>"),
        (b"", ""),
        ("مرحبا".encode(), "مرحبا"),
        (b"\xe2\x82" * 10, "\\xe2\\x82"),
        (b"x" * 200_000, "x" * 60_000),
        ("é".encode() * 40_000 + b"x", "é" * 100),
    ],
)
def test_bytes_that_are_no_event_are_shown_safely_and_can_be_had_exactly(body, shown, staff, integration):
    delivery = send(integration, body)
    page = staff.get(f"/deliveries/{delivery.pk}")
    assert page.status_code == 200
    assert shown in words(page)
    assert "<script>alert" not in page.content.decode()
    assert "\ufffd" not in page.content.decode()
    exact = staff.get(f"/deliveries/{delivery.pk}/body")
    assert exact.content == body
    assert exact.headers["Content-Type"] == "application/octet-stream"
    assert exact.headers["Content-Disposition"].startswith("attachment")
    assert exact.headers["X-Content-Type-Options"] == "nosniff"


def test_replaying_one_is_announced_by_a_dry_run_that_changes_nothing(staff, put_aside):
    page = staff.get(f"/deliveries/{put_aside.pk}/replay")
    assert "A dry run: nothing has been changed yet." in words(page)
    assert "My Website is Down new: Open" in words(page)
    put_aside.refresh_from_db()
    assert put_aside.status == Verdict.QUARANTINED
    assert not Incident.objects.exists()


def test_replaying_one_applies_it_and_says_who_did(staff, user, put_aside, later):
    answer = staff.post(f"/deliveries/{put_aside.pk}/replay", follow=True)
    assert "Replayed: applied." in words(answer)
    put_aside.refresh_from_db()
    assert (put_aside.status, put_aside.replayed_by, put_aside.replayed_at) == (Verdict.APPLIED, user, later)
    assert Incident.objects.get().title == "My Website is Down"


def test_a_replay_that_would_change_nothing_is_not_offered(staff, integration, put_aside):
    delivery = send(integration, b"{")
    page = staff.get(f"/deliveries/{delivery.pk}/replay")
    assert "This is what a replay would do: nothing." in words(page)
    assert "Replay it" not in words(page) and "Back" in words(page)
    assert "Replay all of it" in words(staff.get("/deliveries/replay"))
    put_aside.delete()
    assert "Replay all of it" not in words(staff.get("/deliveries/replay"))


def test_what_is_still_not_understood_stays_and_says_so(staff, integration):
    delivery = send(integration, b"{")
    answer = staff.post(f"/deliveries/{delivery.pk}/replay", follow=True)
    assert "Replayed, and still quarantined." in words(answer)


def test_what_can_not_be_replayed_is_not_said_to_have_been(staff, integration, tell):
    send(integration, json.dumps(an_event("incident.started", message="x" * 70_000)).encode())
    too_large = InboundDelivery.objects.get()
    page = words(staff.get(f"/deliveries/{too_large.pk}/replay"))
    assert "Only the beginning of it is kept, so there is nothing to replay." in page and "Replay it" not in page
    answer = staff.post(f"/deliveries/{too_large.pk}/replay", follow=True)
    assert "It was not replayed: only the beginning of it is kept." in words(answer)
    tell(an_event("incident.started"))
    applied = InboundDelivery.objects.get(status=Verdict.APPLIED)
    answer = staff.post(f"/deliveries/{applied.pk}/replay", follow=True)
    assert "It was not replayed: it is applied." in words(answer)


def test_the_whole_quarantine_is_replayed_after_a_dry_run(staff, integration, put_aside, later):
    send(integration, b"{")
    page = staff.get("/deliveries/replay")
    assert "The quarantine holds 2." in words(page)
    assert rows(page) == list(InboundDelivery.objects.order_by("id").values_list("pk", flat=True))
    answer = staff.post("/deliveries/replay", follow=True)
    assert "Handed to the worker again: 2." in words(answer)
    while applying.apply_due(later):
        pass
    assert Incident.objects.count() == 1
    assert "1 in quarantine." in words(staff.get("/deliveries"))


def test_an_empty_quarantine_says_so(staff):
    assert "There is nothing to replay." in words(staff.get("/deliveries/replay"))


def test_a_delivery_that_was_applied_can_not_be_replayed(staff, tell):
    tell(an_event("incident.started"))
    delivery = InboundDelivery.objects.get()
    assert "Replay" not in words(staff.get(f"/deliveries/{delivery.pk}"))
    assert "was not put aside" in words(staff.get(f"/deliveries/{delivery.pk}/replay"))
    staff.post(f"/deliveries/{delivery.pk}/replay")
    delivery.refresh_from_db()
    assert (delivery.status, delivery.replayed_at) == (Verdict.APPLIED, None)


def test_a_viewer_sees_deliveries_and_replays_none(viewer, put_aside):
    for path in ("/deliveries", f"/deliveries/{put_aside.pk}"):
        assert "Replay" not in words(viewer.get(path))
    for path in ("/deliveries/replay", f"/deliveries/{put_aside.pk}/replay"):
        assert viewer.get(path).status_code == 403
        assert viewer.post(path).status_code == 403
    put_aside.refresh_from_db()
    assert put_aside.status == Verdict.QUARANTINED


def test_replaying_the_quarantine_leaves_another_team_s_alone(staff, strangers):
    theirs = send(strangers, b"{")
    staff.post("/deliveries/replay")
    theirs.refresh_from_db()
    assert theirs.status == Verdict.QUARANTINED


def test_the_list_asks_the_database_as_often_for_one_as_for_thirty(staff, tell, django_assert_num_queries):
    tell(an_event("monitor.created"))
    with django_assert_num_queries(8):
        staff.get("/deliveries")
    tell(*(an_event("monitor.created", monitor_id=n) for n in range(30)))
    with django_assert_num_queries(8):
        staff.get("/deliveries")


# --- what waits, what was ignored, what was too large ---------------------------------------------------------


@pytest.fixture
def waiting(integration):
    """A delivery from a source whose clock is 20 hours ahead."""
    return send(integration, json.dumps(an_event("incident.started", NOON + timedelta(hours=21))).encode())


def test_what_waits_is_said_with_how_far_ahead_it_is_and_found(staff, waiting, tell):
    tell(an_event("monitor.created"))
    assert "1 waits, dated ahead." in words(staff.get("/deliveries"))
    assert rows(staff.get("/deliveries?status=waiting")) == [waiting.pk]
    read = words(staff.get(f"/deliveries/{waiting.pk}"))
    assert "Waiting" in read and "Dated 19 h 30 min ahead." in read and "Apply now" in read


def test_somebody_applies_it_now_and_the_history_says_so(staff, user, waiting):
    asked = words(staff.get(f"/deliveries/{waiting.pk}/apply"))
    assert "It is dated 19 h 30 min ahead." in asked and "A dry run: nothing has been changed yet." in asked
    assert not Incident.objects.exists()
    answer = staff.post(f"/deliveries/{waiting.pk}/apply", follow=True)
    assert "Applied, dated when it was received." in words(answer)
    assert f"by {user.name} , dated 2026-05-13" in words(answer)
    incident = Incident.objects.get()
    assert incident.started_at == NOON + 60 * MINUTE
    read = words(staff.get(f"/incidents/{incident.uuid}"))
    assert f"Dated when it was received, by {user.name}" in read
    assert "Its source said 2026-05-14T09:00:00.000Z" in read
    fact = incident_fact()
    assert f"when it was received, by {user.name}" in words(staff.get(f"/facts/{fact.pk}"))
    assert "It waits no longer: applied." in words(staff.post(f"/deliveries/{waiting.pk}/apply", follow=True))
    assert "It waits no longer" in words(staff.get(f"/deliveries/{waiting.pk}/apply"))
    assert TimelineEvent.objects.count() == 1


def incident_fact():
    return TimelineEvent.objects.get(subject_kind="incident")


def test_all_that_waits_can_be_applied_now(staff, integration, waiting):
    send(integration, json.dumps(an_event("incident.started", NOON + timedelta(days=900), incident_id=5)).encode())
    asked = words(staff.get("/deliveries/apply"))
    assert "Apply all that waits now?" in asked and "2 wait, dated ahead." in asked
    assert "Handed to the worker: 2" in words(staff.post("/deliveries/apply", follow=True))
    while applying.apply_due(NOON + 90 * MINUTE):
        pass
    assert set(InboundDelivery.objects.values_list("status", flat=True)) == {"applied"}
    assert "Nothing waits" in words(staff.get("/deliveries/apply"))


def test_who_only_reads_sees_what_waits_and_applies_nothing(viewer, waiting):
    assert "Apply now" not in words(viewer.get(f"/deliveries/{waiting.pk}"))
    for address in (f"/deliveries/{waiting.pk}/apply", "/deliveries/apply"):
        assert viewer.get(address).status_code == viewer.post(address).status_code == 403
    assert InboundDelivery.objects.get().status == "waiting"


def test_what_lies_thousands_of_years_ahead_is_shown_all_the_same(staff, integration):
    far = send(integration, json.dumps(an_event("incident.started") | {"dt": "9999-12-31T23:59:59Z"}).encode())
    for address in (f"/deliveries/{far.pk}", f"/deliveries/{far.pk}/apply", "/"):
        assert "more than 100 years ahead" in words(staff.get(address))


def test_delivery_and_fact_say_what_was_ignored(staff, integration, tell):
    tell(an_event("incident.started", regions=5, incident_cause=[]))
    delivery = InboundDelivery.objects.get()
    assert "Ignored, for it has a wrong type: incident_cause , regions" in words(
        staff.get(f"/deliveries/{delivery.pk}")
    )
    assert "Ignored incident_cause , regions : a wrong type" in words(staff.get(f"/facts/{delivery.fact_id}"))


def test_of_what_was_too_large_the_beginning_and_the_size_are_shown_and_nothing_to_replay(staff, integration):
    large = send(integration, json.dumps(an_event("incident.started", message="x" * 70_000)).encode())
    read = words(staff.get(f"/deliveries/{large.pk}"))
    assert "PAYLOAD_TOO_LARGE" in read and f"1024 of {large.size} bytes" in read and "Replay" not in read
    assert "There is nothing to replay." in words(staff.get("/deliveries/replay"))
    staff.post("/deliveries/replay")
    staff.post(f"/deliveries/{large.pk}/replay")
    large.refresh_from_db()
    assert (large.status, large.replayed_at) == ("quarantined", None)
