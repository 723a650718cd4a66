"""The engine's rules, turn by turn at moments that the tests name; a message is "sent" by saying what came of it."""

import json
from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from tests.clocks import JUMPS
from tests.conftest import NOON, make_team
from tests.timeline.outbound.conftest import an_endpoint, later
from timeline.outbound import engine as room
from timeline.outbound.engine import Engine, oldest_waiting
from timeline.outbound.installation import look
from timeline.outbound.lifecycle import delete_endpoint, disable, enable, give_up_one, redeliver
from timeline.outbound.models import Attempt, Endpoint, Installation, Message
from timeline.outbound.pacing import QUICK
from timeline.outbound.retrying import Outcome

pytestmark = pytest.mark.django_db
DAY = 86_400


class Worker:
    """An engine with what it has in hand."""

    def __init__(self):
        look(NOON)
        self.engine = Engine()
        self.parcels = {}
        self.ended = []

    def turn(self, at=NOON, **more):
        """A turn; what it took up, by body."""
        in_hand = {}
        for parcel in self.parcels.values():
            in_hand.setdefault(parcel.endpoint_id, set()).add(parcel.message_id)
        ended, self.ended = self.ended, []
        new = self.engine.turn(at, ended, in_hand, **more)
        self.parcels |= {parcel.body: parcel for parcel in new}
        return [parcel.body for parcel in new]

    def answered(self, body, status=200, at=NOON, **more):
        """Something came of a message."""
        self.ended.append((self.parcels.pop(body), Outcome(at - timedelta(milliseconds=5), at, status, **more)))

    def sent(self, *bodies, status=200, at=NOON, **more):
        """Something came of messages, and a turn; what it took up."""
        for body in bodies:
            self.answered(body, status, at, **more)
        return self.turn(at)


@pytest.fixture
def worker():
    return Worker()


@pytest.fixture
def endpoint(team):
    return an_endpoint(team, succeeded_at=NOON)


@pytest.fixture
def say():
    """`say(endpoint, "a1", "b1", …)`: messages are born, each of the subject that its letter says."""

    def born(endpoint, *bodies, **fields):
        Message.objects.bulk_create(
            Message(
                team=endpoint.team,
                endpoint=endpoint,
                webhook_id=f"msg_{body}",
                event="incident.commented",
                subject_kind="incident",
                subject_id=ord(body[0]),
                body=body,
                created_at=NOON,
                **fields,
            )
            for body in bodies
        )

    return born


def shown(*names):
    """Columns of the messages, by body."""
    return {body: values for body, *values in Message.objects.order_by("id").values_list("body", *names)}


def status_of(body):
    return Message.objects.values_list("status", flat=True).get(body=body)


def expire():
    with connection.cursor() as cursor:
        cursor.execute("UPDATE timeline_endpoint SET lease_until = clock_timestamp() WHERE lease_until IS NOT NULL")


# --- taking up, and in which order ----------------------------------------------------------------------------


def test_of_each_subject_the_first_is_taken_up_and_the_next_when_it_is_delivered(worker, endpoint, say):
    say(endpoint, "a1", "b1", "a2", "a3", "b2")
    assert worker.turn() == ["a1", "b1"]
    assert shown("status") == {
        "a1": ["sending"], "b1": ["sending"], "a2": ["behind"], "a3": ["behind"], "b2": ["behind"],
    }  # fmt: skip
    assert worker.turn() == []
    assert worker.sent("b1") == ["b2"]
    assert worker.sent("a1") == ["a2"]
    assert worker.sent("a2", "b2") == ["a3"]
    assert worker.sent("a3") == []
    assert set(Message.objects.values_list("status", "tries")) == {("delivered", 1)}


def test_what_comes_while_an_earlier_one_is_being_sent_waits_for_it(worker, endpoint, say):
    say(endpoint, "a1")
    assert worker.turn() == ["a1"]
    say(endpoint, "a2")
    assert worker.turn() == []
    say(endpoint, "a3")
    assert worker.sent("a1") == ["a2"]
    assert worker.sent("a2") == ["a3"]


