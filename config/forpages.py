"""
Middleware that only pages need; requests for the API's JSON go past it.

The API knows no sessions, no messages and no scripts, and is asked far more often than pages are: what it does not need
would cost it a third of a millisecond a request. It has its own, stricter security policy (`config.middleware`).
"""

from typing import Any

from csp.middleware import CSPMiddleware
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django_htmx.middleware import HtmxMiddleware
from whitenoise.middleware import WhiteNoiseMiddleware

from config.errors import wants_json


class _ForPages:
    """Put before a middleware class, it keeps requests for JSON out of it."""

    get_response: Any

    def __call__(self, request: HttpRequest) -> Any:
        """Answer, with or without the middleware."""
        if wants_json(request):
            return self.get_response(request)
        return super().__call__(request)  # type: ignore[misc]


class SecurityPolicy(_ForPages, CSPMiddleware):
    """The Content-Security-Policy, with its nonce."""


class StaticFiles(_ForPages, WhiteNoiseMiddleware):
    """Static files."""


class Sessions(_ForPages, SessionMiddleware):
    """`request.session`."""


class Users(_ForPages, AuthenticationMiddleware):
    """`request.user`."""


class Messages(_ForPages, MessageMiddleware):
    """`request._messages`."""


class Htmx(_ForPages, HtmxMiddleware):
    """`request.htmx`."""
