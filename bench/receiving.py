"""
A receiver of webhooks that costs next to nothing, in a process of its own: it reads a request and answers 204.

What is in the requests is nobody's affair here; the sender's tests look at that.
"""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator

from tests.running import HOST, ROOT

ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"
LENGTH = b"content-length: "


class Line(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.heard = b""

    def data_received(self, data: bytes) -> None:
        self.heard += data
        while (end := self.heard.find(b"\r\n\r\n")) >= 0:
            head = self.heard[:end].lower()
            length = int(head.partition(LENGTH)[2].partition(b"\r\n")[0])
            if len(self.heard) < end + 4 + length:
                return
            self.heard = self.heard[end + 4 + length :]
            self.transport.write(ANSWER)


async def serve() -> None:
    """Say on standard output at which port, and receive until killed."""
    server = await asyncio.get_running_loop().create_server(Line, HOST, 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextlib.contextmanager
def receiver() -> Iterator[int]:
    """A receiver for as long as the with block runs; its port."""
    said = "import asyncio; from bench.receiving import serve; asyncio.run(serve())"
    with subprocess.Popen([sys.executable, "-c", said], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()