def test_what_comes_in_the_moment_in_which_the_one_before_is_over_waits_for_nothing(worker, endpoint, say):
    say(endpoint, "a1")
    worker.turn()
    worker.answered("a1")
    say(endpoint, "a2")
    assert worker.turn() == ["a2"]


def test_behind_one_that_is_given_up_the_next_goes_on(worker, endpoint, say):
    say(endpoint, "a1", "a2")
    worker.turn()
    assert worker.sent("a1", status=404) == ["a2"]
    assert shown("status", "why", "ended_at")["a1"] == ["dead", "The answer was 404.", NOON]


def test_nothing_passes_one_that_is_to_be_tried_again(worker, endpoint, say):
    say(endpoint, "a1", "a2", "b1")
    worker.turn()
    assert worker.sent("a1", status=500) == []
    assert worker.turn(later(3)) == []
    assert worker.turn(later(6.1)) == ["a1"]
    assert worker.sent("a1", at=later(7)) == ["a2"]


def test_the_same_subject_at_another_endpoint_waits_for_nothing(worker, endpoint, say):
    other = an_endpoint(endpoint.team, succeeded_at=NOON)
    say(endpoint, "a1")
    say(other, "a1 too")
    assert sorted(worker.turn()) == ["a1", "a1 too"]


def test_more_than_there_is_room_for_waits_and_is_not_forgotten(worker, endpoint, say):
    bodies = [chr(1000 + number) for number in range(100)]
    say(endpoint, *bodies)
    assert worker.turn() == bodies[:QUICK]
    taken = bodies[:QUICK]
    while len(taken) < 100:
        new = worker.sent(*list(worker.parcels))
        assert new
        taken += new
    assert taken == bodies


def test_the_first_of_a_subject_behind_very_many_of_others_is_found(worker, endpoint, say):
    say(endpoint, *[f"a{number}" for number in range(300)], "b1")
    taken = [body for _ in range(20) for body in worker.turn()]
    assert taken == ["a0", "b1"]


def test_what_failed_is_tried_again_on_its_schedule_and_given_up_in_the_end(worker, endpoint, say):
    say(endpoint, "a1")
    at, waits = NOON, []
    assert worker.turn() == ["a1"]
    while worker.parcels:
        worker.sent("a1", status=500, at=at)
        due = Message.objects.get().due_at
        if due is None:
            break
        waits.append((due - at).total_seconds())
        assert worker.turn(due - timedelta(seconds=1)) == []
        Endpoint.objects.update(failing_since=due)  # or it would be disabled on the fifth day
        at = due
        assert worker.turn(at) == ["a1"]
    nominal = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]
    assert len(waits) == 9
    assert all(0.8 <= wait / pause <= 1.2 for wait, pause in zip(waits, nominal, strict=True))
    assert Message.objects.values_list("status", "tries", "why").get() == ("dead", 10, "The answer was 500.")
    assert Attempt.objects.count() == 10


def test_an_idle_turn_asks_once_and_writes_nothing(worker, endpoint, say, django_assert_num_queries):
    say(endpoint, "a1")
    worker.turn()
    worker.sent("a1")
    with django_assert_num_queries(1):
        assert worker.turn() == []


# --- attempts -------------------------------------------------------------------------------------------------


def test_each_attempt_is_written_down(worker, endpoint, say):
    say(endpoint, "a1")
    worker.turn()
    worker.sent("a1", status=503, excerpt="busy", at=later(1))
    worker.turn(later(20))
    worker.sent("a1", status=None, error="No connection.", at=later(21))
    worker.turn(later(500))
    worker.sent("a1", status=204, at=later(501))
    ms = timedelta(milliseconds=5)
    assert list(Attempt.objects.values_list("started_at", "ended_at", "status_code", "error", "excerpt")) == [
        (later(1) - ms, later(1), 503, "The answer was 503.", "busy"),
        (later(21) - ms, later(21), None, "No connection.", ""),
        (later(501) - ms, later(501), 204, "", ""),
    ]
    assert Message.objects.values_list("status", "tries", "ended_at", "why").get() == ("delivered", 3, later(501), "")
    assert [each.succeeded for each in Attempt.objects.all()] == [False, False, True]


