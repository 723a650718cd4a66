"""Tests of config.networks: nothing is sent into anybody's house."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.networks import (
    FORBIDDEN,
    NEVER,
    OUR_DATABASE,
    NetworkTable,
    Opening,
    embedded,
    forbidden,
    read_networks,
    read_openings,
)

EVERYTHING = (ip_network("0.0.0.0/0"), ip_network("::/0"))


@pytest.mark.parametrize("network", [network for network, _ in FORBIDDEN], ids=str)
def test_a_forbidden_network_is_forbidden_from_its_first_address_to_its_last(network):
    assert forbidden(network[0])
    assert forbidden(network[-1])


@pytest.mark.parametrize("network", [network for network, _ in NEVER], ids=str)
def test_what_is_never_allowed_is_open_to_no_list(network):
    for address in (network[0], network[-1]):
        assert forbidden(address, EVERYTHING)
        assert forbidden(address, [network])


@pytest.mark.parametrize(
    "address",
    [
        "1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
        "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "191.255.255.255", "192.0.1.0",
        "192.0.3.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "203.0.112.255", "203.0.114.0",
        "223.255.255.255", "2000::", "2001:200::", "2001:db7:ffff::", "2001:db9::", "2003::", "2606:4700::1111",
        "3ffe:ffff:ffff::", "3fff:1000::",
    ],
)  # fmt: skip
def test_what_lies_beside_is_open(address):
    assert forbidden(ip_address(address)) is None


@given(st.ip_addresses())
def test_whatever_python_knows_not_to_be_global_is_forbidden(address):
    assert address.is_global or forbidden(address)


@given(st.ip_addresses(v=6))
def test_of_ipv6_only_what_is_handed_out_is_open(address):
    assert address in ip_network("2000::/3") or forbidden(address)


@given(st.ip_addresses(v=4))
def test_an_opened_network_is_open_unless_never(address):
    assert bool(forbidden(address, EVERYTHING)) == any(address in network for network, _ in NEVER)


INSIDE = "169.254.169.254"


@pytest.mark.parametrize(
    ("form", "network"),
    [
        ("::169.254.169.254", "::/96"),
        ("::ffff:169.254.169.254", "::ffff:0:0/96"),
        ("::ffff:0:169.254.169.254", "::ffff:0:0:0/96"),
        ("64:ff9b::169.254.169.254", "64:ff9b::/96"),
        ("64:ff9b:1::169.254.169.254", "64:ff9b:1::/48"),
        ("64:ff9b:1:a9fe:a9:fe00::", "64:ff9b:1::/48"),
        ("64:ff9b:1:a9:fe:a9fe::", "64:ff9b:1::/48"),
        ("64:ff9b:1:0:a9:fea9:fe00:0", "64:ff9b:1::/48"),
        ("2002:a9fe:a9fe::1", "2002::/16"),
        ("2001:0:a9fe:a9fe::1", "2001::/32"),
        ("2001::5601:5601", "2001::/32"),
        ("fd12:3456::5efe:a9fe:a9fe", "fd12:3456::/32"),
        ("2606:4700::200:5efe:a9fe:a9fe", "2606:4700::/32"),
    ],
)
def test_metadata_is_known_in_every_form_that_holds_an_ipv4_address(form, network):
    address = IPv6Address(form)
    assert IPv4Address(INSIDE) in set(embedded(address))
    assert forbidden(address, read_networks([network]))


def test_other_embedded_addresses_are_as_open_as_their_form():
    assert forbidden(IPv6Address("64:ff9b::8.8.8.8"), read_networks(["64:ff9b::/96"])) is None
    assert forbidden(IPv6Address("::1"), read_networks(["::1"])) is None


def test_a_zone_changes_nothing():
    assert forbidden(ip_address("fe80::1%eth0"), EVERYTHING)
    assert forbidden(ip_address("::1%lo"))


def test_networks_are_read_in_every_sound_way():
    words = ["10.1.0.0/16", "192.0.2.7", "fd12:3456::/32", "::1"]
    assert [str(network) for network in read_networks(words)] == [
        "10.1.0.0/16",
        "192.0.2.7/32",
        "fd12:3456::/32",
        "::1/128",
    ]
    assert read_networks([]) == ()


@pytest.mark.parametrize("word", ["10.1.0.1/16", "10.1", "localhost", "10.0.0.0/33", "::/129", "10.0.0.0/", "::1%lo"])
def test_what_is_no_network_is_named(word):
    with pytest.raises(ValueError, match="is no network") as caught:
        read_networks(["10.0.0.0/8", word])
    assert f"'{word}'" in str(caught.value)


@pytest.mark.parametrize("word", ["169.254.0.0/16", "169.254.169.254", "fe80::/10", "100.100.100.200", "fd00:ec2::254"])
def test_what_is_never_open_can_not_be_opened_in_vain(word):
    with pytest.raises(ValueError, match="can't be opened"):
        read_networks([word])


# --- what monitors look at ---------------------------------------------------------------------------------------

AT_HOME = ["10.1.2.3", "172.31.255.255", "192.168.0.1", "fd12:3456::1"]
NEVER_OPEN = ["169.254.169.254", "fe80::1", "fd00:ec2::254", "::ffff:169.254.169.254"]


@pytest.mark.parametrize("address", list(map(ip_address, AT_HOME)), ids=str)
def test_monitors_look_into_private_networks_while_there_is_one_organization(address):
    assert NetworkTable(private=True).forbids(address, 80) is None
    assert NetworkTable(private=False).forbids(address, 80)
    assert NetworkTable(read_openings([str(address)]), private=False).forbids(address, 80) is None


@pytest.mark.parametrize(
    "address", [ip_address(text) for text in ["127.0.0.1", "::1", "100.64.0.1", "0.0.0.0", *NEVER_OPEN]], ids=str
)
def test_loopback_shared_and_link_local_addresses_are_closed_to_monitors_by_default(address):
    assert NetworkTable(private=True).forbids(address, 80)


@pytest.mark.parametrize("address", list(map(ip_address, NEVER_OPEN)), ids=str)
def test_metadata_is_closed_to_monitors_whatever_is_opened(address):
    everything = tuple(Opening(network) for network in EVERYTHING)
    assert NetworkTable(everything, private=True).forbids(address, 80)


def test_one_port_of_a_network_can_be_opened_to_monitors():
    table = NetworkTable(read_openings(["127.0.0.1:8000", "[::1]:8001", "10.2.0.0/16:5432"]))
    assert table.forbids(ip_address("127.0.0.1"), 8000) is None
    assert table.forbids(ip_address("::1"), 8001) is None
    assert table.forbids(ip_address("10.2.3.4"), 5432) is None
    for address, port in [("127.0.0.1", 8001), ("127.0.0.2", 8000), ("::1", 8000), ("10.2.3.4", 80), ("::1", None)]:
        assert table.forbids(ip_address(address), port)
    assert [str(one) for one in table.opened] == ["127.0.0.1/32:8000", "[::1/128]:8001", "10.2.0.0/16:5432"]


def test_what_is_closed_is_open_to_no_list_in_whatever_form_it_is_written():
    here = ip_address("10.0.0.5")
    table = NetworkTable(tuple(Opening(network) for network in EVERYTHING), True, frozenset({(here, 5432)}))
    assert table.forbids(here, 5432) == OUR_DATABASE
    assert table.forbids(ip_address("::ffff:10.0.0.5"), 5432) == OUR_DATABASE
    assert table.forbids(here, 5433) is None


@pytest.mark.parametrize(
    "word", ["127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:", "[::1]", "[::1%lo]:80", "localhost:80"]
)
def test_what_opens_nothing_is_named(word):
    with pytest.raises(ValueError, match=r"is no network|has no port"):
        read_openings([word])
