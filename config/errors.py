"""What can go wrong at a door, and how each door says so.

`STATUS` is the API's table of codes. Verbs and views raise the exceptions below; what Django, DRF and
the database raise is translated into them by `translated`. From there an error becomes an envelope for the
API (`exception_handler`, and Django's own handlers for paths under /api) or one of the pages in
templates/errors/. Not for logging: what is unexpected is logged by Django's `django.request` logger with its
traceback.
"""

import sys
from collections.abc import Mapping, Sequence
from functools import singledispatch
from math import ceil
from typing import Any

import psycopg
import structlog
from django.core.exceptions import (
    BadRequest,
    DisallowedHost,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.db import DataError, InterfaceError, InternalError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.template import loader
from rest_framework import exceptions as drf
from rest_framework.views import set_rollback

from config import strictjson
from config.envelope import failure
from config.refusals import note_refusal, why_form_refused

log = structlog.get_logger(__name__)

STATUS = {
    "MALFORMED_JSON": 400,
    "UNSAFE_JSON": 400,
    "VALIDATION_ERROR": 400,
    "UNAUTHORIZED": 401,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "METHOD_NOT_ALLOWED": 405,
    "CONFLICT": 409,
    "PRECONDITION_FAILED": 412,
    "PAYLOAD_TOO_LARGE": 413,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "RATE_LIMITED": 429,
    "INTERNAL_ERROR": 500,
    "UNAVAILABLE": 503,
}

# How long a client is asked to wait when the database does not answer; a restart takes about as long.
DATABASE_RETRY_SECONDS = 2


class ApiError(Exception):
    """An error with a code of `STATUS`, a sentence, and perhaps `details` and headers.

    `status` may differ from the table where a door promises so (422 for a VALIDATION_ERROR).
    """

    code = "INTERNAL_ERROR"

    def __init__(
        self,
        message: str,
        *,
        details: Any = None,
        headers: Mapping[str, str] | None = None,
        code: str | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        self.headers = dict(headers or {})
        self.code = code or self.code
        self.status = status or STATUS[self.code]


class ValidationFailed(ApiError):
    """Well-formed input that cannot be taken. `fields`: name of a field → sentences about it."""

    code = "VALIDATION_ERROR"

    def __init__(
        self,
        fields: Mapping[str, Sequence[str]] | None = None,
        message: str = "",
        *,
        details: Any = None,
        status: int | None = None,
    ) -> None:
        named = {name: list(texts) for name, texts in (fields or {}).items()}
        self.fields = named
        super().__init__(
            message or (f"Not valid: {', '.join(named)}." if named else "The request is not valid."),
            details={"fields": named} if details is None and named else details,
            status=status,
        )


class Unauthorized(ApiError):
    """Nobody we know: the key, token or login is missing, wrong or no longer good."""

    code = "UNAUTHORIZED"

    def __init__(self, message: str = "A valid API key is required.", *, challenge: str = "Bearer") -> None:
        super().__init__(message, headers={"WWW-Authenticate": challenge})


class Forbidden(ApiError, PermissionDenied):
    """Somebody we know, who may not do this."""

    code = "FORBIDDEN"

    def __init__(self, message: str = "This is not allowed.") -> None:
        super().__init__(message)


class NotFound(ApiError, Http404):
    """There is no such record, or it is another team's: the answer is the same."""

    code = "NOT_FOUND"

    def __init__(self, message: str = "Not found") -> None:
        super().__init__(message)


class Conflict(ApiError):
    """The record's present state does not allow this."""

    code = "CONFLICT"


class PayloadTooLarge(ApiError):
    """More bytes than the door takes."""

    code = "PAYLOAD_TOO_LARGE"


class UnsupportedMediaType(ApiError):
    """A body in another format than JSON."""

    code = "UNSUPPORTED_MEDIA_TYPE"


class RateLimited(ApiError):
    """Too many requests; `retry_after` in seconds."""

    code = "RATE_LIMITED"

    def __init__(self, retry_after: float, message: str = "") -> None:
        seconds = max(1, ceil(retry_after))
        super().__init__(
            message or f"Too many requests. Try again in {seconds} s.", headers={"Retry-After": str(seconds)}
        )


class Unavailable(ApiError):
    """We cannot serve just now; `retry_after` in seconds."""

    code = "UNAVAILABLE"

    def __init__(
        self,
        message: str = "The database does not answer.",
        retry_after: int = DATABASE_RETRY_SECONDS,
        details: Any = None,
    ) -> None:
        super().__init__(message, details=details, headers={"Retry-After": str(retry_after)})


# What others raise, in our words


@singledispatch
def translated(error: BaseException) -> ApiError | None:
    """`error` as an ApiError; None if it is nothing that a request could have caused: a fault of ours."""
    return None


@translated.register
def _(error: ApiError) -> ApiError:
    return error


@translated.register
def _(error: strictjson.Refused) -> ApiError:
    return ApiError(error.message, code=error.code)


@translated.register(OperationalError)
@translated.register(InterfaceError)
@translated.register(psycopg.OperationalError)
@translated.register(psycopg.InterfaceError)
def _(error: Exception) -> ApiError:
    log.warning("the database does not answer", error=str(error).strip())
    return Unavailable()


@translated.register
def _(error: InternalError) -> ApiError | None:
    if not isinstance(error.__cause__, psycopg.errors.ReadOnlySqlTransaction):
        return None
    log.warning("the database is read-only", error=str(error).strip())
    return Unavailable("The database is read-only.")


@translated.register
def _(error: DataError) -> ApiError:
    # A door should have refused this. It is the sender's value all the same, and trying again will not help.
    log.error("the database refused a value that came from outside", exc_info=error)
    return ValidationFailed(message="One of the values cannot be kept.")


@translated.register
def _(error: Http404) -> ApiError:
    return NotFound()


@translated.register
def _(error: PermissionDenied) -> ApiError:
    return Forbidden()


@translated.register
def _(error: RequestDataTooBig) -> ApiError:
    return PayloadTooLarge("The request body is too large.")


@translated.register
def _(error: DisallowedHost) -> ApiError:
    return ValidationFailed(message="This host name is not served here.")


@translated.register(SuspiciousOperation)
@translated.register(BadRequest)
@translated.register(MultiPartParserError)
def _(error: Exception) -> ApiError:
    return ValidationFailed(message="The request cannot be read.")


@translated.register
def _(error: UnreadablePostError) -> ApiError:
    return ApiError("The body broke off before its end.", code="MALFORMED_JSON")


@translated.register
def _(error: drf.APIException) -> ApiError | None:
    if error.status_code == STATUS["INTERNAL_ERROR"]:
        return None
    code = next((code for code, status in STATUS.items() if status == error.status_code), "VALIDATION_ERROR")
    return ApiError(_sentence(error), code=code)


@translated.register
def _(error: drf.ValidationError) -> ApiError:
    return ValidationFailed(fields_of(error.detail))


@translated.register(drf.NotAuthenticated)
@translated.register(drf.AuthenticationFailed)
def _(error: drf.APIException) -> ApiError:
    return Unauthorized(_sentence(error), challenge=getattr(error, "auth_header", None) or "Bearer")


@translated.register
def _(error: drf.NotFound) -> ApiError:
    return NotFound()


@translated.register
def _(error: drf.Throttled) -> ApiError:
    return RateLimited(getattr(error, "wait", None) or 1)


def _sentence(error: drf.APIException) -> str:
    return str(error.detail if isinstance(error.detail, str) else error.default_detail)


def fields_of(detail: Any, name: str = "") -> dict[str, list[str]]:
    """DRF's nested error detail as a flat dict: dotted name of a field → sentences; `body` for the whole."""
    if isinstance(detail, Mapping):
        inner = detail.items()
    elif isinstance(detail, list | tuple) and any(isinstance(item, Mapping | list) for item in detail):
        inner = dict(enumerate(detail)).items()
    else:
        texts = detail if isinstance(detail, list | tuple) else [detail]
        return {name or "body": [str(text) for text in texts]} if texts else {}
    fields: dict[str, list[str]] = {}
    for key, value in inner:
        own = name if key == "non_field_errors" else f"{name}.{key}" if name else str(key)
        for path, texts in fields_of(value, own).items():
            fields.setdefault(path, []).extend(texts)
    return fields


# The API's answers


def envelope_of(error: ApiError) -> HttpResponse:
    """`error` as the API says it."""
    return failure(error.status, error.code, error.message, error.details, error.headers)


def exception_handler(error: Exception, context: Mapping[str, Any]) -> HttpResponse | None:
    """DRF's EXCEPTION_HANDLER. None lets Django take the error, log it and ask `handler500`."""
    known = translated(error)
    if known is None:
        return None
    if known.code == "METHOD_NOT_ALLOWED":
        known.headers["Allow"] = ", ".join(context["view"].allowed_methods)
    set_rollback()
    return envelope_of(known)


# Django's own handlers (ROOT_URLCONF names them) and what the middleware uses


def is_api(request: HttpRequest) -> bool:
    """Whether whoever sent `request` expects JSON."""
    return is_api_path(request.path_info)


def is_api_path(path: str) -> bool:
    """Whether what stands at `path` speaks JSON."""
    return path == "/api" or path.startswith("/api/")


# What is a page, though it stands under /api.
_PAGES = {"/api/docs"}


def wants_json(request: HttpRequest) -> bool:
    """Whether `request` is for JSON, and so knows nothing of sessions, scripts and all else that belongs to pages."""
    return is_api(request) and request.path_info not in _PAGES


def answer(request: HttpRequest, error: ApiError) -> HttpResponse:
    """`error` in the form that fits the path: the envelope under /api, else a page."""
    return envelope_of(error) if is_api(request) else page(request, error)


def page(request: HttpRequest, error: ApiError) -> HttpResponse:
    """`error` as a page of templates/errors/, or as a line of text where that page cannot be drawn.

    The template sees `status`, `message` and `request_id`. A page about a fault of ours (5xx) is drawn
    without the request, so that neither session nor user is asked for while the database is away.
    """
    general = "500" if error.status >= 500 else "400"
    shown = {"status": error.status, "message": error.message, "request_id": request_id(request)}
    try:
        template = loader.select_template([f"errors/{error.status}.html", f"errors/{general}.html"])
        text = template.render(shown, None if error.status >= 500 else request)
    except Exception:
        # Whatever is wrong with the page, the reader of an error still gets an answer.
        log.exception("an error page could not be drawn", status=error.status)
        text = f"{error.status} {error.message}\n"
        return HttpResponse(text, content_type="text/plain; charset=utf-8", status=error.status, headers=error.headers)
    return HttpResponse(text, status=error.status, headers=error.headers)


def request_id(request: HttpRequest) -> str:
    """The id that the request's log lines carry; empty outside of `config.middleware.RequestLog`."""
    return getattr(request, "request_id", "")


def handler400(request: HttpRequest, exception: Exception) -> HttpResponse:
    """What Django could not read."""
    return answer(request, translated(exception) or ValidationFailed(message="The request cannot be read."))


def handler403(request: HttpRequest, exception: Exception) -> HttpResponse:
    """What a view refused with PermissionDenied."""
    return answer(request, translated(exception) or Forbidden())


def handler404(request: HttpRequest, exception: Exception) -> HttpResponse:
    """No such route, or no such record."""
    return answer(request, translated(exception) or NotFound())


def handler500(request: HttpRequest) -> HttpResponse:
    """A fault of ours, called while its exception is handled. Nothing is said of it but the request's id."""
    fault = ApiError("Something went wrong on our side.", details={"request_id": request_id(request)})
    # Outside of views, as in a middleware that asks for the user, the database may be away as well.
    return answer(request, translated(sys.exc_info()[1] or fault) or fault)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form without its token: sent from elsewhere, without its cookie, or, mostly, open for too long."""
    note_refusal(request, "form", why=reason)
    return answer(request, Forbidden(why_form_refused(request, reason)))
