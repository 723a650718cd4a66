"""
Looking at a web server: status, expected_status_code, keyword, keyword_absence, and conditions.

aiohttp speaks HTTP over connections of our own (config.dialing), one for each request, each answer's head written anew
as strict parsers want it (config.heads), so that whatever a browser takes as an answer is one. Nothing is decoded,
followed or remembered by aiohttp. `status` ends with the headers; a body is read where the type or a condition needs
it, up to a MiB of what it decodes to, and of one that is not as it should be a little, to be shown.
"""

import asyncio
import json
import ssl
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from functools import cached_property, partial
from http import HTTPStatus
from typing import Any

from aiohttp import BaseConnector, ClientResponse, ClientSession, CookieJar
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from config.dialing import Dialer, Refused, Way
from config.egress import Line, open_bare_session
from monitors.probes import requests
from monitors.probes.bodies import Decoder, Unreadable, holds, text_of
from monitors.probes.conditions import unmet
from monitors.probes.requests import Request
from monitors.probes.result import Code
from monitors.probes.sight import Failure, Sight, readable
from monitors.probes.streams import HeadTooLong, see_certificate, server_name
from monitors.probes.target import Source, Target, Type

MOST_REDIRECTS = 5
KIB = 1024
# Bytes read for an answer, with its head and the framing of its body; in chunks of one byte a MiB is six.
MOST_READ = 8 * KIB * KIB
LONGEST_HEAD = 192 * KIB
# Of a body that is only to be shown: how much is read, and for how many seconds.
SHOWN_OF, SHOWN_WITHIN = 4 * KIB, 1.0
LONGEST_RETRY_AFTER = 86_400.0

# A request → the TLS context for its origin.
Trust = Callable[[Request], ssl.SSLContext]


@dataclass(slots=True)
class Hop:
    """One connection that is to be made, and whose check it belongs to."""

    sight: Sight
    context: ssl.SSLContext | None


HOP: ContextVar[Hop] = ContextVar("hop")


