"""Tests of monitors.probes.icmp: echoes by each way that there is, in a network of their own, and by none."""

import json
import shutil
import socket
import struct
import subprocess
import sys
from ipaddress import ip_address

import pytest

from monitors.probes import icmp
from monitors.probes.icmp import Echoes, checksum
from monitors.probes.result import Code, Status
from monitors.probes.target import Type
from tests.monitors.probes.looking import is_up, look, names, run
from tests.running import ROOT

NOBODY = 65_534
# In a network of our own 127.0.0.1 answers, and nothing else leads anywhere.
HERE, SIX = ["127.0.0.1", 5.0], ["::1", 5.0]


def ping(*targets, ids="1 0", user=None, path=None, silent=False):
    """Ping in a network of our own, as some user, where the groups `ids` may: (status, code, cause, ms) of each."""
    asked = json.dumps({"range": ids, "user": user, "targets": targets, "silent": silent})
    command = [sys.executable, "-m", "tests.monitors.probes.pinging", asked]
    environment = {
        "PATH": path or "/nowhere",
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)
    assert ended.returncode == 0, ended.stderr
    problem, *results = map(json.loads, ended.stdout.splitlines())
    if problem:
        pytest.skip(f"this machine makes no network of its own for a test: {problem}")
    return results


def test_where_everybody_may_ping_no_rights_are_needed():
    for status, _, cause, milliseconds in ping(HERE, SIX, ids="0 2147483647", user=NOBODY):
        assert (status, cause) == ("up", None)
        assert milliseconds >= 0


def test_with_rights_a_raw_socket_does():
    for status, _, cause, milliseconds in ping(HERE, SIX):
        assert (status, cause) == ("up", None)
        assert milliseconds >= 0


def test_where_nobody_may_nothing_is_seen_and_the_setting_is_named():
    [[status, code, cause, milliseconds]] = ping(HERE, user=NOBODY)
    assert (status, code, milliseconds) == ("inconclusive", "other", None)
    assert "net.ipv4.ping_group_range" in cause


@pytest.mark.parametrize("user", [None, NOBODY])
def test_where_no_way_leads_nothing_is_seen_and_a_way_beside_it_is_taken(user):
    nowhere, beside, refused = ping(
        ["192.0.2.7", 5.0], ["both.example", 5.0], ["10.0.0.1", 5.0], ids="0 2147483647", user=user
    )
    assert nowhere[:3] == [
        "inconclusive",
        "connection_error",
        "This checker has no way to 192.0.2.7 (network unreachable).",
    ]
    assert beside[0] == "up"
    assert refused[:2] == ["inconclusive", "other"]
    assert "may not be looked at" in refused[2]


def test_who_answers_no_ping_is_down():
    """A Linux can be told not to answer."""
    [[status, code, cause, _]] = ping(["127.0.0.1", 0.5], ids="0 2147483647", silent=True)
    assert (status, code, cause) == ("down", "timeout", "127.0.0.1 answered no ping within 0.5 s.")


@pytest.mark.skipif(shutil.which("ping") is None, reason="the program ping is not installed here (iputils-ping)")
def test_the_program_does_where_it_may():
    [[status, _, cause, milliseconds]] = ping(HERE, user=NOBODY, path="/usr/bin:/bin")
    if status == "inconclusive":
        pytest.skip(f"the program ping may not either: {cause}")
    assert status == "up"
    assert milliseconds >= 0


# --- the program, as its manual has it ---------------------------------------------------------------------------

ANSWERED = """#!/bin/sh
echo "PING $8 ($8) 56(84) bytes of data."
echo "64 bytes from $8: icmp_seq=2 ttl=64 time=12.5 ms"
exec sleep 60
"""
UNANSWERED = """#!/bin/sh
echo "PING $8 ($8) 56(84) bytes of data."
echo
echo "--- $8 ping statistics ---"
echo "3 packets transmitted, 0 received, 100% packet loss, time 2036ms"
exit 1
"""
NOT_ALLOWED = """#!/bin/sh
echo "ping: socket: Operation not permitted" >&2
exit 2
"""


@pytest.fixture
def program(monkeypatch, tmp_path):
    """A program ping, and no socket that may."""

    def stands_in(script):
        file = tmp_path / "ping"
        file.write_text(script)
        file.chmod(0o755)
        monkeypatch.setattr(icmp.shutil, "which", lambda name: str(file))
        monkeypatch.setattr(icmp, "open_socket", lambda *_: None)

    return stands_in


def test_what_the_program_says_is_read(program):
    program(ANSWERED)
    result = run(look(Type.PING, "127.0.0.1"))
    assert is_up(result)
    assert result.timings.first_byte == 12.5
    program(UNANSWERED)
    result = run(look(Type.PING, "127.0.0.1"))
    assert (result.status, result.code) == (Status.DOWN, Code.TIMEOUT)
    assert result.cause == "127.0.0.1 answered none of 3 pings."
    program(NOT_ALLOWED)
    result = run(look(Type.PING, "127.0.0.1"))
    assert result.status == Status.INCONCLUSIVE
    assert "net.ipv4.ping_group_range" in result.cause


# --- messages ------------------------------------------------------------------------------------------------------


class Open:
    """A socket that keeps what is sent."""

    def __init__(self, kind):
        self.type = kind


def echoes(kind=socket.SOCK_DGRAM, address="192.0.2.7"):
    made = Echoes(Open(kind), ip_address(address))
    made.sent = {1: 0.0, 2: 1.0}
    return made


def test_an_echo_is_as_the_standard_says():
    sent = echoes().echo(1)
    assert len(sent) == 8 + 56
    assert sent[:2] == b"\x08\0"
    assert checksum(sent) == 0
    assert echoes(address="2001:db8::7").echo(1)[0] == 128


def test_only_an_answer_to_our_own_echo_counts():
    for kind, head in ((socket.SOCK_DGRAM, b""), (socket.SOCK_RAW, b"\x45" + bytes(19))):
        made = echoes(kind)
        sent = made.echo(2)
        reply = b"\0" + sent[1:]
        assert made.order_of(head + reply) == 2
        assert made.order_of(head + sent) is None
        assert made.order_of(head + reply[:20]) is None
        assert made.order_of(head + reply[:6] + struct.pack("!H", 9) + reply[8:]) is None
        assert made.order_of(head + b"\0" + echoes(kind).echo(2)[1:]) is None
        assert made.order_of(b"") is None


def test_a_name_that_leads_nowhere_is_a_matter_of_names():
    result = run(look(Type.PING, "no.example", resolve=names()))
    assert (result.status, result.code) == (Status.DOWN, Code.DNS_ERROR)
