"""
HTTP as it goes over the wire: exact bytes to a server, and every answer that comes back, however broken the request.

For tests that send what no client library would. What is sent is tests/made.py's affair.
"""

import contextlib
import re
import selectors
import socket
import struct
import time
from dataclasses import dataclass, field

HOST = "127.0.0.1"
PIECE = 256 * 1024
_status_line = re.compile(rb"HTTP/1\.[01] ([0-9]{3})").match


@dataclass
class Answer:
    """One answer: its status (0: it was no HTTP/1), headers in lower case, body."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def __str__(self) -> str:
        return f"{self.status} {self.body[:300].decode(errors='backslashreplace')}"


@dataclass
class Heard:
    """What came back: the answers (those with a 1xx left out), and how the connection ended: closed, reset, open."""

    answers: list[Answer]
    ending: str


def exchange(
    port: int,
    request: bytes,
    then: str = "read",
    *,
    answers: int | None = None,
    patience: float = 10.0,
    head: bool = False,
    pace: tuple[int, float] = (PIECE, 0.0),
) -> Heard:
    """
    Send bytes and read the answers until the server closes, or until so many `answers` are there, or time is up.

    `then`: what we do when all is sent: `read`; `shut` our side and read; `close`; `reset`. `head`: no body comes.
    `pace`: how many bytes go out at once, and the seconds between.
    """
    with socket.create_connection((HOST, port), timeout=patience) as connection:
        connection.setblocking(False)
        line = _Line(connection, request, then, time.monotonic() + patience, pace)
        if then in ("close", "reset"):
            line.send_all()
            if then == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return Heard([], "left")
        return line.talk(answers, head)


class _Line:
    """A connection on which is sent and read at the same time, as an early answer must be seen while we still send."""

    def __init__(
        self, connection: socket.socket, request: bytes, then: str, deadline: float, pace: tuple[int, float]
    ) -> None:
        self.connection = connection
        self.left = memoryview(request)
        self.then = then
        self.deadline = deadline
        self.piece, self.pause = pace
        self.heard = bytearray()
        self.ending = "open"

    def send_all(self) -> None:
        while self.left and time.monotonic() < self.deadline:
            self.send_some()

    def talk(self, answers: int | None, head: bool) -> Heard:
        with selectors.DefaultSelector() as selector:
            selector.register(self.connection, selectors.EVENT_READ)
            sending, due = True, time.monotonic()
            while self.ending == "open" and (now := time.monotonic()) < self.deadline:
                if sending and now >= due:
                    sending, due = self.send_some(), now + self.pause
                writes = sending and not self.pause
                selector.modify(self.connection, selectors.EVENT_READ | (selectors.EVENT_WRITE if writes else 0))
                until = min(self.deadline, due) if sending and self.pause else self.deadline
                for _, ready in selector.select(max(0.0, until - time.monotonic())):
                    if ready & selectors.EVENT_READ:
                        self.read_some()
                if answers and len(parsed(bytes(self.heard), head)) >= answers:
                    break
        return Heard(parsed(bytes(self.heard), head, at_end=self.ending != "open"), self.ending)

    def send_some(self) -> bool:
        """Send on; whether there is more to send."""
        try:
            if self.left:
                self.left = self.left[self.connection.send(self.left[: self.piece]) :]
        except BlockingIOError:
            return True
        except OSError:  # it doesn't listen any more; perhaps it has said why
            self.left = memoryview(b"")
            return False
        if not self.left and self.then == "shut":
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_WR)
        return bool(self.left)

    def read_some(self) -> None:
        try:
            piece = self.connection.recv(PIECE)
        except BlockingIOError:
            return
        except OSError:
            self.ending = "reset"
            return
        self.heard += piece
        if not piece:
            self.ending = "closed"


def parsed(heard: bytes, head: bool = False, at_end: bool = False) -> list[Answer]:
    """The whole answers in some bytes; one that ends with the connection only when that is known to have ended."""
    found: list[Answer] = []
    while heard:
        top, split, rest = heard.partition(b"\r\n\r\n")
        status = _status_line(heard)
        if status is None:
            return [*found, Answer(0, {}, heard)]
        if not split:
            return found
        answer = Answer(int(status[1]), _headers(top))
        if answer.status < 200:
            heard = rest
            continue
        bodiless = head or answer.status in (204, 304)
        body = (b"", rest) if bodiless else _body(answer.headers, rest, at_end)
        if body is None:
            return found
        answer.body, heard = body
        found.append(answer)
    return found


def _headers(top: bytes) -> dict[str, str]:
    lines = top.decode("latin-1").split("\r\n")[1:]
    return {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _body(headers: dict[str, str], rest: bytes, at_end: bool) -> tuple[bytes, bytes] | None:
    """The body and what stands behind it; None while it isn't all there."""
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return _chunks(rest)
    if "content-length" in headers:
        length = int(headers["content-length"])
        return (rest[:length], rest[length:]) if len(rest) >= length else None
    return (rest, b"") if at_end else None


def _chunks(rest: bytes) -> tuple[bytes, bytes] | None:
    body = b""
    while True:
        size, split, rest = rest.partition(b"\r\n")
        if not split or len(rest) < int(size, 16) + 2:
            return None
        length = int(size, 16)
        if length == 0:
            return body, rest[2:]
        body, rest = body + rest[:length], rest[length + 2 :]
