"""
Looking at a name: dns asks for its records of one type, and for a keyword in one of them.

The question goes to `dns_server`, which has to be where monitors may look, or to the system's own resolver. It goes by
UDP, again where nothing comes, and by TCP where the answer is too long. A record is text as zone files have it, but
that texts (TXT) are put together and have no quotes. An answer that nobody gives is no answer: `Sight.is_unanswered`
says so.

Source: RFC 1035, 7766; dnspython for questions and answers.
"""

import asyncio
import secrets
import socket
import struct
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rdtypes.txtbase

from config import lookups
from config.addresses import host_and_port
from config.dialing import Dialer
from config.networks import Address
from monitors.probes.result import Code, Status
from monitors.probes.sight import Failure, Sight, readable
from monitors.probes.target import Target

DNS_PORT = 53
LONGEST_ANSWER = 65_535
MOST_RECORDS = 20
LONGEST_RECORD = 300
# Seconds until a question is asked again, by the next server.
PAUSE = 1.5
# What a name's records are asked for; anything else is a setting that nobody could make.
TYPES = frozenset(
    {
        "A",
        "AAAA",
        "CAA",
        "CNAME",
        "DNSKEY",
        "DS",
        "HTTPS",
        "MX",
        "NAPTR",
        "NS",
        "PTR",
        "SOA",
        "SRV",
        "SVCB",
        "TLSA",
        "TXT",
    }
)


@dataclass(frozen=True, slots=True)
class Server:
    """A name server, and how a socket for it is made."""

    datagram: Callable[[], socket.socket]
    stream: Callable[[], Awaitable[socket.socket]]


async def look_at_name(dialer: Dialer, sight: Sight) -> None:
    """Ask for a name's records. Raises Failure where there are none, and what the network raises."""
    target = sight.target
    question = question_of(target)
    sight.host = str(question.question[0].name).rstrip(".") or "."
    servers = await servers_for(dialer, sight)
    with sight.way.timed("first_byte"):
        answer = await ask(servers, question)
    judge(sight, question, answer)


def question_of(target: Target) -> dns.message.Message:
    """The question that a target asks. Raises Failure where it is none."""
    kind = target.dns_record_type.upper()
    try:
        if kind not in TYPES:
            raise ValueError
        name = dns.name.from_text(host_and_port(target.url)[0] if "/" in target.url else target.url)
    except (ValueError, dns.exception.DNSException, UnicodeError):
        words = f"There can be no question for {kind} of {target.url}."
        raise Failure(Code.OTHER, words, Status.INCONCLUSIVE) from None
    return dns.message.make_query(name, kind, use_edns=0, payload=1232, id=secrets.randbits(16))


async def servers_for(dialer: Dialer, sight: Sight) -> list[Server]:
    """Whom to ask. Raises Failure, and what looking up the server's name raises."""
    target = sight.target
    if not target.dns_server:
        return [system_server(one) for one in lookups.name_servers()]
    try:
        host, port = host_and_port(target.dns_server, DNS_PORT)
    except ValueError as error:
        raise Failure(Code.OTHER, f"The name server: {error}", Status.INCONCLUSIVE) from None
    assert port is not None
    addresses = await dialer.look_up(host, port, sight.way, target.ip_version)
    sight.way.addresses = []
    return [server_at(dialer, one, port, sight) for one in addresses]


def server_at(dialer: Dialer, address: Address, port: int, sight: Sight) -> Server:
    """A server that the target names."""
    return Server(
        lambda: dialer.open_datagram(address, port),
        lambda: dialer.connect(str(address), port, sight.way),
    )


def system_server(address: str) -> Server:
    """One of the system's own."""

    async def stream() -> socket.socket:
        opened = lookups.open_to_server(address, DNS_PORT, socket.SOCK_STREAM)
        await asyncio.get_running_loop().sock_connect(opened, (address, DNS_PORT))
        return opened

    return Server(lambda: lookups.open_to_server(address, DNS_PORT), stream)


