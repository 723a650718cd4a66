"""
What the README, the docs and the docstrings name is there: files, modules and their names, commands and settings.

Renaming a thing and leaving its old name in a sentence fails here. Not here: whether a sentence is true, and whether
links lead anywhere on the network.
"""

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest
from django.core.management import get_commands

ROOT = Path(__file__).resolve().parent.parent
FILES = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
PAGES = [name for name in FILES if name.endswith(".md")]
SOURCES = [name for name in FILES if name.endswith(".py") and "/migrations/" not in name]
ROOMS = {name.partition("/")[0] for name in SOURCES if "/" in name}

A_FILE = re.compile(r"(?<![\w./<{*-])[\w.-]*\w(?:/[\w.-]*\w)*\.(?:py|html|md|css|js|csv|txt|toml|in|lock|png)\b(?!\*)")
A_FOLDER = re.compile(r"(?<![\w./<{-])(?:\w+/)+(?=[\s`.,;:)]|$)")
# `incidents.fold`, `timeline.events.RANKS`; what begins otherwise is an event's name or somebody else's module.
A_NAME = re.compile(rf"(?<![\w./@-])(?:{'|'.join(sorted(ROOMS))})(?:\.\w+)+\b(?!\.[a-z]|[/(@])")
A_COMMAND = re.compile(r"\./watchkeeper ([a-z][a-z_]+)")
A_SETTING = re.compile(r"\bWATCHKEEPER_[A-Z_]*[A-Z]\b")

# What the launcher does itself.
LAUNCHED = {"up", "test", "bench"}
# A file that a running database makes, and one that stands for any of its kind.
MADE = {"__init__.py", "postgres.lock"}
# Settings of the tests and of processes that we start ourselves; operators are told nothing of them.
INNER = {"WATCHKEEPER_ACCESS", "WATCHKEEPER_FAULTS", "WATCHKEEPER_SUPERVISED", "WATCHKEEPER_TEST_FULL"}


class Text(NamedTuple):
    """Something to read: where it stands, and what it says."""

    file: str
    text: str


@cache
def read_pages() -> list[Text]:
    """The README and all other pages."""
    return [Text(name, (ROOT / name).read_text()) for name in PAGES]


@cache
def read_docstrings() -> list[Text]:
    """Every docstring of a module, a class or a function, the tests' too."""
    return [Text(name, text) for name in SOURCES for text in docstrings_of(ast.parse((ROOT / name).read_text()))]


def docstrings_of(tree: ast.Module) -> Iterator[str]:
    """The docstrings in a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""


def mentions(pattern: re.Pattern[str], texts: list[Text]) -> list[tuple[str, str]]:
    """(file, what it mentions), each once."""
    return sorted(
        {(file, found[1] if found.re.groups else found[0]) for file, text in texts for found in pattern.finditer(text)}
    )


def is_file(name: str, mentioned_in: str) -> bool:
    """Whether a path is there: from the root, from where it is mentioned, or (a bare name) anywhere."""
    if name in MADE:
        return True
    near = (ROOT / mentioned_in).parent
    return (ROOT / name).exists() or (near / name).exists() or any(f"/{each}".endswith(f"/{name}") for each in FILES)


def is_name(name: str) -> bool:
    """Whether a dotted name leads to a room, a module, or something in one."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        path = "/".join(parts[:length])
        if f"{path}.py" in FILES or any(each.startswith(f"{path}/") for each in FILES):
            return length == len(parts) or has(".".join(parts[:length]), parts[length:])
    return False


def has(module: str, attributes: list[str]) -> bool:
    """Whether a module has an attribute, and that the next one."""
    found: object = import_module(module)
    for name in attributes:
        if not hasattr(found, name) and name not in getattr(found, "__annotations__", {}):
            return False
        found = getattr(found, name, None)
    return True


@pytest.mark.parametrize("texts", [read_pages, read_docstrings], ids=["pages", "docstrings"])
def test_every_file_that_is_named_is_there(texts):
    assert [each for each in mentions(A_FILE, texts()) if not is_file(each[1], each[0])] == []


@pytest.mark.parametrize("texts", [read_pages, read_docstrings], ids=["pages", "docstrings"])
def test_every_folder_that_is_named_is_there(texts):
    folders = {f"{parent}/" for name in FILES for parent in map(str, Path(name).parents)}
    missing = [
        (file, name)
        for file, name in mentions(A_FOLDER, texts())
        if name.partition("/")[0] in ROOMS and not any(f"/{each}".endswith(f"/{name}") for each in folders)
    ]
    assert missing == []


@pytest.mark.parametrize("texts", [read_pages, read_docstrings], ids=["pages", "docstrings"])
def test_every_name_in_a_module_that_is_named_is_there(texts):
    assert [each for each in mentions(A_NAME, texts()) if not is_name(each[1])] == []


@pytest.mark.parametrize("texts", [read_pages, read_docstrings], ids=["pages", "docstrings"])
def test_every_command_that_is_named_is_there(texts):
    known = LAUNCHED | set(get_commands())
    assert [each for each in mentions(A_COMMAND, texts()) if each[1] not in known] == []


def test_settings_that_are_named_are_read_and_settings_that_are_read_are_named():
    code = [Text(name, (ROOT / name).read_text()) for name in SOURCES if not name.startswith("tests/")]
    read = {name for _, name in mentions(A_SETTING, code)} - INNER
    named = {name for _, name in mentions(A_SETTING, read_pages())} - INNER
    assert named == read


def test_a_name_that_is_not_there_is_found():
    assert not is_name("timeline.events.RANKED")
    assert not is_name("timeline.eventing")
    assert is_name("timeline.events.EventType.rank")
    assert not is_file("docs/recrod.md", "README.md")
