"""
The web server, as `./watchkeeper up` runs it: granian, with the application's modules loaded before it forks.

The processes then share them, and a killed one is replaced in a moment. Who starts us, says when, and starts us again
is config.supervisor; what is served, config.asgi.
"""

import os
import resource
import sys
import time
from importlib import import_module
from typing import Any

import django
from django.conf import settings
from django.utils.module_loading import import_string
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels

HOST = "127.0.0.1"
# Connections that stay open; further ones wait to be accepted. Slow senders need hardly more than their descriptors.
MOST_CONNECTIONS = 6000
# How long a process that dies as soon as it starts leaves the machine to others, in seconds.
_BETWEEN_DEATHS = 0.1
# A process that ends by itself within so many seconds can't serve, and neither will its successor: after so many of
# them we end, too. Each said why; how often that is said again is config.supervisor's affair.
_TOO_SHORT_A_LIFE, _STILLBORN = 10.0, 2


def serve(port: int) -> None:
    """Serve from the end of our standard input (by then the database is prepared) until SIGTERM."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    load()
    sys.stdin.read()
    allow_many_connections()
    Server(
        "config.asgi:application",  # loaded by each process for itself: it holds on to us there
        address=HOST,
        port=port,
        interface=Interfaces.ASGINL,
        http=HTTPModes.http1,
        workers=settings.PROCESSES,
        backlog=1024,
        backpressure=max(1, MOST_CONNECTIONS // settings.PROCESSES),
        websockets=False,
        respawn_failed_workers=True,
        workers_kill_timeout=3,
        log_level=LogLevels.error,
    ).serve()


def load() -> None:
    """
    Load what all processes share: modules, and nothing made of them. What looks for static files would find those of
    the version before, which are being collected meanwhile.
    """
    django.setup(set_prefix=False)
    for middleware in settings.MIDDLEWARE:
        import_string(middleware)
    import_module(settings.ROOT_URLCONF)


class Server(Granian):  # type: ignore[misc,valid-type]
    """
    Granian, which gives up when one of its processes dies twice within seconds. Ours replaces one that was killed each
    time, and gives up when they end by themselves as soon as they begin.
    """

    stillborn = 0

    def _respawn_workers(self, workers: list[int], *arguments: Any, **options: Any) -> None:
        early = [each for each in map(self.wrks.__getitem__, workers) if ended_too_early(each)]
        self.stillborn = self.stillborn + len(early) if early else 0
        if self.stillborn >= _STILLBORN:
            self.respawn_failed_workers = False
            self.interrupt_children[:] = workers  # which makes our exit code 1
            self.main_loop_interrupt.set()
            return
        super()._respawn_workers(workers, *arguments, **options)
        self.respawned_wrks.clear()
        time.sleep(_BETWEEN_DEATHS)
        # It may overlook one that dies while it takes up another's death.
        dead = [number for number, process in enumerate(self.wrks) if not process.is_alive()]
        if dead:
            self.interrupt_children[:] = dead
            self.main_loop_interrupt.set()


def ended_too_early(worker: Any) -> bool:
    """Whether one of the server's processes ended by itself, as one that can't be loaded does."""
    code = worker.inner.exitcode
    return code is not None and code >= 0 and time.monotonic() - worker.birth < _TOO_SHORT_A_LIFE


def allow_many_connections() -> None:
    """Let this process and its children have as many descriptors as the system allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    serve(int(sys.argv[1]))
