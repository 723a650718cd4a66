"""Tests of config.dialing: connections go to addresses that were looked at, the first that answers counts."""

import asyncio
import socket
from contextlib import asynccontextmanager
from functools import partialmethod
from ipaddress import ip_address

import pytest

from config import dialing
from config.dialing import Dialer, LeadsNowhere, Refused, Unanswered, Way, closed_places, is_own
from config.networks import NetworkTable, read_openings

HERE = NetworkTable(read_openings(["127.0.0.0/8", "::1"]))
HUNG = 30


def run(coroutine):
    """Run a test's coroutine to its end, which has to come."""
    return asyncio.run(asyncio.wait_for(coroutine, HUNG))


def leading_to(*addresses):
    """A resolver to whom every name leads to these."""

    async def resolve(host):
        return addresses

    return resolve


@asynccontextmanager
async def listening(*hosts):
    """A server at the same port of some addresses; its port."""

    async def meet(reader, writer):
        await reader.read()
        writer.close()

    first = await asyncio.start_server(meet, hosts[0], 0)
    port = first.sockets[0].getsockname()[1]
    others = [await asyncio.start_server(meet, host, port) for host in hosts[1:]]
    try:
        yield port
    finally:
        for server in (first, *others):
            server.close()


async def dial(dialer, port, host="shop.example", ip_version=None):
    """Connect, and hang up: how it went."""
    way = Way()
    (await dialer.connect(host, port, way, ip_version)).close()
    return way


def reach(*addresses, at=("127.0.0.1",), table=HERE, ip_version=None):
    """Connect to a name that leads to some addresses, where servers are at some: how it went."""

    async def once():
        async with listening(*at) as port:
            return await dial(Dialer(table, resolve=leading_to(*addresses)), port, ip_version=ip_version)

    return run(once())


class Silence:
    """Addresses at which attempts never end, as where packets are dropped; which were tried, and which let go."""

    def __init__(self, *addresses):
        self.addresses = addresses
        self.tried, self.ended = [], []

    async def __call__(self, dialer, address, port):
        self.tried.append(str(address))
        if str(address) in self.addresses:
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                self.ended.append(str(address))
        return await ATTEMPT(dialer, address, port)


ATTEMPT = Dialer._attempt


@pytest.fixture
def silence(monkeypatch):
    """Make some addresses silent."""

    def at(*addresses):
        made = Silence(*addresses)
        monkeypatch.setattr(Dialer, "_attempt", partialmethod(made))
        return made

    return at


def test_a_name_is_asked_for_and_its_address_connected_to():
    way = reach("127.0.0.1")
    assert (way.addresses, way.address) == ([ip_address("127.0.0.1")], ip_address("127.0.0.1"))
    assert way.seconds.keys() == {"name", "connect"}


def test_an_address_is_not_asked_for():
    async def once():
        async with listening("127.0.0.1", "::1") as port:
            dialer = Dialer(HERE, resolve=leading_to())
            return await dial(dialer, port, "127.0.0.1"), await dial(dialer, port, "::1")

    four, six = run(once())
    assert "name" not in four.seconds
    assert six.address == ip_address("::1")


def test_ipv6_comes_first_and_a_version_can_be_asked_for():
    both = ("127.0.0.1", "::1")
    assert reach(*both, at=both).address == ip_address("::1")
    assert reach(*both, at=both, ip_version="ipv4").address == ip_address("127.0.0.1")
    with pytest.raises(LeadsNowhere, match=r"shop\.example has no IPv6 address"):
        reach("127.0.0.1", ip_version="ipv6")
    with pytest.raises(LeadsNowhere, match=r"shop\.example has no IPv4 address"):
        reach("::1", ip_version="ipv4")


def test_an_address_that_refuses_is_followed_by_the_next_at_once():
    assert reach("::1", "127.0.0.2", "127.0.0.1").address == ip_address("127.0.0.1")


def test_an_address_that_answers_beside_a_dead_one_is_up_after_a_moment(silence):
    dead = silence("::1")
    assert reach("::1", "127.0.0.1").address == ip_address("127.0.0.1")
    assert (dead.tried, dead.ended) == (["::1", "127.0.0.1"], ["::1"])


