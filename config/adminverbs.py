"""
Admin pages of records on which verbs are called: one after the other, and what became of them is said.

Not here: the pages themselves (config.admin), which verbs there are (each app's admin).
"""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest

from config import clock
from config.admin import OperatorAdmin
from config.errors import ApiError, ValidationFailed

REFUSALS_SHOWN = 5

Verb = Callable[[Any], object]


class Worked(OperatorAdmin):
    """Records on which verbs are called."""

    def each(self, request: HttpRequest, records: QuerySet[Any], verb: Verb, done: str) -> None:
        """Call a verb on each record, and say with how many that worked, and why not with the others."""
        worked, refusals = [], set()
        for record in records:
            try:
                if verb(record):
                    worked.append(record)
                    self.log_change(request, record, f"{done.capitalize()}.")
            except ApiError as refusal:
                refusals.add(why(refusal))
        self.message_user(request, f"{len(worked)} {done}.", messages.SUCCESS if worked else messages.WARNING)
        for words in sorted(refusals)[:REFUSALS_SHOWN]:
            self.message_user(request, words, messages.ERROR)


def acts(request: HttpRequest) -> dict[str, Any]:
    """Who acts, and when."""
    return {"by": request.user, "at": clock.now()}


def why(refusal: ApiError) -> str:
    """Why something was refused."""
    fields = refusal.fields.values() if isinstance(refusal, ValidationFailed) else []
    return " ".join(text for texts in fields for text in texts) or refusal.message
