"""What every request passes on its way in and out, whoever it is for.

Each class is one middleware; `settings.MIDDLEWARE` says in which order. Nothing here knows what a request is
about.
"""

import re
import secrets
import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

import structlog
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.common import CommonMiddleware
from django.middleware.gzip import GZipMiddleware
from structlog.contextvars import bind_contextvars, clear_contextvars

from config.api import refusal_of
from config.bodies import PROBLEM
from config.errors import ValidationFailed, answer, is_api, translated, wants_json
from config.forwarded import client_address
from config.heavy import forget_asker
from config.refusals import told_of
from config.request import HEALTH_PATHS
from config.streams import EVENT_STREAM, Rows

log = structlog.get_logger(__name__)

GetResponse = Callable[[HttpRequest], HttpResponse]


class RequestLog:
    """Gives each request an id, on its log lines and on the answer, and writes one line when it is done.

    A sane `X-Request-ID` of the caller is taken over. The line has the route's pattern, never the path, in
    which there may be a token.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        clear_contextvars()
        forget_asker()
        self.process_request(request)
        bind_contextvars(request_id=request.request_id)  # type: ignore[attr-defined]
        return self.process_response(request, self.get_response(request))

    def process_request(self, request: HttpRequest) -> None:
        """Give a request its id, also as `request.request_id`."""
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        request.request_id = given if self._sane(given) else secrets.token_hex(16)  # type: ignore[attr-defined]
        request.began = time.perf_counter()  # type: ignore[attr-defined]

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Tell the sender its request's id, and the log how it was answered."""
        route = _pattern(request.resolver_match.route) if request.resolver_match else None
        request_id = request.request_id  # type: ignore[attr-defined]
        response.headers["X-Request-ID"] = request_id
        refusal = told_of(request, response.status_code)
        if refusal is not None:
            log.warning(
                "refused",
                address=client_address(request),
                status=response.status_code,
                route=route,
                request_id=request_id,
                **refusal,
            )
        log.info(
            "request",
            method=(request.method or "")[:16],
            route=route,
            status=response.status_code,
            ms=round((time.perf_counter() - request.began) * 1000, 1),  # type: ignore[attr-defined]
            request_id=request_id,
        )
        return response

    _sane = re.compile(r"[A-Za-z0-9._-]{8,64}").fullmatch


class Hosts(CommonMiddleware):
    """Refuses requests for host names that are not ours, but not the questions after our health."""

    def process_request(self, request: HttpRequest) -> Any:
        return None if request.path_info in HEALTH_PATHS else super().process_request(request)


class ErrorAnswers:
    """Answers for views that raise what `config.errors` knows; 503 for those that find no database."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        known = translated(error)
        return None if known is None else answer(request, known)


class Compressed(GZipMiddleware):
    """
    Compresses answers of more than 1 KiB, and streamed ones (piece by piece), for those who accept that; never an event
    stream, whose events would wait for each other.

    Django hides how well a page was compressed behind a random length, and masks its token anew each time, so that
    nobody can guess a page's contents by what they let it repeat (BREACH). A page that shows a secret, by the marks
    that secrets have there, is not compressed at all.
    """

    more_than = 1024
    marks = (b'class="secret"', b'id="secret"')

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        # What is short, as all that the door says, is told by its length alone.
        if isinstance(response, HttpResponse):
            if len(response.content) <= self.more_than or any(mark in response.content for mark in self.marks):
                return response
            if response.headers.get("Content-Type", "").startswith(EVENT_STREAM):
                return response
        elif not isinstance(response, Rows):
            return response
        if self.refuses(request.META.get("HTTP_ACCEPT_ENCODING", "")):
            return response
        compressed: HttpResponseBase = super().process_response(request, response)
        return compressed

    # Django looks for the word alone.
    refuses = staticmethod(re.compile(r"\bgzip\s*;\s*q=0(?:\.0*)?\s*(?:,|$)", re.IGNORECASE).search)


class WholeBodies:
    """Refuses pages' forms that the front could not read whole. Under /api, that has its turn in `config.api`."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        problem = request.META.get(PROBLEM)
        if problem is None or is_api(request):
            return self.get_response(request)
        return answer(request, refusal_of(problem))


class CleanText:
    """Refuses NUL and broken UTF-8 in paths, query strings, cookies and forms: PostgreSQL keeps neither.

    Bodies under /api are left alone: they are JSON, whatever their Content-Type says, and read by
    `config.strictjson`.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.process_request(request) or self.get_response(request)

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        """Refuse a request whose text is not clean."""
        if request.encoding is not None:
            # A charset in the Content-Type would otherwise decode the query string and forms in its own way.
            request.encoding = "utf-8"
        where = self._unclean(request)
        return answer(request, ValidationFailed(message=f"The {where} is not clean UTF-8 text.")) if where else None

    def _unclean(self, request: HttpRequest) -> str:
        """What of the request is not clean; empty if all is."""
        environ = request.META
        # Django has decoded the path by now, and written bytes that were not UTF-8 as percent signs again.
        if "\0" in request.path_info or _broken_in_path(request.path_info):
            return "path"
        if not _is_clean_when_decoded(environ.get("QUERY_STRING", "")):
            return "query string"
        if "HTTP_COOKIE" in environ and not _are_clean(request.COOKIES.values()):
            return "cookie"
        if request.method == "POST" and not is_api(request) and not self._form_is_clean(request):
            return "form"
        return ""

    def _form_is_clean(self, request: HttpRequest) -> bool:
        if request.content_type == "application/x-www-form-urlencoded":
            return _is_clean_when_decoded(request.body.decode("latin-1"))
        if request.content_type == "multipart/form-data":
            texts = [text for name, values in request.POST.lists() for text in (name, *values)]
            files = [file.name or "" for _, uploads in request.FILES.lists() for file in uploads]
            return _are_clean(texts) and _are_clean(files)
        return True


class SecurityHeaders:
    """Headers for which Django and django-csp have no setting. What a view sets itself stays."""

    headers = {
        "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=()",
        "Cross-Origin-Resource-Policy": "same-origin",
        # Nearly all that we show is for members only; caches in between must not keep it.
        "Cache-Control": "private, no-cache",
    }

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    # For answers that are no pages: nothing in them is to be run, loaded or framed.
    policy = "default-src 'none'; frame-ancestors 'none'"

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.process_response(request, self.get_response(request))

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Set the headers."""
        for name, value in self.headers.items():
            response.headers.setdefault(name, value)
        if wants_json(request):
            response.headers.setdefault("Content-Security-Policy", self.policy)
        return response


@lru_cache(maxsize=1000)
def _pattern(route: str) -> str:
    """A route with a star for each of its parts that vary."""
    return re.sub(r"<[^>]*>|\(\?P<.*?\)", "*", route)


_broken_in_path = re.compile("%[89A-F][0-9A-F]").search


def _is_clean_when_decoded(encoded: str) -> bool:
    if "%" not in encoded and encoded.isascii() and "\0" not in encoded:
        return True
    return _is_clean(unquote_to_bytes(encoded.encode("latin-1", "replace")))


def _is_clean(raw: bytes) -> bool:
    if b"\0" in raw:
        return False
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _are_clean(texts: Iterable[str]) -> bool:
    return all("\0" not in text and _encodes(text) for text in texts)


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
