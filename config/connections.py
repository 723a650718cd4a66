"""
Cutting off the connection below an answer that is streamed and can't be sent to its end.

The web server ends each answer of ours properly, whatever became of it: what broke off in the middle would look whole.
So the connection itself is shut down, and its other end sees that something is missing. ASGI knows no way to ask for
that; we look for the socket among the descriptors of our own process, by the addresses of its two ends. Not here: when
an answer is cut off (config.pump).
"""

import os
import socket
from typing import Any

Ends = tuple[tuple[str, str], tuple[str, str]]

_DESCRIPTORS = "/proc/self/fd"


def cut_connection(scope: dict[str, Any]) -> bool:
    """
    Shut down the connection that an ASGI scope came over, both ways, in the middle of whatever is being said; whether
    there was one. Takes some milliseconds for each thousand of connections.
    """
    wanted = (_as_text(scope.get("server")), _as_text(scope.get("client")))
    if not all(map(all, wanted)):
        return False
    for descriptor in map(int, os.listdir(_DESCRIPTORS)):
        if _ends_of(descriptor) == wanted and _shut_down(descriptor, wanted):
            return True
    return False


def _shut_down(descriptor: int, wanted: Ends) -> bool:
    """Shut down what is below a descriptor, by one of our own, so that it is no other one by now; whether it was it."""
    try:
        with socket.socket(fileno=os.dup(descriptor)) as line:
            if _ends_of(line.fileno()) != wanted:
                return False
            line.shutdown(socket.SHUT_RDWR)
            return True
    except OSError:
        return False


def _ends_of(descriptor: int) -> Ends | None:
    """The addresses of both ends; None for what is no connection. There may be thousands, so it asks no more."""
    try:
        line = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fileno=descriptor)
    except OSError:
        return None
    try:
        ends = (_as_text(line.getsockname()), _as_text(line.getpeername()))
        return ends if all(map(all, ends)) else None  # a local socket has names, or none
    except OSError:  # it listens, or is gone
        return None
    finally:
        line.detach()  # it stays its owner's


def _as_text(end: Any) -> tuple[str, str]:
    return (str(end[0]), str(end[1])) if isinstance(end, tuple | list) and len(end) >= 2 else ("", "")
