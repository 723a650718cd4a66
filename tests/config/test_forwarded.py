"""Tests of config.forwarded: who is calling, when proxies stand before us, however they write it."""

import json

import pytest
from django.core import checks
from django.core.management import call_command
from django.test import Client, RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from config import forwarded, ratelimit
from config.errors import RateLimited
from config.models import Notice

pytestmark = pytest.mark.django_db

PROXY = "192.0.2.1"


@pytest.fixture(autouse=True)
def _nothing_told(monkeypatch):
    monkeypatch.setattr(forwarded, "_told_at", {})


def address(settings, proxies, header="X-Forwarded-For", **meta):
    settings.TRUSTED_PROXIES, settings.FORWARDED_HEADER = proxies, header
    request = RequestFactory().get("/")
    request.META.pop("REMOTE_ADDR")
    request.META.update({"REMOTE_ADDR": PROXY} | meta)
    return forwarded.client_address(request)


def test_without_proxies_nobody_may_say_who_he_is(settings):
    assert address(settings, 0, HTTP_X_FORWARDED_FOR="198.51.100.1") == PROXY
    assert not Notice.objects.exists()


def test_behind_proxies_the_last_ones_are_believed(settings):
    named = "203.0.113.9, 198.51.100.1,198.51.100.2"
    assert address(settings, 1, HTTP_X_FORWARDED_FOR=named) == "198.51.100.2"
    assert address(settings, 2, HTTP_X_FORWARDED_FOR=named) == "198.51.100.1"


WRITTEN = [
    ("198.51.100.66", "198.51.100.66"),
    ("198.51.100.66:17085", "198.51.100.66"),
    ("2001:db8::1", "2001:db8::1"),
    ("2001:DB8:0:0::1", "2001:db8::1"),
    ("[2001:db8::1]", "2001:db8::1"),
    ("[2001:db8::1]:443", "2001:db8::1"),
    ('"[2001:db8::1]:443"', "2001:db8::1"),
    ('"198.51.100.66"', "198.51.100.66"),
    ("fe80::1%eth0", "fe80::1"),
    ("[fe80::1%25eth0]:80", "fe80::1"),
    ("::ffff:198.51.100.66", "198.51.100.66"),
    ("[::ffff:198.51.100.66]:80", "198.51.100.66"),
    ("\t198.51.100.66 ", "198.51.100.66"),
]


@pytest.mark.parametrize(("written", "read"), WRITTEN)
def test_an_address_is_read_with_port_brackets_zone_and_quotes(settings, written, read):
    assert address(settings, 1, HTTP_X_FORWARDED_FOR=f'"what, he says, {written}') == read
    assert address(settings, 1, "X-Real-IP", HTTP_X_REAL_IP=written) == read
    quoted = written.strip() if '"' in written else f'"{written.strip()}"'
    theirs = f"for=203.0.113.9;by=_x, For={quoted};proto=https;host=watch.example.com"
    assert address(settings, 1, "Forwarded", HTTP_FORWARDED=theirs) == read
    assert not Notice.objects.exists()


UNREADABLE = [
    "",
    "nonsense",
    "unknown",
    "_hidden",
    "1.2.3",
    "1.2.3.4:",
    "1.2.3.4:80:90",
    "[::1",
    "::1]",
    "[]",
    "a\0b",
    ",",
]


@pytest.mark.parametrize("written", [*UNREADABLE, "1.2.3.4/32", "010.0.0.1", "1.2.3.4 5.6.7.8", "%eth0", '"', "é"])
def test_what_can_t_be_read_counts_as_the_proxy(settings, written):
    assert address(settings, 1, HTTP_X_FORWARDED_FOR=f"203.0.113.9, {written}") == PROXY


@pytest.mark.parametrize("named", ["", "198.51.100.1", ",198.51.100.1"])
def test_what_did_not_come_through_all_proxies_counts_as_its_peer(settings, named):
    assert address(settings, 2, HTTP_X_FORWARDED_FOR=named) == PROXY
    assert address(settings, 1, HTTP_FORWARDED="for=198.51.100.1", HTTP_X_REAL_IP="198.51.100.1") == PROXY


