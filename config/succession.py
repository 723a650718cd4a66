"""
Succession: work is done in a child process, forked from one that has everything loaded, and whenever the child dies
another takes over in a moment.

A killed worker is to be back within 5 seconds, also on a machine that has much else to do. Measured on 2 processors
with ten other programs at work, five times each in turn, from the kill until an event was applied: 0.3 s (0.26 to 0.44)
where a child of this process takes over, 4.3 s (3.0 to 6.0) where a new process loads everything.

The work is anybody's; the worker's is dashboard.worker. What starts the first process, and starts it again should it
die itself, is config.supervisor.
"""

import contextlib
import gc
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable

import structlog

from config import lifeline

log = structlog.get_logger(__name__)

_ENDINGS = (signal.SIGTERM, signal.SIGINT)
# Between a death and the next start, in seconds: it grows while deaths follow each other quickly. What was killed is to
# be back in a moment; what fails by itself says why each time, and is not to fill the log with that.
_FIRST_PAUSE, _LONGEST_PAUSE, _LONGEST_PAUSE_BY_ITSELF = 0.05, 0.5, 30.0
_LONG_LIFE = 10.0


def keep_at(work: Callable[[], None]) -> None:
    """Have `work` done by one child after the other, until one is finished or we are told to stop (SIGTERM, SIGINT)."""
    Line(work).run()


class Line:
    """Who works, and who comes after."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.work = work
        self.child = 0
        self.stopping = False

    def run(self) -> None:
        """Return when a child was finished with its work, or when we were told to stop and it has."""
        for ending in _ENDINGS:
            signal.signal(ending, self.stop)
        pause = _FIRST_PAUSE
        while not self.stopping:
            begun = time.monotonic()
            self.beget()
            _, status = os.waitpid(self.child, 0)
            self.child = 0
            if self.stopping or status == 0:
                return
            code = os.waitstatus_to_exitcode(status)
            log.warning("a process died, another takes over", exit_code=code)
            longest = _LONGEST_PAUSE if code < 0 else _LONGEST_PAUSE_BY_ITSELF
            pause = _FIRST_PAUSE if time.monotonic() - begun > _LONG_LIFE else min(2 * pause, longest)
            self.rest(pause)

    def rest(self, seconds: float) -> None:
        """Sleep, unless told to stop."""
        until = time.monotonic() + seconds
        while not self.stopping and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, _FIRST_PAUSE))

    def stop(self, *_: object) -> None:
        """Tell the child to stop, and beget no other."""
        self.stopping = True
        if self.child:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.child, signal.SIGTERM)

    def beget(self) -> None:
        """Fork a child that works. No signal comes between, so that none is lost to a child not known yet."""
        parent = os.getpid()
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDINGS)
        self.child = os.fork()
        if not self.child:
            self.live(parent)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDINGS)

    def live(self, parent: int) -> None:
        """The child's life. It dies with its parent, and does not return."""
        code = 1
        try:
            lifeline.hold(parent, signal.SIGKILL)
            for ending in _ENDINGS:
                signal.signal(ending, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDINGS)
            gc.freeze()  # what is loaded by now stays, and the collector need not look through it
            self.work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
