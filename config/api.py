"""The manners of our API, for every app's doors to inherit.

The base view with its order of refusals, how a body is read, and what a list answers. The fields that a body
or a query string may have are in `config.fields`; the shape of answers in `config.envelope`; errors in
`config.errors`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

from django.http import HttpRequest, HttpResponse
from django.http.request import UnreadablePostError
from django.utils.http import parse_header_parameters
from rest_framework import views
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request

from config import strictjson
from config.envelope import success
from config.errors import ApiError, PayloadTooLarge, UnsupportedMediaType, ValidationFailed

MIB = 1024 * 1024
# The most that a request may carry, and how much of a larger one is read off to let its sender see why not.
LARGEST_BODY = 4 * MIB
LARGEST_READ_OFF = 16 * MIB
_PIECE = 64 * 1024

ok = success


# Reading a body


def read_body(request: Request | HttpRequest, limit: int = LARGEST_BODY) -> bytes:
    """The bytes of the body, exactly as sent.

    Works with a Content-Length and with chunks. Raises PayloadTooLarge for more than `limit` bytes, after at
    most 16 MiB were read off (never more than `limit` are held), and MALFORMED_JSON when the body ends too
    early.
    """
    http = _http(request)
    if _is_begun(http):
        return _within(limit, http.body)
    announced = _announced(http)
    if announced > LARGEST_READ_OFF:
        raise _too_large(limit)
    kept: list[bytes] = []
    total = 0
    for piece in _pieces(http):
        total += len(piece)
        if total <= limit:
            kept.append(piece)
    if total > limit:
        raise _too_large(limit)
    if total < announced:
        raise ApiError("The body broke off before its announced length.", code="MALFORMED_JSON")
    return b"".join(kept)


def _read_off(request: Request | HttpRequest) -> None:
    """Read and forget a body that nobody asked for, so that a client still sending it sees its refusal."""
    http = _http(request)
    # Who expects a 100 has not sent the body yet, and won't.
    if _is_begun(http) or _announced(http) > LARGEST_READ_OFF or "HTTP_EXPECT" in http.META:
        return
    try:
        for _ in _pieces(http):
            pass
    except ApiError:
        return


def _pieces(http: HttpRequest) -> Iterator[bytes]:
    """The body piece by piece, to its end or to just above LARGEST_READ_OFF."""
    total = 0
    stream = _stream(http)
    try:
        while total <= LARGEST_READ_OFF and (piece := stream.read(_PIECE)):
            total += len(piece)
            yield piece
    except (UnreadablePostError, OSError):
        raise ApiError("The body broke off before its end.", code="MALFORMED_JSON") from None


def _stream(http: HttpRequest) -> HttpRequest | BinaryIO:
    """Where the body comes from. Django bounds it by its Content-Length; in chunks it ends by itself."""
    if http.META.get("wsgi.input_terminated") and not http.META.get("CONTENT_LENGTH"):
        http._read_started = True  # type: ignore[attr-defined]
        return http.META["wsgi.input"]
    return http


def _announced(http: HttpRequest) -> int:
    length = http.META.get("CONTENT_LENGTH") or "0"
    return int(length) if length.isascii() and length.isdigit() and len(length) < 20 else 0


def _is_begun(http: HttpRequest) -> bool:
    return getattr(http, "_read_started", False)


def _http(request: Request | HttpRequest) -> HttpRequest:
    return request._request if isinstance(request, Request) else request


def _within(limit: int, body: bytes) -> bytes:
    if len(body) > limit:
        raise _too_large(limit)
    return body


def _too_large(limit: int) -> PayloadTooLarge:
    size = f"{limit // MIB} MiB" if limit >= MIB else f"{limit // 1024} KiB"
    return PayloadTooLarge(f"A request body has at most {size}.")


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
        parser = super().select_parser(request, parsers)
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

    def load(self, request: Request, **kwargs: Any) -> None:
        """Fetch what the path names, or raise NotFound. Runs for every method, allowed or not."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.load(request, **kwargs)

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

    def handle_exception(self, exc: Exception) -> HttpResponse:  # type: ignore[override]
        _read_off(self.request)
        return super().handle_exception(exc)


def listing(name: str, rows: Sequence[Any], limit: int, next_cursor: str | None) -> HttpResponse:
    """A list's answer: `{name: rows, "pagination": {"limit", "next_cursor"}}`, rows as `ok` takes them."""
    return ok({name: rows, "pagination": {"limit": limit, "next_cursor": next_cursor}})
