"""Tests of TLS in every probe that speaks it: who is trusted, what is wrong with a certificate, and who we are."""

import asyncio
import os
import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from datetime import timedelta

import pytest

from monitors.probes.result import Code, Status
from monitors.probes.target import Type
from tests.monitors.probes.looking import HUNG, is_up, look, run
from tests.monitors.probes.servers import DAY, NOW, answer, issue, serving

SHOP = "shop.example"


@pytest.fixture(scope="module")
def root():
    return issue("Our Root", is_authority=True)


def check(tls, kind=Type.STATUS, url=None, **target):
    """Look once at a server with a certificate: the result."""

    async def once():
        async with serving(answer(b"welcome"), tls) as server:
            return await look(kind, (url or server.url()).format(port=server.port), **target)

    return run(once())


def test_a_private_authority_is_trusted_and_the_certificate_told(root, tmp_path):
    leaf = issue("Shop", SHOP, "www.shop.example", by=root)
    result = check(leaf.context(tmp_path), ca_certificate=root.pem)
    assert is_up(result)
    assert result.timings.tls > 0
    seen = result.certificate
    assert (seen.subject, seen.issuer, seen.names) == ("Shop", "Our Root", (SHOP, "www.shop.example"))
    assert seen.not_after == leaf.certificate.not_valid_after_utc
    assert seen.not_before == leaf.certificate.not_valid_before_utc
    assert seen.problem is None
    assert len(seen.fingerprint) == 64


def test_a_bundle_of_authorities_is_trusted_by_all(root, tmp_path):
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(root.pem)
    assert is_up(check(issue("Shop", SHOP, by=root).context(tmp_path), bundle=str(bundle)))


def wrong(name, root):
    """A certificate that is wrong in a way, and what is said of it."""
    certificates = {
        "expired": (
            issue("x", SHOP, by=root, since=NOW - 9 * DAY, until=NOW - DAY),
            f"it expired on {NOW - DAY:%Y-%m-%d}",
        ),
        "early": (issue("x", SHOP, by=root, since=NOW + DAY), f"it is not valid before {NOW + DAY:%Y-%m-%d}"),
        "name": (issue("x", "a.example", "b.example", by=root), "it is for a.example, b.example"),
        "self": (issue("x", SHOP), "it is self-signed"),
        "unknown": (
            issue("x", SHOP, by=issue("Other", is_authority=True)),
            "nobody known has signed it (issuer: Other)",
        ),
    }
    return certificates[name]


@pytest.mark.parametrize("kind", [Type.STATUS, Type.TLS])
@pytest.mark.parametrize("name", ["expired", "early", "name", "self", "unknown"])
def test_what_is_wrong_with_a_certificate_is_said_in_people_s_words_and_it_is_shown(name, kind, root, tmp_path):
    leaf, said = wrong(name, root)
    url = None if kind == Type.STATUS else "shop.example:{port}"
    result = check(leaf.context(tmp_path), kind, url, ca_certificate=root.pem)
    assert (result.status, result.code) == (Status.DOWN, Code.SSL_ERROR)
    assert result.cause == f"The certificate of shop.example is not accepted: {said}."
    assert result.certificate.problem == said
    assert result.certificate.not_after == leaf.certificate.not_valid_after_utc
    assert is_up(check(leaf.context(tmp_path), kind, url, verify_ssl=False))


def test_an_expired_root_that_is_sent_along_does_no_harm(root, tmp_path):
    """As when a root was renewed with the same key, and the server still sends the old one."""
    old = issue("Our Root", is_authority=True, key=root.key, since=NOW - 900 * DAY, until=NOW - DAY)
    leaf = issue("Shop", SHOP, by=root)
    assert is_up(check(leaf.context(tmp_path, old), ca_certificate=root.pem))
    assert is_up(check(leaf.context(tmp_path, old), Type.TLS, "shop.example:{port}", ca_certificate=root.pem))


def test_an_intermediate_that_is_not_sent_along_is_missing(root, tmp_path):
    between = issue("Between", by=root, is_authority=True)
    leaf = issue("Shop", SHOP, by=between)
    assert is_up(check(leaf.context(tmp_path, between), ca_certificate=root.pem))
    result = check(leaf.context(tmp_path), ca_certificate=root.pem)
    assert (
        result.cause == "The certificate of shop.example is not accepted: nobody known has signed it (issuer: Between)."
    )


