"""
The house's rules that no other tool looks at: how large its rooms may grow, who may write what, who may ask for the
time or go out to the network. A rule is relaxed here, with its reason, or not at all.
"""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
STOREYS = ("config", "teams", "timeline", "monitors", "incidents", "integrations", "dashboard")

LONGEST_FILE = 400
LONGEST_FUNCTION = 60

# Imports inside functions: (file, function).
LAZY = {
    ("config/commandline.py", "test"): "pytest is there in development only",
}

# Modules that speak to a network, and who may: (file, module).
NETWORK = {
    "aiohttp",
    "aiodns",
    "aiohappyeyeballs",
    "asyncio",
    "dns",
    "ftplib",
    "granian",
    "http",
    "httpx",
    "imaplib",
    "nntplib",
    "poplib",
    "requests",
    "select",
    "selectors",
    "smtplib",
    "socket",
    "socketserver",
    "ssl",
    "telnetlib",
    "urllib.request",
    "urllib3",
    "websockets",
    "xmlrpc",
    "django.core.mail",
}
ON_THE_NETWORK = {
    ("config/faults.py", "socket"): "breaks our own line to the database, where a test asks for it",
    ("config/supervisor.py", "http.client"): "asks our own server whether it is ready",
    ("config/supervisor.py", "socket"): "looks whether the port is free, and whether the server still lives",
    ("config/bodies.py", "asyncio"): "reads what the web server hands in",
    ("config/egress.py", "aiohttp"): "the one way out to where strangers' URLs lead",
    ("config/egress.py", "aiohttp.abc"): "the same",
    ("config/egress.py", "aiohttp.client_proto"): "the same",
    ("config/egress.py", "asyncio"): "the same",
    ("config/egress.py", "socket"): "the same",
    ("config/egress.py", "ssl"): "the same",
    ("config/front.py", "asyncio"): "the web server's application",
    ("config/pump.py", "asyncio"): "sends what is streamed, as its readers take it",
    ("config/connections.py", "socket"): "cuts off a connection of our own server",
    ("config/dialing.py", "asyncio"): "the way out for what monitors look at",
    ("config/dialing.py", "socket"): "the same",
    ("config/tls_contexts.py", "ssl"): "whom we trust there",
    ("monitors/probes/causes.py", "aiohttp"): "what its errors mean",
    ("monitors/probes/causes.py", "ssl"): "what its errors mean",
    ("monitors/probes/http.py", "aiohttp"): "speaks HTTP over connections of config.dialing",
    ("monitors/probes/http.py", "aiohttp.client_proto"): "the same",
    ("monitors/probes/http.py", "asyncio"): "the same",
    ("monitors/probes/http.py", "http"): "the names of statuses",
    ("monitors/probes/http.py", "ssl"): "the same as aiohttp",
    ("monitors/probes/icmp.py", "asyncio"): "pings over sockets of config.dialing, or by the program",
    ("monitors/probes/icmp.py", "socket"): "the same",
    ("monitors/probes/mail.py", "asyncio"): "speaks over connections of config.dialing",
    ("monitors/probes/mail.py", "ssl"): "speaks over connections of config.dialing",
    ("monitors/probes/ports.py", "asyncio"): "the same",
    ("monitors/probes/ports.py", "socket"): "the same",
    ("monitors/probes/ports.py", "ssl"): "the same",
    ("monitors/probes/prober.py", "asyncio"): "looks at many targets at once",
    ("monitors/probes/prober.py", "ssl"): "the same",
    ("monitors/probes/records.py", "asyncio"): "asks name servers over sockets of config.dialing",
    ("monitors/probes/records.py", "socket"): "the same",
    ("monitors/probes/records.py", "dns.exception"): "reads and writes messages",
    ("monitors/probes/records.py", "dns.flags"): "reads and writes messages",
    ("monitors/probes/records.py", "dns.message"): "reads and writes messages",
    ("monitors/probes/records.py", "dns.name"): "reads and writes messages",
    ("monitors/probes/records.py", "dns.rcode"): "reads and writes messages",
    ("monitors/probes/records.py", "dns.rdatatype"): "reads and writes messages",
    ("monitors/probes/records.py", "dns.rdtypes.txtbase"): "reads and writes messages",
    ("monitors/probes/settings.py", "dns.exception"): "whether a name can be one",
    ("monitors/probes/settings.py", "dns.name"): "the same",
    ("monitors/probes/streams.py", "asyncio"): "speaks over connections of config.dialing",
    ("monitors/probes/streams.py", "ssl"): "the same",
    ("config/lookups.py", "asyncio"): "asks the system's resolver, for the ways out",
    ("config/lookups.py", "socket"): "the same",
    ("timeline/outbound/sender.py", "asyncio"): "waits for many answers at once; goes out by config.egress",
    ("config/lanes.py", "asyncio"): "the same",
    ("config/postgresql/base.py", "select"): "looks whether the database's connection lives",
    ("config/web.py", "granian"): "the web server",
    ("config/web.py", "granian.constants"): "the web server",
    ("config/web.py", "granian.log"): "the web server",
}

