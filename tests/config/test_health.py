from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError, connection
from django.test import Client

from config import clock, health
from config.request import HEALTH_PATHS
from tests.clocks import JUMPS

pytestmark = [pytest.mark.urls("tests.config.urls"), pytest.mark.django_db]

NOON = datetime(2026, 5, 13, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _forget_that_it_was_migrated():
    health._migrated_once.cache_clear()
    yield
    health._migrated_once.cache_clear()


@pytest.fixture
def client():
    return Client(raise_request_exception=False)


@pytest.fixture
def _no_database(monkeypatch):
    def away(*args, **kwargs):
        raise OperationalError("connection refused")

    monkeypatch.setattr(connection, "cursor", away)


@pytest.mark.usefixtures("_no_database")
def test_the_process_lives_whether_there_is_a_database_or_not(client):
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"success": True, "data": {"status": "ok"}})
    assert answer["Cache-Control"] == "no-store"


def test_it_is_ready_when_the_database_is_migrated(client):
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["data"]) == (200, {"status": "ready"})


def test_it_is_ready_whatever_the_worker_does(client, settings):
    settings.WORKER_LOOPS = {"never": 1}
    assert client.get("/workz").status_code == 503
    assert client.get("/readyz").status_code == 200


@pytest.mark.usefixtures("_no_database")
@pytest.mark.parametrize("path", ["/readyz", "/workz"])
def test_without_a_database_it_is_not_ready(client, path):
    answer = client.get(path)
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "UNAVAILABLE"
    assert int(answer["Retry-After"]) > 0


@pytest.mark.parametrize(("setting", "value"), [("synchronous_commit", "off"), ("transaction_read_only", "on")])
def test_a_session_that_would_lose_events_is_refused_by_name(client, setting, value):
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL {setting} = {value}")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert setting.removeprefix("transaction_").split("_")[0] in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("row", "named"),
    [
        (("SQL_ASCII", "on", "on", "on", "off"), "encoding is SQL_ASCII"),
        (("UTF8", "off", "on", "on", "off"), "fsync=off"),
        (("UTF8", "on", "off", "on", "off"), "full_page_writes=off"),
        (("UTF8", "on", "on", "off", "off"), "synchronous_commit=off"),
        (("UTF8", "on", "on", "on", "on"), "read-only"),
    ],
)
def test_each_setting_that_loses_events_is_named(monkeypatch, row, named):
    monkeypatch.setattr(health.canary, "complaint", lambda: "")

    class Cursor:
        def __enter__(self):
            return self

        def __exit__(self, *exc):
            return None

        def execute(self, sql):
            pass

        def fetchone(self):
            return row

    monkeypatch.setattr(connection, "cursor", Cursor)
    monkeypatch.setattr(health, "_is_migrated", lambda: True)
    (fault,) = health._faults_of_the_database()
    assert named in fault


@pytest.mark.parametrize("mode", ["local", "remote_write", "on", "remote_apply"])
def test_every_mode_that_waits_for_the_disk_is_good(client, mode):
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL synchronous_commit = {mode}")
    assert client.get("/readyz").status_code == 200


def test_a_database_that_is_not_migrated_is_not_ready_and_is_asked_again(client):
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE kept AS SELECT * FROM django_migrations WHERE app = 'config'")
        cursor.execute("DELETE FROM django_migrations WHERE app = 'config'")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["error"]["details"] == {"faults": ["migrations have not been applied"]}
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO django_migrations OVERRIDING SYSTEM VALUE SELECT * FROM kept")
    assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize("path", sorted(HEALTH_PATHS))
