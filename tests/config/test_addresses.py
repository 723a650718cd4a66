import pytest
from django.core.exceptions import ValidationError

from config.addresses import WEB_ADDRESS, host_and_port, wrong_form, wrong_url
from config.networks import read_networks


@pytest.mark.parametrize(
    "address",
    [
        "https://www.example.com",
        "HTTP://EXAMPLE.com.",
        "http://localhost:8000/health?deep=1#top",
        "http://my_service:3000/",
        "http://127.0.0.1:65535",
        "http://[::1]:8080/",
        "http://[2001:db8:1:2:3:4:5:6]",
        "http://[2001:db8::6]/",
        "https://xn--mller-kva.example/stra%C3%9Fe",
        "https://example.com?mail=a@b.example",
        "https://" + "a" * 63 + ".example",
    ],
)
def test_an_address_that_can_be_asked_is_taken(address):
    WEB_ADDRESS(address)


@pytest.mark.parametrize(
    "address",
    [
        "example.com",
        "//example.com",
        "ftp://example.com",
        "javascript:alert(1)",
        "https://",
        "https:///path",
        "https://user@example.com",
        "https://user:password@example.com/",
        "https://example.com\\@elsewhere.example/",
        "https://exa mple.com",
        "https://example.com/a b",
        "https://example.com/\n",
        "https://example.com\n",
        "https://example.com/straße",
        "https://müller.example",
        "https://example.com:0",
        "https://example.com:65536",
        "https://example.com:port",
        "https://-example.com",
        "https://example..com",
        "https://" + "a" * 64 + ".example",
        "http://999.1.1.1",
        "http://1.2.3",
        "http://2130706433",
        "http://[::1",
        "http://[1::2::3]",
        "http://[1:2:3]",
    ],
)
def test_any_other_is_refused(address):
    with pytest.raises(ValidationError):
        WEB_ADDRESS(address)


# --- what something is sent to ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://example.com/" + "x" * 2029, "at most 2048 characters"),
        ("ftp://example.com", "http or https"),
        ("https://" + "a." * 126 + "aa", "at most 253 characters"),
        ("https://example.com:6379/", "Port 6379 is not a web server's (Redis)"),
        ("http://10.0.0.1:8000/", "10.0.0.1 is not on the public internet"),
        ("http://[FD12::1]/", "fd12::1 is not on the public internet"),
    ],
)
def test_what_is_wrong_with_a_url_is_said(url, said):
    assert said in wrong_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/" + "x" * 2028,
        "https://" + "a." * 125 + "aaa",
        "https://example.com:8443",
        "http://8.8.8.8",
    ],
)
def test_a_url_that_something_can_be_sent_to_is_right(url):
    assert wrong_url(url) is None


def test_a_number_of_an_opened_network_is_right():
    opened = read_networks(["10.1.0.0/16"])
    assert wrong_url("http://10.1.2.3/", opened) is None
    assert wrong_url("http://10.2.2.3/", opened)


def test_a_name_is_not_asked_for():
    assert wrong_url("http://localhost/") is None


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("db.example", ("db.example", None)),
        ("db.example:5432", ("db.example", 5432)),
        ("db.example.", ("db.example.", None)),
        ("192.0.2.7:25", ("192.0.2.7", 25)),
        ("[2001:db8::7]", ("2001:db8::7", None)),
        ("[2001:db8::7]:25", ("2001:db8::7", 25)),
        ("2001:db8::7", ("2001:db8::7", None)),
        ("tcp://db.example:5432/", ("db.example", 5432)),
        ("smtps://mail.example", ("mail.example", None)),
        ("localhost", ("localhost", None)),
    ],
)
def test_a_host_with_or_without_a_port_is_read(text, place):
    assert host_and_port(text) == place
    assert host_and_port(text, 7) == (place[0], place[1] or 7)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "db.example:0", "db.example:65536", "db.example:", "a b", "db.example/path", "http://me@db.example",
        "[2001:db8::7", "[x]", "0x7f.1", "127.1", "2001:db8::7:99999", "db.example\n", "x" * 3_000,
        "a" * 60 + (".a" * 120),
    ],
)  # fmt: skip
def test_what_is_no_host_is_refused(text):
    with pytest.raises(ValueError, match=r"Expected a host|A host's name"):
        host_and_port(text)


def test_how_a_url_is_written_can_be_judged_apart_from_where_it_leads():
    assert wrong_form("http://127.0.0.1/") is None
    assert wrong_url("http://127.0.0.1/")
    assert wrong_form("http://shop.example:25/")
    assert wrong_form("http://me@shop.example/")
