"""
Forms that are sent twice, by a double click or a reload, and are done once: one more note, incident or monitor.

A form carries a word of its own (the tag `once`). Where it led somewhere, that is kept for a day, and who sends the
very same again is led there, too. Not here: forms that say what their sender saw (config.seen) and need no more.
"""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.contrib import messages
from django.http import HttpResponse

from config import idempotency
from config.clock import now
from dashboard.access import TeamRequest

FIELD = "once"
LONGEST = 40

View = Callable[..., HttpResponse]


def done_once(view: View) -> View:
    """A page whose form is done once. Below `team_page`, for it must be known who sends it."""

    @wraps(view)
    def guarded(request: TeamRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        word = request.POST.get(FIELD, "")
        # htmx sends no form while it waits for the answer to the same.
        if not 0 < len(word) <= LONGEST or request.htmx:
            return view(request, *args, **kwargs)
        scope = f"page {request.user.pk} {request.path}"
        answer, is_first = idempotency.led(scope, sent(request), now(), lambda: view(request, *args, **kwargs))
        if not is_first:
            messages.info(request, "It was sent twice, and done once.")
        return answer

    return guarded


def sent(request: TeamRequest) -> str:
    """All that was posted: a page that is gone back to has the same word, and what is typed there then is another."""
    fields = cast(dict[str, list[str]], dict(request.POST.lists()))
    return json.dumps({name: values for name, values in fields.items() if name != "csrfmiddlewaretoken"})
