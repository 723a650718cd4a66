"""
The one way out: nothing else in the house opens a connection to where strangers' URLs lead.

    async with Outward(settings.WEBHOOK_NETWORKS, at_once=256) as outward:
        answer = await outward.post(url, body, {"Content-Type": "application/json"})

`post` waits for one of the `at_once` places (however long that takes), and then has an Answer or an error within
`DEADLINE` seconds, whatever the receiver does. It raises

    Refused   where the URL, or any of the addresses that its host's name leads to, is not one that something may be
              sent to. Nothing was connected. It stays so until somebody changes the URL, the name or the settings.
    Failed    where no answer came: no such name, no connection, no TLS, not in time, no HTTP.

Each error's text is a sentence for people; it never holds what a receiver said, nor an address that a name led to.

Any status is an Answer, 3xx too: no redirect is followed. As soon as an answer's head has come it is an Answer, however
it is written if a browser would take it (config.heads); its
body is read up to `LONGEST_EXCERPT`, and `cut` says that it was not read to its end, for whatever reason (too long, too
slow, broken off). Bodies are bytes as they came: an encoding is neither asked for nor undone.

How it is guarded: a host's name is asked for once for each connection, every address it leads to has to be allowed
(config.networks), and the connection goes to one of exactly these; each socket is looked at again when it is made. The
name stays for TLS and the Host header. There are no proxies, whatever the environment says, no cookies, no
credentials. Connections are kept for the next request to the same host and port, but only after an answer that was read
to its end.

Not here: what is sent and when it is tried again; which URLs a form takes (config.addresses.wrong_url).
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Self

import structlog
from aiohttp import (
    AddrInfoType,
    BaseConnector,
    ClientConnectionError,
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientPayloadError,
    ClientResponse,
    ClientResponseError,
    ClientSession,
    ClientSSLError,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
)
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from config.addresses import NOT_PUBLIC, wrong_url
from config.heads import Reader
from config.lookups import SystemResolver
from config.networks import Address, Network, forbidden

log = structlog.get_logger(__name__)

KIB = 1024
# Seconds for all of it: name, connection, TLS, sending, answer.
DEADLINE = 15.0
LONGEST_EXCERPT = 64 * KIB
# Bytes read for an answer at most, with its head, what comes before it (1xx) and the framing of its body.
MOST_READ = 192 * KIB
# Seconds that a connection is kept unused. Many servers close after 5, and a request must not meet that moment.
KEPT_FOR = 4.0
# A name's addresses that are tried, of each family.
MOST_TRIED = 2
LONGEST_RETRY_AFTER = 100

# What we say ourselves of each request.
OURS = {
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "transfer-encoding",
    "upgrade",
    "user-agent",
}
HEADERS = {"User-Agent": "Watchkeeper", "Accept-Encoding": "identity"}

# A host's name → the addresses that it leads to. Raises OSError where it leads nowhere.
Resolve = Callable[[str], Awaitable[Sequence[str]]]


class Refused(Exception):
    """Nothing may be sent there, and nothing was."""


class Failed(Exception):
    """No answer came."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver answered."""

    status: int
    excerpt: bytes  # the body, or its beginning
    cut: bool  # whether the body was not read to its end
    retry_after: str | None  # the header's text: seconds or a date


def open_bare_session(connector: BaseConnector, longest_head: int, **options: Any) -> ClientSession:
    """
    What requests to strangers are made with: no cookies, no proxies of the environment, no encoding undone, no deadline
    of its own, and heads of up to so many bytes.
    """
    return ClientSession(
        connector=connector,
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        timeout=ClientTimeout(),
        max_line_size=longest_head,
        max_field_size=longest_head,
        max_headers=longest_head,
        **options,
    )