def test_of_many_addresses_both_families_take_turns_and_few_are_tried(silence):
    fours, sixes = [f"127.0.0.{n}" for n in range(2, 9)], ["::1"]
    dead = silence(*fours, *sixes)

    async def once():
        dialer = Dialer(HERE, resolve=leading_to(*fours, *sixes))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await dialer.connect("shop.example", 1, Way())

    run(once())
    assert dead.tried == ["::1", "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"]
    assert sorted(dead.ended) == sorted(dead.tried)


def test_a_good_address_beside_one_that_may_not_be_looked_at_is_gone_to():
    for bad in ("fe80::1", "169.254.169.254", "10.0.0.1", "::ffff:169.254.169.254"):
        assert reach(bad, "127.0.0.1").address == ip_address("127.0.0.1")


def test_where_no_address_may_be_looked_at_nothing_is_connected_to_and_the_setting_is_named():
    with pytest.raises(Refused) as caught:
        reach("127.0.0.1", table=NetworkTable(private=True))
    assert "WATCHKEEPER_MONITOR_NETWORKS" in str(caught.value)
    assert "127.0.0.1" not in str(caught.value)
    with pytest.raises(Refused, match=r"0\.0\.0\.0 may not be looked at: this network"):
        run(Dialer(HERE).connect("0.0.0.0", 80, Way()))


def test_a_socket_is_looked_at_once_more_when_it_is_made():
    dialer = Dialer(HERE)
    with pytest.raises(Refused):
        dialer.open_datagram(ip_address("10.0.0.1"), 53)
    with pytest.raises(Refused):
        dialer.open_icmp(ip_address("10.0.0.1"), socket.SOCK_RAW)


def test_the_table_can_be_replaced():
    dialer = Dialer(NetworkTable())
    assert dialer.forbids(ip_address("10.0.0.1"), 80)
    dialer.table = NetworkTable(private=True)
    assert dialer.forbids(ip_address("10.0.0.1"), 80) is None


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (socket.gaierror(socket.EAI_NONAME, ""), LeadsNowhere),
        (socket.gaierror(socket.EAI_AGAIN, ""), Unanswered),
        (OSError("x"), LeadsNowhere),
        (UnicodeError("label too long"), LeadsNowhere),
        (None, LeadsNowhere),
    ],
)
def test_a_name_that_is_not_there_and_one_that_nobody_answers_for_are_told_apart(error, raised):
    async def resolve(host):
        if error:
            raise error
        return []

    with pytest.raises(raised, match=r"shop\.example"):
        run(Dialer(HERE, resolve=resolve).connect("shop.example", 80, Way()))


# --- our own database --------------------------------------------------------------------------------------------


def test_our_own_database_is_closed_at_every_address_of_this_machine():
    everything = read_openings(["127.0.0.0/8", "::1"])
    for url in (
        "postgresql://localhost:5433/x",
        "postgresql:///x?host=/run/postgresql&port=5433",
        "postgresql://127.0.0.1:5433",
    ):
        dialer = Dialer(NetworkTable(everything, True, closed_places(url)))
        for address in map(ip_address, ("127.0.0.1", "127.0.0.9", "::1")):
            assert dialer.forbids(address, 5433) == "Watchkeeper's own database"
            assert dialer.forbids(address, 5432) is None
        assert dialer.forbids(ip_address("10.9.9.9"), 5433) is None


def test_a_database_elsewhere_is_closed_there():
    assert closed_places("postgresql://192.0.2.7,192.0.2.8/x") == {
        (ip_address("192.0.2.7"), 5432),
        (ip_address("192.0.2.8"), 5432),
    }
    assert closed_places("host=192.0.2.7,192.0.2.8 port=1,2") == {
        (ip_address("192.0.2.7"), 1),
        (ip_address("192.0.2.8"), 2),
    }


def test_what_is_this_machine_s_is_known():
    assert is_own(ip_address("127.0.0.1"))
    assert is_own(ip_address("::1"))
    assert not is_own(ip_address("192.0.2.7"))


def test_what_the_table_says_is_remembered_until_it_is_replaced_and_not_without_end(monkeypatch):
    monkeypatch.setattr(dialing, "MOST_JUDGED", 3)
    dialer = Dialer(NetworkTable(private=True))
    for number in range(10):
        assert dialer.forbids(ip_address(f"10.0.0.{number}"), 80) is None
        assert dialer.forbids(ip_address(f"127.0.0.{number}"), 80)
        assert len(dialer.judged) <= 3
    dialer.table = NetworkTable()
    assert dialer.forbids(ip_address("10.0.0.9"), 80)
