"""What `./watchkeeper up` has done before it serves. Each part is skipped when there is nothing to do."""

import hashlib
import io
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from config import keyring
from config.postgresql import standing
from dashboard.management.commands.migrate import NEW_KEYS_HELP, settle_keys


class Command(BaseCommand):
    help = "Brings the tables, the static files and the staff login up to date."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(keyring.NEW_KEYS, action="store_true", help=NEW_KEYS_HELP)

    def handle(self, *args: Any, new_keys: bool = False, **options: Any) -> None:
        if unmigrated():
            self.stdout.write("watchkeeper: bringing the tables up to date")
            call_command("migrate", interactive=False, verbosity=0, new_keys=new_keys, stdout=self.stdout)
        else:
            settle_keys(self.stdout, anew=new_keys)
        standing.settle()
        stamp, current = settings.DATA_DIR / "static.sha256", static_fingerprint()
        if not settings.DEBUG and not (stamp.exists() and stamp.read_text() == current):
            self.stdout.write("watchkeeper: collecting the static files")
            call_command("collectstatic", interactive=False, verbosity=0)
            stamp.write_text(current)
        call_command("staff_login", verbosity=0, stdout=io.StringIO())


def unmigrated() -> bool:
    """Whether a migration waits to be applied."""
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def static_fingerprint() -> str:
    """Changes whenever a static file of ours or of a package does (by path, size and time)."""
    files = (Path(storage.path(path)) for finder in get_finders() for path, storage in finder.list([]))
    known = sorted((str(file), status.st_size, status.st_mtime_ns) for file in files for status in [file.stat()])
    return hashlib.sha256(repr(known).encode()).hexdigest()
