"""
Receivers for what is sent out: real servers on this machine that answer what a test makes them say, well or badly.

Not for our own doors (tests.doors), nor for raw requests to them (tests.wire).
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Network

# What a test opens, so that something can be sent to this machine.
HERE = (IPv4Network("127.0.0.0/8"),)


@dataclass
class Visit:
    """One connection to a receiver."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    receiver: "Receiver"

    async def request(self) -> bytes:
        """Read one request; its head. The receiver keeps both."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        body = await self.reader.readexactly(int(length.partition(b":")[2]))
        self.receiver.requests.append((head, body))
        return head

    async def say(self, *pieces: bytes) -> None:
        """Write something."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()


Serve = Callable[[Visit], Awaitable[None]]


@dataclass
class Receiver:
    """A server on 127.0.0.1: who came, and what they said."""

    port: int = 0
    visits: int = 0
    requests: list[tuple[bytes, bytes]] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)  # somebody's connection ended

    def url(self, host: str = "127.0.0.1", scheme: str = "http") -> str:
        """Where it is."""
        return f"{scheme}://{host}:{self.port}/hook"


@asynccontextmanager
async def receiving(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A receiver that treats each connection with `serve`, and closes it afterwards."""
    receiver = Receiver()
    present = {}

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        present[asyncio.current_task()] = writer
        receiver.visits += 1
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.CancelledError):
                await serve(Visit(reader, writer, receiver))
                await writer.drain()
        finally:
            receiver.left.set()
            writer.close()

    server = await asyncio.start_server(meet, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task, writer in present.items():
            task.cancel()
            writer.transport.abort()
        await asyncio.gather(*present, return_exceptions=True)


def answering(*answers: bytes) -> Serve:
    """Say one answer to each request of a connection, then close it."""

    async def serve(visit: Visit) -> None:
        for answer in answers:
            await visit.request()
            await visit.say(answer)

    return serve


async def always(visit: Visit) -> None:
    """Say `fine` to every request, for as long as the connection lasts."""
    while True:
        await visit.request()
        await visit.say(an_answer(b"fine"))


async def silent(visit: Visit) -> None:
    """Say nothing, for as long as the other side has patience."""
    await visit.reader.read()


def an_answer(body: bytes = b"", *headers: str, status: str = "200 OK") -> bytes:
    """A sound answer of HTTP."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body
