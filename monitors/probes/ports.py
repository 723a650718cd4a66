"""Looking at a port: tcp (it takes a connection), tls (and a handshake), udp (and answers something)."""

import asyncio
import socket
import ssl

from config.addresses import host_and_port
from config.dialing import Dialer, one_of_each_family, race
from config.networks import Address
from monitors.probes.bodies import holds
from monitors.probes.result import Code, Status
from monitors.probes.sight import Failure, Sight, readable
from monitors.probes.streams import open_wire
from monitors.probes.target import USUAL_PORTS, Target

# A datagram can be lost by anybody's fault: it is sent again after a third and two thirds of the time.
TRIES = 3
LONGEST_DATAGRAM = 65_535


def place_of(target: Target) -> tuple[str, int]:
    """Host and port of a target. Raises Failure where it has none."""
    try:
        host, port = host_and_port(target.url, target.port)
    except ValueError as error:
        raise Failure(Code.OTHER, str(error), Status.INCONCLUSIVE) from None
    port = port or USUAL_PORTS.get(target.type)
    if port is None:
        raise Failure(Code.OTHER, "The monitor has no port.", Status.INCONCLUSIVE)
    return host, port


async def look_at_tcp(dialer: Dialer, sight: Sight) -> None:
    """Connect, and no more. Raises what the network raises."""
    sight.host, port = place_of(sight.target)
    (await dialer.connect(sight.host, port, sight.way, sight.target.ip_version)).close()


async def look_at_tls(dialer: Dialer, sight: Sight, context: ssl.SSLContext) -> None:
    """Connect and shake hands. Raises what the network raises."""
    sight.host, port = place_of(sight.target)
    (await open_wire(dialer, sight, sight.host, port, context)).close()


async def look_at_udp(dialer: Dialer, sight: Sight) -> None:
    """Send `request_body`, and hear anything, with the keyword in it if there is one."""
    target, way = sight.target, sight.way
    sight.host, port = place_of(target)
    addresses = one_of_each_family(await dialer.look_up(sight.host, port, way, target.ip_version))
    body, pause = (target.request_body or "").encode(), target.request_timeout / TRIES

    async def attempt(address: Address) -> bytes:
        with dialer.open_datagram(address, port) as opened:
            return await _answer(opened, body, pause)

    try:
        with way.timed("first_byte"):
            answer, way.address = await race(addresses, attempt)
    except ConnectionRefusedError:
        raise Failure(Code.CONNECTION_ERROR, f"Nothing listens at UDP port {port} of {sight.host}.") from None
    text = answer.decode("utf-8", "replace")
    sight.excerpt = readable(text)
    keyword = target.required_keyword
    if keyword and not holds(answer, text, keyword, case_sensitive=target.keyword_case_sensitive):
        raise Failure(Code.KEYWORD_MISSING, f"The keyword is not in the answer of {sight.host}.")


async def _answer(opened: socket.socket, body: bytes, pause: float) -> bytes:
    """Send, and wait for an answer; without end after the last try, since the caller has a deadline."""
    loop = asyncio.get_running_loop()
    for remaining in reversed(range(TRIES)):
        await loop.sock_sendall(opened, body)
        try:
            async with asyncio.timeout(pause if remaining else None):
                return await loop.sock_recv(opened, LONGEST_DATAGRAM)
        except TimeoutError:
            continue
    raise AssertionError("the last wait has no end")