def test_whatever_was_answered_can_be_written_down(worker, endpoint, say):
    say(endpoint, "a1", "b1")
    worker.turn()
    strange = "\ufffd\u0001\x7f\u2028\U0010ffff\"'\\{}%s" + "x" * 65_000
    worker.sent("a1", "b1", status=599, excerpt=strange)
    assert set(Attempt.objects.values_list("excerpt", flat=True)) == {strange}


# --- leases ---------------------------------------------------------------------------------------------------


def test_two_engines_side_by_side_never_hold_the_same_endpoint(say):
    team = make_team()
    endpoints = [an_endpoint(team, succeeded_at=NOON) for _ in range(4)]
    first, second = Worker(), Worker()
    say(endpoints[0], "a1")
    say(endpoints[1], "b1")
    assert first.turn() == ["a1", "b1"]
    say(endpoints[1], "c1")
    say(endpoints[2], "d1")
    assert second.turn() == ["d1"]
    assert first.turn() == ["c1"]
    assert not first.engine.leases.tokens.keys() & second.engine.leases.tokens.keys()


def test_an_endpoint_that_has_nothing_in_hand_is_given_back(worker, endpoint, say):
    say(endpoint, "a1")
    worker.turn()
    assert worker.engine.leases.tokens.keys() == {endpoint.pk}
    worker.sent("a1")
    assert worker.engine.leases.tokens == {}
    assert Endpoint.objects.get().lease_until is None


def test_what_a_killed_worker_had_in_hand_is_sent_by_another_when_its_lease_has_ended(endpoint, say):
    killed, other = Worker(), Worker()
    say(endpoint, "a1", "a2")
    assert killed.turn() == ["a1"]
    assert other.turn(later(1)) == []
    expire()
    assert other.turn(later(10)) == ["a1"]
    assert list(Attempt.objects.values_list("started_at", "ended_at", "error")) == [(NOON, None, "")]
    assert Message.objects.get(body="a1").tries == 1
    assert other.sent("a1") == ["a2"]


def test_who_is_late_can_write_nothing(endpoint, say):
    late, other = Worker(), Worker()
    say(endpoint, "a1", "a2")
    late.turn()
    expire()
    assert other.turn() == ["a1"]
    assert late.sent("a1", status=410) == []
    assert (status_of("a1"), status_of("a2")) == ("sending", "behind")
    assert Endpoint.objects.get().disabled_at is None
    assert Attempt.objects.count() == 1  # the one without an end
    assert late.engine.leases.tokens == {}
    assert other.sent("a1") == ["a2"]


def test_who_is_late_and_holds_the_endpoint_again_can_not_write_what_came_of_before(endpoint, say):
    late, other = Worker(), Worker()
    say(endpoint, "a1", "a2")
    late.turn()
    old = late.parcels["a1"]
    expire()
    other.turn()
    expire()
    late.parcels.clear()
    assert late.turn() == ["a1"]
    late.ended.append((old, Outcome(NOON, NOON, 404)))
    late.turn()
    assert (status_of("a1"), status_of("a2")) == ("sending", "behind")
    assert late.sent("a1") == ["a2"]


def test_a_turn_that_fails_leaves_the_engine_as_it_was(worker, endpoint, say, monkeypatch):
    say(endpoint, "a1")

    def fail():
        raise OperationalError

    monkeypatch.setattr(room, "TAKEN", fail)
    with pytest.raises(OperationalError):
        worker.turn()
    assert worker.engine.leases.tokens == {}
    assert status_of("a1") == "new"
    monkeypatch.undo()
    assert worker.turn() == ["a1"]


def test_what_was_taken_up_in_a_turn_of_which_nobody_heard_is_taken_up_again(worker, endpoint, say, monkeypatch):
    """The line broke after the commit: the database has it that a message is being sent, and nobody has it in hand."""
    say(endpoint, "a1", "b1")
    worker.turn()
    say(endpoint, "c1")

    def fail(*_):
        raise OperationalError

    monkeypatch.setattr(room, "remember", fail)
    with pytest.raises(OperationalError):
        worker.turn()
    monkeypatch.undo()
    assert status_of("c1") == "sending"
    assert worker.turn() == []
    assert worker.turn(later(1), unsure=True) == ["c1"]
    assert Message.objects.get(body="c1").tries == 1
    assert worker.sent("a1", "b1", "c1") == []
    assert set(Message.objects.values_list("status", flat=True)) == {"delivered"}


