"""
Load over HTTP: one thread, many kept connections, each with one request on its way at a time.

What costs the machine is to be the server, not we: requests are given as bytes, and of an answer only its status and
its end are looked at (about 20 µs of CPU each). Not here: what is asked, and what the figures mean.
"""

import select
import socket
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.running import HOST

# Somebody who waits longer for an answer has none.
PATIENCE = 30.0  # seconds


@dataclass
class Load:
    """What came of a drive. Times are in seconds; `latencies` are those of all answers."""

    elapsed: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    last_body: bytes = b""

    @property
    def answered(self) -> int:
        """How many requests were answered."""
        return len(self.latencies)

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.answered / self.elapsed


def request(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """A request's bytes; underscores in the names of headers are hyphens."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body or method != "GET":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


class _Line:
    """One connection."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.connect()

    def connect(self) -> None:
        self.socket = socket.create_connection((HOST, self.port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.heard = b""
        self.asked_at = 0.0

    def ask(self, what: bytes, now: float) -> None:
        self.asked_at = now
        self.socket.sendall(what)

    def hear(self) -> tuple[int, bytes] | None:
        """(status, body) when the answer is whole. Raises ConnectionError."""
        piece = self.socket.recv(262_144)
        if not piece:
            raise ConnectionError("closed")
        self.heard += piece
        head_end = self.heard.find(b"\r\n\r\n")
        if head_end < 0:
            return None
        head = self.heard[:head_end].lower()
        at = head.find(b"content-length:")
        if at < 0:
            if not self.heard.endswith(b"0\r\n\r\n"):  # in chunks
                return None
            length = len(self.heard) - head_end - 4
        else:
            length = int(head[at + 15 :].split(b"\r\n", 1)[0])
        if len(self.heard) < head_end + 4 + length:
            return None
        body, self.heard = self.heard[head_end + 4 :], b""
        return int(head[9:12]), body


def drive(
    port: int, requests: Iterator[bytes], *, connections: int = 8, seconds: float = 5.0, rate: float | None = None
) -> Load:
    """
    Send requests over so many connections for so long, as fast as they are answered or `rate` a second.

    At a rate, a request's time runs from when it was due, not from when a connection was free for it: a server that
    stalls is not spared the requests that should have come meanwhile. Status 0 counts connections that broke.
    """
    driver = _Driver(port, requests, connections, rate)
    driver.run(seconds)
    return driver.load


class _Driver:
    """Who sends: over which lines, which of them are idle, and what has come of it."""

    def __init__(self, port: int, requests: Iterator[bytes], connections: int, rate: float | None) -> None:
        self.requests = requests
        self.rate = rate
        self.sent = 0
        self.load = Load()
        self.poll = select.epoll()
        self.lines: dict[int, _Line] = {}  # by their descriptors
        self.idle: list[_Line] = []
        for _ in range(connections):
            self.take_up(_Line(port))

    def take_up(self, line: _Line) -> None:
        """Listen on a line that is newly connected, and idle."""
        self.lines[line.socket.fileno()] = line
        self.poll.register(line.socket.fileno(), select.EPOLLIN)
        self.idle.append(line)

    def run(self, seconds: float) -> None:
        """Send for so long, and wait for the last answers."""
        self.begun = time.perf_counter()
        self.end = self.begun + seconds
        self.send_what_is_due()
        while self.is_going_on(time.perf_counter()):
            for descriptor, _ in self.poll.poll(0.001 if self.rate and self.idle else 0.1):
                self.listen(descriptor)
            self.send_what_is_due()
        self.load.elapsed = time.perf_counter() - self.begun
        for line in self.lines.values():
            line.socket.close()
        self.poll.close()

    def is_going_on(self, now: float) -> bool:
        """Whether there is still something to send or, within our patience, to hear."""
        return now < self.end or (len(self.idle) < len(self.lines) and now <= self.end + PATIENCE)

    def send_what_is_due(self) -> None:
        """Send over idle lines what ought to be on its way by now."""
        now = time.perf_counter()
        while self.idle and now < self.end:
            due = self.begun + self.sent / self.rate if self.rate else now
            what = next(self.requests, None) if due <= now else None
            if what is None:
                return
            self.sent += 1
            self.idle.pop().ask(what, due)

    def listen(self, descriptor: int) -> None:
        """Note what a line has to say; one that broke is connected anew."""
        line = self.lines[descriptor]
        try:
            answer = line.hear()
        except OSError:
            self.load.statuses[0] += 1
            self.poll.unregister(descriptor)
            del self.lines[descriptor]
            line.socket.close()
            line.connect()
            self.take_up(line)
            return
        if answer:
            self.load.latencies.append(time.perf_counter() - line.asked_at)
            self.load.statuses[answer[0]] += 1
            self.load.last_body = answer[1]
            self.idle.append(line)
