"""
The way out for what monitors look at: connections to where people's targets lead, each address looked at first.

    dialer = Dialer(table)                       # config.networks.NetworkTable; may be replaced at any time
    way = Way()                                  # how it went: kept even where it fails
    connected = await dialer.connect("db.example", 5432, way)

A host's name is asked for anew each time. Of the addresses that it leads to those that may not be looked at are left
out; where none is left, that is Refused. The others are tried as RFC 8305 (happy eyeballs) says: IPv6 and IPv4 in
turn, the next one after a quarter of a second or as soon as one fails, and the first that answers counts. Sockets are
made here and nowhere else, for exactly the address that was looked at.

Nothing here has a deadline: whoever calls sets one (asyncio.timeout), and `Way.phase` says how far it came. Not here:
what webhooks are sent by (config.egress), what a name's records are (monitors.probes.records).

Source: RFC 8305.
"""

import asyncio
import errno
import socket
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address
from itertools import chain, zip_longest
from typing import TypeVar

from psycopg import conninfo

from config.lookups import SystemResolver
from config.networks import OUR_DATABASE, Address, NetworkTable

# Seconds until the next address is tried beside one that is silent.
ATTEMPT_DELAY = 0.25
# Addresses and ports that are remembered, with what the table says of them.
MOST_JUDGED = 100_000
# Seconds for which an answer tells that our resolver answers.
ANSWERED_WITHIN = 10.0
# Addresses that are tried, of each family.
MOST_TRIED = 4

LOOPBACK = frozenset({ip_address("127.0.0.1"), ip_address("::1")})

OPENS = "The setting WATCHKEEPER_MONITOR_NETWORKS opens networks."

Found = TypeVar("Found")
# A host's name → the addresses that it leads to. Raises OSError where it leads nowhere.
Resolve = Callable[[str], Awaitable[Sequence[str]]]


class Refused(Exception):
    """Nothing may look there, and nothing did. The text is a sentence."""


class LeadsNowhere(Exception):
    """A name that has no address, or none of the family that is asked for."""


class Unanswered(Exception):
    """A look-up that was answered neither yes nor no."""


@dataclass(slots=True)
class Way:
    """How a connection went: seconds of each phase, added up over redirects; where it led; the phase that it is in."""

    phase: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    addresses: list[Address] = field(default_factory=list)  # all that the first name led to
    address: Address | None = None  # the one that was connected to last
    broken: Exception | None = None  # by what a connection was ended that stood

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Count the time of what is done meanwhile to a phase."""
        self.phase = phase
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[phase] = self.seconds.get(phase, 0.0) + time.perf_counter() - began


class Dialer:
    """Looks names up, and connects to what may be looked at. For tests, `resolve` stands in for the system's."""

    def __init__(self, table: NetworkTable, *, resolve: Resolve | None = None) -> None:
        self.judged: dict[tuple[Address, int | None], str | None] = {}
        self.table = table
        self.system = SystemResolver()
        self.resolve = resolve or self.system.ask
        self.answered = float("-inf")  # when a name was last answered for, with yes or no

    async def connect(self, host: str, port: int, way: Way, ip_version: str | None = None) -> socket.socket:
        """A connected TCP socket. Raises Refused, LeadsNowhere, Unanswered, OSError."""
        addresses = await self.look_up(host, port, way, ip_version)
        with way.timed("connect"):
            connected, way.address = await race(addresses, lambda address: self._attempt(address, port))
        return connected

    async def look_up(self, host: str, port: int | None, way: Way, ip_version: str | None = None) -> list[Address]:
        """The addresses of a host to try, in order. Raises Refused, LeadsNowhere, Unanswered."""
        if (address := parsed(host)) is not None:
            found = [address]
        else:
            with way.timed("name"):
                found = await self._ask(host)
        if not way.addresses:
            way.addresses = found
        wanted = found if ip_version is None else [one for one in found if ip_version == f"ipv{one.version}"]
        if not wanted:
            raise LeadsNowhere(f"{host} has no {'IPv6' if ip_version == 'ipv6' else 'IPv4'} address.")
        allowed = [one for one in wanted if self.forbids(one, port) is None]
        if not allowed:
            raise Refused(refusal(host, wanted[0], self.forbids(wanted[0], port)))
        if len(allowed) == 1:
            return allowed
        six, four = ([one for one in allowed if one.version == version][:MOST_TRIED] for version in (6, 4))
        return [one for one in chain.from_iterable(zip_longest(six, four)) if one is not None]

    @property
    def table(self) -> NetworkTable:
        """Where monitors may look."""
        return self._table

    @table.setter
    def table(self, table: NetworkTable) -> None:
        self._table = table
        self.judged.clear()

    def forbids(self, address: Address, port: int | None) -> str | None:
        """Why nothing may look at a port of an address; None if it may."""
        place = (address, port)
        if place not in self.judged:
            if port is not None and any((one, port) in self.table.closed for one in LOOPBACK):
                return OUR_DATABASE if is_own(address) else self.table.forbids(address, port)
            if len(self.judged) >= MOST_JUDGED:
                self.judged.clear()
            self.judged[place] = self.table.forbids(address, port)
        return self.judged[place]

    async def _ask(self, host: str) -> list[Address]:
        """What a name leads to, each address once."""
        try:
            found = [parsed(text) or ip_address(text) for text in await self.resolve(host)]
        except socket.gaierror as error:
            if error.errno in (socket.EAI_AGAIN, socket.EAI_SYSTEM, socket.EAI_MEMORY):
                raise Unanswered(f"The look-up of {host} got no answer.") from None
            self.answered = time.monotonic()
            raise LeadsNowhere(f"The name {host} does not exist, or has no address.") from None
        except (OSError, UnicodeError):
            raise LeadsNowhere(f"The name {host} leads nowhere.") from None
        if not found:
            raise LeadsNowhere(f"The name {host} does not exist, or has no address.")
        self.answered = time.monotonic()
        return list(dict.fromkeys(found))

    async def resolver_answers(self) -> bool:
        """Whether our resolver answers for any name: it did lately, or does when it is asked."""
        return time.monotonic() - self.answered < ANSWERED_WITHIN or await self.system.answers()

    async def _attempt(self, address: Address, port: int) -> socket.socket:
        """Connect to one address."""
        opened = self._open(address, port, socket.SOCK_STREAM)
        try:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().sock_connect(opened, (str(address), port))
        except BaseException:
            opened.close()
            raise
        return opened

    def open_datagram(self, address: Address, port: int) -> socket.socket:
        """A UDP socket that sends to one address and hears of no other."""
        opened = self._open(address, port, socket.SOCK_DGRAM)
        try:
            opened.connect((str(address), port))
        except BaseException:
            opened.close()
            raise
        return opened

    def open_icmp(self, address: Address, kind: int) -> socket.socket:
        """A socket for echoes to one address: SOCK_DGRAM, where the system lets everybody have it, or SOCK_RAW."""
        protocol = socket.IPPROTO_ICMP if address.version == 4 else socket.getprotobyname("ipv6-icmp")
        return self._open(address, None, kind, protocol)

    def _open(self, address: Address, port: int | None, kind: int, protocol: int = 0) -> socket.socket:
        """A socket for an address; looked at once more, for this is where we go out."""
        if why := self.forbids(address, port):
            raise Refused(refusal(str(address), address, why))
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        return socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)

    def close(self) -> None:
        """Let nobody wait for names that nobody waits for any more."""
        self.system.close()


