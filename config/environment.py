"""
What an operator says in the environment: which variables there are, how each is read, and what is wrong with one.

Each stands in VARIABLES with its default and its reader; settings, launcher and `check` ask here, so that a wrong one
is told in the same words whoever meets it first: its name, its value, and what it may be. Nothing of Django is needed,
because the launcher asks before anything else. Not here: whether the database that DATABASE_URL names answers
(config.database), nor whether the data folder can be written (config.commandline).
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import IPv6Address
from typing import Any

from config.networks import Network, Opening, read_networks, read_openings

YES, NO = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LONGEST_SHOWN = 100
LARGEST_BUNDLE = 16 * 1024 * 1024
# Said to ourselves: by a parent to its child, or by tests.
INTERNAL = {"WATCHKEEPER_ACCESS", "WATCHKEEPER_FAULTS", "WATCHKEEPER_SUPERVISED", "WATCHKEEPER_TEST_FULL"}

HOSTS = (
    "It may be host names such as watch.example.com and addresses such as 192.0.2.7 or [2001:db8::7], comma-separated, "
    "each by itself, without scheme and port; or * for all"
)
ORIGINS = (
    "It may be origins as browsers write them, comma-separated: scheme and host name, the port only where it is not "
    "the scheme's own, and no slash at the end, such as https://watch.example.com"
)
HEADER = "It may be the name of one header, such as X-Forwarded-For, Forwarded or X-Real-IP"

_host = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*").fullmatch
_origin = re.compile(r"(https?)://(?:\*\.)?(\[[^]/]*\]|[^]\[/:@?#\s]+)(?::([1-9][0-9]{0,4}))?").fullmatch
_usual_port = {"http": "80", "https": "443"}


class Wrong(ValueError):
    """A variable that says what it may not. The text is one line: its name, its value, and what it may be."""


@dataclass(frozen=True)
class Variable:
    """How a variable is read, by what raises ValueError with a sentence; and what holds where it is not set."""

    read: Callable[[str], Any]
    default: Any
    # Not so: the name of a file, which may be of any bytes.
    is_text: bool = True


# Readers


def flag(text: str) -> bool:
    """Yes or no."""
    word = text.strip().lower()
    if word in YES | NO:
        return word in YES
    raise ValueError(f"{shown(text)} is neither yes nor no. It may be 1 or 0")


def number(least: int, most: int) -> Callable[[str], int]:
    """A whole number between two."""

    def read(text: str) -> int:
        figures = text.strip()
        if re.fullmatch("[0-9]{1,20}", figures) and least <= int(figures) <= most:
            return int(figures)
        raise ValueError(f"{shown(text)} is no whole number from {least} to {most}")

    return read


def words(text: str) -> list[str]:
    """What stands between commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def hosts(text: str) -> list[str]:
    """Host names as a browser's `Host` has them."""
    return [_sound_host(word.lower(), word) for word in words(text) or [text]]


def _sound_host(host: str, said: str) -> str:
    if host == "*" or _host(host):
        return host
    try:
        if host[:1] + host[-1:] == "[]" and "%" not in host:
            return f"[{IPv6Address(host[1:-1])}]"
    except ValueError:
        pass
    raise ValueError(f"{shown(said)} is no host name. {HOSTS}")


def origins(text: str) -> list[str]:
    """Origins as a browser's `Origin` has them."""
    return [_sound_origin(word) for word in words(text) or [text]]


def _sound_origin(word: str) -> str:
    parts = _origin(word.lower())
    if parts and parts[3] != _usual_port[parts[1]] and int(parts[3] or 1) < 65536:
        return word.lower()
    raise ValueError(f"{shown(word)} is no origin. {ORIGINS}")


def networks(text: str) -> tuple[Network, ...]:
    """Networks that are opened."""
    return read_networks(words(text))


def openings(text: str) -> tuple[Opening, ...]:
    """Networks, or single ports of them, that are opened to monitors."""
    return read_openings(words(text))


def pem_file(text: str) -> str:
    """The path of a file with certificates."""
    try:
        with open(text, "rb") as file:
            found = b"-----BEGIN CERTIFICATE-----" in file.read(LARGEST_BUNDLE)
    except (OSError, ValueError):
        raise ValueError(f"{shown(text)} can't be read. It may be the path of a file of certificates (PEM)") from None
    if not found:
        raise ValueError(f"{shown(text)} has no certificate in it. It may be the path of a file of certificates (PEM)")
    return text


