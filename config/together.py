"""
The short way of webhooks: those that wait at the same time are answered together, past Django's handlers.

To go through all of Django costs several times what it costs to keep an event, and a commit for ten costs little more
than one for one. So the front (config.front) first shows what waits to the function that settings.RECEIVED_TOGETHER
names. It answers what it has dealt with; of what it leaves unanswered it has kept nothing, and that goes through Django
as if nothing had been tried. Only plain requests are shown, which none of the middleware would refuse or change; their
answers carry the same headers and leave the same line in the log.
"""

import re
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import structlog
from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.security import SecurityMiddleware
from django.utils.module_loading import import_string
from structlog.contextvars import clear_contextvars

from config.bodies import PROBLEM
from config.middleware import RequestLog, SecurityHeaders
from config.request import Request

log = structlog.get_logger(__name__)

Environ = dict[str, Any]
# The path of a door's webhook, whose last part may be a secret.
_PATH = re.compile(rf"/(?P<door>{settings.RECEIVED_TOGETHER[0]})(?:/(?P<token>[A-Za-z0-9_-]{{1,200}}))?")


class Plain(NamedTuple):
    """A plain request: a POST to a door's path, the token that stood there (if one did), and the body."""

    request: HttpRequest
    token: str | None
    body: bytes
    route: str


Receive = Callable[[Sequence[Plain]], Sequence[HttpResponse | None]]


class Together:
    """Answers those of many requests that can be answered the short way."""

    def __init__(self) -> None:
        self.receive: Receive = import_string(settings.RECEIVED_TOGETHER[1])
        self.in_headers = SecurityHeaders(SecurityMiddleware(XFrameOptionsMiddleware(_answered)))  # type: ignore[arg-type]

    def __call__(self, environs: Sequence[Environ]) -> list[HttpResponse | None]:
        """An answer to each request, or None where it has to go the long way. Raises nothing."""
        clear_contextvars()
        close_old_connections()
        try:
            return self.answers(environs)
        except Exception as error:
            # Each of them meets its trouble again, alone, where it is answered in words.
            log.warning("webhooks could not be received together", webhooks=len(environs), error=repr(error))
            return [None] * len(environs)

    def answers(self, environs: Sequence[Environ]) -> list[HttpResponse | None]:
        """As above; raises what the receiving function does."""
        began = time.perf_counter()
        chosen = {place: plain for place, environ in enumerate(environs) if (plain := as_plain(environ))}
        received = dict(zip(chosen, self.receive(list(chosen.values())), strict=True)) if chosen else {}
        return [
            self.dressed(chosen[place], response, began) if (response := received.get(place)) else None
            for place in range(len(environs))
        ]

    def dressed(self, plain: Plain, response: HttpResponse, began: float) -> HttpResponse:
        """The answer with the headers that middleware gives to every answer, and its line in the log."""
        plain.request.answered = response  # type: ignore[attr-defined]
        RequestLog.identify(plain.request)
        self.in_headers(plain.request)
        response.headers["Content-Length"] = str(len(response.content))
        RequestLog.tell(plain.request, response, plain.route, began)
        return response


def as_plain(environ: Environ) -> Plain | None:
    """A request as one that no middleware has to look at; None if it is anything else."""
    path = _PATH.fullmatch(environ["PATH_INFO"])
    if not path or environ["REQUEST_METHOD"] != "POST":
        return None
    if environ["QUERY_STRING"] or any(name in environ for name in ("HTTP_COOKIE", "HTTP_CONTENT_ENCODING", PROBLEM)):
        return None
    request = Request(environ)
    if settings.SECURE_SSL_REDIRECT and not request.is_secure():
        return None
    try:
        request.get_host()
    except DisallowedHost:
        return None
    door, token = path["door"], path["token"]
    body = environ["wsgi.input"].getvalue()  # not read: the long way may have to
    return Plain(request, token, body, f"{door}/*" if token else door)


def _answered(request: HttpRequest) -> HttpResponse:
    answer: HttpResponse = request.answered  # type: ignore[attr-defined]
    return answer
