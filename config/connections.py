"""
The connection below an answer that is streamed: how long its other end may leave untaken what was sent, and how it is
cut off.

The web server ends each answer of ours properly, whatever became of it: what broke off in the middle would look whole.
So the connection itself is shut down, and its other end sees that something is missing. ASGI knows no way to ask for
that; we look for the socket among the descriptors of our own process, by the addresses of its two ends. Not here: when
an answer is cut off (config.pump).
"""

import contextlib
import os
import socket
from collections.abc import Iterator
from typing import Any

_DESCRIPTORS = "/proc/self/fd"


class Connection:
    """One connection of this process. Does nothing where it could not be found. `close` gives up our hold on it."""

    def __init__(self, line: socket.socket | None) -> None:
        self.line = line

    @classmethod
    def of(cls, scope: dict[str, Any]) -> "Connection":
        """The connection that an ASGI scope came over."""
        wanted = (_as_text(scope.get("server")), _as_text(scope.get("client")))
        for line in _sockets():
            if _ends_of(line) == wanted:
                return cls(line)
            line.close()
        return cls(None)

    def set_patience(self, seconds: float) -> None:
        """Have the kernel end it when its other end takes nothing of what was sent for so long."""
        if self.line:
            with contextlib.suppress(OSError):
                self.line.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000))

    def cut(self) -> None:
        """End it now, both ways, in the middle of whatever is being said."""
        if self.line:
            with contextlib.suppress(OSError):
                self.line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Leave it to the web server alone."""
        if self.line:
            self.line.close()
            self.line = None


def _sockets() -> Iterator[socket.socket]:
    """Every socket of this process, each by a descriptor of our own: none is another one by the time it is used."""
    for name in os.listdir(_DESCRIPTORS):
        with contextlib.suppress(OSError):
            if os.readlink(f"{_DESCRIPTORS}/{name}").startswith("socket:"):
                yield socket.socket(fileno=os.dup(int(name)))


def _ends_of(line: socket.socket) -> tuple[tuple[str, str], tuple[str, str]] | None:
    try:
        return _as_text(line.getsockname()), _as_text(line.getpeername())
    except OSError:  # it listens, or is gone
        return None


def _as_text(end: Any) -> tuple[str, str]:
    return (str(end[0]), str(end[1])) if isinstance(end, tuple | list) and len(end) >= 2 else ("", "")
