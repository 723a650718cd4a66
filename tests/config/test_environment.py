"""Tests of config.environment: what an operator says wrongly is told by name, value and what it may be."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from config import environment
from config.environment import VARIABLES, Wrong, unknown_ones, value_of, wrong_ones

ROOT = Path(__file__).parents[2]
LAUNCHER = [sys.executable, str(ROOT / "watchkeeper")]

WRONG = {
    "PORT": ["http", "0", "65536", "-1", "80 80", "٨٠"],
    "WATCHKEEPER_HOSTS": [
        "https://watch.example.com",
        "watch.example.com:8443",
        ".example.com",
        "*.example.com",
        "watch.example.com/",
        "a b",
        "watch.example.com.",
        "my_host",
        "müller.example",
        "::1",
        "[::1",
        "[::1]:8000",
        "[fe80::1%eth0]",
        ",",
        "watch.example.com, user@example.com",
    ],
    "WATCHKEEPER_ORIGINS": [
        "https://watch.example.com/",
        "watch.example.com",
        "https://watch.example.com/path",
        "https://watch.example.com:443",
        "http://watch.example.com:80",
        "https://watch.example.com:99999",
        "ftp://watch.example.com",
        "https://me@watch.example.com",
        "https://",
        "*",
        "null",
        ";",
    ],
    "WATCHKEEPER_HTTPS": ["maybe", "2", "-1"],
    "WATCHKEEPER_DEBUG": ["maybe"],
    "WATCHKEEPER_TRUSTED_PROXIES": ["yes", "-1", "1.5", "10.0.0.1", "21"],
    "WATCHKEEPER_FORWARDED_HEADER": ["X-Forwarded-For, Forwarded", "HTTP_X_REAL_IP", "X Real", "7", "X-Real-IP:"],
    "WATCHKEEPER_PROCESSES": ["all", "0", "65"],
    "WATCHKEEPER_THREADS": ["auto", "0", "65"],
    "WATCHKEEPER_API_RATE": ["many", "0", "6000/min"],
    "WATCHKEEPER_LOGIN_RATE": ["few", "0", "9" * 30],
    "WATCHKEEPER_WEBHOOK_NETWORKS": ["10.0.0.1/8", "localhost", "10.0.0.0/8;10.1.0.0/16", "169.254.169.254"],
    "WATCHKEEPER_MONITOR_NETWORKS": ["10.0.0.1/8", "fe80::/10", "127.0.0.1:0", "127.0.0.1:65536", "[::1]", "::1%lo"],
    "WATCHKEEPER_CA_BUNDLE": ["/nowhere/bundle.pem", "/", "/dev/null"],
    "WATCHKEEPER_LOG_LEVEL": ["verbose", "10"],
}
SECRET = {"WATCHKEEPER_SECRET_KEY": [" "], "WATCHKEEPER_ENCRYPTION_KEY": [" , ", ","]}
# What PostgreSQL and the file system say of them is told by config.database and config.commandline.
OTHERS_LOOK = {"DATABASE_URL", "WATCHKEEPER_DATA"}

RIGHT = {
    "PORT": {"8080": 8080, " 1 ": 1},
    "WATCHKEEPER_HOSTS": {
        "watch.example.com, 10.0.0.7,[2001:DB8:0::7]": ["watch.example.com", "10.0.0.7", "[2001:db8::7]"],
        "Watch.Example.COM": ["watch.example.com"],
        "*": ["*"],
        "localhost,": ["localhost"],
    },
    "WATCHKEEPER_ORIGINS": {
        "https://Watch.Example.com,http://10.0.0.7:8000": ["https://watch.example.com", "http://10.0.0.7:8000"],
        "https://*.example.com,https://[::1]:8443": ["https://*.example.com", "https://[::1]:8443"],
    },
    "WATCHKEEPER_HTTPS": {"1": True, "TRUE": True, "on": True, "yes": True, "0": False, "no": False, "off": False},
    "WATCHKEEPER_TRUSTED_PROXIES": {"0": 0, "2": 2},
    "WATCHKEEPER_FORWARDED_HEADER": {"forwarded": "forwarded", " X-Real-IP ": "X-Real-IP"},
    "WATCHKEEPER_API_RATE": {"12": 12},
    "WATCHKEEPER_LOG_LEVEL": {"debug": "DEBUG", "WARNING": "WARNING"},
    "WATCHKEEPER_ENCRYPTION_KEY": {"new, old": ["new", "old"]},
}


def every(cases):
    return [(name, text) for name, texts in cases.items() for text in texts]


@pytest.mark.parametrize(("name", "text"), every(WRONG))
def test_a_wrong_value_is_one_line_with_name_value_and_what_it_may_be(name, text):
    with pytest.raises(Wrong) as wrong:
        value_of(name, {name: text})
    line = str(wrong.value)
    assert len(line.splitlines()) == 1
    assert line.startswith(f"{name}: ")
    assert text[:50] in line or any(repr(word.strip()) in line for word in text.split(","))
    assert re.search(r"It may be|from \d+ to \d+|such as|can't be opened", line)


@pytest.mark.parametrize(("name", "text"), every(SECRET))
def test_a_wrong_secret_is_named_and_not_shown(name, text):
    assert wrong_ones({name: text}) == [
        f"{name}: there is no key in it. It may be one, or several with commas between them"
        if name == "WATCHKEEPER_ENCRYPTION_KEY"
        else f"{name}: there is nothing in it. It may be at least 50 random characters"
    ]


@pytest.mark.parametrize("name", sorted(VARIABLES.keys() - {"WATCHKEEPER_DATA"}))
def test_bytes_that_are_no_text_are_said_to_be_so_and_not_shown(name):
    """As they come from a shell or a secrets file in another encoding."""
    said = {name: os.fsdecode(b"gr\xfc\xdfe" + b"x" * 60)}
    assert wrong_ones(said) == [f"{name}: it has bytes that are no text. It may be what can be typed, in UTF-8"]


@pytest.mark.parametrize(("name", "text"), every(RIGHT))
def test_a_right_value_is_read(name, text):
    assert value_of(name, {name: text}) == RIGHT[name][text]


def test_every_variable_is_tried_here_and_stands_in_the_table_of_settings():
    assert VARIABLES.keys() == WRONG.keys() | SECRET.keys() | OTHERS_LOOK | {
        name for name in VARIABLES if name in RIGHT and name not in WRONG
    }
    table = set(re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert table == VARIABLES.keys()


def test_what_is_not_set_or_empty_is_its_default():
    for name, variable in VARIABLES.items():
        assert value_of(name, {}) == value_of(name, {name: ""}) == variable.default


def test_all_that_is_wrong_is_told_at_once():
    assert len(wrong_ones({name: texts[0] for name, texts in (WRONG | SECRET).items()})) == len(WRONG | SECRET)
    assert wrong_ones({}) == []


def test_a_typing_error_is_no_setting():
    said = {"WATCHKEEPER_HOST": "x", "WATCHKEEPER_FAULTS": "x", "WATCHKEEPER_HOSTS": "x", "ELSE": "x"}
    assert unknown_ones(said) == ["WATCHKEEPER_HOST is no setting; perhaps WATCHKEEPER_HOSTS is meant"]


def test_nothing_else_reads_settings_from_the_environment():
    read = re.compile(r"environ\w*(?:\.get\(|\[)\s*[\"'](\w+)[\"']")
    found = {
        (path.relative_to(ROOT).as_posix(), name)
        for path in (ROOT / "config").rglob("*.py")
        for name in read.findall(path.read_text())
        if name in VARIABLES
    }
    assert {name for _, name in found} <= OTHERS_LOOK
    assert environment.INTERNAL.isdisjoint(VARIABLES)


@pytest.mark.parametrize("command", ["up", "check", "migrate"])
def test_up_and_every_command_refuse_in_the_same_words(tmp_path, command):
    said = {"WATCHKEEPER_HOSTS": "https://watch.example.com", "WATCHKEEPER_LOG_LEVEL": "verbose"}
    environ = os.environ | said | {"WATCHKEEPER_DATA": str(tmp_path / "data")}
    done = subprocess.run([*LAUNCHER, command], env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [f"watchkeeper: {line}" for line in wrong_ones(said)]
    assert len(wrong_ones(said)) == 2
    assert not (tmp_path / "data").exists()
