"""
What the tests of sending share: endpoints, a team whose incidents are acted on, and a receiver that answers as it is
told.
"""

import asyncio
import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest

from config.vault import seal
from incidents.declaring import Declaration, declare
from incidents.models import Incident, Severity, Type
from teams.models import Team, User
from tests.conftest import NOON
from tests.running import HOST, eventually
from timeline.outbound.models import Endpoint, Message
from timeline.outbound.sender import Sender

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


@pytest.fixture(autouse=True)
def data_folder(settings, tmp_path):
    """A data folder that knows of nothing that was sent."""
    settings.DATA_DIR = tmp_path
    settings.WEBHOOK_NETWORKS = (ip_network("127.0.0.0/8"),)
    return tmp_path


def an_endpoint(team: Team, url: str = "http://127.0.0.1:9/hook", **fields: Any) -> Endpoint:
    """An endpoint of a team, with the secret that all have here."""
    return Endpoint.objects.create(team=team, url=url, secret_ciphertext=seal(SECRET), created_at=NOON, **fields)


def an_incident(team: Team, by: User | None = None, at: datetime = NOON, **fields: Any) -> Incident:
    """An incident that was declared by hand."""
    said = {"severity": Severity.MAJOR, "type": Type.OTHER, "error_message": "It is broken", "title": "Broken"}
    return declare(team, Declaration(**said | fields), by=by, at=at)


def messages(endpoint: Endpoint | None = None) -> list[tuple[str, str]]:
    """(event, status) of all messages in order of birth."""
    found = Message.objects.filter(endpoint=endpoint) if endpoint else Message.objects
    return list(found.order_by("id").values_list("event", "status"))


def later(seconds: float) -> datetime:
    """So many seconds past noon."""
    return NOON + timedelta(seconds=seconds)


# --- a receiver -----------------------------------------------------------------------------------------------


@dataclass
class Request:
    """What came in."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def said(self) -> Any:
        return json.loads(self.body)


Answer = Callable[[Request], "bytes | float | None"]


def answering(status: int, body: bytes = b"", **headers: str) -> bytes:
    """An answer's bytes."""
    head = "".join(f"{name.replace('_', '-')}: {text}\r\n" for name, text in headers.items())
    return f"HTTP/1.1 {status} X\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


@dataclass
class Receiver:
    """
    A web server on this machine, in a thread. `answer` says what is answered to a request: bytes; None: the connection
    is cut; or it waits itself (a coroutine).
    """

    answer: Callable[[Request], Any] = lambda request: answering(204)
    requests: list[Request] = field(default_factory=list)
    under_way: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    most_under_way: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def __enter__(self) -> "Receiver":
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        starting = asyncio.run_coroutine_threadsafe(asyncio.start_server(self.serve, HOST, 0), self.loop)
        self.server = starting.result(10)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        async def end() -> None:
            self.server.close()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()

    def url(self, path: str = "/hook") -> str:
        return f"http://{HOST}:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode().split("\r\n")
                headers = {name.lower(): text for name, _, text in (line.partition(": ") for line in lines if line)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                request = Request(first.split()[1], headers, body)
                self.requests.append(request)
                said = self.answer(request)
                if asyncio.iscoroutine(said):
                    self.under_way[request.path] += 1
                    self.most_under_way[request.path] = max(
                        self.most_under_way[request.path], self.under_way[request.path]
                    )
                    try:
                        said = await said
                    finally:
                        self.under_way[request.path] -= 1
                if said is None:
                    break
                writer.write(said)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as serving:
        yield serving


# --- senders --------------------------------------------------------------------------------------------------


class Sending:
    """Senders in threads of their own, for as long as a with block runs."""

    def __init__(self, number: int = 1) -> None:
        self.senders = [Sender() for _ in range(number)]
        self.threads = [threading.Thread(target=sender.run) for sender in self.senders]

    def __enter__(self) -> "Sending":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for sender in self.senders:
            sender.stop()
        for thread in self.threads:
            thread.join(30)
        assert not any(thread.is_alive() for thread in self.threads)


def until(happened: Callable[[], object], patience: float = 30.0) -> None:
    """Wait for what a sender does."""
    assert eventually(happened, patience), "it did not happen"


def statuses() -> set[str]:
    """Which statuses messages have."""
    return set(Message.objects.values_list("status", flat=True))
