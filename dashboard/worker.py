"""
The worker: a list of small steps, each doing one thing and saying whether there was work, run over and over; and beside
them, in a thread of its own, what sends messages out, for that is mostly waiting (timeline.outbound.sender).

It stands in the uppermost storey because it puts the others together in plain sight. A new loop is a new line in
STEPS (and in settings.WORKER_LOOPS, so that /workz misses it when it stops).
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import structlog
from django.db import Error, InterfaceError, InternalError, OperationalError, connection

from config import clock, faults
from config.health import report_loop
from dashboard.refolding import Refolding, Renumbering
from integrations import applying
from integrations.turns import Turns, oldest_waiting
from teams.sessions import BATCH, sweep_sessions
from timeline.outbound.sender import Sender

log = structlog.get_logger(__name__)

BEGUN = faults.point("worker: a turn begins")
DONE = faults.point("worker: a turn's work done, before its report")

# How long a worker without much work waits before it looks again. Events show after this and their own applying.
IDLE_SECONDS = 0.05
# How long it waits after trouble with the database.
TROUBLE_SECONDS = 0.5
# How often each loop tells /workz that it runs.
REPORT_EVERY = timedelta(seconds=5)


def nothing_waits() -> float:
    """The lag of a step without a queue."""
    return 0.0


def oldest_unapplied() -> float:
    """How long the oldest received delivery has been waiting, in seconds."""
    oldest = oldest_waiting()
    return max(0.0, (clock.now() - oldest).total_seconds()) if oldest else 0.0


@dataclass
class Step:
    """
    One loop of the worker. `run(at)` does the next piece of work and answers how much there was; as much as `full`
    means that more may be waiting. `every` is the pause between runs that found nothing; `lag` tells in seconds how far
    behind it is.
    """

    name: str
    run: Callable[[datetime], int]
    full: int = 1
    every: timedelta = timedelta(0)
    lag: Callable[[], float] = nothing_waits
    due_at: datetime | None = field(default=None, init=False)
    report_at: datetime | None = field(default=None, init=False)

    def turn(self, at: datetime) -> int:
        """Run if it is due, and tell /workz now and then that it does."""
        BEGUN()
        work = self.run(at) if self.due_at is None or at >= self.due_at else 0
        if not work and (self.due_at is None or at >= self.due_at):
            self.due_at = at + self.every
        DONE()
        if self.report_at is None or at >= self.report_at:
            report_loop(self.name, at, self.lag())
            self.report_at = at + REPORT_EVERY
        return work


def steps() -> list[Step]:
    """The worker's loops."""
    renumbering, refolding = Renumbering(), Refolding()
    apply = partial(applying.apply_due, turns=Turns())
    return [
        # Both bring up to date what an older version left, or is leaving while it is replaced.
        Step("renumber", renumbering.run, every=timedelta(minutes=10)),
        Step("refold", renumbering.before(refolding.run, meanwhile=1), every=timedelta(hours=1)),
        Step("apply", renumbering.before(apply), full=applying.BATCH, lag=oldest_unapplied),
        # Only a new version makes an event known; looking now and then catches what an old one left while it was
        # replaced.
        Step("recognize", applying.recognize, every=timedelta(minutes=10)),
        Step("sessions", sweep_sessions, full=BATCH, every=timedelta(minutes=10)),
    ]


class Worker:
    """Runs the steps until it is told to stop; a step's failure is logged and does not stop the others."""

    def __init__(self) -> None:
        self.steps = steps()
        self.sender = Sender()
        self.stopping = False

    def stop(self, *_: object) -> None:
        """Ask it to end after the piece of work at hand."""
        self.stopping = True
        self.sender.stop()

    def run(self) -> None:
        """Work until stopped, with a pause wherever no step has more to do at once: few large batches cost least."""
        log.info("worker started", steps=[step.name for step in self.steps])
        sending = threading.Thread(target=self.sender.run, name="sender")
        sending.start()
        try:
            while not self.stopping:
                were_full = [self.turn(step) >= step.full for step in self.steps]
                if not any(were_full):
                    time.sleep(IDLE_SECONDS)
        finally:
            self.sender.stop()
            sending.join()
        log.info("worker stopped")

    def turn(self, step: Step) -> int:
        """One turn of a step; trouble is logged, and waited out."""
        try:
            return step.turn(clock.now())
        except (OperationalError, InterfaceError, InternalError) as error:  # the last says read-only, among others
            log.warning("database trouble", step=step.name, error=str(error))
            self.wait_out()
        except Exception:
            log.exception("step failed", step=step.name)
            self.wait_out()
        return 0

    def wait_out(self) -> None:
        """Give the database back its connection, and pause."""
        try:
            connection.close()
        except Error:
            log.warning("connection could not be closed")
        time.sleep(TROUBLE_SECONDS)
