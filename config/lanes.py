"""
Lanes: threads that work off requests, each with a line of bounded length before it; a lane may first be shown all that
waits, to answer at once what can be answered together.

Who waits too long, or finds the line full, hears that we are `Busy`; so does who is worked on for too long, as when the
database fell silent, and, when all of a lane's threads are lost so, everybody at once until one is back: nobody hangs,
whatever the threads do. Used by config.front alone, from its event loop; what a job is, and what work means, is told by
it.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

# So many at most are shown together.
MOST_TOGETHER = 64
# And so heavy all of them together at most: what is large goes alone, and keeps nobody else's answer back.
HEAVIEST_TOGETHER = 128 * 1024
# For how many seconds the first of them is kept waiting while fewer are there than were together just before.
GATHERING = 0.002

Work = TypeVar("Work")
Outcome = TypeVar("Outcome")

# In place of work that nobody waits for any more: it may stand in the line for long, and be large.
GONE: Any = object()


class Busy(Exception):
    """No thread had time for it; the text says why, in a word or two for the log."""


class Crowded(Busy):
    """There were too many of its kind."""


@dataclass(slots=True, eq=False)
class _Job(Generic[Work, Outcome]):
    work: Work
    outcome: "asyncio.Future[Outcome]"
    working: float
    queued: float
    started: float | None = None


# A job, and its outcome or error.
_Done = tuple[_Job[Any, Any], Any, BaseException | None]


def _nothing(work: Any) -> int:
    return 0


@dataclass(eq=False)
class Lane(Generic[Work, Outcome]):
    """
    Some threads and their line of at most `longest` jobs, each waiting at most `waiting` seconds.

    To be made and used in the event loop; `work` runs in a thread, and so does `together`, which is shown all that
    waits and may leave any of it to `work`, with None; where it raises anything, it leaves all. `weigh` says how heavy
    work is.
    """

    name: str
    work: Callable[[Work], Outcome]
    longest: int
    waiting: float
    together: "Callable[[Sequence[Work]], Sequence[Outcome | None]] | None" = None
    threads: int = 1
    weigh: Callable[[Work], int] = _nothing
    # What was given up while a thread was at it, each until the thread is back.
    _stuck: "set[_Job[Work, Outcome]]" = field(default_factory=set)
    _last: int = 1  # how many were together the last time
    _next: "_Job[Work, Outcome] | None" = None  # what was too heavy to go with those before it
    _jobs: "set[_Job[Work, Outcome]]" = field(default_factory=set)
    _line: "SimpleQueue[_Job[Work, Outcome]]" = field(default_factory=SimpleQueue)

    def __post_init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        for _ in range(self.threads):
            threading.Thread(target=self._run, name=f"lane {self.name}", daemon=True).start()

    async def run(self, work: Work, working: float) -> Outcome:
        """Have it done by a thread, in so many seconds. Raises Busy, and whatever the work raises."""
        if len(self._stuck) >= self.threads:
            raise Busy("stuck")
        if len(self._jobs) >= self.longest:
            raise Crowded("the line is full")
        job = _Job(work, self._loop.create_future(), working, time.monotonic())
        self._jobs.add(job)
        self._line.put(job)
        try:
            return await job.outcome
        finally:
            self._jobs.discard(job)
            job.work = GONE

    def give_up_the_late(self) -> None:
        """Tell those that took too long; to be called several times a second."""
        now = time.monotonic()
        for job in list(self._jobs):
            if job.outcome.done():
                continue
            if job.started is None and now - job.queued > self.waiting:
                job.outcome.set_exception(Crowded("waited too long"))
            elif job.started is not None and now - job.started > job.working:
                self._stuck.add(job)
                job.outcome.set_exception(Busy("took too long"))

    def _run(self) -> None:
        while True:
            jobs = self._waiting() if self.together else [self._line.get()]
            for job in self._left(jobs):
                work = job.work
                if work is GONE or job.outcome.done():  # nobody waits for it any more
                    self._tell([(job, None, None)])
                    continue
                job.started = time.monotonic()
                self._tell([self._done(job, work)])
                del work

    def _done(self, job: "_Job[Work, Outcome]", work: Work) -> _Done:
        try:
            return (job, self.work(work), None)
        except BaseException as error:  # it is its asker's; the thread lives on
            return (job, None, error)

    def _waiting(self) -> "list[_Job[Work, Outcome]]":
        """
        All that waits, and at least one.

        Who was answered together mostly comes again together, but one after the other; so as many as the last time are
        given a moment to arrive. A sender that is alone waits for nobody.
        """
        jobs = [self._next or self._line.get()]
        self._next = None
        weight = self._weight(jobs[0])
        until = time.monotonic() + GATHERING
        with contextlib.suppress(Empty):
            while len(jobs) < MOST_TOGETHER:
                patience = until - time.monotonic() if len(jobs) < self._last else 0.0
                job = self._line.get(timeout=patience) if patience > 0 else self._line.get_nowait()
                weight += self._weight(job)
                if weight > HEAVIEST_TOGETHER:
                    self._next = job
                    break
                jobs.append(job)
        self._last = len(jobs)
        return jobs

    def _weight(self, job: "_Job[Work, Outcome]") -> int:
        work = job.work
        return 0 if work is GONE else self.weigh(work)

    def _left(self, jobs: "list[_Job[Work, Outcome]]") -> "list[_Job[Work, Outcome]]":
        """Jobs without those that could be done together, and are."""
        if not self.together:
            return jobs
        waiting = [(job, job.work) for job in jobs]
        shown = [(job, work) for job, work in waiting if work is not GONE and not job.outcome.done()]
        jobs = [job for job, _ in shown]
        now = time.monotonic()
        for job in jobs:
            job.started = now
        try:
            outcomes = list(zip(jobs, self.together([work for _, work in shown]), strict=True))
        except BaseException:  # the thread lives on, and each meets its trouble alone
            outcomes = [(job, None) for job in jobs]
        self._tell([(job, outcome, None) for job, outcome in outcomes if outcome is not None])
        left = [job for job, outcome in outcomes if outcome is None]
        for job in left:
            job.started = None
        return left

    def _tell(self, done: "list[_Done]") -> None:
        """Have the loop tell the askers; if it has ended meanwhile, so does the process."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._told, done)

    def _told(self, done: "list[_Done]") -> None:
        for job, outcome, error in done:
            # Whoever was found late since the thread said this, it is back.
            self._stuck.discard(job)
            if job.outcome.done():
                continue
            if error is None:
                job.outcome.set_result(outcome)
            else:
                job.outcome.set_exception(error)