@lru_cache(16_384)
def parsed(text: str) -> Address | None:
    """An address, remembered; None for a name."""
    try:
        return ip_address(text)
    except ValueError:
        return None


async def race(addresses: Sequence[Address], attempt: Callable[[Address], Awaitable[Found]]) -> tuple[Found, Address]:
    """
    The first success among attempts at some addresses, the next begun after a moment or as soon as one failed; and
    whose it was. Raises what the first of them failed with, but rather what tells of a target than of ourselves.
    """
    if len(addresses) == 1:
        return await attempt(addresses[0]), addresses[0]
    attempts: dict[asyncio.Future[Found], Address] = {}
    waiting = list(addresses)
    errors: dict[Address, BaseException] = {}
    try:
        while True:
            if waiting:
                address = waiting.pop(0)
                attempts[asyncio.ensure_future(attempt(address))] = address
            patience = ATTEMPT_DELAY if waiting else None
            done, _ = await asyncio.wait(attempts, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                if (error := one.exception()) is None:
                    return one.result(), attempts.pop(one)
                errors[attempts.pop(one)] = error
            if not attempts and not waiting:
                raise min(errors.items(), key=lambda each: (is_ours(each[1]), addresses.index(each[0])))[1]
    finally:
        await _forget(attempts)


async def _forget(attempts: dict[asyncio.Future[Found], Address]) -> None:
    """End what is still being tried, and close what came of it meanwhile."""
    for attempt in attempts:
        attempt.cancel()
    for outcome in await asyncio.gather(*attempts, return_exceptions=True):
        if isinstance(outcome, socket.socket):
            outcome.close()


def one_of_each_family(addresses: Sequence[Address]) -> list[Address]:
    """The first IPv6 and the first IPv4 address of some: enough for what has no connections."""
    return list({address.version: address for address in reversed(addresses)}.values())[::-1]


def refusal(host: str, address: Address, why: str | None) -> str:
    """Why nothing looks there, and which setting opens it; without what a name led to, which is nobody's affair."""
    if str(address) == host:
        return f"{host} may not be looked at: {why}. {OPENS}"
    return f"{host} leads only to addresses that may not be looked at. {OPENS}"


# What says that this machine can't go out at all, or has no more sockets: nothing that a target could do.
OURS = {
    errno.ENETUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EMFILE, errno.ENFILE,
    errno.ENOBUFS, errno.ENOMEM, errno.EPERM, errno.EACCES,
}  # fmt: skip


def is_ours(error: BaseException) -> bool:
    """Whether a connection failed for a reason on our own side."""
    return isinstance(error, OSError) and error.errno in OURS


def closed_places(database_url: str) -> frozenset[tuple[Address, int]]:
    """
    Where our own database listens, as a libpq URL says: addresses and port, asked of the system's resolver (which
    waits). Loopback stands for every address of this machine.
    """
    parts = conninfo.conninfo_to_dict(database_url)
    hosts = str(parts.get("hostaddr") or parts.get("host") or "").split(",")
    ports = str(parts.get("port") or "5432").split(",")
    found: set[tuple[Address, int]] = set()
    for number, host in enumerate(hosts):
        port = int(ports[min(number, len(ports) - 1)] or 5432)
        addresses = _resolved(host) if host and not host.startswith(("/", "@")) else LOOPBACK
        if any(is_own(address) for address in addresses):
            addresses = addresses | LOOPBACK
        found |= {(address, port) for address in addresses}
    return frozenset(found)


def is_own(address: Address) -> bool:
    """Whether an address is this machine's: only to such a one can a socket be bound."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as trial:
            trial.bind((str(address), 0))
    except OSError:
        return False
    return True


def _resolved(host: str) -> frozenset[Address]:
    try:
        return frozenset(ip_address(str(place[0])) for *_, place in socket.getaddrinfo(host, None))
    except (OSError, UnicodeError, ValueError):
        return frozenset()
