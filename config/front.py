"""
The front of the web server: an ASGI application that takes each request in whole and hands it to Django in a thread.

The event loop does all the waiting for slow senders and readers; Django, plain and synchronous, does the work, in lanes
of a few threads each, so that a slow page stops no webhook and who guesses passwords stops nobody. Webhooks that wait
together may be answered together, past Django. Whatever happens, an answer comes: 503 with Retry-After where there are
more requests than can be worked off, 429 where they are those that look at passwords. Bodies are read in config.bodies,
threads kept in config.lanes; what is served is the affair of config.wsgi and config.together. Answers are whole, too,
but for those that a view streams (config.streams), which the pump sends (config.pump).
"""

import asyncio
import gc
import re
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import cache, lru_cache
from io import BytesIO
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

import structlog
from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpResponse

from config import errors, hashing
from config.bodies import MIB, PROBLEM, SIZE, TOO_SLOW, Bodies, Body, NoRoom
from config.forwarded import client_address
from config.lanes import Busy, Crowded, Lane
from config.pump import Begun, Pump
from config.request import HEALTH_PATHS, Request
from config.streams import Streamed

log = structlog.get_logger(__name__)

Environ = dict[str, Any]
Scope = dict[str, Any]
Headers = list[tuple[bytes, bytes]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]

DOOR, HEALTH, PAGES, API, PASSWORDS = "door", "health", "pages", "API", "passwords"
# How many may wait in a process for each lane's threads, and for how many seconds.
LINES = {DOOR: (400, 2.0), HEALTH: (50, 1.0), PAGES: (100, 5.0), API: (100, 5.0), PASSWORDS: (12, 8.0)}
# How many threads a lane has; the others, one.
THREADS = {PAGES: settings.THREADS, API: settings.THREADS, PASSWORDS: hashing.AT_ONCE}
# How many seconds a request may be worked on before its sender is told to come again; and one more for so many bytes.
WORKING = {DOOR: 3.0, HEALTH: 2.0, PAGES: 30.0, API: 30.0, PASSWORDS: 30.0}
BYTES_A_SECOND = 256 * 1024
# How often is looked after those that wait.
TICK = 0.25
RETRY_AFTER = 2
# A 429 is held back for so many seconds: who comes again at once all the same waits here, where no thread does.
SLOWED_DOWN = 0.25
# When the bodies that were answered come to so many bytes, the collector looks for circles that hold on to some: forms
# and errors do. It comes by itself when there are many objects, however large they are. It takes some milliseconds.
COLLECTED_AFTER = 8 * MIB
# So many addresses are named at most among those that were turned away at once.
MOST_NAMED = 10


class Answer(NamedTuple):
    """An HTTP answer, whole."""

    status: int
    headers: Headers
    body: bytes

    @classmethod
    def made_of(cls, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> "Answer":
        """An answer from a WSGI application's or Django's words."""
        return cls(status, [(header_name(name), value.encode("latin-1")) for name, value in headers], body)


@lru_cache(maxsize=200)
def header_name(name: str) -> bytes:
    """A header's name as ASGI has it; there are few."""
    return name.lower().encode("latin-1")


Together = Callable[[Sequence[Environ]], Sequence[HttpResponse | None]]


class Front:
    """
    The ASGI application around a WSGI application. `together` is shown all webhooks that wait, and answers those that
    it can (config.together). `heeds_signals`: whether streams end when the process is told to stop.
    """

    def __init__(
        self,
        application: Callable[..., Iterable[bytes]],
        together: Together | None = None,
        *,
        heeds_signals: bool = False,
    ) -> None:
        self.application = application
        self.together = together
        self.heeds_signals = heeds_signals
        self.bodies = Bodies()
        self.lanes: dict[str, Lane[Environ, Answer | Begun]] = {}
        self.uncollected = 0
        self.refused: Counter[str] = Counter()
        self.turned_away: Counter[str] = Counter()  # by address, where passwords are looked at

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        if not self.lanes:
            self.open()
        try:
            answer = await self.answer(scope, receive)
        except (Busy, NoRoom) as busy:
            self.refused[str(busy) or "no room for its body"] += 1
            answer = refusal(errors.is_api_path(scope["path"]))
        if isinstance(answer, Begun):
            await self.pump.send(answer, scope, receive, send)
            return
        if answer.status == 429:
            await asyncio.sleep(SLOWED_DOWN)
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await send({"type": "http.response.body", "body": answer.body})

    def open(self) -> None:
        """Start the lanes, in the event loop that asks."""
        self.lanes = {name: Lane(name, self.work, *line, threads=THREADS.get(name, 1)) for name, line in LINES.items()}
        self.lanes[DOOR].together = self.work_together if self.together else None
        self.lanes[DOOR].weigh = length_of
        self.pump = Pump()
        self.ticking = asyncio.get_running_loop().create_task(self.tick())
        if self.heeds_signals:
            end_at_signals(self.pump)

    async def tick(self) -> None:
        """Look after those that wait, for as long as the process lives."""
        while True:
            await asyncio.sleep(TICK)
            try:
                self.look_after_all()
            except Exception:
                log.exception("could not look after those that wait")

    def look_after_all(self) -> None:
        """Give up what is late, and say how many were refused."""
        self.bodies.give_up_the_late()
        self.pump.lane.give_up_the_late()
        for lane in self.lanes.values():
            lane.give_up_the_late()
        if self.refused:
            log.warning("busy: answered 503", **{why.replace(" ", "_"): many for why, many in self.refused.items()})
            self.refused.clear()
        if self.turned_away:
            named = dict(self.turned_away.most_common(MOST_NAMED))
            log.warning("too many log in at once: answered 429", times=self.turned_away.total(), addresses=named)
            self.turned_away.clear()

    async def answer(self, scope: Scope, receive: Receive) -> Answer | Begun:
        """Read a request's body, and have it worked on. Raises Busy, NoRoom."""
        headers = headers_of(scope)
        body = await self.bodies.read(receive, announced(headers), waits_to_be_asked="HTTP_EXPECT" in headers)
        try:
            environ = environ_of(scope, headers, body)
            name = lane_for(environ["REQUEST_METHOD"], environ["PATH_INFO"])
            return await self.lanes[name].run(environ, WORKING[name] + len(body.data) / BYTES_A_SECOND)
        except Crowded:
            if name != PASSWORDS:
                raise
            self.turned_away[client_address(Request(environ))] += 1
            return turned_away()
        finally:
            self.bodies.release(body)

    def work(self, environ: Environ) -> Answer | Begun:
        """Let the WSGI application answer; runs in a lane's thread."""
        begun: list[tuple[str, list[tuple[str, str]]]] = []
        parts = self.application(environ, lambda status, headers, *_: begun.append((status, headers)))
        if isinstance(parts, Streamed):
            return begin(parts, environ, *begun[0])
        try:
            body = b"".join(parts)
        finally:
            getattr(parts, "close", lambda: None)()
        [(status, headers)] = begun
        if environ.get(PROBLEM) == TOO_SLOW:  # its end may still come, in the way of the next request
            headers.append(("Connection", "close"))
        self.collect(length_of(environ))
        return Answer.made_of(int(status[:3]), headers, body)

    def collect(self, answered: int) -> None:
        """Let go of what is left of bodies, now that one of so many bytes was answered, if it may be much."""
        self.uncollected += answered
        if self.uncollected > COLLECTED_AFTER:
            self.uncollected = 0
            gc.collect()

    def work_together(self, environs: Sequence[Environ]) -> list[Answer | None]:
        """Let those webhooks be answered that can be answered together; runs in the door's thread."""
        assert self.together
        answers = [
            Answer.made_of(response.status_code, response.items(), response.content) if response else None
            for response in self.together(environs)
        ]
        self.collect(sum(map(length_of, environs)))
        return answers


def length_of(environ: Environ) -> int:
    """How many bytes a request's body has."""
    return int(environ["CONTENT_LENGTH"])


def begin(response: Streamed, environ: Environ, status: str, headers: list[tuple[str, str]]) -> Answer | Begun:
    """A streamed answer; of one to HEAD, the head."""
    head = Answer.made_of(int(status[:3]), headers, b"")
    if environ["REQUEST_METHOD"] == "HEAD":
        response.close()
        return head
    return Begun(head.status, head.headers, response)


def end_at_signals(pump: Pump) -> None:
    """
    Have streams end when the process is told to stop. The web server, which then waits for all answers, has told the
    event loop what else to do; that goes by another way, and is still done.
    """
    loop = asyncio.get_running_loop()
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: loop.call_soon_threadsafe(pump.stop))