def test_who_stops_writes_down_what_ended_and_gives_all_else_back(worker, endpoint, say):
    say(endpoint, "a1", "b1", "b2")
    worker.turn()
    worker.answered("a1")
    worker.engine.stop(NOON, worker.ended)
    assert shown("status", "tries") == {"a1": ["delivered", 1], "b1": ["due", 0], "b2": ["behind", 0]}
    assert Endpoint.objects.get().lease_until is None
    assert Worker().turn() == ["b1"]


# --- endpoints ------------------------------------------------------------------------------------------------


def test_an_endpoint_that_answers_410_is_disabled_and_keeps_what_waits(worker, endpoint, say):
    say(endpoint, "a1", "b1")
    worker.turn()
    say(endpoint, "c1")
    assert worker.sent("a1", status=410) == []
    found = Endpoint.objects.get()
    assert (found.disabled_at, found.disabled_why) == (NOON, "It answered 410: it is gone.")
    worker.sent("b1")
    assert shown("status") == {"a1": ["dead"], "b1": ["delivered"], "c1": ["new"]}
    enable(found, at=NOON)
    assert worker.turn() == ["c1"]


def test_five_days_without_success_disable_an_endpoint(worker, endpoint, say):
    say(endpoint, "a1", "b1")
    worker.turn()
    worker.sent("a1", "b1", status=500)
    assert Endpoint.objects.get().failing_since == NOON
    Message.objects.filter(body="a1").update(tries=5, due_at=later(5 * DAY - 1))
    Message.objects.filter(body="b1").update(tries=5, due_at=later(5 * DAY))
    worker.turn(later(5 * DAY - 1))
    worker.sent("a1", status=500, at=later(5 * DAY - 1))
    assert Endpoint.objects.get().is_enabled
    assert worker.turn(later(5 * DAY)) == ["b1"]
    worker.sent("b1", status=500, at=later(5 * DAY))
    found = Endpoint.objects.get()
    assert (found.disabled_at, found.disabled_why) == (later(5 * DAY), "It has taken nothing for five days.")
    assert shown("status") == {"a1": ["due"], "b1": ["due"]}


def test_a_success_ends_the_failing(worker, endpoint, say):
    say(endpoint, "a1", "b1")
    worker.turn()
    worker.sent("a1", status=500, at=later(1))
    worker.sent("b1", at=later(2))
    found = Endpoint.objects.get()
    assert (found.succeeded_at, found.failing_since) == (later(2), None)


def test_when_an_endpoint_takes_something_again_all_that_waited_is_sent_at_once(worker, endpoint, say):
    say(endpoint, "a1", "b1")
    Endpoint.objects.update(failing_since=NOON - timedelta(days=1))
    Message.objects.update(status="due", due_at=later(36_000), tries=5)
    say(endpoint, "c1")
    assert worker.turn() == ["c1"]
    worker.sent("c1")
    assert sorted([*worker.parcels, *worker.turn(later(1))]) == ["a1", "b1"]


def test_what_fails_while_everything_else_is_taken_keeps_to_its_pauses(worker, endpoint, say):
    say(endpoint, "a1")
    Message.objects.update(status="due", due_at=later(36_000), tries=5)
    Endpoint.objects.update(failing_since=later(-2))
    say(endpoint, "b1")
    worker.turn()
    worker.sent("b1")
    assert Message.objects.get(body="a1").due_at == later(36_000)


def test_what_a_receiver_asked_for_is_not_cut_short_by_what_it_takes_meanwhile(worker, endpoint, say):
    say(endpoint, "a1", "b1")
    worker.turn()
    worker.sent("a1", status=429, retry_after="3600")
    worker.sent("b1", at=later(10))
    assert Message.objects.get(body="a1").due_at == later(3_600)