@contextmanager
def asking(tls, said=b""):
    """A server that asks for a client's certificate, and says that it misses one, which asyncio's forgets to."""

    def meet(secure):
        try:
            secure.do_handshake()
            secure.recv(65_536)
            secure.sendall(said or answer())
        except ssl.SSLError:
            # What was said is lost if there is something unread at the end.
            socket.socket.shutdown(secure, socket.SHUT_WR)
            while os.read(secure.fileno(), 65_536):
                pass

    def serve():
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                secure = tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
                with suppress(OSError), secure:
                    meet(secure)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"https://shop.example:{listening.getsockname()[1]}/"
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(HUNG)


def test_a_client_s_certificate_is_shown_to_who_asks_for_it_and_a_missing_one_is_told(root, tmp_path):
    client = issue("monitor", by=root)
    known = {"client_certificate": client.pem, "client_key": client.key_pem, "ca_certificate": root.pem}
    with asking(issue("Shop", SHOP, by=root).context(tmp_path, clients=root)) as url:
        assert is_up(run(look(Type.STATUS, url, **known)))
        result = run(look(Type.STATUS, url, ca_certificate=root.pem))
    assert (result.status, result.code) == (Status.DOWN, Code.SSL_ERROR)
    assert "it wants a certificate of ours" in result.cause


def test_who_we_are_is_not_shown_to_another_origin(root, tmp_path):
    client = issue("monitor", by=root)
    known = {"client_certificate": client.pem, "client_key": client.key_pem, "ca_certificate": root.pem}
    tls = issue("Shop", SHOP, by=root).context(tmp_path, clients=root)
    with asking(tls) as second, asking(tls, answer(b"", f"Location: {second}", status="302 Found")) as first:
        assert "it wants a certificate of ours" in run(look(Type.STATUS, first, **known)).cause


@pytest.mark.parametrize(
    "target",
    [
        {"ca_certificate": "no certificate"},
        {"ca_certificate": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"},
        {"client_certificate": "no certificate", "client_key": "no key"},
        {"client_certificate": issue("a").pem, "client_key": issue("b").key_pem},
        {"client_certificate": issue("a").pem},
    ],
)
def test_what_can_t_be_read_says_nothing_about_the_target(target, root, tmp_path):
    result = check(issue("Shop", SHOP, by=root).context(tmp_path), **target)
    assert (result.status, result.code) == (Status.INCONCLUSIVE, Code.SSL_ERROR)
    assert "can't be read" in result.cause


def test_a_server_without_tls_is_told_to_be_one():
    async def meet(reader, writer):
        writer.write(answer(status="400 Bad Request"))
        writer.close()

    async def once():
        async with await asyncio.start_server(meet, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            return await look(Type.STATUS, f"https://shop.example:{port}/")

    result = run(once())
    assert (result.status, result.code) == (Status.DOWN, Code.SSL_ERROR)
    words = "No secure connection (TLS) to shop.example could be made: it does not speak TLS at this port."
    assert result.cause == words


def test_a_name_with_a_dot_at_its_end_is_the_same_name(root, tmp_path):
    tls = issue("Shop", SHOP, by=root).context(tmp_path)
    assert is_up(check(tls, url="https://shop.example.:{port}/", ca_certificate=root.pem))


def test_the_certificate_is_that_of_the_target_s_own_host(root, tmp_path):
    """Also where it redirects elsewhere; and one that is not valid long is told as such, by nobody but the checker."""
    short = issue("Shop", SHOP, by=root, until=NOW + timedelta(hours=1))
    other = issue("Other", "other.example", by=root)

    async def once():
        async with serving(answer(), other.context(tmp_path)) as second:
            redirect = answer(b"", f"Location: {second.url(host='other.example')}", status="302 Found")
            async with serving(redirect, short.context(tmp_path)) as first:
                return await look(Type.STATUS, first.url(), ca_certificate=root.pem)

    result = run(once())
    assert is_up(result)
    assert result.certificate.subject == "Shop"
