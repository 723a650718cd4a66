"""
Looking at mail servers: smtp, imap, pop. The protocol's greeting, TLS where the port or the server says so, a log-in
where the target has a user name, and a polite goodbye.

Ports 465, 993 and 995, and addresses such as imaps://mail.example:9993, are TLS from the beginning; elsewhere it is
begun where the server offers it. A password is sent in TLS only: a server that offers none is not logged in to, which
is a failure of its own. What a server says is quoted in a cause by its first line, without what we sent. Not here:
whether mail is delivered.

Source: RFC 5321, 3207, 4954 (SMTP); RFC 3501 (IMAP); RFC 1939, 2449, 2595 (POP3).
"""

import asyncio
import ssl
from base64 import b64encode
from contextlib import suppress
from dataclasses import dataclass

from config.addresses import host_and_port
from config.dialing import Dialer
from monitors.probes.result import Code, Status
from monitors.probes.sight import Failure, Sight, readable
from monitors.probes.streams import TooMuch, Wire, open_wire
from monitors.probes.target import USUAL_PORTS, Type

IMPLICIT_TLS = {465, 993, 995}
TLS_SCHEMES = ("smtps://", "imaps://", "pops://", "pop3s://")
# Seconds for an answer to a goodbye.
GOODBYE = 1.0
# Lines of one answer, such as a list of what a server can do.
MOST_LINES = 200
LONGEST_QUOTE = 100


@dataclass(slots=True)
class Session:
    """One visit to a mail server."""

    wire: Wire
    sight: Sight
    host: str
    is_secure: bool

    def failed(self, what: str, said: str, code: Code = Code.OTHER) -> Failure:
        """A failure that quotes what the server said."""
        quote = readable(said)[:LONGEST_QUOTE]
        return Failure(code, f"{self.host} {what}: {quote!r}." if quote else f"{self.host} {what}.")

    def refused(self, said: str) -> Failure:
        """The server does not take our name and password."""
        self.sight.is_refused = True
        return self.failed("refused the log-in", said)

    def secure(self) -> None:
        """Raise Failure where a password would go unencrypted."""
        if not self.is_secure:
            raise Failure(Code.OTHER, f"{self.host} offers no TLS, so the password was not sent.")

    async def part(self, goodbye: str) -> None:
        """Say goodbye, and wait a moment for an answer; many hang up without one, which is no fault of theirs."""
        with suppress(OSError, EOFError, TooMuch, TimeoutError):
            async with asyncio.timeout(GOODBYE):
                await self.wire.say(goodbye)
                await self.wire.line()

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Go on in TLS."""
        await self.wire.start_tls(context, self.host)
        self.is_secure = True


async def look_at_mail(dialer: Dialer, sight: Sight, context: ssl.SSLContext) -> None:
    """Look at a mail server. Raises Failure where it is not up, and what the network raises."""
    target = sight.target
    try:
        host, port = host_and_port(target.url, target.port)
    except ValueError as error:
        raise Failure(Code.OTHER, str(error), Status.INCONCLUSIVE) from None
    port = port or USUAL_PORTS[target.type]
    is_secure = port in IMPLICIT_TLS or target.url.startswith(TLS_SCHEMES)
    sight.host = host
    sight.secrets += [target.auth_password or "", _plain(target.auth_username, target.auth_password)]
    wire = await open_wire(dialer, sight, host, port, context if is_secure else None)
    try:
        await SPOKEN[target.type](Session(wire, sight, host, is_secure), context)
    finally:
        wire.close()


def _plain(name: str | None, password: str | None) -> str:
    """Name and password as SASL's PLAIN has them."""
    return b64encode(f"\0{name or ''}\0{password or ''}".encode()).decode()


# SMTP


async def smtp(session: Session, context: ssl.SSLContext) -> None:
    """Greeting, EHLO, STARTTLS where it is offered, log-in, QUIT."""
    target = session.sight.target
    code, lines = await smtp_answer(session)
    session.sight.excerpt = readable("\n".join(lines))
    if code != 220:
        raise session.failed("greets with a refusal", lines[0])
    offers = await ehlo(session)
    if not session.is_secure and "STARTTLS" in offers:
        code, lines = await smtp_say(session, "STARTTLS")
        if code != 220:
            raise session.failed("offers TLS and refuses it", lines[0], Code.SSL_ERROR)
        await session.start_tls(context)
        offers = await ehlo(session)
    if target.auth_username is not None:
        session.secure()
        if "AUTH" not in offers:
            raise Failure(Code.OTHER, f"{session.host} offers no log-in.")
        code, lines = await smtp_say(session, f"AUTH PLAIN {_plain(target.auth_username, target.auth_password)}")
        if code != 235:
            raise session.refused(lines[0])
    await session.part("QUIT")


