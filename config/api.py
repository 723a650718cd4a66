"""The manners of our API, for every app's doors to inherit.

The base view with its order of refusals, how a body is read, and what a list answers. The fields that a body
or a query string may have are in `config.fields`; the shape of answers in `config.envelope`; errors in
`config.errors`.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from hashlib import sha256
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import parse_header_parameters
from drf_spectacular.utils import extend_schema
from rest_framework import views
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request

from config import clock, idempotency, strictjson
from config.bodies import KIB, LARGEST_BODY, LARGEST_READ_OFF, MIB, PROBLEM, PROBLEMS, SIZE, SMALL, TOO_LARGE
from config.encodings import GZIP, NONE, NotGzip, TooMuch, gunzip
from config.envelope import success
from config.errors import (
    ApiError,
    PayloadTooLarge,
    UnsupportedMediaType,
    ValidationFailed,
    envelope_of,
    translated,
)
from config.fields import Body, NothingToSay, canonical, said
from config.request import OPENED

ok = success


# Reading a body


def read_body(request: Request | HttpRequest, limit: int = LARGEST_BODY) -> bytes:
    """The bytes of the body, which the front has read before (`config.bodies`): exactly as sent, or, where that was
    gzip, what comes out of it.

    Raises UnsupportedMediaType for any other Content-Encoding, PayloadTooLarge for more than `limit` bytes before or
    after, and MALFORMED_JSON when the body ended too early, did not end in time, or is broken gzip (Unopened).
    """
    http = request._request if isinstance(request, Request) else request
    encoding = http.META.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    if encoding != GZIP and encoding not in NONE:
        message = "A body is sent as it is, or with Content-Encoding: gzip."
        raise UnsupportedMediaType(message, headers={"Accept-Encoding": GZIP})
    body = _as_sent(http, limit)
    if encoding != GZIP or not body:
        return body
    if not hasattr(http, OPENED):
        setattr(http, OPENED, _opened(body, limit))
    opened: bytes = getattr(http, OPENED)
    if len(opened) > limit:
        raise Oversized(too_large(limit), opened, len(opened), at_least=False)
    return opened


class Unopened(ApiError):
    """A body that is broken gzip. `body`: as it was sent."""

    code = "MALFORMED_JSON"

    def __init__(self, message: str, body: bytes) -> None:
        super().__init__(message)
        self.body = body


class Oversized(PayloadTooLarge):
    """
    A body of more than the limit. `beginning`: what was read of it. `size`: how many bytes it has; at least so many,
    where not all of it was seen.
    """

    def __init__(self, message: str, beginning: bytes, size: int, *, at_least: bool) -> None:
        super().__init__(message)
        self.beginning, self.size, self.at_least = beginning[:SMALL], size, at_least


def _as_sent(http: HttpRequest, limit: int) -> bytes:
    """The bytes that came."""
    try:
        body = http.body
    except RequestDataTooBig:
        body = http.read(limit + 1)
    problem = TOO_LARGE if len(body) > limit else http.META.get(PROBLEM)
    if problem == TOO_LARGE:
        size = http.META.get(SIZE) or max(len(body), int(http.META.get("CONTENT_LENGTH") or 0))
        raise Oversized(too_large(limit), body, size, at_least=size > LARGEST_READ_OFF)
    if problem:
        raise refusal_of(problem)
    return body


def _opened(body: bytes, limit: int) -> bytes:
    """What comes out of a body."""
    try:
        return gunzip(body, limit)
    except NotGzip as error:
        raise Unopened(str(error), body) from None
    except TooMuch as error:
        raise Oversized(too_large(limit), error.beginning, limit + 1, at_least=True) from None


def too_large(limit: int = LARGEST_BODY) -> str:
    """What is said of a body of more than so many bytes."""
    return f"A request body has at most {f'{limit // MIB} MiB' if limit >= MIB else f'{limit // KIB} KiB'}."


def refusal_of(problem: str) -> ApiError:
    """The refusal of a body with a problem (of `config.bodies`)."""
    if problem == TOO_LARGE:
        return PayloadTooLarge(too_large())
    return ApiError(PROBLEMS[problem], code="MALFORMED_JSON")


def said_if_any(request: Request, body_class: type[Body]) -> dict[str, Any]:
    """As `config.fields.said`, where a request may also have no body at all."""
    return said(request, body_class) if read_body(request) else {}


def say_nothing(request: Request) -> None:
    """For what needs no words: refuse a body that says any."""
    said_if_any(request, NothingToSay)


def wordless(operation_id: str, summary: str, description: str, answer: Any) -> Any:
    """What the document says of an operation that needs no words (`say_nothing`) and answers with a record."""
    answers = {200: answer}
    return extend_schema(
        operation_id=operation_id, summary=summary, description=description, request=None, responses=answers
    )


# What DRF wants: parsers, negotiation, request


class StrictJSONParser(BaseParser):
    """A JSON object in UTF-8, read by `config.strictjson`; any other JSON is a VALIDATION_ERROR."""

    media_type = "application/json"

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        _, parameters = parse_header_parameters(media_type or "")
        if parameters.get("charset", "utf-8").lower() not in {"utf-8", "utf8"}:
            raise UnsupportedMediaType("JSON is sent in UTF-8.")
        value = strictjson.parse(read_body(stream))
        if not isinstance(value, dict):
            raise ValidationFailed({"body": ["Expected a JSON object."]})
        return value


class RawParser(BaseParser):
    """The bytes as they came, whatever the Content-Type says: for a door that parses them itself."""

    media_type = "*/*"

    def parse(  # type: ignore[override]
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> bytes:
        return read_body(stream)


class _OnlyJSON(DefaultContentNegotiation):
    """Answers are JSON, whatever `Accept` or `?format=` ask for."""

    def select_parser(self, request: Request, parsers: Sequence[BaseParser]) -> BaseParser:  # type: ignore[override]
        if parsers[0].media_type == "*/*":
            return parsers[0]
        try:
            parser = super().select_parser(request, parsers)
        except ValueError:  # a Content-Type that can't be read
            parser = None
        if parser is None:
            raise UnsupportedMediaType("Send JSON, with the header Content-Type: application/json.")
        return parser

    def select_renderer(  # type: ignore[override]
        self, request: Request, renderers: Sequence[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class _WholeRequest(Request):
    """DRF takes a request without Content-Length for an empty one; ours may come in chunks."""

    def _load_stream(self) -> None:
        self._stream = self._request  # type: ignore[assignment]


class APIView(views.APIView):
    """The base of all our API views. It refuses in this order: 401, 403, 429, 404, 405, 415, then the body.

    `authentication_classes`, `permission_classes` and `throttle_classes` are DRF's. Override `load` to fetch
    what the path names; `request.data` is the strictly parsed JSON object (see `parser_classes`); answer with
    `ok`.
    """

    http_method_names = ["get", "head", "post", "put", "delete"]
    renderer_classes = [JSONRenderer]
    parser_classes = [StrictJSONParser]
    content_negotiation_class = _OnlyJSON

    # The methods that answer with one record which can be changed, and so with its ETag; see `config.matching`.
    tagged: tuple[str, ...] = ()
    # The methods that are done only to the record that `If-Match` names, although they answer with something else.
    conditional: tuple[str, ...] = ()

    def load(self, request: Request, **kwargs: Any) -> None:
        """Fetch what the path names, or raise NotFound. Runs for every method, allowed or not."""

    def whose_keys(self) -> str:
        """In which scope an `Idempotency-Key` of this request is known; empty where the header means nothing."""
        return ""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer a request. What was read of it goes with it: see config.request.Request.close."""
        try:
            return super().dispatch(request, *args, **kwargs)
        finally:
            asked = self.__dict__.get("request")
            if isinstance(asked, _WholeRequest):
                if isinstance(read := asked.__dict__.get("_full_data"), dict):
                    dict.clear(read)  # serializers hold it, too
                asked.__dict__.clear()
            self.__dict__.clear()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.load(request, **kwargs)
        key, post = request.headers.get(idempotency.HEADER), getattr(self, "post", None)
        if key is not None and post and request.method == "POST" and self.whose_keys():
            # This view serves this one request: its POST is done under the key.
            setattr(self, "post", partial(self._once, idempotency_key=key, post=post))  # noqa: B010

    def _once(
        self, request: Request, *args: Any, idempotency_key: str, post: Callable[..., HttpResponse], **kwargs: Any
    ) -> HttpResponse:
        """Answer a POST under its `Idempotency-Key` (config.idempotency)."""
        if request.content_type and read_body(request):
            # 415 comes before what is wrong with the body.
            self.get_content_negotiator().select_parser(request, self.get_parsers())
        scope = f"{self.whose_keys()} {request.path}"
        content = sha256(f"{request.method} {request.path}\n{_meant(read_body(request))}".encode()).digest()
        work = partial(_answered, partial(post, request, *args, **kwargs))
        return idempotency.once(scope, idempotency.sound_key(idempotency_key), content, clock.now(), work)

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        return _WholeRequest(
            request,
            parsers=self.get_parsers(),
            authenticators=self.get_authenticators(),
            negotiator=self.get_content_negotiator(),
            parser_context=self.get_parser_context(request),
        )

    @property
    def default_response_headers(self) -> dict[str, str]:
        """None: `Allow` belongs to 405, where `config.errors` sets it."""
        return {}


def _meant(body: bytes) -> str:
    """What a body means as JSON: two that mean the same are the same request. Raises strictjson.Refused."""
    return canonical(strictjson.parse(body)) if body else ""


def _answered(work: Callable[[], HttpResponse]) -> HttpResponse:
    """What is answered, refusals included, with nothing of a refused request left; other errors are raised."""
    try:
        with transaction.atomic():
            return work()
    except Exception as error:
        known = translated(error)
        if known is None or known.status >= 500:
            raise
        return envelope_of(known)


def listing(name: str, rows: Sequence[Any], limit: int, next_cursor: str | None) -> HttpResponse:
    """A list's answer: `{name: rows, "pagination": {"limit", "next_cursor"}}`, rows as `ok` takes them."""
    return ok({name: rows, "pagination": {"limit": limit, "next_cursor": next_cursor}})
