"""Tests of monitors.probes.settings: what is wrong is told by its field, and what is not told works."""

import pytest

from config.networks import NetworkTable, read_openings
from monitors.probes.result import Status
from monitors.probes.settings import find_problems
from monitors.probes.target import Condition, Header, Op, Source, Target, Type
from tests.monitors.probes.looking import look, run
from tests.monitors.probes.servers import issue

HOME = NetworkTable(private=True)
ROOT = issue("Root", is_authority=True)
SHOP = "https://shop.example/"


def condition(name="a.b", op=Op.EXISTS, value="", source=Source.JSON):
    return Condition(source, name, op, value)


@pytest.mark.parametrize(
    "target",
    [
        Target(Type.STATUS, SHOP),
        Target(Type.STATUS, "http://10.0.0.1:8080/x"),
        Target(Type.STATUS, "http://[fd12::1]/"),
        Target(Type.EXPECTED_STATUS_CODE, SHOP, expected_status_codes=(200, 599)),
        Target(Type.KEYWORD, SHOP, required_keyword="x", conditions=(condition(), condition(op=Op.LESS, value="1e3"))),
        Target(Type.STATUS, SHOP, ca_certificate=ROOT.pem, client_certificate=ROOT.pem, client_key=ROOT.key_pem),
        Target(Type.PING, "10.0.0.1"),
        Target(Type.TCP, "db.example:5432"),
        Target(Type.UDP, "db.example", port=5432),
        Target(Type.DNS, "_sip._tcp.shop.example", dns_record_type="srv", dns_server="10.0.0.1"),
        Target(Type.SMTP, "mail.example"),
        Target(Type.TLS, "[2606:4700::1111]:8443"),
    ],
    ids=lambda target: f"{target.type} {target.url}",
)
def test_nothing_is_wrong_with_sound_settings(target):
    assert find_problems(target, HOME) == {}


@pytest.mark.parametrize(
    ("field", "target", "said"),
    [
        ("url", Target(Type.STATUS, "shop.example"), "Expected an address such as"),
        ("url", Target(Type.STATUS, "http://me:pw@shop.example/"), "no user name or password"),
        ("url", Target(Type.STATUS, "http://shop.example:25/"), "Port 25 is not a web server's"),
        ("url", Target(Type.STATUS, "http://127.0.0.1/"), "WATCHKEEPER_MONITOR_NETWORKS"),
        ("url", Target(Type.STATUS, "http://[::1]:80/"), "WATCHKEEPER_MONITOR_NETWORKS"),
        ("url", Target(Type.TCP, "169.254.169.254:80"), "WATCHKEEPER_MONITOR_NETWORKS"),
        ("url", Target(Type.PING, "http://shop.example/path"), "Expected a host such as"),
        ("url", Target(Type.DNS, "a..b"), "Expected a name"),
        ("url", Target(Type.DNS, ""), "Expected a name"),
        ("port", Target(Type.TCP, "db.example"), "A port is needed"),
        ("port", Target(Type.UDP, "db.example"), "A port is needed"),
        ("http_method", Target(Type.STATUS, SHOP, http_method="GET /"), "is no method of HTTP"),
        ("http_method", Target(Type.STATUS, SHOP, http_method="connect"), "is no method of HTTP"),
        ("request_headers", Target(Type.STATUS, SHOP, request_headers=(Header("Host", "x"),)), "can't be set"),
        ("request_headers", Target(Type.STATUS, SHOP, request_headers=(Header("A", "b\n"),)), "control characters"),
        ("expected_status_codes", Target(Type.EXPECTED_STATUS_CODE, SHOP), "At least one"),
        ("expected_status_codes", Target(Type.EXPECTED_STATUS_CODE, SHOP, expected_status_codes=(99,)), "99 is no"),
        ("required_keyword", Target(Type.KEYWORD, SHOP), "A keyword is needed"),
        ("conditions", Target(Type.STATUS, SHOP, conditions=(condition("a["),)), "is no path"),
        ("conditions", Target(Type.STATUS, SHOP, conditions=(condition(op=Op.LESS, value="x"),)), "compares numbers"),
        ("conditions", Target(Type.STATUS, SHOP, conditions=(condition(),) * 11), "can be 10"),
        (
            "conditions",
            Target(Type.STATUS, SHOP, conditions=(condition("", source=Source.HEADER),)),
            "name of a header",
        ),
        ("conditions", Target(Type.TCP, "a.example:1", conditions=(condition(),)), "Only an answer of HTTP"),
        ("ca_certificate", Target(Type.STATUS, SHOP, ca_certificate="x"), "can't be read"),
        ("client_certificate", Target(Type.STATUS, SHOP, client_certificate=ROOT.pem), "can't be read"),
        ("client_certificate", Target(Type.STATUS, SHOP, client_key=ROOT.key_pem), "needs its certificate"),
        ("dns_record_type", Target(Type.DNS, "a.example", dns_record_type="ANY"), "It can be one of A, AAAA"),
        ("dns_server", Target(Type.DNS, "a.example", dns_server="127.0.0.1"), "WATCHKEEPER_MONITOR_NETWORKS"),
        ("dns_server", Target(Type.DNS, "a.example", dns_server="a/b"), "Expected a host"),
    ],
)
def test_what_is_wrong_is_told_by_its_field(field, target, said):
    problems = find_problems(target, HOME)
    assert list(problems) == [field]
    assert said in problems[field]
    assert "pw" not in problems[field]


def test_a_port_that_is_opened_is_open():
    table = NetworkTable(read_openings(["127.0.0.1:8000"]))
    assert find_problems(Target(Type.STATUS, "http://127.0.0.1:8000/"), table) == {}
    assert "url" in find_problems(Target(Type.STATUS, "http://127.0.0.1/"), table)
    assert find_problems(Target(Type.TCP, "127.0.0.1", port=8000), table) == {}
    assert "url" in find_problems(Target(Type.PING, "127.0.0.1", port=8000), table)


def test_a_probe_of_what_is_wrong_says_so_and_nothing_about_the_target():
    result = run(look(Type.STATUS, "http://shop.example:25/"))
    assert (result.status, result.cause) == (Status.INCONCLUSIVE, "Port 25 is not a web server's (SMTP).")
