"""
Connections that speak in lines or bytes: opened through config.dialing, TLS from the beginning or from some point on,
bounded in what is read. For the protocols that are not HTTP (mail, tcp, tls).

Who is trusted and who we are is the target's; facts of the certificate go to its Sight. Not here: what is said
(monitors.probes.mail), deadlines (monitors.probes.prober).
"""

import asyncio
import ssl
from contextlib import suppress
from typing import Any

from config.dialing import Dialer
from config.tls_contexts import tls_context
from monitors.probes.certificates import read_certificate
from monitors.probes.sight import Sight

# Bytes of a line, and of all that is read from one connection.
LONGEST_LINE = 8192
MOST_READ = 256 * 1024


class TooMuch(Exception):
    """A line, or all of what was sent, is longer than is read."""


class HeadTooLong(TooMuch):
    """The headers of an HTTP answer are longer than is read."""


class Wire:
    """One connection, read line by line."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sight: Sight) -> None:
        self.reader = reader
        self.writer = writer
        self.sight = sight
        self.left = MOST_READ

    async def line(self) -> str:
        """The next line, without its end. Raises TooMuch, EOFError."""
        phase = "first_byte" if "first_byte" not in self.sight.way.seconds else "body"
        with self.sight.way.timed(phase):
            try:
                line = await self.reader.readuntil(b"\n")
            except asyncio.LimitOverrunError:
                raise TooMuch from None
            except asyncio.IncompleteReadError:
                raise EOFError from None
        self.left -= len(line)
        if self.left < 0:
            raise TooMuch
        return line.rstrip(b"\r\n").decode("utf-8", "replace")

    async def say(self, line: str) -> None:
        """Send a line."""
        self.writer.write(line.encode() + b"\r\n")
        await self.writer.drain()

    async def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Go on in TLS. What came before it unencrypted is not taken for what comes in it."""
        if self.reader._buffer:  # type: ignore[attr-defined]
            raise ssl.SSLError("something was sent before TLS began")
        with self.sight.way.timed("tls"):
            await self.writer.start_tls(context, server_hostname=server_name(host))
        see_certificate(self.sight, self.writer.get_extra_info("ssl_object"))

    def close(self) -> None:
        """End it at once."""
        self.writer.transport.abort()


async def open_wire(dialer: Dialer, sight: Sight, host: str, port: int, context: ssl.SSLContext | None = None) -> Wire:
    """A connection to a host's port, in TLS where there is a context."""
    if context:
        sight.tls_place = (host, port)
    connected = await dialer.connect(host, port, sight.way, sight.target.ip_version)
    how: dict[str, Any] = {"ssl": context, "server_hostname": server_name(host)} if context else {}
    try:
        with sight.way.timed("tls" if context else "connect"):
            reader, writer = await asyncio.open_connection(sock=connected, limit=LONGEST_LINE, **how)
    except BaseException:
        connected.close()
        raise
    if context:
        see_certificate(sight, writer.get_extra_info("ssl_object"))
    return Wire(reader, writer, sight)


def see_certificate(sight: Sight, connection: ssl.SSLObject | None) -> None:
    """Keep what the certificate of the target's own host says."""
    der = connection.getpeercert(binary_form=True) if connection else None
    if der and sight.certificate is None:
        sight.certificate = read_certificate(der)


async def look_at_untrusted(dialer: Dialer, sight: Sight, host: str, port: int) -> None:
    """See the certificate that was not accepted, by a connection on which nothing is said."""
    trial = Sight(sight.target)
    with suppress(Exception):
        wire = await open_wire(dialer, trial, host, port, tls_context(verify=False))
        wire.close()
    sight.certificate = trial.certificate


def server_name(host: str) -> str:
    """A host's name as TLS wants it: a dot at its end belongs to DNS alone."""
    return host.rstrip(".")
