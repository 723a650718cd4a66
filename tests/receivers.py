"""
A receiver of webhooks on this machine: a web server in a thread, which answers as it is told and keeps what came in.

For the tests of sending (tests/timeline/outbound) and of what is left of it when everything is killed (tests/trust).
"""

import asyncio
import json
import threading
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tests.running import HOST


@dataclass
class Request:
    """What came in."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def said(self) -> Any:
        return json.loads(self.body)


def answering(status: int, body: bytes = b"", **headers: str) -> bytes:
    """An answer's bytes."""
    head = "".join(f"{name.replace('_', '-')}: {text}\r\n" for name, text in headers.items())
    return f"HTTP/1.1 {status} X\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


@dataclass
class Receiver:
    """
    A web server on this machine, in a thread. `answer` says what is answered to a request: bytes; None: the connection
    is cut; or it waits itself (a coroutine). `slams`: whether a connection is cut before anything is read.
    """

    answer: Callable[[Request], Any] = lambda request: answering(204)
    slams: Callable[[], bool] = lambda: False
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
            while not self.slams() and (head := await reader.readuntil(b"\r\n\r\n")):
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
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass  # the other side is gone, or the test is over
        finally:
            writer.close()
            with suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()