async def ask(servers: Sequence[Server], question: dns.message.Message) -> dns.message.Message:
    """The answer of the first server that gives one; asks on without end, since the caller has a deadline."""
    refused: OSError | None = None
    for turn in range(1_000):
        server = servers[turn % len(servers)]
        try:
            async with asyncio.timeout(PAUSE):
                answer = await ask_by_datagram(server, question)
        except TimeoutError:
            continue
        except OSError as error:  # nothing listens there
            if turn >= len(servers):
                raise error if refused is None else refused from None
            refused = refused or error
            continue
        return await ask_by_stream(server, question) if answer.flags & dns.flags.TC else answer
    raise AssertionError("nobody waits so long")


async def ask_by_datagram(server: Server, question: dns.message.Message) -> dns.message.Message:
    """Ask by UDP, and pass over what is no answer to it."""
    loop = asyncio.get_running_loop()
    with server.datagram() as opened:
        await loop.sock_sendall(opened, question.to_wire())
        while True:
            if (answer := read_answer(await loop.sock_recv(opened, LONGEST_ANSWER), question)) is not None:
                return answer


async def ask_by_stream(server: Server, question: dns.message.Message) -> dns.message.Message:
    """Ask by TCP. Raises EOFError, Failure."""
    loop = asyncio.get_running_loop()
    with await server.stream() as opened:
        wire = question.to_wire()
        await loop.sock_sendall(opened, struct.pack("!H", len(wire)) + wire)
        length: int = struct.unpack("!H", await read_exactly(opened, 2))[0]
        answer = read_answer(await read_exactly(opened, length), question)
    if answer is None:
        raise Failure(Code.DNS_ERROR, "What the name server answered is not DNS.")
    return answer


async def read_exactly(opened: socket.socket, length: int) -> bytes:
    """So many bytes of a connection. Raises EOFError."""
    loop, found = asyncio.get_running_loop(), b""
    while len(found) < length:
        piece = await loop.sock_recv(opened, length - len(found))
        if not piece:
            raise EOFError
        found += piece
    return found


def read_answer(wire: bytes, question: dns.message.Message) -> dns.message.Message | None:
    """A message, if it is an answer to a question."""
    try:
        answer = dns.message.from_wire(wire, ignore_trailing=True, raise_on_truncation=False)
        return answer if question.is_response(answer) else None
    except (dns.exception.DNSException, ValueError, struct.error, IndexError):
        return None


def judge(sight: Sight, question: dns.message.Message, answer: dns.message.Message) -> None:
    """Keep the records. Raises Failure unless they are what the target wants."""
    asked, host = question.question[0], sight.host
    kind = dns.rdatatype.to_text(asked.rdtype)
    rcode = answer.rcode()
    if rcode == dns.rcode.NXDOMAIN:
        raise Failure(Code.DNS_ERROR, f"The name {host} does not exist.")
    if rcode != dns.rcode.NOERROR:
        raise Failure(Code.DNS_ERROR, f"The name server answered {dns.rcode.to_text(rcode)} for {host}.")
    found = [text for rrset in answer.answer if rrset.rdtype == asked.rdtype for text in map(text_of, rrset)]
    sight.records = tuple(one[:LONGEST_RECORD] for one in sorted(found)[:MOST_RECORDS])
    sight.excerpt = readable("\n".join(sorted(found)))
    if not found:
        raise Failure(Code.DNS_ERROR, f"The name {host} has no {kind} record.")
    keyword = sight.target.required_keyword
    if keyword and not any(has(one, keyword, sight.target.keyword_case_sensitive) for one in found):
        raise Failure(Code.KEYWORD_MISSING, f"No {kind} record of {host} has the keyword.")


def has(record: str, keyword: str, case_sensitive: bool) -> bool:
    """Whether a record has a keyword."""
    return keyword in record if case_sensitive else keyword.casefold() in record.casefold()


def text_of(record: object) -> str:
    """A record as text."""
    if isinstance(record, dns.rdtypes.txtbase.TXTBase):
        return b"".join(record.strings).decode("utf-8", "replace")
    return str(record)
