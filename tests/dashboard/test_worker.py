import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.test import Client

from config import clock, health
from config.models import WorkerLoop
from dashboard import worker as room
from dashboard.worker import Step, Worker, steps
from integrations import ingest
from integrations.models import InboundDelivery
from tests.clocks import JUMPS, Clocks
from tests.conftest import NOON, an_event, make_integration, make_team
from timeline.outbound import sender
from timeline.outbound.sender import LOOP as SENDING

LATER = NOON + timedelta(hours=1)


def receive(integration, *events, at=LATER):
    return [ingest.receive_from(integration, json.dumps(event).encode(), {}, at) for event in events]


class Counting:
    """A step's work: so much of it, answered bit by bit."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.at = []

    def __call__(self, at):
        self.at.append(at)
        answer = self.answers.pop(0) if self.answers else 0
        if isinstance(answer, BaseException):
            raise answer
        return answer


@pytest.fixture
def no_waiting(monkeypatch):
    """A worker's pauses, noted and not slept. A test ends its worker by stopping it in one of them."""
    pauses = []
    monkeypatch.setattr(room.time, "sleep", pauses.append)
    # The connection of a test is not to be given back.
    monkeypatch.setattr(room.connection, "close", lambda: pauses.append("closed"))
    return pauses


class NobodySends:
    """In the sender's place: a thread that waits until it is told to stop."""

    def __init__(self):
        self.stopped = threading.Event()
        self.stop = self.stopped.set

    def run(self):
        self.stopped.wait()


def turn(step, at):
    """A turn at a moment of a clock that nobody sets."""
    with clock.at(at):
        return step.turn(at)


def a_worker(*loops):
    worker = Worker()
    worker.sender = NobodySends()
    worker.steps = list(loops)
    return worker


# --- a step ---------------------------------------------------------------------------------------------------


def test_the_steps_and_the_sender_are_what_workz_waits_for():
    assert {step.name for step in steps()} | {SENDING} == set(settings.WORKER_LOOPS)
    assert SENDING not in {step.name for step in steps()}


def test_a_step_with_work_runs_again_at_once_and_one_without_after_its_pause(db):
    run = Counting(3, 2, 0, 7)
    step = Step("apply", run, every=timedelta(minutes=10))
    assert [turn(step, NOON), turn(step, NOON), turn(step, NOON)] == [3, 2, 0]
    assert turn(step, NOON + timedelta(minutes=9)) == 0
    assert len(run.at) == 3
    assert turn(step, NOON + timedelta(minutes=10)) == 7
    assert turn(step, NOON + timedelta(minutes=10)) == 0


def test_a_step_without_a_pause_runs_at_every_turn(db):
    run = Counting()
    step = Step("apply", run)
    for _ in range(3):
        step.turn(NOON)
    assert len(run.at) == 3


def test_a_step_reports_itself_now_and_then_also_while_it_pauses(db):
    step = Step("recognize", Counting(), every=timedelta(hours=1))
    turn(step, NOON)
    assert WorkerLoop.objects.get(name="recognize").ran_at == NOON
    turn(step, NOON + timedelta(seconds=4))
    assert WorkerLoop.objects.get().ran_at == NOON
    turn(step, NOON + timedelta(seconds=5))
    assert WorkerLoop.objects.get().ran_at == NOON + timedelta(seconds=5)


def test_a_step_that_fails_does_not_report(db):
    step = Step("apply", Counting(ValueError()))
    with pytest.raises(ValueError):
        step.turn(NOON)
    assert not WorkerLoop.objects.exists()


# --- a clock that is set --------------------------------------------------------------------------------------


@pytest.fixture
def clocks(db, monkeypatch):
    with connection.cursor() as cursor:
        yield Clocks(cursor, monkeypatch)


@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_loops_go_on_keep_their_pauses_and_are_not_missed_when_the_clock_is_set(clocks, jump):
    apply, recognize = Step("apply", Counting()), Step("recognize", Counting(), every=timedelta(minutes=10))
    missed = []
    ours = (apply.name, recognize.name)
    for passed in range(601):
        if passed == 302:
            clocks.set(jump)
        missed += [loop.name for loop in health.loops() if loop.stopped and passed and loop.name in ours]
        for step in (apply, recognize):
            step.turn(clock.now())
        clocks.wait(1)
    assert missed == []
    assert len(apply.run.at) == 601
    assert len(recognize.run.at) == 2


@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_a_loop_that_stops_before_or_after_the_clock_is_set_is_missed_all_the_same(clocks, jump):
    step = Step("apply", Counting())
    for _ in range(10):
        step.turn(clock.now())
        clocks.wait(5)
        health.loops()
    clocks.wait(10)
    clocks.set(jump)
    for _ in range(3):
        clocks.wait(10)
        health.loops()
    [apply] = [loop for loop in health.loops() if loop.name == "apply"]
    assert apply.stopped