# What changes a list, a set or a dict in place, and what changes what is registered.
CHANGES = {
    "append",
    "extend",
    "insert",
    "update",
    "add",
    "pop",
    "remove",
    "clear",
    "register",
    "unregister",
}
# What a module changes of another while it is loaded: (file, what).
CHANGED_WHEN_LOADED = {
    ("teams/admin.py", "admin.site.unregister"): "Django's own page of groups gives way to ours",
}

# `something.status = …`: a status that is no incident's, monitor's or heartbeat's.
STATUS_WRITTEN = {
    ("config/errors.py", "self.status"): "an HTTP status",
    ("monitors/probes/http.py", "self.status"): "an HTTP status",
    ("monitors/probes/sight.py", "self.status"): "what one check says",
    ("integrations/applying.py", "delivery.status"): "a delivery's verdict",
}

# Who writes rows of what is folded: (file, what is called).
FOLD_WRITTEN = {
    ("incidents/keeper.py", "rows.update(Incident)"),
    ("monitors/keeper.py", "rows.update(MODELS[kind])"),
    ("dashboard/rebuilding.py", "rows.update(model)"),
    ("timeline/record.py", "rows.insert(TimelineEvent)"),
    ("timeline/kept.py", "rows.update(TimelineEvent)"),
    ("timeline/corrected.py", "rows.update(TimelineEvent)"),
    ("integrations/applying.py", "rows.update(InboundDelivery)"),
    ("integrations/applying.py", "rows.insert(model)"),  # mirrored records, before their first fact is folded
    # What is sent out: nothing of it is folded.
    ("timeline/outbound/births.py", "rows.insert(Message)"),
    ("timeline/outbound/lifecycle.py", "rows.insert(Message)"),
    ("timeline/outbound/settling.py", "rows.insert(Attempt)"),
    ("timeline/outbound/settling.py", "rows.update(Message)"),
    ("timeline/outbound/settling.py", "rows.update(Endpoint)"),
}

# Who writes columns that only folds know; the keepers have some folded again by saying so.
MAY_WRITE_FOLDS = ("timeline/kept.py", "dashboard/rebuilding.py", "incidents/keeper.py", "monitors/keeper.py")

# Rooms below the doors, which are told the time.
TIMELESS = (
    "fold", "keeper", "lifecycle", "details", "declaring", "grouping", "moves", "applying", "replay", "ingest",
    "judging", "doors", "delivery_store",
    "incident_log", "rebuilding", "models",
)  # fmt: skip

# In the timeline's storey only these ask for the time.
TIMELINES_DOORS = {f"timeline/outbound/{room}.py" for room in ("admin", "admin_messages", "api", "sender")}


def modules() -> list[Path]:
    """Every module of ours but migrations and tests."""
    found = (path for storey in STOREYS for path in (ROOT / storey).rglob("*.py"))
    return sorted(path for path in found if "migrations" not in path.parts)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def nodes(*kinds: type[ast.AST]) -> Iterator[tuple[str, ast.AST]]:
    """(file, node) of every node of some kinds."""
    for path in modules():
        for node in ast.walk(tree(path)):
            if isinstance(node, kinds):
                yield name_of(path), node


