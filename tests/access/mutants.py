"""
The source without one of its team filters, one at a time: a test of the tests beside it.

A filter is wherever the source starts from a team's relation (`team.incidents`), narrows a query by a team
(`filter(team=…)`), or says so in SQL (`team_id = %s`). Each is taken out of the running code, and what walks and places
ask of the functions around it must then go wrong. Which those are was watched before. Not here: what is asked.
"""

import ast
import builtins
import copy
import gc
import importlib
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from teams.models import Team
from tests.access.places import Place, own_visits, places, sent, told_apart, told_of_others
from tests.access.scene import Scene
from tests.access.visits import Visit

ROOT = Path(__file__).resolve().parents[2]
STOREYS = ("config", "teams", "timeline", "monitors", "incidents", "integrations", "dashboard")
# Rooms that answer nobody, or operators only, who see all.
APART = (
    "migrations", "management", "demo", "worker", "rebuilding", "admin", "admin_verbs", "admin_forms",
    "admin_corrections",
)  # fmt: skip

RELATIONS = {each.get_accessor_name() for each in Team._meta.related_objects}
NARROWING = {"team", "team_id", "team__in", "team_id__in"}
READS = {"filter", "get", "exclude"}
MAKES = {"create", "get_or_create", "update_or_create", "bulk_create"}
IN_SQL = re.compile(r"\bAND (?:\w+\.)?team_id = (?:%s|\w+\.team_id)|(?:\w+\.)?team_id = (?:%s|\w+\.team_id) AND\b")


@dataclass(frozen=True)
class Filter:
    """One place in the source: its file, the function around it, and its text."""

    file: str
    function: str
    text: str
    number: int

    def __str__(self) -> str:
        return f"{self.file} {self.function or 'module'}: {self.text}"


