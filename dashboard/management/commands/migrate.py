"""
`migrate`, as it is run beside a running system: a change of a table that has to wait for somebody lets those behind it
go first, and is tried again.

Not here: the operations (config.migrating). What is not atomic among migrations is made beside the running system; that
keeps nobody waiting, and may wait itself.
"""

import time
from collections.abc import Callable
from typing import Any

import psycopg
from django.core.management.base import CommandError, CommandParser, OutputWrapper
from django.core.management.commands import migrate
from django.db import OperationalError, connection

from config import canary, clock, keyring
from config.postgresql import standing

# Whoever wants to read or write a table waits behind a change that waits for it.
WAITING_AT_MOST = "2s"
TRIES = 30
PAUSE_SECONDS = 1.0

NEW_KEYS_HELP = "The old encryption key is lost: go on with the present one, and list what has to be made anew."

CHANGES = ("ALTER ", "CREATE ", "DROP ")


class Command(migrate.Command):
    """Django's own, whose changes of tables wait for a short time only; then it sees whether the keys fit."""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(keyring.NEW_KEYS, action="store_true", help=NEW_KEYS_HELP)

    def execute(self, *args: Any, **options: Any) -> Any:
        # Django's checks would refuse the very keys that are said to be the new ones.
        return super().execute(*args, **options | {"skip_checks": options["skip_checks"] or options["new_keys"]})

    def handle(self, *args: Any, new_keys: bool = False, **options: Any) -> None:
        self.migrate(*args, **options)
        if not (options["app_label"] or options["plan"] or options["check_unapplied"]):
            settle_keys(self.stdout, anew=new_keys)

    def migrate(self, *args: Any, **options: Any) -> None:
        """Migrate, as often as it takes."""
        for _ in range(TRIES):
            try:
                with connection.execute_wrapper(patiently):
                    super().handle(*args, **options)
                standing.settle()
                return
            except OperationalError as error:
                if not isinstance(error.__cause__, psycopg.errors.LockNotAvailable):
                    raise
                time.sleep(PAUSE_SECONDS)
        raise CommandError(
            "A table is in use, and a change of it would keep others waiting. What was migrated so far stays. "
            "Run this again when fewer long transactions are open."
        )


def settle_keys(said: OutputWrapper, *, anew: bool) -> None:
    """See that the present keys are those of the database. Raises CommandError."""
    try:
        for line in canary.settle(clock.now(), anew=anew):
            said.write(f"watchkeeper: {line}")
    except canary.Unfit as unfit:
        raise CommandError(str(unfit)) from None


def patiently(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """Run a statement; one that changes a table, in a transaction, waits for it for a short time only."""
    if connection.in_atomic_block and str(sql).lstrip().upper().startswith(CHANGES):
        context["cursor"].execute(f"SET LOCAL lock_timeout = '{WAITING_AT_MOST}'")
    return execute(sql, params, many, context)
