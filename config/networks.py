"""
Which networks nothing is sent to from here: a table of our own, and what an operator opens in it. A NetworkTable
says so for what monitors look at: private networks are open there as long as the installation is of one organization.

What the Internet's registries set apart is inside somebody's house, or nobody's: this machine, the neighbours of a
private network, what stands at the other end of a tunnel. Python's `is_global` knows too little of it, and each version
something else. Of IPv6 only what the registries hand out to the world is open (2000::/3). Not here: names and URLs
(config.addresses), connections (config.egress).

Source: IANA's special-purpose registries for IPv4 and IPv6 (RFC 6890 and what they name), RFC 6052 and 8215 (NAT64),
RFC 4380 (Teredo), RFC 5214 (ISATAP); for metadata the clouds' own manuals.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def _table(text: str) -> list[tuple[Network, str]]:
    """Networks and why they stand here, of lines `network why`; the first that fits counts."""
    rows = (line.split(maxsplit=1) for line in text.strip().splitlines())
    return [(ip_network(network), why) for network, why in rows]


# Where a cloud tells a machine its secrets, and what reaches only the next wire: open to no list.
NEVER = _table("""
    169.254.0.0/16      link-local, where clouds tell machines their secrets (RFC 3927)
    fe80::/10           link-local (RFC 4291)
    100.100.100.200/32  metadata (Alibaba)
    168.63.129.16/32    metadata (Azure)
    192.0.0.192/32      metadata (Oracle)
    fd00:ec2::/96       metadata and its like (Amazon)
    fd00:c1::a9fe:a9fe  metadata (Oracle)
    fd20:ce::254        metadata (Google)
    fd00:42::42         metadata (Scaleway)
""")

FORBIDDEN = _table("""
    0.0.0.0/8           this network (RFC 791)
    10.0.0.0/8          private (RFC 1918)
    100.64.0.0/10       shared behind a carrier's NAT (RFC 6598)
    127.0.0.0/8         this machine (RFC 1122)
    169.254.0.0/16      link-local (RFC 3927)
    172.16.0.0/12       private (RFC 1918)
    192.0.0.0/24        protocol assignments (RFC 6890)
    192.0.2.0/24        documentation (RFC 5737)
    192.31.196.0/24     sink for questions about private networks, AS112 (RFC 7535)
    192.52.193.0/24     relays of multicast, AMT (RFC 7450)
    192.88.99.0/24      relays of 6to4, of the past (RFC 7526)
    192.168.0.0/16      private (RFC 1918)
    192.175.48.0/24     sink for questions about private networks, AS112 (RFC 7534)
    198.18.0.0/15       benchmarks (RFC 2544)
    198.51.100.0/24     documentation (RFC 5737)
    203.0.113.0/24      documentation (RFC 5737)
    224.0.0.0/4         multicast (RFC 5771)
    240.0.0.0/4         reserved, and broadcast (RFC 1112, 8190)
    ::/128              no address (RFC 4291)
    ::1/128             this machine (RFC 4291)
    ::/96               an IPv4 address, IPv4-compatible (RFC 4291)
    ::ffff:0:0/96       an IPv4 address, IPv4-mapped (RFC 4291)
    ::ffff:0:0:0/96     an IPv4 address, IPv4-translated (RFC 2765)
    64:ff9b::/96        an IPv4 address behind NAT64 (RFC 6052)
    64:ff9b:1::/48      an IPv4 address behind somebody's own NAT64 (RFC 8215)
    100::/64            discarded (RFC 6666)
    100:0:0:1::/64      a dummy (RFC 9780)
    2001::/32           an IPv4 address behind Teredo (RFC 4380)
    2001:2::/48         benchmarks (RFC 5180)
    2001:10::/28        names of hosts, ORCHID (RFC 4843)
    2001:20::/28        names of hosts, ORCHIDv2 (RFC 7343)
    2001::/23           protocol assignments (RFC 2928)
    2001:db8::/32       documentation (RFC 3849)
    2002::/16           an IPv4 address behind 6to4 (RFC 3056)
    2620:4f:8000::/48   sink for questions about private networks, AS112 (RFC 7534)
    3fff::/20           documentation (RFC 9637)
    5f00::/16           segments of routes, SRv6 (RFC 9602)
    fc00::/7            private (RFC 4193)
    fe80::/10           link-local (RFC 4291)
    fec0::/10           private, of the past (RFC 3879)
    ff00::/8            multicast (RFC 4291)
    ::/3                not handed out (RFC 4291)
    4000::/2            not handed out (RFC 4291)
    8000::/1            not handed out (RFC 4291)