def test_a_server_that_does_not_know_its_peer_says_nothing(settings):
    assert address(settings, 0, REMOTE_ADDR="") == ""


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        ("for=192.0.2.43", ["192.0.2.43"]),
        ('For="[2001:db8:cafe::17]:4711"', ['"[2001:db8:cafe::17]:4711"']),
        ("for=192.0.2.60;proto=http;by=203.0.113.43", ["192.0.2.60"]),
        ("for=192.0.2.43, for=198.51.100.17", ["192.0.2.43", "198.51.100.17"]),
        ("proto=https ; FOR=1.2.3.4:80,by=_x", ["1.2.3.4:80", ""]),
        ("for=[2001:db8::1]:443", ["[2001:db8::1]:443"]),
        ('host="a,for=6.6.6.6";for=1.2.3.4', ["1.2.3.4"]),
        ('for="x, for=1.2.3.4', []),
        ('for="x, for=1.2.3.4;host="a"', []),
        ('for="1.2.3.4"5, for=1.2.3.4', []),
        ("1.2.3.4", []),
        (", for=1.2.3.4", []),
        ("for=1.2.3.4;;", []),
        ("", []),
    ],
)
def test_forwarded_is_read_as_rfc_7239_says_or_not_at_all(text, nodes):
    assert forwarded.nodes_of_forwarded(text) == nodes


@given(st.text(st.sampled_from('for=1.2,;[]:%" \\\tx'), max_size=40), st.sampled_from([0, 1, 2, 3]))
def test_whatever_a_stranger_sends_before_it_what_our_proxy_wrote_is_read_or_nothing(before, more):
    ours = ", for=198.51.100.7" + ", for=10.0.0.1" * more
    assert forwarded.named_by_proxies("Forwarded", before + ours, more + 1) in ("198.51.100.7", "")
    ours = ",198.51.100.7:80" + ", [::1]:80" * more
    assert forwarded.named_by_proxies("X-Forwarded-For", before + ours, more + 1) == "198.51.100.7"


def test_who_guesses_from_one_port_after_the_other_locks_out_himself_alone(settings):
    settings.FAILED_LOGINS_PER_MINUTE, settings.TRUSTED_PROXIES = 3, 1

    def guess(named):
        ratelimit.count_failure(
            RequestFactory().get("/", HTTP_X_FORWARDED_FOR=named, REMOTE_ADDR=PROXY), ratelimit.LOGINS
        )

    for port in range(3):
        guess(f"198.51.100.66:{17085 + port}")
        guess(f"[2001:db8::{port}]:443")
    for named in ("198.51.100.66:1", "[2001:db8::1:2:3:4]:1"):
        with pytest.raises(RateLimited):
            guess(named)
    guess("198.51.100.67:17085")
    guess("[2001:db8:0:1::1]:443")


def test_it_is_warned_of_once_in_the_log_and_by_check(settings, capfd):
    assert address(settings, 1, HTTP_X_FORWARDED_FOR="203.0.113.9, unknown") == PROXY
    assert address(settings, 1, HTTP_X_FORWARDED_FOR="also unknown") == PROXY
    (line,) = [line for line in capfd.readouterr().err.splitlines() if "can't be read" in line]
    assert {"header": "X-Forwarded-For", "said": "203.0.113.9, unknown", "proxy": PROXY}.items() <= json.loads(
        line
    ).items()
    (warning,) = [each for each in checks.run_checks(databases=["default"]) if each.id == "watchkeeper.W002"]
    assert "X-Forwarded-For from 192.0.2.1 said '203.0.113.9, unknown'" in warning.msg
    assert "WATCHKEEPER_FORWARDED_HEADER" in warning.hint
    call_command("check", databases=None)
    assert "watchkeeper.W002" in capfd.readouterr().err


def test_check_says_nothing_of_what_is_set_right_or_long_ago(settings):
    address(settings, 1, HTTP_X_FORWARDED_FOR="unknown")
    settings.TRUSTED_PROXIES = 0
    assert not [each for each in checks.run_checks(databases=["default"]) if each.id == "watchkeeper.W002"]
    settings.TRUSTED_PROXIES = 1
    Notice.objects.update(at="2026-01-01T00:00:00Z")
    assert not [each for each in checks.run_checks(databases=["default"]) if each.id == "watchkeeper.W002"]


def test_a_failed_log_in_through_a_proxy_that_says_nothing_is_answered_all_the_same(settings):
    settings.TRUSTED_PROXIES = 1
    answer = Client().post("/login", {"username": "a@example.com", "password": "wrong"})
    assert answer.status_code == 400
    assert Notice.objects.get().detail.endswith("said 'nothing'")