class AnswerLine(Line):
    """A connection for one answer, which tells when its first byte came."""

    most_read = MOST_READ

    def __init__(self, way: Way, lines: set[Line], loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(lines, 0, loop)
        self.way = way
        self.began: float | None = None

    def set_response_params(self, **how: Any) -> None:
        """Before the request is sent."""
        self.began = self._loop.time()
        self.way.phase = "first_byte"
        super().set_response_params(**how)

    def data_received(self, data: bytes) -> None:
        """Something came."""
        if self.began is not None:
            seconds = self.way.seconds
            seconds["first_byte"] = seconds.get("first_byte", 0.0) + self._loop.time() - self.began
            self.began = None
            self.way.phase = "head"
        super().data_received(data)
        if self.heads.in_head and len(self.heads.held) > LONGEST_HEAD and self.transport is not None:
            self.way.broken = HeadTooLong()
            self.transport.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        """It ended; aiohttp forgets by what word of TLS, such as that a certificate of ours is wanted."""
        if isinstance(exc, ssl.SSLError):
            self.way.broken = exc
        super().connection_lost(exc)


class Connector(BaseConnector):
    """Makes connections by our own way out; where to, and for whom, says HOP."""

    def __init__(self, dialer: Dialer) -> None:
        super().__init__(force_close=True, limit=0)
        self.dialer = dialer
        self.lines: set[Line] = set()

    async def _create_connection(self, req: Any, traces: Any, timeout: Any) -> ResponseHandler:
        hop = HOP.get()
        way, url, loop = hop.sight.way, req.url, asyncio.get_running_loop()
        connected = await self.dialer.connect(url.raw_host, url.port, way, hop.sight.target.ip_version)
        made = partial(AnswerLine, way, self.lines, loop)
        try:
            if hop.context is None:
                _, line = await loop.create_connection(made, sock=connected)
                return line
            with way.timed("tls"):
                name = server_name(url.raw_host)
                transport, line = await loop.create_connection(
                    made, sock=connected, ssl=hop.context, server_hostname=name
                )
        except BaseException:
            connected.close()
            raise
        if url.raw_host == hop.sight.host:
            see_certificate(hop.sight, transport.get_extra_info("ssl_object"))
        return line


def open_session(dialer: Dialer) -> ClientSession:
    """What requests are made with: nothing is kept between them."""
    ours = ["Content-Type", "User-Agent", "Accept", "Accept-Encoding"]
    return open_bare_session(Connector(dialer), LONGEST_HEAD, skip_auto_headers=ours)


async def look_at_http(session: ClientSession, sight: Sight, trust: Trust) -> None:
    """Look at a web server. Raises Failure where it is not up, and what the network raises."""
    request = requests.first_request(sight.target)
    sight.secrets += requests.secrets_of(sight.target, request)
    answer = Answer(sight, request, await ask(session, sight, request, trust))
    try:
        answer = await follow(session, answer, trust)
        await answer.judge()
    finally:
        answer.response.close()


async def ask(session: ClientSession, sight: Sight, request: Request, trust: Trust) -> ClientResponse:
    """Send a request; the answer's head."""
    host = request.url.raw_host or ""
    sight.host = sight.host or host
    sight.asked = request.url.host or host
    is_secure = request.url.scheme == "https"
    if is_secure and host == sight.host:
        sight.tls_place = (host, request.url.port or 443)
    HOP.set(Hop(sight, trust(request) if is_secure else None))
    return await session.request(
        request.method, request.url, data=request.body, headers=request.head(), allow_redirects=False
    )


async def follow(session: ClientSession, answer: "Answer", trust: Trust) -> "Answer":
    """Follow redirects; the last answer, which is open, as are none of those before."""
    origin, jar = answer.request.url, None
    seen = {(answer.request.method, answer.request.url, "")}
    redirects = 0
    while answer.is_followed():
        jar = jar or CookieJar(unsafe=True, quote_cookie=False)
        request = requests.redirected(answer.request, answer.status, answer.header("Location"), origin)
        jar.update_cookies(answer.response.cookies, answer.request.url)
        request = replace(request, cookies=cookies_for(jar, request.url))
        state = (request.method, request.url, request.cookies)
        if state in seen:
            raise Failure(Code.STATUS_CODE, f"{origin.host} redirects in a loop.")
        redirects += 1
        if redirects > MOST_REDIRECTS:
            raise Failure(Code.STATUS_CODE, f"{origin.host} redirects more than {MOST_REDIRECTS} times.")
        seen.add(state)
        answer.response.close()
        answer.sight.final_url = str(request.url.with_query(None))
        try:
            answer = Answer(answer.sight, request, await ask(session, answer.sight, request, trust))
        except Refused as refused:  # a target that leads people there is not up, whatever we may look at
            words = f"{origin.host} redirects to a place that may not be looked at: {refused}"
            raise Failure(Code.CONNECTION_ERROR, words) from None
    return answer


def cookies_for(jar: CookieJar, url: URL) -> str:
    """The Cookie header of what a jar has for an address."""
    return "; ".join(f"{one.key}={one.coded_value}" for one in jar.filter_cookies(url).values())


class Answer:
    """An answer's head, and what is read of its body."""

    def __init__(self, sight: Sight, request: Request, response: ClientResponse) -> None:
        self.sight = sight
        self.target: Target = sight.target
        self.request = request
        self.response = response
        self.host = request.url.host or ""
        self.status = sight.status_code = response.status
        sight.way.phase = "body"
        self.body = b""

    def header(self, name: str) -> str | None:
        """What a header says; of one that stands there several times all of it."""
        said = self.response.headers.getall(name, [])
        return ", ".join(said) if said else None

    def is_followed(self) -> bool:
        """Whether it is a redirect that the target's type follows."""
        if not self.target.follow_redirects or self.status not in requests.REDIRECTS:
            return False
        return self.target.type != Type.EXPECTED_STATUS_CODE or self.status not in self.target.expected_status_codes

    @property
    def needs_body(self) -> bool:
        """Whether what is asked can only be told by the body."""
        about_json = any(one.source == Source.JSON for one in self.target.conditions)
        return about_json or self.target.type in (Type.KEYWORD, Type.KEYWORD_ABSENCE)

    def is_wanted(self) -> bool:
        """Whether the status is one that the target's type wants."""
        if self.target.type == Type.EXPECTED_STATUS_CODE:
            return self.status in self.target.expected_status_codes
        may_redirect = self.target.type == Type.STATUS and not self.target.follow_redirects
        return 200 <= self.status < 300 or (may_redirect and 300 <= self.status < 400)

    async def judge(self) -> None:
        """Raise Failure unless the answer is as the target wants it."""
        if not self.is_wanted():
            self._note_refusal()
            await self._see_a_little()
            raise Failure(Code.STATUS_CODE, f"{self.host} answered {named(self.status)}{self._wanted()}.")
        if self.needs_body:
            await self._read()
            self._judge_keyword()
        if self.target.conditions and (wrong := unmet(self.target.conditions, self.header, self.document)):
            raise Failure(Code.OTHER, wrong)

    def _wanted(self) -> str:
        codes = self.target.expected_status_codes
        if self.target.type != Type.EXPECTED_STATUS_CODE or not codes:
            return ""
        return f", expected: {', '.join(map(str, codes[:10]))}{', …' if len(codes) > 10 else ''}"

    def _note_refusal(self) -> None:
        has_credentials = requests.has_credentials(self.target, self.request)
        self.sight.is_refused = self.status in (401, 403, 407) and has_credentials
        self.sight.retry_after = seconds_until(self.header("Retry-After"), self.header("Date"))

    def _judge_keyword(self) -> None:
        keyword = self.target.required_keyword
        if keyword is None or self.target.type not in (Type.KEYWORD, Type.KEYWORD_ABSENCE):
            return
        found = holds(self.body, self.text, keyword, case_sensitive=self.target.keyword_case_sensitive)
        if self.target.type == Type.KEYWORD and not found:
            raise Failure(Code.KEYWORD_MISSING, f"The keyword is not in the answer of {self.host}.")
        if self.target.type == Type.KEYWORD_ABSENCE and found:
            raise Failure(Code.KEYWORD_MISSING, f"The keyword that must not be there is in the answer of {self.host}.")

    @cached_property
    def text(self) -> str:
        """The body as it reads."""
        return text_of(self.body, self.header("Content-Type") or "")

    def document(self) -> Any:
        """The body's JSON. Raises ValueError, RecursionError."""
        return json.loads(self.text.removeprefix("\ufeff"))

    async def _read(self) -> None:
        """Read the body to its end, or a MiB of it. Raises Failure where it is not what it says that it is."""
        try:
            decoder = Decoder(self.header("Content-Encoding") or "")
            try:
                while not decoder.is_full and (piece := await self.response.content.readany()):
                    decoder.feed(piece)
            finally:
                self._show(bytes(decoder.decoded))
            decoder.finish()
        except Unreadable as error:
            raise Failure(Code.OTHER, f"The answer of {self.host} can't be read: {error}.") from None

    async def _see_a_little(self) -> None:
        """Read the beginning of a body that is not as it should be, as far as it comes soon."""
        with suppress(Exception):
            decoder = Decoder(self.header("Content-Encoding") or "")
            try:
                async with asyncio.timeout(SHOWN_WITHIN):
                    while len(decoder.decoded) < SHOWN_OF and (piece := await self.response.content.readany()):
                        decoder.feed(piece)
            finally:
                self._show(bytes(decoder.decoded))

    def _show(self, body: bytes) -> None:
        self.body = body
        self.sight.excerpt = readable(text_of(body[:SHOWN_OF], self.header("Content-Type") or "").strip())


def named(status: int) -> str:
    """A status with its name, if it has one."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def seconds_until(retry_after: str | None, date: str | None) -> float | None:
    """For how long a server asks to be left alone, by its own clock where it tells a date; None: it asks nothing."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return min(float(text), LONGEST_RETRY_AFTER)
    try:
        seconds = (parsedate_to_datetime(text) - parsedate_to_datetime(date or "")).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)