def imported(node: ast.AST) -> list[str]:
    """The modules that an import names."""
    if isinstance(node, ast.ImportFrom):
        return [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
    return [alias.name for alias in node.names]


def test_there_is_a_house():
    assert len(modules()) > 50
    assert {name_of(path).split("/")[0] for path in modules()} == set(STOREYS)


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_a_file_is_short_enough_to_be_read_and_says_what_it_is_for(path):
    lines = path.read_text().splitlines()
    assert len(lines) <= LONGEST_FILE
    assert not lines or ast.get_docstring(tree(path))


def test_a_function_is_short_enough_to_be_read_at_once():
    functions = nodes(ast.FunctionDef, ast.AsyncFunctionDef)
    assert [(file, f.name) for file, f in functions if f.end_lineno - f.lineno >= LONGEST_FUNCTION] == []


def test_what_a_module_needs_stands_at_its_head():
    lazy = {
        (file, function.name)
        for file, function in nodes(ast.FunctionDef, ast.AsyncFunctionDef)
        if any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(function))
    }
    assert lazy - LAZY.keys() == set()


def changed_at_the_head(module: ast.Module) -> Iterator[str]:
    """What of its imports a module changes while it is loaded."""
    ours = {
        alias.asname or alias.name.split(".")[0]
        for node in module.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    for node in module.body:
        called = node.value.func if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) else None
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        changed = [each for each in targets if isinstance(each, ast.Attribute | ast.Subscript)]
        if isinstance(node, ast.AugAssign):
            changed.append(node.target)
        if isinstance(called, ast.Attribute) and called.attr in CHANGES:
            changed.append(called)
        for each in changed:
            root = next(part for part in ast.walk(each) if isinstance(part, ast.Name))
            if root.id in ours:
                yield ast.unparse(each)


def test_no_module_changes_another_while_it_is_loaded():
    """What storeys add to each other stands in one list, dashboard.composition."""
    found = {(name_of(path), what) for path in modules() for what in changed_at_the_head(tree(path))}
    assert found == CHANGED_WHEN_LOADED.keys()


@pytest.mark.parametrize(
    "text",
    ["NAMES += [1]", "NAMES.append(1)", "Admin.deleting = 1", "NAMES['x'] = 1", "Admin.panels.insert(0, 1)"],
)
def test_such_a_change_is_seen(text):
    assert list(changed_at_the_head(ast.parse(f"from somewhere import NAMES, Admin\n{text}")))


def test_nothing_happens_behind_anybody_s_back():
    """No signal receivers, and no save or delete that does more than it says."""
    signals = [
        file
        for file, node in nodes(ast.Import, ast.ImportFrom)
        for name in imported(node)
        if "signals" in name.split(".")
    ]
    receivers = [
        file
        for file, node in nodes(ast.Import, ast.ImportFrom)
        for name in imported(node)
        if name.startswith("django.dispatch")
    ]
    assert signals + receivers == []
    models = [path for path in modules() if path.name == "models.py"]
    overridden = [
        (name_of(path), node.name)
        for path in models
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef) and node.name in ("save", "delete", "full_clean", "__init__", "from_db")
    ]
    assert overridden == []


def test_only_those_listed_go_out_to_a_network():
    assert going_out() - ON_THE_NETWORK.keys() == set()


def test_only_one_goes_out_to_where_strangers_urls_lead():
    clients = {"aiodns", "aiohappyeyeballs", "aiohttp", "dns", "httpx", "requests", "urllib.request", "urllib3"}
    going = {(file, name) for file, name in going_out() if name in clients or name.split(".")[0] in clients}
    # dnspython writes and reads messages; what goes out goes out by config.dialing.
    assert {file for file, _ in going} == {
        "config/egress.py",
        "monitors/probes/causes.py",
        "monitors/probes/http.py",
        "monitors/probes/records.py",
        "monitors/probes/settings.py",
    }


def test_probes_make_no_connection_of_their_own():
    """Sockets are made in config.dialing, which looks at the address; what is made of them is told the socket."""
    probes = [(file, node) for file, node in nodes(ast.Call) if file.startswith("monitors/probes/")]
    making = {
        "socket.socket",
        "socket.create_connection",
        "TCPConnector",
        "dns.asyncquery",
        "dns.query",
        "dns.resolver",
    }
    calls = [(file, ast.unparse(node.func), {word.arg for word in node.keywords}) for file, node in probes]
    assert [(file, call) for file, call, _ in calls if any(call.startswith(one) for one in making)] == []
    opened = [(call, words) for _, call, words in calls if call.endswith(("open_connection", "create_connection"))]
    made = [words for call, words in opened if call in ("asyncio.open_connection", "loop.create_connection")]
    assert len(made) == 3
    assert all("sock" in words for words in made)


