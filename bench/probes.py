"""
S8's inner figure: CPU of a check over plain HTTP and over TLS, beside a bare aiohttp loop in the same run.

Both make a new connection for each check, as a check has to, to a server in another process on this machine, some at a
time; what is counted is the CPU of this process. Not here: claiming, judging and keeping results.
"""

import asyncio
import contextlib
import json
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp

from bench import measure
from bench.measure import Line, at_most, median
from config.networks import NetworkTable, read_openings
from config.tls_contexts import tls_context
from monitors.probes.prober import Prober
from monitors.probes.result import Status
from monitors.probes.target import Target, Type
from tests.monitors.probes.servers import issue
from tests.running import HOST, ROOT

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nHello"
NAME = "bench.example"
# 10,000 monitors at 30 s.
CHECKS_A_SECOND = 10_000 / 30

Check = Callable[[], Awaitable[None]]


class Answering(asyncio.Protocol):
    """One connection: whatever is asked, the answer is the same."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if data.endswith(b"\r\n\r\n"):
            self.transport.write(ANSWER)


async def serve(certificate: str) -> None:
    """Say on standard output at which ports, plain and TLS, and answer until killed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(Answering, HOST, 0, backlog=1024, ssl=tls) for tls in (None, context)]
    print(json.dumps([server.sockets[0].getsockname()[1] for server in servers]), flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


@contextlib.contextmanager
def server(folder: Path) -> Iterator[tuple[int, int]]:
    """A server for as long as the with block runs: its ports, plain and TLS. Its certificate lies in the folder."""
    leaf = issue(NAME, NAME)
    (folder / "authority.pem").write_text(leaf.pem)
    (folder / "server.pem").write_text(leaf.key_pem + leaf.pem)
    said = f"import asyncio; from bench.probes import serve; asyncio.run(serve({str(folder / 'server.pem')!r}))"
    with subprocess.Popen([sys.executable, "-c", said], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            plain, tls = json.loads(process.stdout.readline())
            yield plain, tls
        finally:
            process.kill()


def main(arguments: list[str]) -> None:
    """Measure and print."""
    options = measure.asked("probes", arguments, rounds=5, checks=1_000, at_once=50)
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as (plain, tls):
        urls = [f"http://{NAME}:{plain}/", f"https://{NAME}:{tls}/"]
        bundle = str(Path(folder) / "authority.pem")
        figures = asyncio.run(measured(urls, bundle, options.rounds, options.checks, options.at_once))
    bare, ours, bare_tls, ours_tls = (1000 * median(one) for one in figures)
    share, share_tls = (CHECKS_A_SECOND * milliseconds / 10 for milliseconds in (ours, ours_tls))
    measure.show(
        f"CPU of a check, {options.checks:,} of them, {options.at_once} at a time, medians of {options.rounds} rounds",
        [
            Line("a bare aiohttp loop, plain", f"{bare:.3f} ms"),
            Line("a check, plain", f"{ours:.3f} ms"),
            at_most("    as a ratio", ours / bare, 1.5),
            Line("a bare aiohttp loop, TLS with one context", f"{bare_tls:.3f} ms"),
            Line("a check, TLS", f"{ours_tls:.3f} ms"),
            at_most("    as a ratio", ours_tls / bare_tls, 1.5),
            at_most("S8  probes of 10,000 monitors at 30 s, plain, of a core", share, 15, "%"),
            at_most("    the same over TLS", share_tls, 3.5 * 15, "%"),
        ],
    )


async def measured(urls: list[str], bundle: str, rounds: int, checks: int, at_once: int) -> list[list[float]]:
    """Seconds of CPU of a check: bare and ours, plain and then TLS; a list of rounds for each."""
    taken: list[list[float]] = [[], [], [], []]

    async def here(host: str) -> list[str]:
        return [HOST]

    connector = aiohttp.TCPConnector(force_close=True, limit=0, resolver=Here(), use_dns_cache=False)
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        Prober(NetworkTable(read_openings([HOST])), bundle=bundle, resolve=here) as prober,
    ):
        context = tls_context(verify=True, bundle=bundle)
        measures = [way for url in urls for way in (bare_check(session, url, context), check(prober, url))]
        for turn in range(rounds + 1):
            for figures, way in zip(taken, measures, strict=True):
                seconds = await cpu_of(way, checks, at_once)
                if turn:  # the first round warms everything up
                    figures.append(seconds)
    return taken


class Here(aiohttp.abc.AbstractResolver):
    """Every name leads to this machine."""

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[Any]:
        return [{"hostname": host, "host": HOST, "port": port, "family": family, "proto": 0, "flags": 0}]

    async def close(self) -> None:
        pass


def bare_check(session: aiohttp.ClientSession, url: str, context: ssl.SSLContext) -> Check:
    """A request of aiohttp's, and its status."""

    async def one() -> None:
        async with session.get(url, ssl=context, allow_redirects=False) as response:
            assert response.status == 200

    return one


def check(prober: Prober, url: str) -> Check:
    """A check of ours."""
    target = Target(Type.STATUS, url)

    async def one() -> None:
        result = await prober.probe(target)
        assert result.status == Status.UP, result

    return one


async def cpu_of(way: Check, checks: int, at_once: int) -> float:
    """Seconds of this process's CPU for one of many checks, some at a time."""

    async def several() -> None:
        for _ in range(checks // at_once):
            await way()

    began = time.process_time()
    await asyncio.gather(*(several() for _ in range(at_once)))
    return (time.process_time() - began) / (checks // at_once * at_once)
