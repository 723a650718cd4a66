"""
Looking at a host by ping: one of three ICMP echoes is answered.

An echo goes out by a socket that needs no rights, where the system lets everybody ping (`net.ipv4.ping_group_range`),
else by a raw one, else by the program `ping`. Each has a number and 16 bytes that nobody could guess, and only what has
these is an answer to it. Where none of the three may, nothing was seen, and the cause names the setting.

Source: RFC 792, RFC 4443; Linux, icmp(7).
"""

import asyncio
import os
import re
import secrets
import shutil
import socket
import struct
from contextlib import suppress

from config.addresses import host_and_port
from config.dialing import Dialer, one_of_each_family, race
from config.networks import Address
from monitors.probes.result import Code, Status
from monitors.probes.sight import Failure, Sight

ECHOES = 3
# Seconds between echoes; less where the time is short.
PAUSE = 1.0
TOKEN = 16
PAYLOAD = 56
LONGEST_ANSWER = 2048
REQUEST, REPLY = {4: 8, 6: 128}, {4: 0, 6: 129}
MAY_NOT = (
    "This checker may not ping. On its machine set the sysctl net.ipv4.ping_group_range to '0 2147483647', or give it "
    "the right CAP_NET_RAW, or install the program ping."
)

_time = re.compile(rb"time[=<]([0-9.]+) ?ms").search


async def look_at_host(dialer: Dialer, sight: Sight) -> None:
    """Ping a host. Raises Failure where no echo is answered or none may be sent, and what the network raises."""
    target = sight.target
    try:
        sight.host, _ = host_and_port(target.url)
    except ValueError as error:
        raise Failure(Code.OTHER, str(error), Status.INCONCLUSIVE) from None
    addresses = one_of_each_family(await dialer.look_up(sight.host, None, sight.way, target.ip_version))
    seconds = target.request_timeout

    async def attempt(address: Address) -> float:
        opened = open_socket(dialer, address)
        if opened is None:
            return await ask_program(sight.host, address, seconds)
        with opened:
            return await Echoes(opened, address).answered(min(PAUSE, seconds / (ECHOES + 1)))

    sight.way.phase = "ping"
    sight.way.seconds["first_byte"], sight.way.address = await race(addresses, attempt)


def open_socket(dialer: Dialer, address: Address) -> socket.socket | None:
    """A socket for echoes to an address; None where none is allowed."""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            opened = dialer.open_icmp(address, kind)
        except OSError:
            continue
        try:
            if kind == socket.SOCK_DGRAM:
                with suppress(OSError):  # the kernel takes another number then
                    opened.bind(("0.0.0.0" if address.version == 4 else "::", secrets.randbelow(65_535) + 1))  # noqa: S104
            opened.connect((str(address), 0))
        except BaseException:
            opened.close()
            raise
        return opened
    return None


class Echoes:
    """Echoes to one address over one socket, and what answers them."""

    def __init__(self, opened: socket.socket, address: Address) -> None:
        self.opened = opened
        self.version = address.version
        self.is_raw = opened.type & socket.SOCK_RAW == socket.SOCK_RAW
        self.number = secrets.randbits(16)
        self.token = secrets.token_bytes(TOKEN)
        self.sent: dict[int, float] = {}

    async def answered(self, pause: float) -> float:
        """Send echoes, and wait until one is answered, without end; how long that one took, in seconds."""
        loop = asyncio.get_running_loop()
        await self._send(1)  # which fails where there is no way
        sending = asyncio.create_task(self._send_others(pause))
        try:
            while True:
                answer = await self._received(loop)
                if (order := self.order_of(answer)) is not None:
                    return loop.time() - self.sent[order]
        finally:
            sending.cancel()

    async def _send(self, order: int) -> None:
        loop = asyncio.get_running_loop()
        self.sent[order] = loop.time()
        await loop.sock_sendall(self.opened, self.echo(order))

    async def _send_others(self, pause: float) -> None:
        for order in range(2, ECHOES + 1):
            await asyncio.sleep(pause)
            with suppress(OSError):  # what came back for an earlier one
                await self._send(order)

    async def _received(self, loop: asyncio.AbstractEventLoop) -> bytes:
        try:
            return await loop.sock_recv(self.opened, LONGEST_ANSWER)
        except OSError:
            return b""  # a router's word, which a later echo may prove wrong

    def echo(self, order: int) -> bytes:
        """A request."""
        payload = self.token + bytes(PAYLOAD - TOKEN)
        kind = REQUEST[self.version]
        head = struct.pack("!BBHHH", kind, 0, 0, self.number, order)
        # For IPv6, and for a socket without rights, the kernel fills the checksum in.
        return struct.pack("!BBHHH", kind, 0, checksum(head + payload), self.number, order) + payload

    def order_of(self, answer: bytes) -> int | None:
        """Which echo is answered by what came; None if none is."""
        if self.is_raw and self.version == 4 and answer:
            answer = answer[(answer[0] & 15) * 4 :]  # the IP header comes with it
        if len(answer) < 8 + TOKEN or answer[0] != REPLY[self.version] or answer[8 : 8 + TOKEN] != self.token:
            return None
        order: int = struct.unpack("!H", answer[6:8])[0]
        return order if order in self.sent else None


def checksum(data: bytes) -> int:
    """The Internet's checksum (RFC 1071)."""
    words = struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2))
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


async def ask_program(host: str, address: Address, timeout: float) -> float:
    """Ping by the program; seconds. Raises Failure where there is none, where it may not, and where nothing answers."""
    program = shutil.which("ping")
    if program is None:
        raise Failure(Code.OTHER, MAY_NOT, Status.INCONCLUSIVE)
    seconds = max(1, round(timeout))
    running = await asyncio.create_subprocess_exec(
        program, "-n", f"-{address.version}", "-c", str(ECHOES), "-W", str(seconds), str(address),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        env={"LC_ALL": "C", "PATH": os.environ.get("PATH", "")},
    )  # fmt: skip
    assert running.stdout is not None
    try:
        said = False
        async for line in running.stdout:
            said = True
            if found := _time(line):
                return float(found[1]) / 1000
        if await running.wait() not in (0, 1) or not said:
            raise Failure(Code.OTHER, MAY_NOT, Status.INCONCLUSIVE)
        raise Failure(Code.TIMEOUT, f"{host} answered none of {ECHOES} pings.")
    finally:
        with suppress(ProcessLookupError):
            running.kill()
        await running.wait()
