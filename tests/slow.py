"""
Readers of streamed answers who take their time: each reads as much as it is told to, and sees how the answer ends.

For tests against a real server. Not here: what is asked for.
"""

import contextlib
import socket
import time
from collections.abc import Mapping

HOST = "127.0.0.1"
END = b"\r\n0\r\n\r\n"


class Reader:
    """One GET over a connection of its own, whose answer comes in chunks. Its kernel buffers next to nothing."""

    def __init__(self, port: int, path: str, headers: Mapping[str, str] | None = None, *, patience: float = 20) -> None:
        self.line = socket.socket()
        self.line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.line.settimeout(patience)
        self.line.connect((HOST, port))
        said = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        self.line.sendall(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n{said}\r\n".encode())
        self.heard = b""

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self.line.close()

    def until(self, text: bytes) -> bytes:
        """Read until this was heard. Everything that was."""
        while text not in self.heard:
            piece = self.line.recv(65536)
            if not piece:
                raise AssertionError(f"the answer ended: {self.heard[-500:]!r}")
            self.heard += piece
        return self.heard

    @property
    def status(self) -> int:
        """The status of the answer."""
        return int(self.until(b"\r\n\r\n").split(b" ", 2)[1])

    def headers(self) -> dict[str, str]:
        """Its headers, names in lower case."""
        head = self.until(b"\r\n\r\n").partition(b"\r\n\r\n")[0].decode("latin-1")
        pairs = (line.partition(": ") for line in head.split("\r\n")[1:])
        return {name.lower(): value for name, _, value in pairs}

    def ends_whole(self, keeping: int = 64) -> bool:
        """Read to the end, remembering only the last bytes: whether it ended as a whole answer does, or was cut off."""
        with contextlib.suppress(ConnectionError):
            while piece := self.line.recv(262144):
                self.heard = (self.heard + piece)[-keeping:]
                if self.heard.endswith(END):
                    return True
        return False

    def is_cut_within(self, seconds: float) -> bool:
        """Whether the answer is cut off soon, while we read on."""
        self.line.settimeout(seconds)
        deadline = time.monotonic() + seconds
        with contextlib.suppress(TimeoutError):
            return not self.ends_whole() and time.monotonic() < deadline + 1
        return False