def test_a_disabled_or_deleted_endpoint_is_sent_nothing(worker, endpoint, say):
    say(endpoint, "a1", "b1")
    disable(endpoint, at=NOON)
    assert worker.turn() == []
    enable(endpoint, at=NOON)
    delete_endpoint(endpoint, at=NOON)
    assert worker.turn() == []
    assert shown("status", "why") == {body: ["dead", "This endpoint was deleted."] for body in ("a1", "b1")}


def test_what_is_being_sent_when_its_endpoint_is_deleted_stays_given_up(worker, endpoint, say):
    say(endpoint, "a1", "a2")
    worker.turn()
    delete_endpoint(endpoint, at=NOON)
    assert worker.sent("a1") == []
    assert shown("status") == {"a1": ["dead"], "a2": ["dead"]}
    assert Attempt.objects.get().status_code == 200


def test_what_waited_for_its_next_try_is_sent_at_once_when_its_endpoint_is_enabled(worker, endpoint, say):
    say(endpoint, "a1", status="due", due_at=later(36_000), tries=6)
    disable(endpoint, at=NOON)
    enable(endpoint, at=NOON)
    assert worker.turn() == ["a1"]


def test_a_dead_endpoint_holds_nobody_else_up_nor_do_very_many(worker, team, say):
    dead = [an_endpoint(team, failing_since=NOON) for _ in range(150)]
    for number, each in enumerate(dead):
        say(each, f"a{number}", f"b{number}")
    worker.turn()
    in_hand = len(worker.parcels)
    assert in_hand < 150
    assert worker.turn() == []
    well = an_endpoint(team, succeeded_at=NOON)
    say(well, *[chr(2_000 + number) for number in range(QUICK)])
    assert len(worker.turn()) == QUICK
    # And those that found no place get theirs when others' attempts have failed.
    tried = set(worker.parcels)
    for _ in range(10):
        for body in list(worker.parcels):
            worker.answered(body, status=500, at=NOON)
        tried |= set(worker.turn())
    assert tried >= {f"{letter}{number}" for letter in "ab" for number in range(150)}


# --- again ----------------------------------------------------------------------------------------------------


def test_a_message_that_is_delivered_again_keeps_its_id_and_body(worker, endpoint, say):
    say(endpoint, "a1")
    worker.turn()
    first = worker.parcels["a1"]
    worker.sent("a1")
    assert redeliver(Message.objects.get(), at=NOON)
    assert not redeliver(Message.objects.get(), at=NOON)
    assert worker.turn(later(1)) == ["a1"]
    again = worker.parcels["a1"]
    assert (again.message_id, again.webhook_id, again.body, again.tries) == (
        first.message_id, first.webhook_id, first.body, 1,
    )  # fmt: skip
    worker.sent("a1", at=later(2))
    assert Attempt.objects.count() == 2


def test_what_waits_behind_one_that_is_delivered_again_is_not_forgotten(worker, endpoint, say):
    say(endpoint, "a1", "a2", "a3")
    worker.turn()
    assert worker.sent("a1") == ["a2"]
    redeliver(Message.objects.get(body="a1"), at=NOON)
    assert worker.turn() == ["a1"]
    assert worker.sent("a2") == []
    assert status_of("a3") == "behind"
    assert worker.sent("a1") == ["a3"]


# --- the counter ----------------------------------------------------------------------------------------------


def test_what_is_taken_up_is_counted_and_the_data_folder_knows_before_it_is_handed_out(
    worker, endpoint, say, data_folder
):
    say(endpoint, "a1")
    worker.turn()
    present = Installation.objects.get()
    known = json.loads((data_folder / "sending.json").read_text())
    assert known == {"installation": present.public_id, "counter": present.counter}
    assert present.counter == 1
    worker.sent("a1")
    assert Installation.objects.get().counter == 1


def test_while_sending_is_paused_nothing_is_taken_up_and_what_ended_is_written_down(worker, endpoint, say):
    say(endpoint, "a1", "a2")
    worker.turn()
    Installation.objects.update(paused_at=NOON)
    assert worker.sent("a1") == []
    assert (status_of("a1"), status_of("a2")) == ("delivered", "due")
    Installation.objects.update(paused_at=None)
    assert worker.turn() == ["a2"]


