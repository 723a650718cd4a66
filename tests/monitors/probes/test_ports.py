"""Tests of monitors.probes.ports: tcp, tls and udp, against sockets on this machine."""

import asyncio
import socket
from contextlib import asynccontextmanager

import pytest

from config.networks import NetworkTable, read_openings
from monitors.probes.result import Code, Status
from monitors.probes.target import Type
from tests.monitors.probes.looking import HASTY, is_up, look, names, run
from tests.monitors.probes.servers import serving, silent


@asynccontextmanager
async def hearing(answer):
    """A UDP server that answers each datagram by `answer` (bytes → bytes or None); its port, and what came."""
    came = []

    class Server(asyncio.DatagramProtocol):
        def connection_made(self, transport):
            self.transport = transport

        def datagram_received(self, data, addr):
            came.append(data)
            said = answer(data)
            if said is not None:
                self.transport.sendto(said, addr)

    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Server, local_addr=("127.0.0.1", 0))
    try:
        yield transport.get_extra_info("sockname")[1], came
    finally:
        transport.close()


def hear(answer, **target):
    """Send to a UDP server once: the result, and what it heard."""

    async def once():
        async with hearing(answer) as (port, came):
            return await look(Type.UDP, "game.example", port=port, **target), came

    return run(once())


def free_port(kind=socket.SOCK_STREAM):
    """A port at which nothing listens."""
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.mark.parametrize(
    "url", ["db.example:{port}", "tcp://db.example:{port}", "127.0.0.1:{port}", "127.0.0.1:{port}/"]
)
def test_a_port_that_takes_a_connection_is_up(url):
    async def once():
        async with serving(silent) as server:
            return await look(Type.TCP, url.format(port=server.port), port=1)

    result = run(once())
    assert is_up(result)
    assert result.timings.connect > 0


def test_a_port_that_takes_none_is_down():
    result = run(look(Type.TCP, "db.example", port=free_port()))
    assert (result.status, result.code, result.cause) == (
        Status.DOWN,
        Code.CONNECTION_ERROR,
        "db.example refused the connection.",
    )


@pytest.mark.parametrize("kind", [Type.TCP, Type.UDP])
def test_a_monitor_without_a_port_or_a_host_says_nothing_about_the_target(kind):
    assert run(look(kind, "db.example")).cause == "The monitor has no port."
    result = run(look(kind, "http://me@db.example/"))
    assert result.status == Status.INCONCLUSIVE
    assert "Expected a host" in result.cause


def test_a_handshake_with_who_says_nothing_ends():
    async def mute(reader, writer):
        await reader.read()
        writer.close()

    async def once():
        server = await asyncio.start_server(mute, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            return await look(Type.TLS, "db.example", port=port, request_timeout=HASTY)

    async def deaf():
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            listening.listen()
            return await look(Type.TLS, "db.example", port=listening.getsockname()[1], request_timeout=HASTY)

    result = run(deaf())
    assert (result.code, result.cause) == (Code.TIMEOUT, "db.example did not finish the TLS handshake within 0.4 s.")


def test_udp_is_up_where_anything_is_answered():
    result, came = hear(lambda data: b"pong " + data, request_body="ping")
    assert is_up(result)
    assert (came, result.excerpt) == ([b"ping"], "pong ping")


def test_udp_wants_the_keyword_where_there_is_one():
    assert is_up(hear(lambda data: b"players: 3", request_body="?", required_keyword="players")[0])
    result, _ = hear(lambda data: b"full", request_body="?", required_keyword="players")
    assert (result.code, result.cause) == (Code.KEYWORD_MISSING, "The keyword is not in the answer of game.example.")


def test_a_lost_datagram_is_sent_again():
    lost = iter([True, True])
    result, came = hear(lambda data: None if next(lost, False) else b"here", request_body="?", request_timeout=3)
    assert is_up(result)
    assert came == [b"?"] * 3


def test_udp_that_answers_nothing_is_down_and_so_is_a_closed_port_at_once():
    result, _ = hear(lambda data: None, request_body="?", request_timeout=HASTY)
    assert (result.code, result.cause) == (Code.TIMEOUT, "game.example did not answer within 0.4 s.")
    port = free_port(socket.SOCK_DGRAM)
    result = run(look(Type.UDP, "game.example", port=port, request_body="?"))
    assert (result.code, result.cause) == (
        Code.CONNECTION_ERROR,
        f"Nothing listens at UDP port {port} of game.example.",
    )


@pytest.mark.parametrize("first", ["::1", "2001:db8::7"], ids=["where nothing listens", "where no way leads"])
def test_udp_that_answers_at_one_address_beside_a_dead_one_is_up(first):
    async def once():
        async with hearing(lambda data: b"here") as (port, _):
            table = NetworkTable(read_openings(["127.0.0.0/8", "::1", "2001:db8::/32"]))
            resolve = names(game_example=[first, "127.0.0.1"])
            return await look(Type.UDP, "game.example", port=port, request_body="?", table=table, resolve=resolve)

    result = run(once())
    assert is_up(result)
    assert result.address == "127.0.0.1"