async def ehlo(session: Session) -> set[str]:
    """Say hello; what the server offers. An old one that knows only HELO offers nothing."""
    code, lines = await smtp_say(session, "EHLO watchkeeper.invalid")
    if code == 250:
        return {line[4:].split(" ")[0].split("=")[0].upper() for line in lines[1:] if len(line) > 4}
    code, lines = await smtp_say(session, "HELO watchkeeper.invalid")
    if code != 250:
        raise session.failed("refuses to talk", lines[0])
    return set()


async def smtp_say(session: Session, line: str) -> tuple[int, list[str]]:
    """Say a line; what is answered."""
    await session.wire.say(line)
    return await smtp_answer(session)


async def smtp_answer(session: Session) -> tuple[int, list[str]]:
    """An answer's code, and its lines."""
    lines: list[str] = []
    while len(lines) < MOST_LINES:
        line = await session.wire.line()
        lines.append(line)
        if not (line[:3].isascii() and line[:3].isdigit() and line[3:4] in ("", " ", "-")):
            raise session.failed("does not speak SMTP", line)
        if line[3:4] != "-":
            return int(line[:3]), lines
    raise session.failed("does not speak SMTP", lines[0])


# IMAP


async def imap(session: Session, context: ssl.SSLContext) -> None:
    """Greeting, CAPABILITY, STARTTLS where it is offered, LOGIN, LOGOUT."""
    target = session.sight.target
    greeting = await session.wire.line()
    session.sight.excerpt = readable(greeting)
    if greeting.upper().startswith("* BYE"):
        raise session.failed("greets with a refusal", greeting)
    if not greeting.upper().startswith(("* OK", "* PREAUTH")):
        raise session.failed("does not speak IMAP", greeting)
    _, lines = await imap_say(session, "a1", "CAPABILITY")
    offers = {word.upper() for line in lines if line.upper().startswith("* CAPABILITY") for word in line.split()}
    if not session.is_secure and "STARTTLS" in offers:
        status, lines = await imap_say(session, "a2", "STARTTLS")
        if status != "OK":
            raise session.failed("offers TLS and refuses it", lines[-1], Code.SSL_ERROR)
        await session.start_tls(context)
    if target.auth_username is not None:
        session.secure()
        name, password = quoted(target.auth_username), quoted(target.auth_password or "")
        session.sight.secrets.append(password[1:-1])
        status, lines = await imap_say(session, "a3", f"LOGIN {name} {password}")
        if status != "OK":
            raise session.refused(lines[-1])
    await session.part("a4 LOGOUT")


def quoted(text: str) -> str:
    """A text as IMAP has it in a line. Raises Failure for one that can't stand there."""
    if not text.isprintable() or not text.isascii():
        raise Failure(Code.OTHER, "IMAP takes only ASCII in user names and passwords.", Status.INCONCLUSIVE)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


async def imap_say(session: Session, tag: str, line: str) -> tuple[str, list[str]]:
    """Say a line; whether it is answered OK, NO or BAD, and all lines of the answer."""
    await session.wire.say(f"{tag} {line}")
    lines: list[str] = []
    while len(lines) < MOST_LINES:
        lines.append(await session.wire.line())
        words = lines[-1].split(" ", 2)
        if words[0] == tag and len(words) > 1:
            return words[1].upper(), lines
    raise session.failed("does not speak IMAP", lines[0])


# POP3


async def pop(session: Session, context: ssl.SSLContext) -> None:
    """Greeting, CAPA, STLS where it is offered, USER and PASS, QUIT."""
    target = session.sight.target
    greeting = await session.wire.line()
    session.sight.excerpt = readable(greeting)
    if greeting.startswith("-ERR"):
        raise session.failed("greets with a refusal", greeting)
    if not greeting.startswith("+OK"):
        raise session.failed("does not speak POP3", greeting)
    if not session.is_secure and "STLS" in await pop_offers(session):
        line = await pop_say(session, "STLS")
        if not line.startswith("+OK"):
            raise session.failed("offers TLS and refuses it", line, Code.SSL_ERROR)
        await session.start_tls(context)
    if target.auth_username is not None:
        session.secure()
        for word, text in (("USER", target.auth_username), ("PASS", target.auth_password or "")):
            if not text.isprintable():
                raise Failure(Code.OTHER, "POP3 takes no control characters in passwords.", Status.INCONCLUSIVE)
            line = await pop_say(session, f"{word} {text}")
            if not line.startswith("+OK"):
                raise session.refused(line)
    await session.part("QUIT")


async def pop_offers(session: Session) -> set[str]:
    """What the server can do; an old one that can't say so offers nothing."""
    if not (await pop_say(session, "CAPA")).startswith("+OK"):
        return set()
    offers: set[str] = set()
    for _ in range(MOST_LINES):
        line = await session.wire.line()
        if line == ".":
            return offers
        offers.add(line.split(" ")[0].upper())
    raise session.failed("does not speak POP3", line)


async def pop_say(session: Session, line: str) -> str:
    """Say a line; the first line of what is answered."""
    await session.wire.say(line)
    return await session.wire.line()


SPOKEN = {Type.SMTP: smtp, Type.IMAP: imap, Type.POP: pop}
