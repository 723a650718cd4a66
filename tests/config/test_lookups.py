"""Tests of config.lookups: a name is asked for once at a time; a resolver that knows no name is told from others."""

import asyncio
import socket
from contextlib import asynccontextmanager

import pytest

from config import lookups
from config.lookups import SystemResolver, any_answers, name_servers, says_the_root


def run(coroutine):
    """Run a test's coroutine to its end, which has to come."""
    return asyncio.run(asyncio.wait_for(coroutine, 30))


@asynccontextmanager
async def name_server(answer):
    """A name server that answers each question by `answer` (bytes → list of bytes); its port, and what was asked."""
    asked = []

    class Server(asyncio.DatagramProtocol):
        def connection_made(self, transport):
            self.transport = transport

        def datagram_received(self, data, addr):
            asked.append(data)
            for said in answer(data):
                self.transport.sendto(said, addr)

    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Server, local_addr=("127.0.0.1", 0))
    try:
        yield transport.get_extra_info("sockname")[1], asked
    finally:
        transport.close()


def says(rcode):
    """An answer with this code."""
    return lambda question: [question[:2] + bytes([0x80, rcode]) + question[4:]]


@pytest.mark.parametrize(
    ("answer", "whether"),
    [
        (says(0), True),
        (says(3), True),
        (says(2), False),
        (says(5), False),
        (lambda question: [], False),
        (lambda question: [b"", question[:1], question[:2]], False),
        (lambda question: [b"\0\0" + question[2:], *says(0)(question)], True),
    ],
    ids=["no error", "no such name", "fails", "refuses", "silent", "nonsense", "another's answer first"],
)
def test_a_resolver_answers_when_it_knows_the_root(answer, whether, monkeypatch):
    monkeypatch.setattr(lookups, "PATIENCE", 0.3)

    async def once():
        async with name_server(answer) as (port, _):
            return await says_the_root("127.0.0.1", port)

    assert run(once()) is whether


def test_one_of_several_is_enough_and_none_is_none(monkeypatch):
    monkeypatch.setattr(lookups, "PATIENCE", 0.3)

    async def once():
        async with name_server(says(0)) as (port, _):
            some = await any_answers(["127.0.0.2", "no address", "127.0.0.1"], port)
        return some, await any_answers(["127.0.0.2", "no address"], port), await any_answers([], port)

    assert run(once()) == (True, False, False)


def test_who_asks_at_the_same_time_hears_the_same(monkeypatch):
    calls = []

    async def counted(servers):
        calls.append(servers)
        return True

    monkeypatch.setattr(lookups, "any_answers", counted)

    async def once():
        system = SystemResolver()
        assert await asyncio.gather(*(system.answers() for _ in range(9))) == [True] * 9
        assert await system.answers()
        system.close()

    run(once())
    assert len(calls) == 1


def test_a_name_is_asked_for_once_at_a_time(monkeypatch):
    calls = []

    def look_up(host):
        calls.append(host)
        if host == "bad.example":
            raise socket.gaierror(socket.EAI_NONAME, "no")
        return ["192.0.2.7"]

    monkeypatch.setattr(lookups, "look_up", look_up)

    async def once():
        system = SystemResolver()
        assert await asyncio.gather(*(system.ask("shop.example") for _ in range(9))) == [["192.0.2.7"]] * 9
        with pytest.raises(socket.gaierror):
            await system.ask("bad.example")
        await system.ask("shop.example")
        system.close()

    run(once())
    assert calls == ["shop.example", "bad.example", "shop.example"]


def test_the_systems_name_servers_are_read_from_where_the_system_has_them(monkeypatch, tmp_path):
    file = tmp_path / "resolv.conf"
    file.write_text(
        "# nameserver 192.0.2.1\nsearch example\nnameserver 192.0.2.2\nnameserver\t2001:db8::1 # x\nnameserver\n"
    )
    monkeypatch.setattr(lookups, "RESOLV_CONF", file)
    assert name_servers() == ["192.0.2.2", "2001:db8::1"]
    monkeypatch.setattr(lookups, "RESOLV_CONF", tmp_path / "none")
    assert name_servers() == ["127.0.0.1"]
