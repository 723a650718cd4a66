"""
The short way of webhooks: those that wait at the same time are received together, past Django's handlers.

To go through all of Django costs several times what it costs to keep an event, and a commit for ten costs little more
than one for one. So the front (config.front) first shows what waits to the function that settings.RECEIVED_TOGETHER
names. Middleware is passed as by any request: settings.MIDDLEWARE_TOGETHER says which, and why not all. What one of it
refuses is left to Django as if nothing had been tried, and so is everything when there is trouble: each request meets
it again, alone, where it is answered in words.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import structlog
from django.conf import settings
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse
from django.urls import ResolverMatch
from django.utils.module_loading import import_string
from structlog.contextvars import clear_contextvars

from config.bodies import PROBLEM
from config.request import Request

log = structlog.get_logger(__name__)

Environ = dict[str, Any]
# The path of a door's webhook, whose last part may be a secret.
_PATH = re.compile(rf"{settings.DOOR_PATH}(?:/(?P<token>[A-Za-z0-9_-]{{1,200}}))?")


class Entered(NamedTuple):
    """A request that passed the middleware on the way in, and the token that stood in its path, if one did."""

    request: HttpRequest
    token: str | None


Receive = Callable[[Sequence[Entered]], Sequence[HttpResponse | None]]


class Together:
    """Answers those of many requests that can be answered the short way."""

    def __init__(self) -> None:
        self.receive: Receive = import_string(settings.RECEIVED_TOGETHER)
        passed = [import_string(path)(_nobody) for path in settings.MIDDLEWARE_TOGETHER]
        self.on_the_way_in = [each.process_request for each in passed if hasattr(each, "process_request")]
        self.on_the_way_out = [each.process_response for each in reversed(passed) if hasattr(each, "process_response")]

    def __call__(self, environs: Sequence[Environ]) -> list[HttpResponse | None]:
        """An answer to each request, or None where it has to go the long way. Raises nothing."""
        clear_contextvars()
        close_old_connections()
        try:
            return self.answers(environs)
        except Exception as error:
            log.warning("webhooks could not be received together", webhooks=len(environs), error=repr(error))
            for environ in environs:
                environ["wsgi.input"].seek(0)
            return [None] * len(environs)

    def answers(self, environs: Sequence[Environ]) -> list[HttpResponse | None]:
        """As above; raises what the receiving function does."""
        entered = {place: each for place, environ in enumerate(environs) if (each := self.enter(environ))}
        received = dict(zip(entered, self.receive(list(entered.values())), strict=True)) if entered else {}
        answers: list[HttpResponse | None] = []
        for place, environ in enumerate(environs):
            response = received.get(place)
            if response is None:  # Django reads its body
                environ["wsgi.input"].seek(0)
            answers.append(self.leave(entered[place].request, response) if response else None)
        return answers

    def enter(self, environ: Environ) -> Entered | None:
        """A webhook that middleware has nothing against; None for anything else."""
        path = _PATH.fullmatch(environ["PATH_INFO"])
        if not path or environ["REQUEST_METHOD"] != "POST" or PROBLEM in environ:
            return None
        request, token = Request(environ), path["token"]
        request.take_body(environ["wsgi.input"])
        request.resolver_match = _WITH_TOKEN if token else _WITHOUT_TOKEN
        try:
            refused = any(let_in(request) is not None for let_in in self.on_the_way_in)
        except Exception:  # such as a host name that is not ours
            return None
        return None if refused else Entered(request, token)

    def leave(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """The answer as middleware lets it out, and nothing of the request left."""
        for let_out in self.on_the_way_out:
            response = let_out(request, response)
        request.close()
        return response


def _nobody(request: HttpRequest) -> HttpResponse:
    """What stands behind the middleware: it is passed by its hooks alone."""
    raise NotImplementedError


_ROUTE = settings.DOOR_PATH.removeprefix("/")
_WITHOUT_TOKEN = ResolverMatch(_nobody, (), {}, route=_ROUTE)
_WITH_TOKEN = ResolverMatch(_nobody, (), {}, route=f"{_ROUTE}/<str:token>")