def going_out() -> set[tuple[str, str]]:
    """(file, module of a network that it imports), also where it is imported from a package."""
    imports = [(file, imported(node)) for file, node in nodes(ast.Import, ast.ImportFrom)]
    whole = {(file, names[0]) for file, names in imports if names[0].split(".")[0] in NETWORK}
    return whole | {(file, name) for file, names in imports for name in names if name in NETWORK}


# --- who writes what ------------------------------------------------------------------------------------------


def test_a_status_is_written_by_the_folds_keepers_alone():
    stored = {
        (file, ast.unparse(node))
        for file, node in nodes(ast.Attribute)
        if node.attr == "status" and isinstance(node.ctx, ast.Store | ast.Del)
    }
    assert stored - STATUS_WRITTEN.keys() == set()


def test_no_row_of_what_is_folded_is_written_by_hand():
    """`update`, `create` and the like of incidents, monitors, heartbeats and facts name none of the fold's columns."""
    folded = fold_columns()
    written = [
        (file, ast.unparse(call)[:120])
        for file, call in nodes(ast.Call)
        if writes_rows(call) and folded & {word.arg for word in call.keywords if word.arg} and not of_deliveries(call)
    ]
    assert [(file, call) for file, call in written if file not in MAY_WRITE_FOLDS] == []


def fold_columns() -> set[str]:
    """The columns that only a keeper writes."""
    from dataclasses import fields

    from incidents.fold import IncidentState
    from monitors.fold import ResourceState

    states = {field.name for state in (IncidentState, ResourceState) for field in fields(state)} | {"fold_version"}
    derived = {"correction", "effect", "why", "entries", "hold", "presses", "resource_kind", "is_live", "facts"}
    return (states | derived) - {"name", "type", "url", "assignee_id"}


def writes_rows(call: ast.Call) -> bool:
    """Whether a call makes or changes rows, or makes a record of what is folded."""
    called = ast.unparse(call.func)
    verbs = ("update", "create", "bulk_create", "bulk_update", "get_or_create", "update_or_create", "save")
    return called.split(".")[-1] in verbs or called in ("Incident", "Monitor", "Heartbeat", "TimelineEvent")


def of_deliveries(call: ast.Call) -> bool:
    """Whether a call changes deliveries or messages, whose status is their own."""
    return ast.unparse(call.func).startswith(
        ("InboundDelivery.", "quarantine(team).", "waiting(team).", "messages.", "over.", "lane.")
    )


def test_many_rows_at_once_are_written_by_those_listed():
    written = {
        (file, f"{ast.unparse(call.func)}({ast.unparse(call.args[0])})")
        for file, call in nodes(ast.Call)
        if ast.unparse(call.func) in ("rows.insert", "rows.update")
    }
    assert written - FOLD_WRITTEN == set()


def test_no_sql_goes_around_the_keepers():
    words = (
        "UPDATE incidents_",
        "UPDATE monitors_",
        "UPDATE timeline_timelineevent",
        "UPDATE timeline_checkpoint",
        "INTO incidents_",
        "INTO monitors_",
        "INTO timeline_timelineevent",
        "INTO timeline_checkpoint",
    )
    found = [name_of(path) for path in modules() if any(word in path.read_text().replace('"', "") for word in words)]
    # Ranks are the vocabulary's affair and no fold's.
    assert found == ["timeline/renumbering.py"]


# --- what time it is ------------------------------------------------------------------------------------------


def test_time_enters_at_the_doors_and_in_the_worker():
    asked = {
        (file, ast.unparse(call.func))
        for file, call in nodes(ast.Call)
        if ast.unparse(call.func)
        in ("clock.now", "timezone.now", "datetime.now", "datetime.utcnow", "date.today", "time.time")
    }
    assert {file for file, call in asked if call != "clock.now"} <= {"config/clock.py"}
    below = {file for file, _ in asked if file.startswith("timeline/")} - TIMELINES_DOORS
    assert [file for file, _ in asked if Path(file).stem in TIMELESS or file in below] == []


# --- what must not be told ------------------------------------------------------------------------------------


def test_nothing_mentions_what_is_not_part_of_the_project():
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    files = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    if not files:  # not a checkout, but an archive of one
        files = [*modules(), *(ROOT / "tests").rglob("*.py"), ROOT / "README.md"]
    words = ("../" + "shared", "/work/" + "shared", "/work/" + "notes")
    texts = [path for path in files if path.is_file() and path.suffix not in (".png", ".ico", ".woff2")]
    assert [path.name for path in texts if any(word in path.read_text(errors="replace") for word in words)] == []
