"""Tests of config.settings: what an operator says wrongly is refused at the start, by its name."""

import os
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import settings


def test_networks_are_opened_by_the_environment(monkeypatch):
    monkeypatch.setenv("SOME_NETWORKS", " 127.0.0.0/8,, fd12:3456::/32 ")
    assert [str(network) for network in settings.networks("SOME_NETWORKS")] == ["127.0.0.0/8", "fd12:3456::/32"]


def test_none_are_opened_unless_said(monkeypatch):
    assert settings.networks("NO_NETWORKS") == ()
    assert (settings.WEBHOOK_NETWORKS, settings.MONITOR_NETWORKS) == ((), ())


@pytest.mark.parametrize("wrong", ["10.0.0.1/8", "localhost", "10.0.0.0/8;10.1.0.0/16", "169.254.169.254"])
def test_wrong_networks_are_refused(monkeypatch, wrong):
    monkeypatch.setenv("SOME_NETWORKS", wrong)
    with pytest.raises(ImproperlyConfigured, match="SOME_NETWORKS: '"):
        settings.networks("SOME_NETWORKS")


@pytest.mark.parametrize("name", ["WATCHKEEPER_WEBHOOK_NETWORKS", "WATCHKEEPER_MONITOR_NETWORKS"])
def test_nothing_starts_with_wrong_networks(name):
    environment = os.environ | {name: "10.0.0.1/8", "DJANGO_SETTINGS_MODULE": "config.settings"}
    start = [sys.executable, "-c", "import django; django.setup()"]
    ended = subprocess.run(start, env=environment, cwd=settings.BASE_DIR, capture_output=True, text=True, check=False)
    assert ended.returncode
    assert f"{name}: '10.0.0.1/8' is no network" in ended.stderr
