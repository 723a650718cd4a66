"""`check`: Django's own, which also asks the database unless it is told which ones to ask."""

from typing import Any

from django.core.management.commands import check
from django.db import DEFAULT_DB_ALIAS


class Command(check.Command):
    """Whether this installation is set up soundly."""

    def handle(self, *app_labels: Any, **options: Any) -> None:
        super().handle(*app_labels, **options | {"databases": options["databases"] or [DEFAULT_DB_ALIAS]})