def test_a_database_that_is_restored_under_a_running_worker_is_noticed_at_its_next_turn(worker, endpoint, say):
    say(endpoint, "a1", "b1")
    worker.turn()
    worker.sent("a1", "b1")
    Message.objects.filter(body="b1").update(status="new", ended_at=None, tries=0)
    Installation.objects.update(counter=0)
    assert worker.turn() == []
    present = Installation.objects.get()
    assert present.paused_at == NOON
    assert "restored" in present.paused_why
    assert status_of("b1") == "new"


# --- how far behind -------------------------------------------------------------------------------------------


def test_the_lag_is_that_of_what_waits_longest_at_an_enabled_endpoint(endpoint, say):
    assert oldest_waiting() is None
    say(an_endpoint(endpoint.team, disabled_at=NOON), "x1")
    assert oldest_waiting() is None
    say(endpoint, "a1", status="due", due_at=later(60))
    assert oldest_waiting() == later(60)
    say(endpoint, "b1")
    assert oldest_waiting() == NOON
    Message.objects.filter(body="b1").update(status="delivered")
    assert oldest_waiting() == later(60)


def test_what_is_asked_for_again_waits_since_then_however_old_it_is(endpoint, say):
    say(endpoint, "a1", status="delivered", ended_at=NOON)
    redeliver(Message.objects.get(), at=later(DAY))
    assert oldest_waiting() == later(DAY)
    Message.objects.update(status="due", due_at=later(60))
    disable(endpoint, at=NOON)
    enable(endpoint, at=later(2 * DAY))
    assert oldest_waiting() == later(2 * DAY)


# --- what it costs --------------------------------------------------------------------------------------------