""")

# IPv6 networks whose addresses hold IPv4 ones, and in which of their 16 bytes.
EMBEDDING: list[tuple[Network, list[list[int]]]] = [
    (ip_network("::/96"), [[12, 13, 14, 15]]),
    (ip_network("::ffff:0:0/96"), [[12, 13, 14, 15]]),
    (ip_network("::ffff:0:0:0/96"), [[12, 13, 14, 15]]),
    (ip_network("64:ff9b::/96"), [[12, 13, 14, 15]]),
    (ip_network("64:ff9b:1::/48"), [[6, 7, 9, 10], [7, 9, 10, 11], [9, 10, 11, 12], [12, 13, 14, 15]]),
    (ip_network("2002::/16"), [[2, 3, 4, 5]]),
    (ip_network("2001::/32"), [[4, 5, 6, 7]]),
]
TEREDO = ip_network("2001::/32")
ISATAP = (bytes.fromhex("00005efe"), bytes.fromhex("02005efe"))


def forbidden(address: Address, opened: Iterable[Network] = ()) -> str | None:
    """Why nothing may be sent to `address`, where an operator opened some networks; None if it may."""
    for one in (address, *embedded(address)):
        if why := _row(NEVER, one):
            return why
    if any(address in network for network in opened):
        return None
    return _row(FORBIDDEN, address)


def embedded(address: Address) -> Iterator[IPv4Address]:
    """The IPv4 addresses that an IPv6 address may lead to, by the forms in which tunnels and translators write them."""
    if isinstance(address, IPv4Address):
        return
    packed = address.packed
    for network, places in EMBEDDING:
        if address in network:
            yield from (IPv4Address(bytes(packed[at] for at in place)) for place in places)
    if address in TEREDO:  # the client's own, with every bit turned
        yield IPv4Address(bytes(byte ^ 255 for byte in packed[12:]))
    if packed[8:12] in ISATAP:
        yield IPv4Address(packed[12:])


def _row(table: Sequence[tuple[Network, str]], address: Address) -> str | None:
    return next((why for network, why in table if address in network), None)


def read_networks(words: Iterable[str]) -> tuple[Network, ...]:
    """The networks that an operator opens, such as `10.1.0.0/16`. Raises ValueError: a sentence that names the word."""
    return tuple(map(_opened, words))


def _opened(word: str) -> Network:
    try:
        network = ip_network(word.replace("%", "no zone"))
    except ValueError:
        raise ValueError(f"'{word}' is no network such as 10.1.0.0/16, 192.0.2.7 or fd12:3456::/32.") from None
    for never, why in NEVER:
        if isinstance(network, IPv4Network) == isinstance(never, IPv4Network) and network.subnet_of(never):  # type: ignore[arg-type]
            raise ValueError(f"'{word}' can't be opened: {why}.")
    return network


# What monitors look at

# What self-hosters watch at home. Loopback and 100.64/10 are not in it: somebody has to open those.
PRIVATE: tuple[Network, ...] = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")))
OUR_DATABASE = "Watchkeeper's own database"

_with_port = re.compile(r"(?:\[(?P<six>[^\]]*)\]|(?P<four>[0-9./]+)):(?P<port>[1-9][0-9]{0,4})").fullmatch


@dataclass(frozen=True, slots=True)
class Opening:
    """A network that an operator opened, with all its ports or one."""

    network: Network
    port: int | None = None

    def __str__(self) -> str:
        if self.port is None:
            return str(self.network)
        return f"[{self.network}]:{self.port}" if self.network.version == 6 else f"{self.network}:{self.port}"


@dataclass(frozen=True, slots=True)
class NetworkTable:
    """
    Where monitors may look. `private`: whether private networks are open, which they are in an installation of one
    organization. `closed`: addresses and ports that are open to no list, such as our own database's.
    """

    opened: tuple[Opening, ...] = ()
    private: bool = False
    closed: frozenset[tuple[Address, int]] = frozenset()

    def forbids(self, address: Address, port: int | None) -> str | None:
        """Why nothing may look at a port of an address; None if it may. Of what has no ports (ICMP) `port` is None."""
        if port is not None and any((one, port) in self.closed for one in (address, *embedded(address))):
            return OUR_DATABASE
        opened = [one.network for one in self.opened if one.port in (None, port)]
        return forbidden(address, [*opened, *PRIVATE] if self.private else opened)


def read_openings(words: Iterable[str]) -> tuple[Opening, ...]:
    """What an operator opens to monitors: networks, or one port of them, such as `127.0.0.1:8000` or `[::1]:8000`."""
    return tuple(map(_opening, words))


def _opening(word: str) -> Opening:
    parts = _with_port(word)
    if parts is None:
        return Opening(_opened(word))
    if int(parts["port"]) > 65535:
        raise ValueError(f"'{word}' has no port from 1 to 65535.")
    return Opening(_opened(parts["six"] or parts["four"]), int(parts["port"]))
