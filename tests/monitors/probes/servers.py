"""Servers on this machine for probes to look at: HTTP as a test writes it, TLS with any certificate."""

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


# --- HTTP ------------------------------------------------------------------------------------------------------


@dataclass
class Visit:
    """One connection, and the request that came over it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    head: str = ""
    body: bytes = b""

    @property
    def path(self) -> str:
        return self.head.split(" ")[1]

    @cached_property
    def headers(self) -> dict[str, str]:
        lines = [line.partition(": ") for line in self.head.split("\r\n")[1:]]
        return {name.lower(): text for name, _, text in lines if name}

    async def request(self) -> None:
        """Read a request."""
        self.head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        self.body = await self.reader.readexactly(int(self.headers.get("content-length", 0)))

    async def say(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()


@dataclass
class Server:
    """Where it is, and who came."""

    port: int = 0
    scheme: str = "http"
    visits: list[Visit] = field(default_factory=list)

    def url(self, path: str = "/", host: str = "shop.example") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"


def answer(body: bytes = b"", *headers: str, status: str = "200 OK") -> bytes:
    """A sound answer of HTTP."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


@asynccontextmanager
async def serving(
    serve: bytes | Callable[[Visit], Awaitable[None]],
    tls: ssl.SSLContext | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
) -> AsyncIterator[Server]:
    """A server that reads a request of each connection, and lets `serve` (bytes, or a coroutine function) answer."""
    server = Server(scheme="https" if tls else "http")
    present: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        present[cast("asyncio.Task[None]", asyncio.current_task())] = writer
        visit = Visit(reader, writer)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.CancelledError):
                await visit.request()
                server.visits.append(visit)
                await (visit.say(serve) if isinstance(serve, bytes) else serve(visit))
        finally:
            writer.close()

    listening = await asyncio.start_server(meet, host, port, ssl=tls)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for task, writer in present.items():
            task.cancel()
            writer.transport.abort()
        await asyncio.gather(*present, return_exceptions=True)


async def silent(visit: Visit) -> None:
    """Say nothing, as long as the other side has patience."""
    await visit.reader.read()


# --- certificates ----------------------------------------------------------------------------------------------


@dataclass
class Identity:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    def context(self, folder: Path, *chain: "Identity", clients: "Identity | None" = None) -> ssl.SSLContext:
        """A server's context; `chain` is sent along, `clients` is the authority that clients have to be signed by."""
        file = folder / f"{self.certificate.serial_number}.pem"
        file.write_text(self.key_pem + self.pem + "".join(one.pem for one in chain))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        if clients is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cadata=clients.pem)
        return context


def issue(
    common_name: str,
    *hosts: str,
    by: Identity | None = None,
    since: datetime.datetime = NOW - DAY,
    until: datetime.datetime = NOW + 90 * DAY,
    is_authority: bool = False,
    key: ec.EllipticCurvePrivateKey | None = None,
) -> Identity:
    """An identity that another one signed, or it itself."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    built = (
        x509.CertificateBuilder(
            by.certificate.subject if by else name, name, key.public_key(), x509.random_serial_number()
        )
        .not_valid_before(since)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
    )
    if hosts:
        built = built.add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in hosts]), critical=False)
    return Identity(built.sign(by.key if by else key, hashes.SHA256()), key)