class Finder(ast.NodeTransformer):
    """Finds filters in a module, and takes out the one whose number is `out`."""

    def __init__(self, file: str, out: int = -1) -> None:
        self.file, self.out = file, out
        self.found: list[Filter] = []
        self.around: list[str] = []

    def is_out(self, node: ast.AST) -> bool:
        """Note a filter; whether it is the one to be taken out."""
        self.found.append(Filter(self.file, ".".join(self.around), ast.unparse(node), len(self.found)))
        return self.out == len(self.found) - 1

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        return self.inside(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        return self.inside(node)

    def inside(self, node: ast.FunctionDef | ast.ClassDef) -> Any:
        self.around.append(node.name)
        self.generic_visit(node)
        self.around.pop()
        return node

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        if node.attr in MAKES and isinstance(node.value, ast.Attribute) and node.value.attr in RELATIONS:
            return node  # makes one, and narrows nothing
        if node.attr == "model":
            return node  # asks for none
        self.generic_visit(node)
        if node.attr in RELATIONS and is_team(node.value) and self.is_out(node):
            return everybodys(node.value, ast.Constant(node.attr))
        return node

    def visit_Call(self, node: ast.Call) -> Any:
        self.generic_visit(node)
        called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if isinstance(node.func, ast.Name) and node.func.id == "getattr" and is_team(node.args[0]):
            return everybodys(*node.args[:2]) if self.is_out(node) else node
        for word in node.keywords if called in READS else ():
            root = word.arg == "user" and self.around[-1:] == ["memberships_of"]
            if (word.arg in NARROWING or root) and self.is_out(node):
                node.keywords = [each for each in node.keywords if each is not word]
                return node
        return node

    def visit_Constant(self, node: ast.Constant) -> Any:
        if isinstance(node.value, str) and IN_SQL.search(node.value) and self.is_out(node):
            return ast.Constant(without(node.value))
        return node


def is_team(node: ast.AST) -> bool:
    """Whether an expression is a team, by its name."""
    return ast.unparse(node).rpartition(".")[2] == "team"


def everybodys(team: ast.expr, relation: ast.expr) -> ast.Call:
    return ast.Call(ast.Name("_everybodys_", ast.Load()), [team, relation], [])


def without(sql: str) -> str:
    """SQL whose team filter filters nothing; its parameters stay."""
    return IN_SQL.sub(lambda found: re.sub(r"((?:\w+\.)?team_id = \S+)", r"(\1 OR true)", found[0]), sql, count=1)


def _everybodys_(team: Team, relation: str) -> Any:
    """What a relation of a team leads to, of all teams."""
    return Team._meta.get_field(names_of_relations()[relation]).related_model._default_manager  # type: ignore[union-attr]


def names_of_relations() -> dict[str, str]:
    return {str(each.get_accessor_name()): each.name for each in Team._meta.related_objects}


# --- the source -------------------------------------------------------------------------------------------------------


def sources() -> Iterator[Path]:
    """The modules that answer requests."""
    for storey in STOREYS:
        for path in sorted((ROOT / storey).rglob("*.py")):
            if not {*path.relative_to(ROOT).with_suffix("").parts} & set(APART):
                yield path


def filters() -> list[Filter]:
    """All filters there are."""
    found: list[Filter] = []
    for path in sources():
        finder = Finder(path.relative_to(ROOT).as_posix())
        finder.visit(ast.parse(path.read_text()))
        found += finder.found
    return found


Key = tuple[str, str, int]


def functions() -> dict[Key, list[FunctionType]]:
    """The running functions of ours: (file, name, first line) → functions."""
    gc.unfreeze()  # the web server's and the worker's modules, where a test loaded them, hide all that was there
    known: dict[Key, list[FunctionType]] = {}
    for each in gc.get_objects():
        if type(each) is FunctionType and each.__code__.co_filename.startswith(str(ROOT)):
            known.setdefault(key_of(each.__code__), []).append(each)
    return known


def key_of(code: CodeType) -> Key:
    return (code.co_filename, code.co_name, code.co_firstlineno)


def codes(code: CodeType) -> Iterator[CodeType]:
    """A module's code and all that is defined in it."""
    yield code
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from codes(each)


def changed(taken: Filter) -> dict[Key, CodeType]:
    """The functions that are others without a filter, as they would be."""
    path = ROOT / taken.file
    tree = ast.parse(path.read_text())
    mutant = Finder(taken.file, taken.number).visit(copy.deepcopy(tree))
    ast.fix_missing_locations(mutant)
    before = {key_of(each): each for each in codes(compile(tree, str(path), "exec"))}
    after = {key_of(each): each for each in codes(compile(mutant, str(path), "exec"))}
    return {key: code for key, code in after.items() if key[1] != "<module>" and code != before[key]}


@contextmanager
def taken_out(taken: Filter, running: dict[Key, list[FunctionType]]) -> Iterator[set[Key]]:
    """Our code without a filter, for as long as the block runs; which functions are others now."""
    builtins._everybodys_ = _everybodys_  # type: ignore[attr-defined]
    others = changed(taken)
    swapped = [(each, each.__code__) for key in others for each in running.get(key, ())]
    for function, code in swapped:
        function.__code__ = others[key_of(code)]
    module = importlib.import_module(taken.file.removesuffix(".py").replace("/", "."))
    constants = {} if taken.function else texts_with(taken, module)
    vars(module).update({name: without(text) for name, text in constants.items()})
    try:
        yield {key_of(code) for _, code in swapped} | ({(str(ROOT / taken.file), "", 0)} if constants else set())
    finally:
        for function, code in swapped:
            function.__code__ = code
        vars(module).update(constants)


def texts_with(taken: Filter, module: Any) -> dict[str, str]:
    """The SQL of a module in which a filter stands."""
    return {name: text for name, text in vars(module).items() if isinstance(text, str) and IN_SQL.search(text)}


# --- what is asked ----------------------------------------------------------------------------------------------------

# What is wrong with an answer; "" if nothing is.
Probe = Callable[[], str]


def probes(scene: Scene) -> list[Probe]:
    """All that team B is asked for, with team A's ids and with its own, and what the key of somebody who left opens."""
    found: list[Probe] = [lambda place=each: told_apart(scene, place) for each in places() if "admin" not in each.route]
    found += [lambda place=each: told_of_others(scene, place) for each in own_visits()]
    return [*found, lambda: opened_by_leaver(scene)]


def opened_by_leaver(scene: Scene) -> str:
    """What the key of somebody who left the team opens, and a link that they made."""
    key = sent(scene, Place("key.left", "GET", "/api/incidents", Visit()), scene.a.names)
    link = sent(
        scene, Place("anonymous", "GET", "/link/<str:token>", Visit(path={"token": "left_link"})), scene.a.names
    )
    opened = [name for name, status in (("key", key.status), ("link", link.status)) if status < 400]
    return f"of somebody who left opens: {opened}" if opened else ""


def watched(probe: Probe) -> tuple[str, set[Key]]:
    """What is wrong with an answer, and which of our functions had part in it."""
    called: set[Key] = set()
    root = str(ROOT)

    def note(frame: Any, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(root):
            called.add(key_of(frame.f_code))

    sys.setprofile(note)
    try:
        return probe(), called
    finally:
        sys.setprofile(None)