def lane_for(method: str, path: str) -> str:
    """Which lane a request belongs to."""
    if path.startswith(settings.DOOR_PATH):
        return DOOR
    if path in HEALTH_PATHS:
        return HEALTH
    if method == "POST" and re.fullmatch(settings.PASSWORD_PATHS, path):
        return PASSWORDS
    return API if errors.is_api_path(path) else PAGES


def headers_of(scope: Scope) -> dict[str, str]:
    """A request's headers under their WSGI names; what comes twice is joined, as HTTP says."""
    found: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        if "_" in name:  # could pass for another header, in the WSGI name
            continue
        key = "HTTP_" + name.upper().replace("-", "_")
        found[key] = f"{found[key]}{'; ' if key == 'HTTP_COOKIE' else ','}{value}" if key in found else value
    return found


def announced(headers: dict[str, str]) -> int | None:
    """How long the body will be; None if it comes in chunks. Has been looked at by the server: it is a number."""
    if "HTTP_TRANSFER_ENCODING" in headers:
        return None
    return int(headers.get("HTTP_CONTENT_LENGTH") or 0)


def environ_of(scope: Scope, headers: dict[str, str], body: Body) -> Environ:
    """The WSGI environment (PEP 3333) of a request that was read."""
    host, port = scope.get("server") or ("", "")
    headers.pop("HTTP_CONTENT_LENGTH", None)
    headers.pop("HTTP_TRANSFER_ENCODING", None)
    environ: Environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "CONTENT_TYPE": headers.pop("HTTP_CONTENT_TYPE", ""),
        "CONTENT_LENGTH": str(len(body.data)),
        "REMOTE_ADDR": (scope.get("client") or ("",))[0],
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": BytesIO(body.data),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        **headers,
    }
    if body.problem:
        environ |= {PROBLEM: body.problem, SIZE: body.size}
    return environ


@cache
def refusal(is_api: bool) -> Answer:
    """What everybody hears who can't be served now, made once."""
    busy = errors.Unavailable("Too busy to answer now. Try again in a moment.", retry_after=RETRY_AFTER)
    return answer_to("/api/" if is_api else "/", busy)


@cache
def turned_away() -> Answer:
    """What those hear who would log in when too many do."""
    return answer_to("/", errors.RateLimited(hashing.RETRY_AFTER, hashing.TOO_MANY))


def answer_to(path: str, error: errors.ApiError) -> Answer:
    """An error as an answer without a request."""
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "wsgi.input": BytesIO()}
    response = errors.answer(WSGIRequest(environ), error)
    headers = [*response.items(), ("Content-Length", str(len(response.content))), ("Cache-Control", "no-store")]
    return Answer.made_of(response.status_code, headers, response.content)