class Outward:
    """
    Sends requests to allowed addresses: those on the public internet, and those in `networks`, which the operator
    opened. An async context manager; it owns the connections.

    `at_once`: how many requests at most are under way; as many connections again may be kept for later. `deadline`:
    seconds for each. For tests, `resolve` stands in for the system's resolver, and `tls` for the system's certificates.
    """

    def __init__(
        self,
        networks: Iterable[Network] = (),
        *,
        at_once: int = 256,
        deadline: float = DEADLINE,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.networks = tuple(networks)
        self.wrong = lru_cache(1024)(partial(wrong_url, opened=self.networks))
        self.at_once = at_once
        self.deadline = deadline
        self.names = Names(resolve, self.networks)
        self.tls = tls

    async def __aenter__(self) -> Self:
        self.places = asyncio.Semaphore(self.at_once)
        connector = TCPConnector(
            resolver=self.names,
            use_dns_cache=False,
            ssl=self.tls or True,
            limit=0,
            keepalive_timeout=KEPT_FOR,
            socket_factory=self.open_socket,
        )
        self.lines: set[Line] = set()
        line = partial(Line, self.lines, self.at_once, asyncio.get_running_loop())
        connector._factory = line  # type: ignore[assignment]  # our own kind of connection
        # How much is read at all bounds a head.
        self.session = open_bare_session(connector, MOST_READ, headers=HEADERS, skip_auto_headers=["Content-Type"])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.session.close()
        await self.names.close()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """
        POST `body` to `url`. `headers` say what the caller has to say, such as the Content-Type; how the message is
        sent is said here. Raises Refused, Failed.
        """
        assert OURS.isdisjoint(name.lower() for name in headers)
        if problem := self.wrong(url):
            raise Refused(problem)
        async with self.places:
            return await self._answered(URL(url, encoded=True), body, headers)

    async def _answered(self, url: URL, body: bytes, headers: Mapping[str, str]) -> Answer:
        response: ClientResponse | None = None
        excerpt, whole = bytearray(), False
        try:
            async with asyncio.timeout(self.deadline):
                response = await self.session.post(url, data=body, headers=headers, allow_redirects=False)
                whole = await read(response, excerpt)
        except Refused:
            raise
        except Exception as error:
            words = sentence(error)
            if response is None:
                raise Failed(words) from None
        finally:
            if response is not None:
                response.close()
        return Answer(response.status, bytes(excerpt[:LONGEST_EXCERPT]), not whole, retry_after(response))

    def open_socket(self, info: AddrInfoType) -> socket.socket:
        """A socket for an address that was found; looked at once more, for this is where we go out."""
        family, kind, protocol, _, place = info
        if forbidden(ip_address(place[0]), self.networks):
            raise Refused("Its host is not on the public internet.")
        return socket.socket(family, kind, protocol)


async def read(response: ClientResponse, excerpt: bytearray) -> bool:
    """Read a body into `excerpt`, a little further than to its longest; whether that is all of it."""
    while len(excerpt) <= LONGEST_EXCERPT:
        piece = await response.content.readany()
        if not piece:
            return True
        excerpt += piece
    return False


def retry_after(response: ClientResponse) -> str | None:
    """The header's text, if it is one that can mean something."""
    text = response.headers.get("Retry-After", "")
    return text if 0 < len(text) <= LONGEST_RETRY_AFTER and text.isascii() and text.isprintable() else None


class Line(ResponseHandler):
    """
    A connection, one of `lines`. It reads only so much for an answer, and when it ends it is cut off, without goodbyes.
    It is not kept where there are more of them than `most`.
    """

    left = 0
    # Bytes that are read for an answer.
    most_read = MOST_READ

    def __init__(self, lines: set["Line"], most: int, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.lines = lines
        self.most = most

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It stands."""
        self.lines.add(self)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """It ended. So does a body that somebody still waits for: aiohttp forgets it where its frame was broken."""
        self.lines.discard(self)
        body = self._payload
        super().connection_lost(exc)
        if body is not None and not body.is_eof() and body.exception() is None:
            body.set_exception(ClientPayloadError("broken"))

    def set_response_params(self, **how: Any) -> None:
        """Before each request."""
        self.left = self.most_read
        self.heads = Reader()
        super().set_response_params(**how)

    def data_received(self, data: bytes) -> None:
        """
        What came, each head as our parser wants it and by itself: what is wrong with a body is no more than that. When
        as much has come as is read for an answer, the connection ends.
        """
        for piece in self.heads.pieces(data[: self.left]):
            super().data_received(piece)
        self.left = max(self.left - len(data), 0)
        if not self.left and self.transport is not None:
            self.transport.abort()

    @property
    def should_close(self) -> bool:
        """Whether it is not kept after an answer."""
        return len(self.lines) > self.most or super().should_close

    def close(self) -> None:
        """End it now: a TLS connection that waits for the other side's goodbye goes on reading until it comes."""
        self.abort()


class Names(AbstractResolver):
    """Asks what a host's name leads to, and refuses it if any of that is forbidden."""

    def __init__(self, ask: Resolve | None, networks: Sequence[Network]) -> None:
        self.system = SystemResolver()
        self.ask = ask or self.system.ask
        self.networks = networks

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses to try. Raises Refused; OSError where there are none."""
        addresses = [ip_address(text) for text in await self.ask(host)]
        if not addresses:
            raise OSError("no addresses")
        if any(forbidden(address, self.networks) for address in addresses):
            raise Refused(NOT_PUBLIC.format(host=host))
        six, four = ([one for one in addresses if one.version == version] for version in (6, 4))
        return [self.found(host, address, port) for address in [*six[:MOST_TRIED], *four[:MOST_TRIED]]]

    @staticmethod
    def found(host: str, address: Address, port: int) -> ResolveResult:
        """An address as aiohttp wants it."""
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        return ResolveResult(hostname=host, host=str(address), port=port, family=family, proto=0, flags=0)

    async def close(self) -> None:
        """Let nobody wait for names that nobody waits for any more."""
        self.system.close()


# Why no answer came; the first that fits counts.
SENTENCES: list[tuple[type[Exception], str]] = [
    (TimeoutError, "No answer came in time."),
    (ClientConnectorDNSError, "The name of its host leads nowhere."),
    (ClientSSLError, "No secure connection (TLS) could be made."),
    (ClientConnectorError, "No connection could be made."),
    (ClientResponseError, "What came back is not an answer of HTTP, or its head is too long."),
    (ClientConnectionError, "The connection was closed before an answer came."),
    (ClientPayloadError, "The answer broke off."),
]


def sentence(error: Exception) -> str:
    """Why no answer came, for people."""
    if isinstance(error, ClientConnectorCertificateError):
        return f"Its certificate is not accepted: {certificate_problem(error.certificate_error)}."
    said = next((words for kind, words in SENTENCES if isinstance(error, kind)), None)
    if said is None:
        log.warning("nothing could be sent, for a reason that nobody thought of", exc_info=error)
    return said or "Nothing could be sent."


# OpenSSL's numbers.
CERTIFICATE_PROBLEMS = {
    9: "it is not valid yet",
    10: "it has expired",
    18: "it is self-signed",
    19: "nobody known has signed it",
    20: "nobody known has signed it",
    21: "nobody known has signed it",
    62: "it is for another name",
    64: "it is for another address",
}


def certificate_problem(error: Exception) -> str:
    """What is wrong with a certificate, for people."""
    return CERTIFICATE_PROBLEMS.get(getattr(error, "verify_code", 0), "it can't be trusted")
