"""Tests of monitors.probes.records: against Twisted's name server, and against bad ones of our own."""

import asyncio
import struct

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from config import lookups
from config.networks import NetworkTable
from monitors.probes import records
from monitors.probes.result import Code, Status
from monitors.probes.target import Type
from tests.monitors.probes.looking import HASTY, is_up, look, run
from tests.monitors.probes.test_ports import hearing


def ask(real, kind, name="shop.example", **target):
    """Ask the real server for records: the result."""
    server = f"127.0.0.1:{real.port['dns']}"
    return run(look(Type.DNS, name, **{"dns_server": server, "dns_record_type": kind} | target))


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("A", ("192.0.2.7", "192.0.2.8")),
        ("AAAA", ("2001:db8::7",)),
        ("MX", ("10 mail.shop.example.",)),
        ("NS", ("ns.shop.example.",)),
        ("TXT", ("v=spf1 include:_spf.shop.example -all",)),
        ("SRV", ("1 2 5060 sip.shop.example.",)),
        ("SOA", ("ns.shop.example. hostmaster.shop.example. 7 1 1 1 1",)),
        ("a", ("192.0.2.7", "192.0.2.8")),
    ],
)
def test_a_name_with_records_is_up_and_they_are_told(kind, found, real):
    result = ask(real, kind)
    assert is_up(result)
    assert result.addresses == found
    assert result.timings.first_byte > 0


def test_a_record_behind_another_name_counts(real):
    assert is_up(ask(real, "CNAME", "www.shop.example"))


def test_one_of_the_records_has_the_keyword(real):
    assert is_up(ask(real, "A", required_keyword="192.0.2.8"))
    assert is_up(ask(real, "MX", required_keyword="MAIL.shop", keyword_case_sensitive=False))
    result = ask(real, "MX", required_keyword="MAIL.shop")
    assert (result.code, result.cause) == (Code.KEYWORD_MISSING, "No MX record of shop.example has the keyword.")


def test_what_is_not_there_is_down(real):
    result = ask(real, "A", "no.shop.example")
    assert (result.status, result.code) == (Status.DOWN, Code.DNS_ERROR)
    assert result.cause == "The name no.shop.example does not exist."
    result = ask(real, "CAA")
    assert (result.code, result.cause) == (Code.DNS_ERROR, "The name shop.example has no CAA record.")


def test_an_answer_that_is_too_long_for_a_datagram_is_asked_for_again(real):
    result = ask(real, "TXT", "long.shop.example", required_keyword="039")
    assert is_up(result)
    assert len(result.addresses) == 20


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("shop.example", {"dns_record_type": "ANY"}),
        ("shop.example", {"dns_record_type": "AXFR"}),
        ("a..b", {}),
        ("x" * 64, {}),
        ("shop.example", {"dns_server": "no/server"}),
    ],
)
def test_a_question_that_is_none_says_nothing_about_the_name(name, target):
    result = run(look(Type.DNS, name, **{"dns_server": "127.0.0.1"} | target))
    assert result.status == Status.INCONCLUSIVE


def test_a_name_server_has_to_be_where_monitors_may_look():
    result = run(look(Type.DNS, "shop.example", dns_server="127.0.0.1", table=NetworkTable()))
    assert result.status == Status.INCONCLUSIVE
    assert "WATCHKEEPER_MONITOR_NETWORKS" in result.cause


# --- name servers of our own ---------------------------------------------------------------------------------------


def answering(rcode=dns.rcode.NOERROR, *found, flags=0):
    """How a name server answers everything."""

    def answer(wire):
        response = dns.message.make_response(dns.message.from_wire(wire))
        response.set_rcode(rcode)
        response.flags |= flags
        response.answer = [dns.rrset.from_text("shop.example.", 60, "IN", *one.split(" ", 1)) for one in found]
        return response.to_wire()

    return answer


def against(answer, name="shop.example", **target):
    """Ask a server once that answers datagrams by a function: the result, and how often it was asked."""

    async def once():
        async with hearing(answer) as (port, came):
            return await look(Type.DNS, name, dns_server=f"127.0.0.1:{port}", **target), len(came)

    return run(once())


def test_a_server_that_fails_or_refuses_is_told():
    for rcode in (dns.rcode.SERVFAIL, dns.rcode.REFUSED):
        result, _ = against(answering(rcode))
        assert (result.status, result.code) == (Status.DOWN, Code.DNS_ERROR)
        assert result.cause == f"The name server answered {dns.rcode.to_text(rcode)} for shop.example."


def test_a_server_that_is_silent_is_down_and_unanswered():
    result, _ = against(lambda wire: None, request_timeout=HASTY)
    assert (result.status, result.code, result.is_unanswered) == (Status.DOWN, Code.DNS_ERROR, True)
    assert result.cause == "The name server did not answer for shop.example within 0.4 s."


def test_a_lost_question_is_asked_again(monkeypatch):
    monkeypatch.setattr(records, "PAUSE", 0.1)
    lost = iter([True, True])
    sound = answering(0, "A 192.0.2.7")
    result, asked = against(lambda wire: None if next(lost, False) else sound(wire))
    assert is_up(result)
    assert asked == 3


@pytest.mark.parametrize(
    "wire",
    [b"", b"x", b"\0" * 12, b"\xff" * 512],
)
def test_what_is_no_answer_is_passed_over(wire):
    result, _ = against(lambda question: wire, request_timeout=HASTY)
    assert result.code == Code.DNS_ERROR


def test_an_answer_to_another_question_is_passed_over():
    sound = answering(0, "A 192.0.2.7")

    def forged(wire):
        answer = bytearray(sound(wire))
        answer[0] ^= 1  # its number
        return bytes(answer)

    assert against(forged, request_timeout=HASTY)[0].code == Code.DNS_ERROR


def test_a_port_at_which_nothing_listens_is_down():
    async def once():
        async with hearing(lambda wire: None) as (port, _):
            pass
        return await look(Type.DNS, "shop.example", dns_server=f"127.0.0.1:{port}")

    result = run(once())
    assert (result.status, result.code) == (Status.DOWN, Code.CONNECTION_ERROR)


@pytest.mark.parametrize("said", [b"", b"\0", b"\xff\xff" + b"x" * 100, struct.pack("!H", 5) + b"xxxxx"])
def test_nonsense_by_tcp_is_down(said):
    async def meet(reader, writer):
        await reader.read(100)
        writer.write(said)
        writer.close()

    async def once():
        async with hearing(answering(flags=dns.flags.TC)) as (port, _):
            server = await asyncio.start_server(meet, "127.0.0.1", port)
            async with server:
                return await look(Type.DNS, "shop.example", dns_server=f"127.0.0.1:{port}")

    assert run(once()).status == Status.DOWN


# --- the system's resolver -------------------------------------------------------------------------------------------


def test_without_a_server_the_systems_is_asked_and_no_table_stands_in_its_way(real, monkeypatch):
    monkeypatch.setattr(records, "DNS_PORT", real.port["dns"])
    monkeypatch.setattr(lookups, "RESOLV_CONF", lookups.Path("/nowhere"))
    assert is_up(ask(real, "A", dns_server=None, table=NetworkTable()))
