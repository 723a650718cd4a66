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

HOST = "127.0.0.1"
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
    lines = [_Line(port) for _ in range(connections)]
    by_descriptor = {line.socket.fileno(): line for line in lines}
    poll = select.epoll()
    for descriptor in by_descriptor:
        poll.register(descriptor, select.EPOLLIN)
    load = Load()
    clock = time.perf_counter
    begun = clock()
    end = begun + seconds
    sent = 0
    idle = list(lines)

    def send_what_is_due() -> None:
        nonlocal sent
        now = clock()
        while idle and now < end:
            due = begun + sent / rate if rate else now
            if due > now:
                return
            what = next(requests, None)
            if what is None:
                return
            sent += 1
            idle.pop().ask(what, due)

    send_what_is_due()
    while len(idle) < len(lines) or clock() < end:
        pause = 0.001 if rate and idle else 0.1
        events = poll.poll(pause)
        for descriptor, _ in events:
            line = by_descriptor[descriptor]
            try:
                answer = line.hear()
            except OSError:
                load.statuses[0] += 1
                poll.unregister(descriptor)
                del by_descriptor[descriptor]
                line.socket.close()
                line.connect()
                by_descriptor[line.socket.fileno()] = line
                poll.register(line.socket.fileno(), select.EPOLLIN)
                idle.append(line)
                continue
            if answer:
                load.latencies.append(clock() - line.asked_at)
                load.statuses[answer[0]] += 1
                load.last_body = answer[1]
                idle.append(line)
        send_what_is_due()
        if clock() > end + PATIENCE:
            break
    load.elapsed = clock() - begun
    for line in lines:
        line.socket.close()
    return load
