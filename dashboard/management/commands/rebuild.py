"""`rebuild`: folds every incident, monitor and heartbeat again from its facts, or with --check only compares."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from dashboard import rebuilding

SHOWN_AT_MOST = 100


class Command(BaseCommand):
    """State is the fold of facts; this says whether it is, or makes it so."""

    help = "Fold everything again from its facts. With --check nothing is written; exit 1 if anything differs."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="only compare, in one snapshot of the database")

    def handle(self, *args: Any, check: bool, **options: Any) -> None:
        if not check:
            done = sum(1 for _ in rebuilding.rebuild())
            self.stdout.write(f"Folded again: {done} incidents, monitors and heartbeats.")
            return
        found = 0
        for difference in rebuilding.check():
            found += 1
            if found <= SHOWN_AT_MOST:
                self.stdout.write(str(difference))
        waiting = rebuilding.unapplied()
        self.stdout.write(f"{found} differences; {waiting} deliveries not applied yet.")
        behind = rebuilding.behind()
        if behind:
            self.stdout.write(f"{behind} incidents, monitors and heartbeats still to be folded again.")
        if found:
            raise SystemExit(1)
