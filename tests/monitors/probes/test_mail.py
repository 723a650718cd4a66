"""Tests of monitors.probes.mail: against Twisted's servers for SMTP, IMAP and POP3, and against bad ones of our own."""

import asyncio

import pytest

from monitors.probes import mail
from monitors.probes.result import Code, Status
from monitors.probes.target import Type
from tests.monitors.probes.looking import HASTY, is_up, look, run

KINDS = {"smtp": Type.SMTP, "imap": Type.IMAP, "pop": Type.POP}
each_kind = pytest.mark.parametrize("name", KINDS)
ANN = {"auth_username": "ann", "auth_password": "correct horse"}


def check(name, real, url="mail.example", **target):
    """Look once at a real server: the result."""
    kind = KINDS[name.split("-")[0].removesuffix("s")]
    return run(look(kind, url, **{"port": real.port[name], "ca_certificate": real.root.pem} | target))


@each_kind
def test_a_server_is_up_when_it_greets_and_does_what_it_offers(name, real):
    result = check(name, real)
    assert is_up(result)
    assert result.timings.tls > 0
    assert result.certificate.subject == "mail.example"
    assert result.excerpt


@each_kind
def test_without_tls_on_offer_it_is_up_without(name, real):
    result = check(f"{name}-plain", real)
    assert is_up(result)
    assert (result.timings.tls, result.certificate) == (None, None)


@each_kind
def test_tls_from_the_beginning(name, real, monkeypatch):
    scheme = {"pop": "pop3s"}.get(name, f"{name}s")
    result = check(f"{name}s", real, url=f"{scheme}://mail.example:{real.port[f'{name}s']}")
    assert is_up(result)
    assert result.certificate.subject == "mail.example"
    monkeypatch.setattr("monitors.probes.mail.IMPLICIT_TLS", {real.port[f"{name}s"]})
    assert is_up(check(f"{name}s", real))


@each_kind
def test_a_certificate_that_is_not_trusted_is_told_wherever_tls_begins(name, real):
    result = check(name, real, ca_certificate=None)
    assert (result.status, result.code) == (Status.DOWN, Code.SSL_ERROR)
    assert "The certificate of mail.example is not accepted: nobody known has signed it" in result.cause
    assert is_up(check(name, real, ca_certificate=None, verify_ssl=False))
    result = check(name, real, url="other.example")
    assert "not accepted: it is for another name." in result.cause


@each_kind
def test_who_may_log_in_is_up_and_who_may_not_is_told_so(name, real):
    assert is_up(check(name, real, **ANN))
    assert is_up(check(f"{name}s", real, url=f"{name}s://mail.example", **ANN))
    result = check(name, real, auth_username="ann", auth_password="wrong horse")
    assert (result.status, result.code, result.is_refused) == (Status.DOWN, Code.OTHER, True)
    assert "mail.example refused the log-in" in result.cause
    assert "wrong horse" not in repr(result)


@each_kind
def test_a_password_is_never_sent_without_tls(name, real):
    result = check(f"{name}-plain", real, **ANN)
    assert (result.status, result.code, result.is_refused) == (Status.DOWN, Code.OTHER, False)
    assert result.cause == "mail.example offers no TLS, so the password was not sent."


# --- servers of our own, which do it wrong ---------------------------------------------------------------------------


