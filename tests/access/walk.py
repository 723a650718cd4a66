"""
Everybody by every method on every route, and what came of it, in a word.

    ok     answered with a page or data, and nothing was written
    done   the same, and something was written that is no bookkeeping (sessions, when a key was last used, counters)
    login  sent to the login page
    404 …  refused with that status, and nothing was written

Each request is undone. Not here: what is sent (visits), whom the table lets in (access.txt).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.http import HttpResponse
from django.test.client import ClientHandler

from tests.access.scene import Actor, Scene, seen_of
from tests.access.visits import METHODS, environ, path_of, request_of, routes, visit_of

TABLE = Path(__file__).with_name("access.txt")
WIDTH = 6

_handler = ClientHandler(enforce_csrf_checks=False)
_written = re.compile(r'\b(?:INSERT INTO|UPDATE|DELETE FROM)\s+"?([a-z_]+)"?(?:\s+SET\s+"?(\w+))?')
BOOKKEEPING = ("django_session", "config_", "integrations_doorcount", "teams_loginplace")
STAMPS = {("teams_apikey", "last_used_at"), ("teams_user", "last_login"), ("teams_user", "failed_logins")}


class Answer(NamedTuple):
    """What came back, and which tables were written."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    written: frozenset[str]

    @property
    def outcome(self) -> str:
        if self.status in (301, 302, 303) and self.headers.get("Location", "").startswith(("/login", "/admin/login")):
            return "login"
        if self.status == 401 and self.headers.get("Content-Location", "") == "/login":
            return "login"
        if 200 <= self.status < 400:
            return "done" if self.written else "ok"
        return str(self.status)

    @property
    def all(self) -> bytes:
        """All that was said."""
        return self.body + b"\n" + "\n".join(f"{name}: {value}" for name, value in self.headers.items()).encode()


def ask(request: dict[str, Any], then: Callable[[Answer], None] = lambda answer: None) -> Answer:
    """Send a request, look at what it led to (`then`), and undo it."""
    connection.force_debug_cursor = True
    connection.queries_log.clear()
    before = transaction.savepoint()
    try:
        response: HttpResponse = _handler(request)
        body = b"".join(response) if response.streaming else response.content
        answer = Answer(response.status_code, response.headers, body, tables_written())
        then(answer)
        return answer
    finally:
        connection.force_debug_cursor = False
        transaction.set_rollback(False)
        transaction.savepoint_rollback(before)
        transaction.savepoint_commit(before)  # or each request would be one level deeper


def tables_written() -> frozenset[str]:
    """Which tables the statements of a request wrote for good, apart from bookkeeping."""
    levels: list[tuple[str, set[tuple[str, str | None]]]] = [("", set())]
    for query in list(connection.queries_log):
        sql = str(query["sql"])
        name = sql.rpartition(" ")[2]
        if sql.startswith("SAVEPOINT "):
            levels.append((name, set()))
        elif sql.startswith(("RELEASE SAVEPOINT ", "ROLLBACK TO SAVEPOINT ")) and any(
            each == name for each, _ in levels
        ):
            while levels[-1][0] != name:
                levels.pop()
            inner = levels.pop()[1]
            if sql.startswith("RELEASE"):
                levels[-1][1].update(inner)
            else:  # as a dry run does: the level is there still
                levels.append((name, set()))
        levels[-1][1].update((each[1], each[2]) for each in _written.finditer(sql))
    found = set().union(*(written for _, written in levels))
    tables = {table for table, column in found if (table, column) not in STAMPS}
    return frozenset(table for table in tables if "_" in table and not table.startswith(BOOKKEEPING))


# --- the forms that stand on admin's pages ----------------------------------------------------------------------------