def test_no_statement_of_a_turn_reads_all_messages_there_ever_were(worker, endpoint):
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO timeline_message (team_id, endpoint_id, webhook_id, event, subject_kind, subject_id, body, "
            "created_at, status, tries, why) SELECT %s, %s, 'msg_' || n, 'incident.started', 'incident', n %% 100, "
            "n::text, now(), CASE WHEN n %% 3 = 0 THEN 'new' ELSE 'delivered' END, 0, '' "
            "FROM generate_series(1, 30000) AS n",
            [endpoint.team_id, endpoint.pk],
        )
        cursor.execute("ANALYZE timeline_message")
    with CaptureQueriesContext(connection) as captured:
        failing, *others = worker.turn()
        worker.sent(failing, status=500)
        worker.sent(*others, at=later(1))
        worker.turn(later(10), unsure=True)
    statements = [query["sql"] for query in captured if "timeline_message" in query["sql"]]
    assert len(statements) > 10
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(f"EXPLAIN {statement}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
            assert "Seq Scan on timeline_message" not in plan, f"{statement}\n{plan}"


# --- a clock that is set ------------------------------------------------------------------------------------------


BACK = [timedelta(hours=2), timedelta(days=3)]


@pytest.mark.parametrize("by", BACK, ids=str)
def test_what_was_scheduled_before_the_clock_was_set_back_keeps_its_pause_from_then_on(worker, endpoint, say, by):
    say(endpoint, "failed")
    before = NOON + by
    worker.turn(before)
    worker.sent("failed", status=500, at=before)
    room.after_a_jump(NOON, -by.total_seconds())
    room.after_a_jump(NOON, 0.0)  # another worker, or the same after a restart
    assert worker.turn(later(3)) == []
    assert worker.turn(later(7)) == ["failed"]


def test_what_the_receiver_asked_for_is_kept_when_the_clock_is_set_back(worker, endpoint, say):
    say(endpoint, "failed")
    before = NOON + timedelta(hours=2)
    worker.turn(before)
    worker.sent("failed", status=503, at=before, retry_after="36000")
    room.after_a_jump(NOON, -7200.0)
    assert worker.turn(later(35_900)) == []
    assert worker.turn(later(36_000)) == ["failed"]


def test_what_was_scheduled_by_a_clock_that_was_right_stays_as_it_is(worker, endpoint, say):
    say(endpoint, "failed")
    worker.turn()
    worker.sent("failed", status=500)
    due = Message.objects.get().due_at
    for by in (0.0, 7200.0):
        room.after_a_jump(later(1), by)
    assert Message.objects.get().due_at == due


@pytest.mark.parametrize("by", BACK, ids=str)
def test_what_ends_while_the_clock_is_set_back_is_written_down_as_of_now(worker, endpoint, say, by):
    say(endpoint, "failed")
    worker.turn()
    worker.answered("failed", 500, at=NOON + by)
    worker.turn(later(1))
    attempt, message = Attempt.objects.get(), Message.objects.get()
    assert (attempt.ended_at, attempt.milliseconds) == (later(1), 5)
    assert message.due_at <= later(1 + 6)


@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_no_endpoint_is_disabled_by_a_clock_that_was_set(worker, endpoint, say, jump):
    say(endpoint, "one")
    Endpoint.objects.update(failing_since=NOON - timedelta(days=4))
    worker.turn()
    now = NOON + jump
    room.after_a_jump(now, jump.total_seconds())
    Message.objects.update(tries=5)
    worker.sent("one", status=500, at=now + timedelta(seconds=1))
    endpoint.refresh_from_db()
    assert endpoint.is_enabled
    assert endpoint.failing_since <= now


@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_an_endpoint_that_failed_for_five_days_is_disabled_though_the_clock_was_set(worker, endpoint, say, jump):
    say(endpoint, "one")
    Endpoint.objects.update(failing_since=NOON - timedelta(days=1))
    now = NOON + jump
    room.after_a_jump(now, jump.total_seconds())
    much_later = now + timedelta(days=5, hours=1)
    worker.turn(much_later)
    worker.sent("one", status=404, at=much_later)
    endpoint.refresh_from_db()
    assert not endpoint.is_enabled


# --- what comes after messages about others -------------------------------------------------------------------


def ids(*bodies):
    return list(Message.objects.filter(body__in=bodies).order_by("id").values_list("id", flat=True))


@pytest.fixture
def last_words(endpoint, say):
    """Two incidents are told of, then a monitor's end, which comes after both; and something else of that monitor."""
    say(endpoint, "a1", "a2", "b1")
    say(endpoint, "m1", after=ids("a2", "b1"))
    say(endpoint, "m2", "c1")


@pytest.mark.parametrize("order", [["a1", "a2", "b1"], ["a1", "b1", "a2"], ["b1", "a1", "a2"]])
def test_what_comes_after_others_is_sent_when_the_last_of_them_is_over(worker, last_words, order):
    assert worker.turn() == ["a1", "b1", "c1"]
    seen = []
    for body in order:
        seen += worker.sent(body)
    assert seen == ["a2", "m1"]
    assert worker.sent("m1") == ["m2"]


def test_it_waits_for_others_that_are_tried_again_and_not_for_those_that_are_given_up(worker, last_words):
    worker.turn()
    assert worker.sent("a1") == ["a2"]
    assert worker.sent("a2", status=503) == []
    assert worker.sent("b1", status=404) == []
    assert [status_of("b1"), status_of("m1")] == ["dead", "behind"]
    assert worker.turn(later(10)) == ["a2"]
    assert worker.sent("a2", at=later(10)) == ["m1"]


def test_what_is_over_by_then_is_not_waited_for(worker, endpoint, say):
    say(endpoint, "a1")
    worker.turn()
    worker.sent("a1")
    say(endpoint, "m1", after=ids("a1"))
    assert worker.turn() == ["m1"]


def test_where_one_that_it_comes_after_is_given_up_by_hand_it_is_next(worker, endpoint, say):
    say(endpoint, "a1", "a2")
    say(endpoint, "m1", after=ids("a2"))
    worker.turn()
    assert status_of("m1") == "behind"
    give_up_one(Message.objects.get(body="a2"), at=NOON)
    assert worker.turn() == ["m1"]


def test_one_before_it_of_its_own_subject_counts_too(worker, endpoint, say):
    say(endpoint, "a1", "m0")
    say(endpoint, "m1", after=ids("a1"))
    assert worker.turn() == ["a1", "m0"]
    assert worker.sent("a1") == []
    assert worker.sent("m0") == ["m1"]
