"""
The senders: eight connections that send parcels, repeat byte for byte what was not answered, and write down what they
were told. Now and then one hangs up by itself, before the body, in it, or after it.

What they are told is kept in the `Ledger`; whether it was true is looked at in tests/trust/afterwards.py.
"""

import contextlib
import http.client
import itertools
import json
import random
import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.running import HOST
from tests.trust.parcels import Packer, Parcel

CONNECTIONS = 8
PATIENCE = 10.0  # seconds that an answer may take
UNANSWERED_AT_MOST = 90.0  # seconds that somebody repeats; longer than any recovery
# Where a sender hangs up: before the body, in it, or as soon as it is sent.
CUTS = ("before", "in", "after")

# Every sender of a test run has another, and so its tags are nobody else's.
_numbers = itertools.count(100)


@dataclass
class Ledger:
    """What was sent, and what was said to it."""

    sent: set[str] = field(default_factory=set)
    acknowledged: set[str] = field(default_factory=set)
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    cuts: Counter[str] = field(default_factory=Counter)
    # When the last request that was answered well was begun: by time.monotonic().
    begun: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, tags: list[str]) -> None:
        with self.lock:
            self.sent.update(tags)

    def acknowledge(self, tags: list[str], begun: float) -> None:
        with self.lock:
            self.acknowledged.update(tags)
            self.begun = max(self.begun, begun)


class Sender(threading.Thread):
    """One connection. `ways` are the (path, headers) that lead to the door; `pause` is the time between two parcels."""

    def __init__(self, number: int, port: int, ways: list[tuple[str, dict[str, str]]], ledger: Ledger, pause: float):
        super().__init__(name=f"sender {number}", daemon=True)
        self.packer = Packer(number)
        self.random = random.Random(number)
        self.port, self.ways, self.ledger, self.pause = port, ways, ledger, pause
        self.stopping = threading.Event()
        self.connection = http.client.HTTPConnection(HOST, port, timeout=PATIENCE)

    def run(self) -> None:
        try:
            while not self.stopping.wait(self.random.uniform(0, 2 * self.pause)):
                self.deliver(self.packer.parcel())
        except Exception as error:
            self.ledger.wrong.append(f"{self.name}: {error!r}")
        finally:
            self.connection.close()

    def deliver(self, parcel: Parcel) -> None:
        """Send a parcel until it is answered, and note the answer."""
        if parcel.first:
            self.deliver(parcel.first)
        self.ledger.send(parcel.tags)
        path, headers = self.random.choice(self.ways)
        deadline = time.monotonic() + UNANSWERED_AT_MOST
        while time.monotonic() < deadline:
            begun = time.monotonic()
            answer = self.attempt(path, parcel.headers | headers, parcel.body)
            if answer is not None:
                self.note(parcel, *answer, begun)
                return
            time.sleep(self.random.uniform(0.02, 0.2))
        self.ledger.wrong.append(f"{parcel.tags} got no answer in {UNANSWERED_AT_MOST:.0f} s")

    def attempt(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any] | None:
        """Send it once. None if there was no answer, or one that says: try again."""
        try:
            if self.random.random() < 0.03:
                self.hang_up(self.random.choice(CUTS), path, headers, body)
                return None
            self.connection.request("POST", path, body, headers)
            response = self.connection.getresponse()
            said = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError):
            self.connection.close()
            return None
        self.ledger.statuses[response.status] += 1
        if response.status == 500:
            self.ledger.wrong.append(f"500: {said}")
        return None if response.status >= 500 or response.status == 429 else (response.status, said)

    def hang_up(self, where: str, path: str, headers: dict[str, str], body: bytes) -> None:
        """Send it on a connection of its own, and be gone without having read."""
        self.ledger.cuts[where] += 1
        lines = [f"POST {path} HTTP/1.1", f"Host: {HOST}", f"Content-Length: {len(body)}"]
        head = "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode()
        with socket.create_connection((HOST, self.port), PATIENCE) as line:
            line.sendall(head + body[: {"before": 0, "in": len(body) // 2, "after": len(body)}[where]])

    def note(self, parcel: Parcel, status: int, said: Any, begun: float) -> None:
        """Write an answer down, and whether it was one of the right ones."""
        verdicts = {each["status"] for each in said["data"]} if isinstance(said.get("data"), list) else {verdict(said)}
        if not verdicts <= parcel.right:
            self.ledger.wrong.append(f"{parcel.tags}: {status} {said} and not {parcel.right}")
        self.ledger.acknowledge(parcel.tags, begun)


def verdict(said: Any) -> str:
    """What an answer to a single event says of it."""
    return str(said["data"]["status"] if said.get("success") else said["error"]["code"])


class Senders:
    """All of them, as a context: they send while the block runs, and are done with what they had begun at its end."""

    def __init__(self, port: int, ways: list[tuple[str, dict[str, str]]], pause: float, ledger: Ledger):
        self.ledger = ledger
        self.threads = [Sender(next(_numbers), port, ways, ledger, pause) for _ in range(CONNECTIONS)]

    def __enter__(self) -> Ledger:
        for thread in self.threads:
            thread.start()
        return self.ledger

    def __exit__(self, *_: object) -> None:
        for thread in self.threads:
            thread.stopping.set()
        for thread in self.threads:
            thread.join(UNANSWERED_AT_MOST + PATIENCE)
        with contextlib.suppress(ValueError):
            self.ledger.wrong.extend(f"{thread.name} hangs" for thread in self.threads if thread.is_alive())
