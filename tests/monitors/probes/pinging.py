"""
Pings in a network of their own: a process that makes itself one where it may, sets what is asked for, pings, and says
what came of it as lines of JSON. Run as a process of its own, since it gives up rights:

    python -m tests.monitors.probes.pinging '{"range": "0 0", "user": null, "silent": false, "targets": [["::1", 1.0]]}'
"""

import asyncio
import ctypes
import fcntl
import json
import os
import socket
import struct
import sys
from pathlib import Path

from config.networks import NetworkTable, read_openings
from monitors.probes.target import Type
from tests.monitors.probes.looking import look, names

CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
SILENT = Path("/proc/sys/net/ipv4/icmp_echo_ignore_all")
# What a test looks at, and what a name leads to.
TABLE = NetworkTable(read_openings(["127.0.0.0/8", "::1", "192.0.2.0/24", "2001:db8::/32"]))
NAMES = names(both_example=["2001:db8::7", "127.0.0.1"])
RANGE = Path("/proc/sys/net/ipv4/ping_group_range")


def leave():
    """Go into a network of our own, which has loopback only. Raises OSError where that is not allowed."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        asked = fcntl.ioctl(any_socket, SIOCGIFFLAGS, struct.pack("16sh14x", b"lo", 0))
        flags = struct.unpack("16sh14x", asked)[1]
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))


def main(asked):
    """Do what is asked for; the first line says whether this is a network of our own."""
    try:
        leave()
        RANGE.write_text(asked["range"])
        # A Linux that is told so answers no echoes.
        SILENT.write_text(str(int(asked["silent"])))
    except OSError as error:
        print(json.dumps(str(error)))
        return
    print(json.dumps(None))
    if asked.get("user"):
        os.setgroups([])
        os.setgid(asked["user"])
        os.setuid(asked["user"])
    for url, seconds in asked["targets"]:
        result = asyncio.run(look(Type.PING, url, request_timeout=seconds, table=TABLE, resolve=NAMES))
        print(json.dumps([result.status, result.code, result.cause, result.timings.first_byte]))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