class Form(HTMLParser):
    """What a browser would send of the forms on a page, untouched."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, list[str]] = {}
        self.select = self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        name, kind = said.get("name", ""), said.get("type", "text")
        if tag == "select":
            self.select = name
        elif tag == "option" and "selected" in said and self.select:
            self.fields.setdefault(self.select, []).append(said.get("value", ""))
        elif tag == "textarea":
            self.text = name
            self.fields[name] = [""]
        elif tag == "input" and name and is_sent(kind, said):
            self.fields.setdefault(name, []).append(said.get("value", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self.select = ""
        elif tag == "textarea":
            self.text = ""

    def handle_data(self, data: str) -> None:
        if self.text:
            self.fields[self.text] = [(self.fields[self.text][0] + data).removeprefix("\n")]


def is_sent(kind: str, said: Mapping[str, str]) -> bool:
    """Whether a browser sends an input that nobody touched."""
    is_off = kind in ("checkbox", "radio") and "checked" not in said
    return not is_off and kind not in ("submit", "search") and "disabled" not in said


class Controls(HTMLParser):
    """What the controls on a page offer: name → values."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, set[str]] = {}
        self.select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "select":
            self.select = said.get("name", "")
        name = self.select if tag == "option" else said.get("name", "") if tag in ("input", "button") else ""
        if name:
            self.values.setdefault(name, set()).add(said.get("value", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self.select = ""


def read_forms(scene: Scene) -> None:
    """Keep what stands in the forms of admin that visits send as they are."""
    operator = scene.actors["superuser"]
    for route in routes():
        visit = visit_of("POST", route)
        path = path_of(route, visit, scene.a.names)
        if visit.on_page and path not in scene.forms:
            page = Form()
            page.feed(ask(environ("GET", path, b"", "", operator.headers)).body.decode())
            page.fields.pop("csrfmiddlewaretoken", None)
            scene.forms[path] = page.fields


# --- the walk ---------------------------------------------------------------------------------------------------------


class Step(NamedTuple):
    """One request of the walk and its answer."""

    actor: Actor
    method: str
    route: str
    request: dict[str, Any]
    answer: Answer


def walk(scene: Scene, wanted: Callable[[str, str, str], bool] = lambda *step: True) -> Iterator[Step]:
    """Every route by every method by every actor, as far as it is wanted (actor's name, method, route)."""
    for route in dict.fromkeys(routes()):
        for method in METHODS:
            for actor in scene.actors.values():
                if actor.is_in_table and wanted(actor.name, method, route):
                    request = request_of(scene, actor, method, route)
                    yield Step(actor, method, route, request, ask(request))


def leaks(scene: Scene, step: Step) -> set[bytes]:
    """What of another team's stands in an answer; what the request said itself may be said back."""
    if step.route.startswith("/admin/") and step.actor.name in ("staff", "superuser"):
        return set()  # operators see all
    if step.route.startswith("/link/") and step.answer.status != 403:
        return set()  # whoever has an invitation's link reads which team it leads to, unless they are somebody else
    asked = f"{step.request['PATH_INFO']}?{step.request['QUERY_STRING']} {step.actor.headers}".encode()
    if step.answer.status == 401:
        asked += step.request["tests.body"]  # what was typed is carried through the log-in
    strangers = [side for name, side in (("a", scene.a), ("b", scene.b)) if name != step.actor.sees]
    found = set().union(*(seen_of(side, step.answer.all) for side in strangers))
    return {each for each in found if each not in asked}


# --- the table --------------------------------------------------------------------------------------------------------

# (method, route) → the outcome for each actor, by name.
Table = dict[tuple[str, str], dict[str, str]]


def written_down(table: Table) -> str:
    """A table as text: a line for each route and methods that come to the same, with a column for each actor."""
    actors = list(next(iter(table.values())))
    lines = [heading(actors)]
    for route in dict.fromkeys(route for _, route in table):
        rows: dict[tuple[str, ...], list[str]] = {}
        for method in METHODS:
            rows.setdefault(tuple(table[method, route].values()), []).append(method)
        lines += [line(outcomes, methods, route) for outcomes, methods in rows.items()]
    return "".join(each.rstrip() + "\n" for each in lines)


def heading(actors: list[str]) -> str:
    """The names of the columns, one under the other where they have two parts."""
    parts = [each.partition(".")[::2] for each in actors]
    above = "".join(f"{first if second else '':<{WIDTH}}" for first, second in parts)
    below = "".join(f"{(second or first)[: WIDTH - 1]:<{WIDTH}}" for first, second in parts)
    return f"# {above.rstrip()}\n# {below.rstrip()}"


def line(outcomes: tuple[str, ...], methods: list[str], route: str) -> str:
    """One line of the table."""
    if len(set(outcomes)) == 1:
        told = f"all {outcomes[0]}".ljust(WIDTH * len(outcomes))
    else:
        told = "".join(f"{each:<{WIDTH}}" for each in outcomes)
    return f"  {told}{','.join(methods)} {route}"


def read(text: str, actors: list[str]) -> Table:
    """A table from its text."""
    table: Table = {}
    for row in text.splitlines():
        if not row.strip() or row.startswith("#"):
            continue
        *outcomes, methods, route = row.split()
        if outcomes[0] == "all":
            outcomes = outcomes[1:] * len(actors)
        for method in methods.split(","):
            table[method, route] = dict(zip(actors, outcomes, strict=True))
    return table