@pytest.mark.parametrize("host", ["127.0.0.1", "10.1.2.3:8000", "[::1]", "pod-7.cluster.local", "a b/c", ""])
def test_who_asks_from_inside_may_call_us_what_he_likes(client, settings, path, host):
    settings.ALLOWED_HOSTS, settings.WORKER_LOOPS, settings.SECURE_SSL_REDIRECT = ["watch.example.com"], {}, True
    assert client.get(path, headers={"host": host}).status_code == 200
    assert client.get("/login", headers={"host": host}).status_code == 400


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/workz"])
def test_the_questions_are_asked_with_get_alone(client, path):
    answer = client.post(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert answer["Allow"] == "GET, HEAD"


# The worker


@pytest.fixture
def _two_loops(settings):
    settings.WORKER_LOOPS = {"apply": 30, "recognize": 60}


@pytest.mark.usefixtures("_two_loops")
def test_loops_that_run_are_shown_with_their_lag(client):
    health.report_loop("apply", at=NOON, detail="12 waiting")
    health.report_loop("recognize", at=NOON)
    with clock.at(NOON + timedelta(seconds=30)):
        answer = client.get("/workz")
    assert answer.status_code == 200
    assert answer.json()["data"]["loops"] == [
        {
            "name": "apply",
            "ran_at": "2026-05-13T12:00:00.000Z",
            "lag_seconds": 0.0,
            "detail": "12 waiting",
            "stopped": False,
        },
        {
            "name": "recognize",
            "ran_at": "2026-05-13T12:00:00.000Z",
            "lag_seconds": 0.0,
            "detail": "",
            "stopped": False,
        },
    ]


@pytest.mark.usefixtures("_two_loops")
def test_loops_that_stopped_or_never_ran_are_named(client):
    health.report_loop("apply", at=NOON)
    with clock.at(NOON + timedelta(seconds=31)):
        answer = client.get("/workz")
    assert answer.status_code == 503
    error = answer.json()["error"]
    assert error["message"] == "the loop apply last ran 31 s ago; the loop recognize has never run."
    assert [loop["stopped"] for loop in error["details"]["loops"]] == [True, True]


@pytest.mark.usefixtures("_two_loops")
def test_each_loop_has_a_patience_of_its_own(client):
    health.report_loop("apply", at=NOON)
    health.report_loop("recognize", at=NOON)
    states = health.loops(NOON + timedelta(seconds=45))
    assert [(state.name, state.stopped) for state in states] == [("apply", True), ("recognize", False)]


@pytest.mark.usefixtures("_two_loops")
def test_a_loop_that_comes_back_is_well_again_and_others_do_not_matter(client):
    health.report_loop("apply", at=NOON - timedelta(hours=1), detail="slow")
    health.report_loop("apply", at=NOON)
    health.report_loop("recognize", at=NOON)
    health.report_loop("of an older version", at=NOON - timedelta(days=9))
    with clock.at(NOON):
        assert client.get("/workz").status_code == 200
    assert health.loops(NOON)[0].detail == ""


@pytest.mark.usefixtures("_two_loops")
@pytest.mark.parametrize("ahead", [timedelta(seconds=6), timedelta(hours=2), timedelta(days=3)], ids=str)
def test_a_report_from_the_future_is_trouble_and_said(client, ahead):
    health.report_loop("apply", at=NOON + ahead)
    health.report_loop("recognize", at=NOON + timedelta(seconds=2))
    with clock.at(NOON):
        answer = client.get("/workz")
    assert answer.status_code == 503
    seconds = f"{ahead.total_seconds():.0f}"
    words = f"the loop apply last ran {seconds} s ahead of now: the clock was set back since."
    assert answer.json()["error"]["message"] == words


@pytest.mark.usefixtures("_two_loops")
def test_who_watches_goes_by_what_it_saw_where_the_clock_says_otherwise(client):
    """The report of the next look is new, so the loop ran in between, whatever the clock says that was."""
    health.report_loop("recognize", at=NOON)
    health.report_loop("apply", at=NOON)
    health.loops(NOON)
    health.report_loop("apply", at=NOON - timedelta(hours=2))
    assert [loop.stopped for loop in health.loops(NOON)] == [False, False]


@pytest.mark.usefixtures("_two_loops")
def test_what_was_seen_too_long_ago_says_nothing(client):
    health.report_loop("recognize", at=NOON)
    health.report_loop("apply", at=NOON)
    with clock.at(NOON):
        health.loops()
    health.report_loop("apply", at=NOON + timedelta(seconds=1))
    with clock.at(NOON + timedelta(seconds=50)):
        assert [loop.stopped for loop in health.loops()] == [True, False]


def test_reports_go_by_the_database_s_clock(settings):
    settings.WORKER_LOOPS = {"apply": 30}
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        [before] = cursor.fetchone()
    health.report_loop("apply")
    [apply] = health.loops()
    assert before <= apply.ran_at <= before + timedelta(seconds=20)
    assert 0 <= apply.age < 20


@pytest.mark.usefixtures("_two_loops")
@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_a_report_that_was_seen_grows_old_by_a_clock_that_nobody_sets(monkeypatch, jump):
    """Also where the clock was set before the next report came."""
    ticks = [1000.0]
    monkeypatch.setattr(clock.time, "monotonic", lambda: ticks[0])
    for loop in ("apply", "recognize"):
        health.report_loop(loop, at=NOON)
    states = []
    for passed, at in ((2, NOON), (4, NOON + jump), (30, NOON + jump), (32, NOON + jump)):
        ticks[0] = 1000.0 + passed
        states.append([loop.stopped for loop in health.loops(at + timedelta(seconds=passed))])
    assert states == [[False, False]] * 3 + [[True, False]]