def against(name, *lines, ending=True, **target):
    """Look once at a server that says some lines, whatever it is told: the result, and what it was told."""
    told = []

    async def meet(reader, writer):
        for line in lines:
            writer.write(line)
            await writer.drain()
            if line.endswith(b"\n") and not line.startswith(b"* "):
                told.append(await reader.readline())
        if not ending:
            await reader.read()
        writer.close()

    async def once():
        async with await asyncio.start_server(meet, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            return await look(KINDS[name], "mail.example", port=port, **target)

    return run(once()), told


@pytest.mark.parametrize(
    ("name", "greeting", "said"),
    [
        ("smtp", b"554 go away\r\n", "mail.example greets with a refusal: '554 go away'."),
        ("smtp", b"SSH-2.0-OpenSSH_9.2\r\n", "mail.example does not speak SMTP: 'SSH-2.0-OpenSSH_9.2'."),
        ("smtp", b"+OK\r\n", "mail.example does not speak SMTP: '+OK'."),
        ("smtp", b"\r\n", "mail.example does not speak SMTP."),
        ("imap", b"* BYE too many of you\r\n", "mail.example greets with a refusal: '* BYE too many of you'."),
        ("imap", b"220 mail\r\n", "mail.example does not speak IMAP: '220 mail'."),
        ("pop", b"-ERR locked\r\n", "mail.example greets with a refusal: '-ERR locked'."),
        ("pop", b"HTTP/1.1 400\r\n", "mail.example does not speak POP3: 'HTTP/1.1 400'."),
    ],
)
def test_a_bad_greeting_is_down_and_quoted(name, greeting, said):
    result, _ = against(name, greeting)
    assert (result.status, result.code, result.cause) == (Status.DOWN, Code.OTHER, said)


@each_kind
def test_a_server_that_says_nothing_or_hangs_up_is_down(name):
    result, _ = against(name, ending=False, request_timeout=HASTY)
    assert (result.code, result.cause) == (Code.TIMEOUT, "mail.example did not answer within 0.4 s.")
    result, _ = against(name)
    assert (result.code, result.cause) == (
        Code.CONNECTION_ERROR,
        "mail.example closed the connection without an answer.",
    )


@each_kind
def test_lines_without_end_end(name):
    result, _ = against(name, b"2" * 100_000)
    assert "sends longer lines" in result.cause
    greeting = {"smtp": b"220 hello\r\n", "imap": b"* OK hello\r\n", "pop": b"+OK hello\r\n"}[name]
    more = {"smtp": b"250-MORE\r\n", "imap": b"* CAPABILITY MORE\r\n", "pop": b"+OK\r\n" + b"MORE\r\n"}[name]
    result, _ = against(name, greeting, more * 100_000)
    assert (result.status, result.code) == (Status.DOWN, Code.OTHER)


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("smtp", [b"220 x\r\n", b"250 x\r\n"]),
        ("imap", [b"* OK x\r\n", b"a1 OK\r\n"]),
        ("pop", [b"+OK x\r\n", b"-ERR\r\n"]),
    ],
)
@pytest.mark.parametrize("ending", [True, False], ids=["hangs up", "is silent"])
def test_who_takes_a_goodbye_without_a_word_is_up(name, lines, ending, monkeypatch):
    monkeypatch.setattr(mail, "GOODBYE", 0.1)
    assert is_up(against(name, *lines, ending=ending)[0])


def test_old_smtp_that_knows_only_helo_is_up():
    result, told = against("smtp", b"220 old\r\n", b"502 what?\r\n", b"250 hello\r\n", b"221 bye\r\n")
    assert is_up(result)
    assert told == [b"EHLO watchkeeper.invalid\r\n", b"HELO watchkeeper.invalid\r\n", b"QUIT\r\n", b""]


def test_old_pop_that_can_t_say_what_it_can_is_up():
    assert is_up(against("pop", b"+OK old\r\n", b"-ERR what?\r\n", b"+OK bye\r\n")[0])


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("smtp", [b"220 x\r\n", b"250-x\r\n250 STARTTLS\r\n", b"454 not now\r\n"]),
        ("pop", [b"+OK x\r\n", b"+OK\r\nSTLS\r\n.\r\n", b"-ERR not now\r\n"]),
    ],
)
def test_tls_that_is_offered_and_refused_is_down(name, lines):
    result, _ = against(name, *lines)
    assert (result.status, result.code) == (Status.DOWN, Code.SSL_ERROR)
    assert "offers TLS and refuses it" in result.cause


def test_what_was_said_before_tls_is_not_taken_for_what_is_said_in_it():
    """Somebody in between could put it there (CVE-2011-0411 and its like)."""
    offer = b"250-x\r\n250 STARTTLS\r\n"
    result, _ = against("smtp", b"220 x\r\n", offer, b"220 go on\r\n250 injected\r\n", ending=False)
    assert (result.status, result.code) == (Status.DOWN, Code.SSL_ERROR)


@each_kind
@pytest.mark.parametrize("secret", ["a\r\nQUIT", "a\0b"])
def test_no_password_becomes_a_command(name, secret, real):
    result = check(name, real, auth_username="ann", auth_password=secret)
    assert result.status != Status.UP
