"""
What the system's resolver says of a host's name: asked in threads of our own, once for all who ask at a time.

A name whose servers are silent is given up by the system after some 30 seconds, longer than anybody waits for it; so
there are many threads, and who stops waiting leaves the question behind. Not here: whether an address may be gone to
(config.networks), and connections (config.egress, config.dialing).

`answers` tells a name that nobody knows from a resolver that knows no name: it asks the system's name servers for the
root's, which every resolver has an answer to.
"""

import asyncio
import secrets
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import ip_address
from pathlib import Path

# Names that are asked for at the same time; even so many silent ones must not keep others from being asked for.
RESOLVING_AT_ONCE = 256
# Seconds for which it is remembered that the resolver answers, or does not, and for which it is waited.
REMEMBERED = 5.0
PATIENCE = 2.0
RESOLV_CONF = Path("/etc/resolv.conf")
MOST_SERVERS = 3
NO_ERROR, NO_SUCH_NAME = 0, 3


class SystemResolver:
    """Asks the system's resolver, without blocking the event loop."""

    def __init__(self) -> None:
        self.threads = ThreadPoolExecutor(RESOLVING_AT_ONCE, "resolving")
        self.asked: dict[str, asyncio.Future[list[str]]] = {}
        self.known: tuple[float, asyncio.Task[bool]] | None = None

    async def ask(self, host: str) -> list[str]:
        """The addresses that a name leads to; those who ask for it at the same time hear the same. Raises OSError."""
        if host not in self.asked:
            self.asked[host] = asyncio.get_running_loop().run_in_executor(self.threads, look_up, host)
            self.asked[host].add_done_callback(partial(self._heard, host))
        return await asyncio.shield(self.asked[host])

    def _heard(self, host: str, answer: asyncio.Future[list[str]]) -> None:
        """A name is asked for anew next time; its answer may have come after everybody's patience."""
        del self.asked[host]
        if not answer.cancelled():
            answer.exception()

    async def answers(self) -> bool:
        """Whether the system's name servers answer at all. Those who ask within some seconds hear the same."""
        now = time.monotonic()
        if self.known is None or now - self.known[0] > REMEMBERED:
            self.known = now, asyncio.create_task(any_answers(name_servers()))
        return await asyncio.shield(self.known[1])

    def close(self) -> None:
        """Let nobody wait for names that nobody waits for any more."""
        self.threads.shutdown(wait=False, cancel_futures=True)


def look_up(host: str) -> list[str]:
    """The addresses that the system's resolver says; waits for them. Raises OSError."""
    return [str(place[0]) for *_, place in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]


def name_servers() -> list[str]:
    """The addresses of the system's name servers."""
    try:
        lines = RESOLV_CONF.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    words = [line.split() for line in lines]
    return [each[1] for each in words if len(each) > 1 and each[0] == "nameserver"][:MOST_SERVERS] or ["127.0.0.1"]


async def any_answers(servers: list[str], port: int = 53) -> bool:
    """Whether one of some name servers can say who the root's are."""
    questions = [asyncio.create_task(says_the_root(server, port)) for server in servers]
    try:
        for each in asyncio.as_completed(questions):
            if await each:
                return True
        return False
    finally:
        for question in questions:
            question.cancel()


async def says_the_root(server: str, port: int) -> bool:
    """Ask a name server for the root's; whether it has an answer."""
    number = secrets.token_bytes(2)
    question = number + bytes.fromhex("0100 0001 0000 0000 0000 00 0002 0001")
    loop = asyncio.get_running_loop()
    try:
        with open_to_server(server, port) as opened:
            async with asyncio.timeout(PATIENCE):
                await loop.sock_sendall(opened, question)
                while not (answer := await loop.sock_recv(opened, 4096)).startswith(number):
                    pass
    except (OSError, ValueError):
        return False
    return len(answer) > 3 and answer[3] & 15 in (NO_ERROR, NO_SUCH_NAME)


def open_to_server(server: str, port: int, kind: int = socket.SOCK_DGRAM) -> socket.socket:
    """
    A socket for one of the system's own name servers, which hears of no other; of a stream, not connected yet. No table
    of networks counts here, since the machine asks there all the time. Raises OSError.
    """
    family = socket.AF_INET if ip_address(server).version == 4 else socket.AF_INET6
    opened = socket.socket(family, kind | socket.SOCK_NONBLOCK)
    try:
        if kind == socket.SOCK_DGRAM:
            opened.connect((server, port))
    except BaseException:
        opened.close()
        raise
    return opened
