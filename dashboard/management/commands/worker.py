"""`worker`: applies what was received, until it is told to stop."""

import signal
from typing import Any

from django.core.management.base import BaseCommand

from config.lifeline import die_with_parent
from dashboard.worker import Worker


class Command(BaseCommand):
    """Runs the worker's loops."""

    help = "Applies received deliveries, until SIGTERM or Ctrl-C."

    def handle(self, *args: Any, **options: Any) -> None:
        die_with_parent()
        worker = Worker()
        signal.signal(signal.SIGTERM, worker.stop)
        signal.signal(signal.SIGINT, worker.stop)
        worker.run()
