"""Tests of config.settings: what an operator says wrongly is refused at the start, by its name."""

import os
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import settings


def test_a_setting_is_what_its_variable_says_and_a_wrong_one_is_refused_by_name(monkeypatch):
    monkeypatch.setenv("WATCHKEEPER_MONITOR_NETWORKS", " 127.0.0.0/8,, fd12:3456::/32 ")
    assert list(map(str, settings.setting("WATCHKEEPER_MONITOR_NETWORKS"))) == ["127.0.0.0/8", "fd12:3456::/32"]
    monkeypatch.setenv("WATCHKEEPER_MONITOR_NETWORKS", "10.0.0.1/8")
    with pytest.raises(ImproperlyConfigured, match=r"WATCHKEEPER_MONITOR_NETWORKS: '10\.0\.0\.1/8' is no network"):
        settings.setting("WATCHKEEPER_MONITOR_NETWORKS")


def test_no_networks_are_opened_unless_said():
    assert (settings.WEBHOOK_NETWORKS, settings.MONITOR_NETWORKS) == ((), ())


@pytest.mark.parametrize("name", ["WATCHKEEPER_WEBHOOK_NETWORKS", "WATCHKEEPER_MONITOR_NETWORKS"])
def test_nothing_starts_with_wrong_networks(name):
    environment = os.environ | {name: "10.0.0.1/8", "DJANGO_SETTINGS_MODULE": "config.settings"}
    start = [sys.executable, "-c", "import django; django.setup()"]
    ended = subprocess.run(start, env=environment, cwd=settings.BASE_DIR, capture_output=True, text=True, check=False)
    assert ended.returncode
    assert f"{name}: '10.0.0.1/8' is no network" in ended.stderr
