"""`worker`: applies what was received, until it is told to stop."""

import signal
from typing import Any

from django.core.management.base import BaseCommand

from config import succession
from dashboard.worker import Worker


class Command(BaseCommand):
    """Runs the worker's loops, in a process that another replaces if it is killed."""

    help = "Applies received deliveries, until SIGTERM or Ctrl-C."
    # Nothing of a worker's would be found by them, and whoever waits for it after a kill would wait for them, too.
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        succession.keep_at(work)


def work() -> None:
    """Work until told to stop."""
    worker = Worker()
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, worker.stop)
    worker.run()