@pytest.mark.parametrize(("jump", "words"), [(JUMPS[0], "set back by 7200 s"), (JUMPS[3], "set forward by 259200 s")])
def test_a_worker_whose_clock_is_set_reports_at_once_and_workz_says_so_for_a_while(clocks, no_waiting, jump, words):
    worker = a_worker(Step("apply", Counting()))
    worker.look_at_the_clock()
    worker.turn(worker.steps[0])
    clocks.wait(1)
    clocks.set(jump)
    worker.look_at_the_clock()
    worker.turn(worker.steps[0])
    [apply] = [loop for loop in health.loops() if loop.name == "apply"]
    assert not apply.stopped
    assert abs(apply.age) < 5
    assert words in apply.detail
    clocks.wait(clock.SAID_FOR + 1)
    worker.look_at_the_clock()
    worker.turn(worker.steps[0])
    assert WorkerLoop.objects.get().detail == ""


def named(worker, name):
    """The worker's step of that name."""
    return next(step for step in worker.steps if step.name == name)


def turns(worker, *names):
    """A turn of all steps; what those named did."""
    done = {step.name: worker.turn(step) for step in worker.steps}
    return [done[name] for name in names]


# --- the worker -----------------------------------------------------------------------------------------------


def test_the_worker_s_own_steps_apply_what_was_received_and_recognize_what_is_known(integration):
    receive(integration, an_event("monitor.down"), an_event("heartbeat.down"))
    InboundDelivery.objects.filter(event="heartbeat.down").update(status="unrecognized")
    worker = Worker()
    with clock.at(LATER):
        assert turns(worker, "apply", "waiting", "recognize") == [1, 0, 1]
        assert turns(worker, "apply", "waiting", "recognize") == [1, 0, 0]
    assert set(InboundDelivery.objects.values_list("status", flat=True)) == {"applied"}