def header(text: str) -> str:
    """The name of a header."""
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,99}", text.strip()):
        return text.strip()
    raise ValueError(f"{shown(text)} is no header's name. {HEADER}")


def level(text: str) -> str:
    """What of the log is written."""
    word = text.strip().upper()
    if word in LEVELS:
        return word
    raise ValueError(f"{shown(text)} is no level. It may be DEBUG, INFO, WARNING or ERROR")


def keys(text: str) -> list[str]:
    """Keys, which are never shown."""
    found = words(text)
    if not found:
        raise ValueError("there is no key in it. It may be one, or several with commas between them")
    return found


def secret(text: str) -> str:
    """A secret, which is never shown."""
    if not text.strip():
        raise ValueError("there is nothing in it. It may be at least 50 random characters")
    return text


def sound_text(text: str) -> None:
    """Refuse bytes that are no UTF-8, without showing them: they may be a secret's."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("it has bytes that are no text. It may be what can be typed, in UTF-8") from None


def anything(text: str) -> str:
    """What others look at: files, and what PostgreSQL understands."""
    return text


def shown(text: str) -> str:
    """A value as it may stand in a line."""
    return repr(text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "…")


def serving() -> int:
    """
    How many processes serve unless that is said: one for each processor, for what waits in a process at the same time
    is kept together, and more of them share less; but two, so that one goes on when the other dies, and not more than
    four, for the database and the worker need processors, too.
    """
    return min(max(2, len(os.sched_getaffinity(0))), 4)


VARIABLES = {
    "DATABASE_URL": Variable(anything, ""),
    "PORT": Variable(number(1, 65535), 8000),
    "WATCHKEEPER_DATA": Variable(anything, "", is_text=False),
    "WATCHKEEPER_SECRET_KEY": Variable(secret, ""),
    "WATCHKEEPER_ENCRYPTION_KEY": Variable(keys, []),
    "WATCHKEEPER_PROCESSES": Variable(number(1, 64), serving()),
    "WATCHKEEPER_THREADS": Variable(number(1, 64), 4),
    "WATCHKEEPER_HOSTS": Variable(hosts, ["localhost", "127.0.0.1", "[::1]"]),
    "WATCHKEEPER_ORIGINS": Variable(origins, []),
    "WATCHKEEPER_HTTPS": Variable(flag, False),
    "WATCHKEEPER_TRUSTED_PROXIES": Variable(number(0, 20), 0),
    "WATCHKEEPER_FORWARDED_HEADER": Variable(header, "X-Forwarded-For"),
    "WATCHKEEPER_API_RATE": Variable(number(1, 1_000_000_000), 6000),
    "WATCHKEEPER_LOGIN_RATE": Variable(number(1, 1_000_000_000), 100),
    "WATCHKEEPER_WEBHOOK_NETWORKS": Variable(networks, ()),
    "WATCHKEEPER_MONITOR_NETWORKS": Variable(openings, ()),
    "WATCHKEEPER_CA_BUNDLE": Variable(pem_file, ""),
    "WATCHKEEPER_LOG_LEVEL": Variable(level, "INFO"),
    "WATCHKEEPER_DEBUG": Variable(flag, False),
}


def value_of(name: str, environment: Mapping[str, str] = os.environ) -> Any:
    """What a variable says, read. One that is empty is not set. Raises Wrong."""
    text, variable = environment.get(name), VARIABLES[name]
    try:
        if text and variable.is_text:
            sound_text(text)
        return variable.read(text) if text else variable.default
    except ValueError as error:
        raise Wrong(f"{name}: {str(error).removesuffix('.')}") from None


def wrong_ones(environment: Mapping[str, str] = os.environ) -> list[str]:
    """A line about each variable that says what it may not."""
    found = []
    for name in VARIABLES:
        try:
            value_of(name, environment)
        except Wrong as wrong:
            found.append(str(wrong))
    return found


def unknown_ones(environment: Mapping[str, str] = os.environ) -> list[str]:
    """A line about each variable that looks like one of ours, and is none."""
    strangers = (name for name in environment if name.startswith("WATCHKEEPER_") and name not in INTERNAL)
    return [_stranger(name) for name in sorted(strangers) if name not in VARIABLES]


def _stranger(name: str) -> str:
    near = get_close_matches(name, VARIABLES, 1)
    return f"{name} is no setting{f'; perhaps {near[0]} is meant' if near else ''}"
