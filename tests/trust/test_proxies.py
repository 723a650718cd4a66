"""
Behind nginx and Caddy of Debian, set up as docs/proxy.md says: everything passes, and thousands of half-sent requests
from one address stop nobody.
"""

import json
import os
import re
import resource
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.conftest import an_event
from tests.programs import path_of
from tests.running import HOST, Running, eventually, free_port
from tests.trust.conftest import FULL

pytestmark = pytest.mark.skipif(not FULL, reason="starts proxies and a whole instance: in the full run")

DOC = Path(__file__).parents[2] / "docs" / "proxy.md"
NAME = "watch.example.com"
HALVES = 4_000
# Whoever waits that long was stopped: half-sent requests are given up after 10 s.
AT_ONCE = 8.0
STAFF = {
    "WATCHKEEPER_HTTPS": "1",
    "WATCHKEEPER_TRUSTED_PROXIES": "1",
    "WATCHKEEPER_HOSTS": f"{NAME},127.0.0.1",
    "WATCHKEEPER_ORIGINS": f"https://{NAME}",
}


def block(language: str) -> str:
    """What the page says in a language."""
    [found] = re.findall(rf"^```{language}\n(.*?)^```$", DOC.read_text(), re.MULTILINE | re.DOTALL)
    return str(found)


@dataclass
class Proxied:
    """A Watchkeeper behind a proxy that listens on a port."""

    running: Running
    team: dict[str, Any]
    port: int
    tls: ssl.SSLContext

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[HTTPResponse, bytes]:
        line = HTTPSConnection(NAME, self.port, context=self.tls, timeout=60)
        line.sock = self.tls.wrap_socket(socket.create_connection((HOST, self.port), timeout=60), server_hostname=NAME)
        try:
            line.request(method, path, body, {"Host": NAME} | headers)
            answer = line.getresponse()
            return answer, answer.read()
        finally:
            line.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of our own for the name, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, private = folder / "watch.pem", folder / "watch.key"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return pem, private


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, dict[str, Any]]]:
    with Running(tmp_path_factory.mktemp("proxied"), STAFF) as running:
        yield running, running.create_team("Proxied")


def filled_in(text: str, port: int, running: Running, certificate: tuple[Path, Path]) -> str:
    """A configuration with the places and ports of this test."""
    return (
        text.replace("/etc/ssl/watch.example.com.pem", str(certificate[0]))
        .replace("/etc/ssl/watch.example.com.key", str(certificate[1]))
        .replace("127.0.0.1:8000", f"127.0.0.1:{running.port}")
        .replace("listen 443", f"listen 127.0.0.1:{port}")
    )


def nginx(folder: Path, port: int, running: Running, certificate: tuple[Path, Path]) -> list[str]:
    """The command that runs nginx as the page says."""
    site = filled_in(block("nginx"), port, running, certificate)
    places = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;\n" if os.geteuid() == 0 else ""  # who may read this test's files
    main = f"{user}daemon off;\npid {folder}/pid;\nerror_log stderr;\n{block('nginx-main')}\n"
    (folder / "nginx.conf").write_text(f"{main}http {{\naccess_log off;\n{places}{site}}}\n")
    return [path_of("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf")]


def caddy(folder: Path, port: int, running: Running, certificate: tuple[Path, Path]) -> list[str]:
    """The command that runs Caddy as the page says."""
    site = filled_in(block("caddy"), port, running, certificate)
    ours = f"{{\n\tadmin off\n\tauto_https disable_redirects\n\thttps_port {port}\n\tdefault_bind 127.0.0.1\n"
    (folder / "Caddyfile").write_text(site.replace("{\n", ours, 1))
    return [path_of("caddy"), "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


@contextmanager
def started(command: list[str], folder: Path, port: int) -> Iterator[None]:
    """A proxy that listens on a port while the block runs."""
    home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "PATH": "/usr/bin:/bin"}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=home)
    try:
        assert eventually(lambda: listens(port), 20), (folder / "log").read_text()
        yield
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def listens(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="module", params=[nginx, caddy], ids=["nginx", "caddy"])
def proxied(request: Any, behind: Any, certificate: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    running, team = behind
    port, folder = free_port(), tmp_path_factory.mktemp("proxy")
    tls = ssl.create_default_context(cafile=str(certificate[0]))
    with started(request.param(folder, port, running, certificate), folder, port):
        yield Proxied(running, team, port, tls)


def test_pages_are_served_as_over_tls(proxied: Proxied):
    answer, body = proxied.ask("GET", "/login")
    assert answer.status == 200 and b"<form" in body
    assert "Secure" in (answer.headers["Set-Cookie"] or "")


def test_who_calls_is_who_the_proxy_heard(proxied: Proxied):
    proxied.ask("GET", "/api/incidents", **{"X-API-Key": "wk_wrong", "X-Forwarded-For": "192.0.2.66"})
    assert "W002" not in proxied.running.manage("check")


def test_events_come_through_up_to_the_largest_request(proxied: Proxied):
    event = an_event("monitor.down", note="x" * 60_000, message=str(proxied.port))
    events = [event | {"monitor_id": number} for number in range(60)]
    answer, said = proxied.ask("POST", proxied.team["webhook_path"], json.dumps(events).encode())
    assert answer.status == 202 and len(json.loads(said)["data"]) == 60


def test_who_sends_too_much_hears_why_from_us(proxied: Proxied):
    answer, said = proxied.ask("POST", proxied.team["webhook_path"], b"x" * (5 * 1024 * 1024))
    assert answer.status == 413
    assert json.loads(said)["error"]["code"] == "PAYLOAD_TOO_LARGE"


@pytest.fixture
def many_files() -> Iterator[None]:
    """Room for as many connections as are opened."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2 * HALVES:
        pytest.skip(f"needs {2 * HALVES} open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_thousands_of_half_sent_requests_stop_nobody(proxied: Proxied, many_files: None):
    with ExitStack() as open_ones:
        for _ in range(HALVES):
            half = open_ones.enter_context(socket.create_connection((HOST, proxied.port), timeout=30))
            # The beginning of a TLS handshake is all that an attacker needs to send.
            half.sendall(b"\x16\x03\x01\x02\x00\x01\x00")
        others = (
            proxied.ask("GET", "/login"),
            proxied.ask(
                "POST", proxied.team["webhook_path"], json.dumps(an_event("monitor.down", note="meanwhile")).encode()
            ),
        )
        assert [answer.status for answer, _ in others] in ([200, 202], [200, 200])
        assert proxied.running.is_ready()
        # Behind it none of them is seen.
        assert connections_of(proxied.running) < 100


def connections_of(running: Running) -> int:
    """How many connections to a Watchkeeper there are."""
    wanted = f":{running.port:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(each.split()[1].endswith(wanted) and each.split()[3] == "01" for each in lines)
