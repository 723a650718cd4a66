"""What the tests of probes share: real servers of other protocols, once for a module."""

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest

from monitors.probes import prober
from tests.monitors.probes.looking import HUNG
from tests.monitors.probes.servers import issue
from tests.running import ROOT


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Ports of real servers (tests.monitors.probes.real_servers) by their names, and `root`, who signed theirs."""
    root = issue("Mail Root", is_authority=True)
    leaf = issue("mail.example", "mail.example", by=root)
    file = tmp_path_factory.mktemp("real") / "server.pem"
    file.write_text(leaf.key_pem + leaf.pem)
    command = [sys.executable, "-m", "tests.monitors.probes.real_servers", str(file)]
    running = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with running:
        yield SimpleNamespace(root=root, port=json.loads(running.stdout.readline()))
        running.stdin.close()
        running.wait(30)


@pytest.fixture(autouse=True)
def _busy_machine(monkeypatch):
    """A machine that is busy with other tests is no process that stands still; tests of that say so."""
    monkeypatch.setattr(prober, "LATE", HUNG)
