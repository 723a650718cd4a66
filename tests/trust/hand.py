"""
A hand: the application, loaded once in a process of its own, that does single jobs in forked children. So a child can
be killed in the midst of a job (tests/trust/killer.py arms the fault point), and the next job starts at once.

Jobs are what people and commands do beside web and worker: replaying deliveries, rebuilding, sending tests. Started by
`./watchkeeper shell`, it reads a job's name from a line of its standard input and writes the child's exit code.
"""

import os
import subprocess
import sys
import traceback
from collections.abc import Callable

from django.db import OperationalError

from tests.running import LAUNCHER, ROOT, Running


class Hand:
    """The process, from outside; a context."""

    def __init__(self, running: Running) -> None:
        self.running = running

    def __enter__(self) -> "Hand":
        self.process = subprocess.Popen(
            [*LAUNCHER, "shell", "--no-imports", "-c", "from tests.trust import hand; hand.work()"],
            cwd=ROOT,
            env=self.running.environment() | {"DATABASE_URL": self.running.database_url},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout and self.process.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def do(self, job: str) -> int:
        """Have a job done; its exit code, negative if it was killed by that signal."""
        assert self.process.stdin and self.process.stdout
        print(job, file=self.process.stdin, flush=True)
        return int(self.process.stdout.readline())


def work() -> None:
    """Do the jobs that are asked for, until nobody asks."""
    print("ready", flush=True)
    for line in sys.stdin:
        child = os.fork()
        if not child:
            do_and_leave(JOBS[line.strip()])
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def do_and_leave(job: Callable[[], object]) -> None:
    """A child's whole life."""
    code = 1
    try:
        job()
        code = 0
    except OperationalError:
        pass  # a fault point's doing
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def replay() -> None:
    """Replay a delivery that was put aside."""
    from config import clock
    from integrations import replay
    from integrations.models import InboundDelivery
    from teams.models import User

    aside = InboundDelivery.objects.filter(status__in=replay.REPLAYABLE).order_by("?").first()
    assert aside
    replay.replay(aside, by=User.objects.earliest("id"), at=clock.now())


def replay_all() -> None:
    """Hand the whole quarantine to the worker."""
    from config import clock
    from integrations import replay
    from teams.models import Team, User

    replay.replay_all(Team.objects.latest("id"), by=User.objects.earliest("id"), at=clock.now())


def rebuild() -> None:
    """Fold some of all again."""
    from itertools import islice

    from dashboard import rebuilding

    list(islice(rebuilding.rebuild(), 3))
    for resource in (("monitor", 1), ("heartbeat", 1)):
        rebuilding.rebuild_one(resource)


def tell() -> None:
    """Send a test to the endpoint that is sent nothing else."""
    from config import clock
    from timeline.outbound.lifecycle import send_test
    from timeline.outbound.models import Endpoint

    send_test(Endpoint.objects.get(description="quiet"), at=clock.now())


JOBS = {"replay": replay, "replay_all": replay_all, "rebuild": rebuild, "tell": tell}
