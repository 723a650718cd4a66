"""
The worker: a list of small steps, each doing one thing and saying whether there was work, run over and over; and beside
them, in a thread of its own, what sends messages out, for that is mostly waiting (timeline.outbound.sender).

It stands in the uppermost storey because it puts the others together in plain sight. A new loop is a new line in
STEPS (and in settings.WORKER_LOOPS, so that /workz misses it when it stops). Its pauses go by a clock that nobody can
set (config.clock.tick); what is written down goes by the machine's.
"""

import math
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
from config.troubles import Troubles
from dashboard.refolding import REWORDED_AT_ONCE, Refolding, Renumbering, Rewording
from integrations import applying, hearing, waiting
from integrations.turns import Turns
from teams.sessions import BATCH, sweep_sessions
from timeline.outbound.sender import Sender

log = structlog.get_logger(__name__)

BEGUN = faults.point("worker: a turn begins")
DONE = faults.point("worker: a turn's work done, before its report")

# How long a worker without much work waits before it looks again. Events show after this and their own applying.
IDLE_SECONDS = 0.05
# How long it waits after trouble with the database.
TROUBLE_SECONDS = 0.5
# How often each loop tells /workz that it runs, in seconds.
REPORT_EVERY = 5.0


@dataclass
class Step:
    """
    One loop of the worker. `run(at)` does the next piece of work and answers how much there was; as much as `full`
    means that more may be waiting. `every` is the pause between runs that found nothing. `due_at` and `report_at` are
    ticks of config.clock.
    """

    name: str
    run: Callable[[datetime], int]
    full: int = 1
    every: timedelta = timedelta(0)
    due_at: float = field(default=-math.inf, init=False)
    report_at: float = field(default=-math.inf, init=False)

    def turn(self, at: datetime, said: str = "") -> int:
        """Run if it is due, and tell /workz now and then that it does, and what is to be `said` of the worker."""
        BEGUN()
        tick = clock.tick()
        is_due = tick >= self.due_at
        work = self.run(at) if is_due else 0
        if is_due and not work:
            self.due_at = tick + self.every.total_seconds()
        DONE()
        if tick >= self.report_at:
            report_loop(self.name, detail=said)
            self.report_at = tick + REPORT_EVERY
        return work

    def report_soon(self) -> None:
        """Tell /workz at the next turn that it runs."""
        self.report_at = -math.inf


def steps() -> list[Step]:
    """The worker's loops."""
    renumbering, refolding = Renumbering(), Refolding()
    apply = partial(applying.apply_due, turns=Turns())
    return [
        # These bring up to date what an older version left, or is leaving while it is replaced.
        Step("renumber", renumbering.run, every=timedelta(minutes=10)),
        Step("refold", renumbering.before(refolding.run, meanwhile=1), every=timedelta(hours=1)),
        # Never full: it takes its time, so that what arrives need not wait for it.
        Step("reword", Rewording().run, full=REWORDED_AT_ONCE + 1, every=timedelta(minutes=1)),
        Step("apply", renumbering.before(apply), full=applying.BATCH),
        Step("waiting", waiting.release_due, full=waiting.AT_ONCE, every=timedelta(seconds=1)),
        # Only a new version makes an event known; looking now and then catches what an old one left while it was
        # replaced.
        Step("recognize", applying.recognize, every=timedelta(minutes=10)),
        Step("listen", hearing.listen, every=hearing.EVERY),
        Step("sessions", sweep_sessions, full=BATCH, every=timedelta(minutes=10)),
    ]


class Worker:
    """Runs the steps until it is told to stop; a step's failure is logged and does not stop the others."""

    def __init__(self) -> None:
        self.steps = steps()
        self.sender = Sender()
        self.watch = clock.Watch()
        self.troubles = Troubles()
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
                self.look_at_the_clock()
                were_full = [self.turn(step) >= step.full for step in self.steps]
                if not any(were_full):
                    time.sleep(IDLE_SECONDS)
        finally:
            self.sender.stop()
            sending.join()
        log.info("worker stopped")

    def look_at_the_clock(self) -> None:
        """Where it was set, say so, and let what was reported before be reported anew."""
        if by := self.watch.jumped():
            log.warning("the clock was set", by_seconds=round(by, 3))
            for step in self.steps:
                step.report_soon()

    def turn(self, step: Step) -> int:
        """One turn of a step; trouble is logged, and waited out."""
        try:
            work = step.turn(clock.now(), self.watch.words())
        except (OperationalError, InterfaceError, InternalError) as error:  # the last says read-only, among others
            self.troubles.tell(log.warning, "database trouble", step.name, error, error=str(error))
        except Exception as error:
            self.troubles.tell(log.exception, "step failed", step.name, error)
        else:
            self.troubles.are_over(step.name)
            return work
        self.wait_out()
        return 0

    def wait_out(self) -> None:
        """Give the database back its connection, and pause."""
        try:
            connection.close()
        except Error:
            log.warning("connection could not be closed")
        time.sleep(TROUBLE_SECONDS)