def test_a_failing_step_is_logged_and_does_not_stop_the_others(db, no_waiting, capsys):
    good = Counting(1, 1, 1)
    worker = a_worker(Step("apply", Counting(ValueError("boom"), KeyError("bang"))), Step("recognize", good))
    good.answers.append(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        worker.run()
    assert len(good.at) == 4
    log = capsys.readouterr().err
    assert [log.count(text) for text in ("step failed", "boom", "bang", "worker started")] == [2, 1, 1, 1]
    assert no_waiting == ["closed", room.TROUBLE_SECONDS] * 2


def test_trouble_with_the_database_is_waited_out_with_a_new_connection(db, no_waiting, capsys):
    run = Counting(OperationalError("gone"), 5)
    worker = a_worker(Step("apply", run))
    assert worker.turn(worker.steps[0]) == 0
    assert worker.turn(worker.steps[0]) == 5
    assert no_waiting == ["closed", room.TROUBLE_SECONDS]
    log = capsys.readouterr().err
    assert "database trouble" in log
    assert "Traceback" not in log


def test_a_connection_that_can_not_even_be_closed_stops_nothing(db, monkeypatch):
    monkeypatch.setattr(room.time, "sleep", lambda _: None)

    def close():
        raise OperationalError("already gone")

    monkeypatch.setattr(room.connection, "close", close)
    worker = a_worker(Step("apply", Counting(OperationalError("gone"), 2)))
    assert [worker.turn(worker.steps[0]) for _ in range(2)] == [0, 2]


def test_an_idle_worker_pauses_and_a_busy_one_does_not(db, no_waiting, monkeypatch):
    run = Counting(1, 1, 0, 1)
    worker = a_worker(Step("apply", run))
    rounds = []

    def sleep(seconds):
        rounds.append((seconds, len(run.at)))
        if len(rounds) == 2:
            worker.stop()

    monkeypatch.setattr(room.time, "sleep", sleep)
    worker.run()
    assert rounds == [(room.IDLE_SECONDS, 3), (room.IDLE_SECONDS, 5)]


def test_a_worker_goes_on_at_once_only_where_a_step_had_its_hands_full(db, no_waiting, monkeypatch):
    run = Counting(10, 9, 1, 10, 12, 0)
    worker = a_worker(Step("apply", run, full=10))
    pauses = []

    def sleep(seconds):
        pauses.append(len(run.at))
        if len(pauses) == 3:
            worker.stop()

    monkeypatch.setattr(room.time, "sleep", sleep)
    worker.run()
    assert pauses == [2, 3, 6]


def test_a_worker_told_to_stop_finishes_the_work_at_hand_and_ends(db, no_waiting):
    worker = a_worker()

    def work(at):
        worker.stop(signal.SIGTERM, None)
        return 1

    after = Counting()
    worker.steps = [Step("apply", work), Step("recognize", after)]
    worker.run()
    assert len(after.at) == 1
    assert no_waiting == []


# --- /workz ---------------------------------------------------------------------------------------------------


def workz(at):
    with clock.at(at):
        answer = Client().get("/workz")
    return answer.status_code, answer.json()


def test_workz_knows_no_loop_before_one_ran(db):
    status, said = workz(NOON)
    assert status == 503
    assert all(name in said["error"]["message"] for name in settings.WORKER_LOOPS)


def test_workz_is_well_while_all_loops_turn_and_names_the_one_that_stopped(db, no_waiting):
    worker = Worker()
    with clock.at(NOON):
        for step in worker.steps:
            worker.turn(step)
        sender.report()
    status, said = workz(NOON + timedelta(seconds=20))
    assert (status, {loop["name"] for loop in said["data"]["loops"]}) == (200, set(settings.WORKER_LOOPS))
    named(worker, "apply").run = Counting(*[ValueError()] * 50)
    for seconds in range(5, 60, 5):
        with clock.at(NOON + timedelta(seconds=seconds)):
            for step in worker.steps:
                worker.turn(step)
            sender.report()
    status, said = workz(NOON + timedelta(seconds=55))
    assert status == 503
    assert "apply" in said["error"]["message"]
    assert "recognize" not in said["error"]["message"]
    assert SENDING not in said["error"]["message"]


def test_workz_names_a_sender_that_stopped_while_the_steps_go_on(db, no_waiting):
    worker = a_worker(*steps())
    with clock.at(NOON):
        sender.report()
    for seconds in range(0, 40, 5):
        with clock.at(NOON + timedelta(seconds=seconds)):
            for step in worker.steps:
                worker.turn(step)
    assert workz(NOON + timedelta(seconds=30))[0] == 200
    status, said = workz(NOON + timedelta(seconds=31))
    assert (status, said["error"]["message"]) == (503, "the loop send last ran 31 s ago.")


def test_the_lag_is_measured_by_whoever_asks(integration, no_waiting):
    with clock.at(NOON):
        Worker().turn(steps()[0])
    receive(integration, an_event("monitor.down"), at=NOON)
    receive(integration, an_event("monitor.paused"), at=NOON + timedelta(seconds=12))
    assert lags(NOON + timedelta(seconds=42)) == dict.fromkeys(settings.WORKER_LOOPS, 0) | {"apply": 42}
    InboundDelivery.objects.filter(event="monitor.down").update(status="applied")
    assert lags(NOON + timedelta(seconds=42))["apply"] == 30
    assert lags(NOON)["apply"] == 0


def lags(at):
    _, said = workz(at)
    return {loop["name"]: loop["lag_seconds"] for loop in said["error"]["details"]["loops"]}


def test_a_worker_that_fails_stops_its_sender_too(db, no_waiting):
    worker = a_worker(Step("apply", Counting(KeyboardInterrupt())))
    with pytest.raises(KeyboardInterrupt):
        worker.run()
    assert worker.sender.stopped.is_set()
    assert "sender" not in {thread.name for thread in threading.enumerate()}


# --- the process ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_applies_until_it_is_told_to_stop(transactional_db, number):
    integration = make_integration(make_team())
    receive(integration, an_event("incident.started"), at=clock.now())
    worker = subprocess.Popen(
        [sys.executable, "manage.py", "worker"],
        cwd=settings.BASE_DIR,
        env=os.environ | {"DATABASE_URL": this_database(), "WATCHKEEPER_SECRET_KEY": settings.SECRET_KEY},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until(lambda: InboundDelivery.objects.filter(status="applied").exists(), worker)
        until(lambda: WorkerLoop.objects.count() == len(settings.WORKER_LOOPS), worker)
        worker.send_signal(number)
        _, log = worker.communicate(timeout=30)
    finally:
        worker.kill()
        worker.wait()
    assert worker.returncode == 0, log
    assert "worker stopped" in log


def this_database():
    """A URL of the database that the tests run in."""
    known = connection.settings_dict
    password = f":{known['PASSWORD']}" if known["PASSWORD"] else ""
    return f"postgresql://{known['USER']}{password}@/{known['NAME']}?host={known['HOST']}&port={known['PORT'] or 5432}"


def until(happened, worker):
    """Wait for something that a worker does; it has a minute, for machines are slow."""
    for _ in range(600):
        if happened():
            return
        assert worker.poll() is None, worker.stderr.read()
        time.sleep(0.1)
    raise AssertionError("the worker did nothing")


def test_a_worker_in_a_thread_of_its_own_goes_on_after_its_connection_was_cut(transactional_db):
    integration = make_integration(make_team())
    worker = a_worker(*steps())
    applied = lambda: InboundDelivery.objects.filter(status="applied").count()  # noqa: E731

    def run():
        try:
            worker.run()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        receive(integration, an_event("monitor.down"), at=clock.now())
        wait_for(lambda: applied() == 1)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
        receive(integration, an_event("monitor.paused"), at=clock.now())
        wait_for(lambda: applied() == 2)
    finally:
        worker.stop()
        thread.join(30)
    assert not thread.is_alive()


def wait_for(happened):
    for _ in range(600):
        if happened():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen")
