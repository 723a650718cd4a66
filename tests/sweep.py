"""
A sweep: everything that can be read is read once, and what could not be read is said.

After something odd was accepted, this tells whether it broke a read: pages in three time zones, the API with all its
sorts and filters, Django admin with each of its filters. With `since` it reads only what was recorded after a moment,
and the newest of each list. Not here: what was sent before (tests.rubbish), or who reads (tests.readers).
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from html import unescape
from typing import Any, NamedTuple
from urllib.parse import urlencode, urljoin, urlsplit

from config.filtering import Place
from config.times import parse_rfc3339
from incidents.filters import DESCENDING, IncidentFilters
from incidents.models import Severity, Status
from integrations.models import Verdict
from monitors.filters import ResourceFilters
from monitors.models import Status as ResourceStatus
from tests.readers import NOBODY, OPERATOR, PROGRAM, ZONES, Answer, Get
from timeline.outbound.models import Standing

# `ask(sql, *parameters)`: rows.
Ask = Callable[..., list[tuple[Any, ...]]]

PAGE, FRAGMENT, JSON, BYTES = "page", "fragment", "JSON", "bytes"
UTC, NEW_YORK, KIRITIMATI = ZONES
# What was known before anything was, in the middle of it all, and later than everything.
AS_OF = ("2000-01-01T00:00:00Z", "2026-05-13T12:00:00Z", "9999-12-31T23:59:59.999Z")
NOBODYS = "550e8400-e29b-41d4-a716-446655440000"
OPEN_TO_ALL = ("/healthz", "/readyz", "/workz", "/login")


class Read(NamedTuple):
    """One thing to be read, by whom, and what it should look like."""

    path: str
    whom: str
    shape: str = PAGE
    headers: tuple[tuple[str, str], ...] = ()


class Marks(NamedTuple):
    """Up to where everything was read: the highest ids."""

    fact: int
    delivery: int


@dataclass(frozen=True)
class Ground:
    """
    What a sweep stands on. `said`: the lines of the log since it was last asked. `at_once`: how many reads at a time,
    where `get` bears it.
    """

    get: Get
    ask: Ask
    team: int
    said: Callable[[], Iterable[str]] = tuple
    at_once: int = 1


def marks(ground: Ground) -> Marks:
    """Up to where there is something now."""
    [(fact, delivery)] = ground.ask(
        "SELECT (SELECT coalesce(max(id), 0) FROM timeline_timelineevent),"
        " (SELECT coalesce(max(id), 0) FROM integrations_inbounddelivery)"
    )
    return Marks(fact, delivery)


def sweep(ground: Ground, since: Marks | None = None) -> list[str]:
    """Read everything, or what came after `since`. Returns a line for each read that went wrong."""
    problems: list[str] = []
    seen: set[Read] = set()
    waiting = list(dict.fromkeys([*lists(since), *records(ground, since)]))
    while waiting:
        seen.update(waiting)
        found = [*each(ground, waiting)]
        problems += [problem for wrong, _ in found for problem in wrong]
        further = (read for _, following in found for read in following) if since is None else ()
        waiting = [read for read in dict.fromkeys(further) if read not in seen]
    return problems + [f"log: {line[:2000]}" for line in ground.said() if is_alarming(line)]


def each(ground: Ground, reads: list[Read]) -> Iterator[tuple[list[str], list[Read]]]:
    """What was wrong with each of some reads, and which others it leads to."""

    def look(read: Read) -> tuple[list[str], list[Read]]:
        answer = ground.get(read.path, read.whom, **dict(read.headers))
        wrong = [f"{read.whom} GET {read.path}: {words}" for words in faults(read, answer)]
        return wrong, [] if wrong else [*leads(read, answer)]

    if ground.at_once == 1:
        yield from map(look, reads)
        return
    with ThreadPoolExecutor(ground.at_once) as pool:
        yield from pool.map(look, reads)


# --- what there is to read --------------------------------------------------------------------------------------------


def lists(since: Marks | None) -> Iterator[Read]:
    """The lists: all of them with all they can be narrowed to; after an oddity, what it would stand on top of."""
    yield from (Read(f"/api/{name}?limit=5", PROGRAM, JSON) for name in ("incidents", "incident-groups", "deliveries"))
    yield from (Read(path, KIRITIMATI) for path in ("/", "/incidents", "/groups", "/deliveries"))
    if since is not None:
        return
    for path in ("/", "/incidents", "/groups", "/monitors", "/heartbeats", "/deliveries"):
        yield from (Read(path, zone) for zone in ZONES)
    yield from (Read(path, NOBODY, PAGE if path == "/login" else JSON) for path in OPEN_TO_ALL)
    yield from (Read(path, NOBODY, FRAGMENT) for path in ("/api/openapi.json", "/api/docs"))
    yield from (
        Read(path, UTC) for path in ("/preferences", "/deliveries/replay", "/deliveries/apply", "/incidents/new")
    )
    yield from (Read(path, UTC, FRAGMENT, (("HX-Request", "true"),)) for path in ("/", *page_lists()))
    yield from (Read(path, NEW_YORK) for path in page_lists())
    yield from (Read(f"/api/{path}", PROGRAM, JSON) for path in api_lists())
    yield Read("/admin/", OPERATOR)


def page_lists() -> Iterator[str]:
    """The pages' lists with each of their filters."""
    incident, resource = (each.form_in(Place.PAGE).base_fields for each in (IncidentFilters, ResourceFilters))
    for name in ("status", "severity", "resource_type", "destroyed"):
        yield from (f"/incidents?{name}={value}" for value, _ in incident[name].choices)
    yield from ("/incidents?q=a", "/incidents?q=~")
    for kind in ("monitors", "heartbeats"):
        yield from (f"/{kind}?status={value}" for value, _ in resource["status"].choices)
    yield from (f"/deliveries?status={value}" for value in ("", *Verdict.values))


def api_lists() -> Iterator[str]:
    """The API's lists with each sort and filter, in pages that end at many different rows."""
    for sort in DESCENDING:
        yield from (f"incidents?limit=7&sort_by={sort}&sort_order={way}" for way in ("asc", "desc"))
    yield from (f"incidents?limit=100&status={value}" for value in Status.values)
    yield from (f"incidents?limit=100&severity={value}" for value in Severity.values)
    yield from ("incidents?resource_type=monitor", "incidents?resource_id=0", "incidents?q=a")
    yield from (f"incidents?destroyed={value}" for value in ("true", "false"))
    yield from (f"incidents?started_{way}=2026-05-13T12:00:00Z" for way in ("after", "before"))
    for kind in ("monitors", "heartbeats"):
        yield from (f"{kind}?limit=7", f"{kind}?q=a", f"{kind}?destroyed=true", f"{kind}?destroyed=false")
        yield from (f"{kind}?limit=100&status={value}" for value in ResourceStatus.values)
    yield from ("incident-groups?limit=7", "deliveries?limit=7", "me", "members", "integrations")
    yield from (f"deliveries?limit=100&status={value}" for value in Verdict.values)
    yield from ("endpoints?limit=7", "messages?limit=7", "messages?event=endpoint.test", "messages?endpoint_id=0")
    yield from (f"messages?limit=100&status={value}" for value in Standing.values)


def records(ground: Ground, since: Marks | None) -> Iterator[Read]:
    """Each record by itself, wherever it can be read."""
    after = since or Marks(0, 0)
    for kind in ("incident", "monitor", "heartbeat"):
        for key, uuid in touched(ground, kind, after):
            yield from incident(uuid, since) if kind == "incident" else resource(kind, key, since)
            yield Read(f"/admin/{'incidents' if kind == 'incident' else 'monitors'}/{kind}/{key}/change/", OPERATOR)
    yield from facts(ground, after)
    yield from groups(ground, since)
    yield from deliveries(ground, after)
    if since is None:
        yield from kept_by_managers(ground)
        yield from kept_by_operators(ground)


def facts(ground: Ground, after: Marks) -> Iterator[Read]:
    """What happened; where it can be corrected, the form for that."""
    question = (
        "SELECT f.id, i.uuid::text FROM timeline_timelineevent f LEFT JOIN incidents_incident i"
        " ON i.id = f.subject_id AND f.subject_kind = 'incident' AND f.event <> 'incident.corrected'"
        " WHERE f.team_id = %s AND f.id > %s"
    )
    for key, incident_uuid in ground.ask(question, ground.team, after.fact):
        yield Read(f"/facts/{key}", KIRITIMATI)
        yield Read(f"/admin/timeline/timelineevent/{key}/change/", OPERATOR)
        if incident_uuid:
            yield Read(f"/incidents/{incident_uuid}/entries/{key}", NEW_YORK)


def groups(ground: Ground, since: Marks | None) -> Iterator[Read]:
    """Groups of incidents; after an oddity the newest, for no mark says which are new."""
    question = "SELECT id FROM incidents_incidentgroup WHERE team_id = %s ORDER BY 1 DESC LIMIT %s"
    for (key,) in ground.ask(question, ground.team, 200 if since is None else 1):
        yield from (Read(f"/groups/{key}", zone) for zone in (ZONES if since is None else (KIRITIMATI,)))
        yield Read(f"/api/incident-groups/{key}", PROGRAM, JSON)


def touched(ground: Ground, kind: str, after: Marks) -> list[tuple[int, str]]:
    """(id, uuid) of the team's incidents, monitors or heartbeats that facts after some marks are about."""
    table = "incidents_incident" if kind == "incident" else f"monitors_{kind}"
    return ground.ask(
        f"SELECT DISTINCT r.id, {'r.uuid::text' if kind == 'incident' else 'NULL'} FROM {table} r"
        " JOIN timeline_timelineevent f ON (f.subject_kind, f.subject_id) = (%s, r.id)"
        " OR (f.resource_kind, f.resource_id) = (%s, r.id) OR (f.named_kind, f.named_id) = (%s, r.id)"
        " WHERE r.team_id = %s AND f.id > %s",
        *[kind] * 3, ground.team, after.fact,
    )  # fmt: skip


def incident(uuid: str, since: Marks | None) -> Iterator[Read]:
    """An incident with all its parts."""
    yield from (Read(f"/incidents/{uuid}", zone) for zone in (ZONES if since is None else (KIRITIMATI,)))
    yield from (
        Read(f"/incidents/{uuid}/{page}", UTC) for page in (("entries", "delete") if since is None else ("entries",))
    )
    parts = ["", "/updates", "/timeline", f"/timeline?as_of={AS_OF[-1]}"]
    if since is None:
        parts += [f"{part}?as_of={moment}" for part in ("/updates", "/timeline") for moment in AS_OF]
        parts += ["/comments", "/updates?limit=1", "/timeline?limit=1", "/comments?limit=1"]
    yield from (Read(f"/api/incidents/{uuid}{part}", PROGRAM, JSON) for part in dict.fromkeys(parts))


def resource(kind: str, key: int, since: Marks | None) -> Iterator[Read]:
    """A monitor or heartbeat."""
    yield from (Read(f"/{kind}s/{key}", zone) for zone in (ZONES if since is None else (NEW_YORK,)))
    yield from (Read(f"/api/{kind}s/{key}{part}", PROGRAM, JSON) for part in ("", "/stats?period=90d"))


def deliveries(ground: Ground, after: Marks) -> Iterator[Read]:
    """What came in."""
    question = "SELECT id, status FROM integrations_inbounddelivery WHERE team_id = %s AND id > %s AND status"
    applied = ground.ask(f"{question} = 'applied'", ground.team, after.delivery)
    others = ground.ask(f"{question} <> 'applied' ORDER BY id", ground.team, after.delivery)
    for key, status in (*applied, *others):
        yield from (Read(f"/deliveries/{key}", KIRITIMATI), Read(f"/deliveries/{key}/body", UTC, BYTES))
        yield Read(f"/api/deliveries/{key}", PROGRAM, JSON)
        yield Read(f"/admin/integrations/inbounddelivery/{key}/change/", OPERATOR)
        if status in ("quarantined", "unrecognized"):
            yield Read(f"/deliveries/{key}/replay", NEW_YORK)
        if status == Verdict.WAITING:
            yield Read(f"/deliveries/{key}/apply", KIRITIMATI)


LIVE_ENDPOINTS = "(SELECT * FROM timeline_endpoint WHERE deleted_at IS NULL)"


def kept_by_managers(ground: Ground) -> Iterator[Read]:
    """The team's members, integrations and keys, and what it watches itself; and everybody's own password."""
    for pages, table, doings in (
        ("members", "teams_membership", ("/role", "/remove", "/password")),
        ("integrations", "integrations_integration", ("", "/edit", "/rotate", "/signing", "/shut")),
        ("keys", "teams_apikey", ("/revoke",)),
        ("endpoints", LIVE_ENDPOINTS, ("", "/edit", "/rotate", "/replay", "/delete")),
    ):
        yield from (Read(f"/team/{pages}", zone) for zone in ZONES)
        yield from (Read(f"/team/{pages}", UTC, FRAGMENT, (("HX-Request", "true"),)), Read(f"/team/{pages}/new", UTC))
        question = f"SELECT id FROM {table} AS known WHERE team_id = %s ORDER BY 1 DESC LIMIT 200"
        for (key,) in ground.ask(question, ground.team):
            yield from (Read(f"/team/{pages}/{key}{doing}", UTC) for doing in doings)
    for kind in ("monitor", "heartbeat"):
        yield Read(f"/{kind}s/new", UTC)
        question = (
            f"SELECT id FROM monitors_{kind} WHERE team_id = %s AND integration_id IS NULL AND destroyed_at IS NULL"
        )
        for (key,) in ground.ask(question, ground.team):
            yield from (Read(f"/{kind}s/{key}/{doing}", UTC) for doing in ("edit", "delete"))
    links = "SELECT id FROM teams_entrylink WHERE team_id = %s ORDER BY 1 DESC LIMIT 200"
    for (key,) in ground.ask(links, ground.team):
        yield Read(f"/team/invitations/{key}/revoke", UTC)
    yield Read("/password", UTC)
    for (key,) in ground.ask(f"SELECT id FROM {LIVE_ENDPOINTS} AS known WHERE team_id = %s", ground.team):
        yield Read(f"/api/endpoints/{key}", PROGRAM, JSON)
    yield from messages(ground)


def messages(ground: Ground) -> Iterator[Read]:
    """What the team's endpoints were sent."""
    yield from (Read("/team/messages", zone) for zone in ZONES)
    yield Read("/team/messages", UTC, FRAGMENT, (("HX-Request", "true"),))
    for narrowed in (*(f"status={value}" for value in Standing.values), "event=endpoint.test", f"incident={NOBODYS}"):
        yield Read(f"/team/messages?{narrowed}", NEW_YORK)
    question = "SELECT id FROM timeline_message WHERE team_id = %s ORDER BY 1 DESC LIMIT 200"
    for (key,) in ground.ask(question, ground.team):
        yield from (Read(f"/team/messages/{key}", zone) for zone in ZONES)
        yield from (Read(f"/team/messages/{key}/body", UTC, BYTES), Read(f"/api/messages/{key}", PROGRAM, JSON))


# Tables that operators keep, and admin's lists of all there is: app, model, and its table where it is to be read whole.
IN_ADMIN = (
    ("auth", "group", "auth_group"),
    ("teams", "organization", "teams_organization"),
    ("teams", "team", "teams_team"),
    ("teams", "user", "teams_user"),
    ("teams", "apikey", "teams_apikey"),
    ("integrations", "integration", "integrations_integration"),
    ("integrations", "ingestkey", "integrations_ingestkey"),
    ("integrations", "doorcount", "integrations_doorcount"),
    ("integrations", "inbounddelivery", ""),
    ("timeline", "timelineevent", ""),
    ("timeline", "endpoint", "timeline_endpoint"),
    ("timeline", "message", "timeline_message"),
    ("timeline", "attempt", "timeline_attempt"),
    ("timeline", "installation", "timeline_installation"),
    ("monitors", "monitor", ""),
    ("monitors", "heartbeat", ""),
    ("incidents", "incident", ""),
    ("incidents", "incidentgroup", "incidents_incidentgroup"),
)
ADDABLE = ("auth/group", "teams/organization", "teams/team", "teams/user", "teams/apikey", "integrations/integration",
           "integrations/ingestkey",
           "timeline/endpoint", "monitors/monitor", "monitors/heartbeat", "incidents/incident")  # fmt: skip
SUGGESTED = ("apikey&field_name=team", "apikey&field_name=user")


def kept_by_operators(ground: Ground) -> Iterator[Read]:
    """Admin's lists, a search in each, and the pages of the records that operators keep."""
    for app, model, table in IN_ADMIN:
        address = f"/admin/{app}/{model}/"
        yield from (Read(address, OPERATOR), Read(f"{address}?q=a", OPERATOR), Read(f"{address}?q=1", OPERATOR))
        if table:
            key = "api_key_id" if model == "ingestkey" else "id"
            for (one,) in ground.ask(f"SELECT {key} FROM {table} ORDER BY 1 DESC LIMIT 200"):
                yield from (Read(f"{address}{one}/{page}/", OPERATOR) for page in ("change", "history"))
    yield from (Read(f"/admin/{name}/add/", OPERATOR) for name in ADDABLE)
    for asked in SUGGESTED:
        yield Read(f"/admin/autocomplete/?app_label=teams&model_name={asked}&term=a", OPERATOR, FRAGMENT)


# --- what reads lead to -----------------------------------------------------------------------------------------------

_link = re.compile(rb'href="((?:/[^"?]*)?\?[^"]*)"').findall
_choices = re.compile(rb'<nav id="changelist-filter".*?</nav>', re.DOTALL).search


def leads(read: Read, answer: Answer) -> Iterator[Read]:
    """The next page of what was read, and each choice of admin's filters by itself."""
    if read.shape == JSON:
        yield from next_pages(read, answer)
    elif read.shape == PAGE:
        filters = _choices(answer.body) if "?" not in read.path else None
        links = _link(filters.group()) if filters else []
        links += [link for link in _link(answer.body) if b"cursor=" in link]
        yield from (read._replace(path=urljoin(read.path, unescape(link.decode()))) for link in links)


def next_pages(read: Read, answer: Answer) -> Iterator[Read]:
    """The next page by its cursor, or by a Link header."""
    data = json.loads(answer.body).get("data")
    cursor = data.get("pagination", {}).get("next_cursor") if isinstance(data, dict) else None
    if cursor:
        asked = "&".join(part for part in urlsplit(read.path).query.split("&") if not part.startswith("cursor="))
        path = f"{urlsplit(read.path).path}?{asked}{'&' if asked else ''}{urlencode({'cursor': cursor})}"
        yield read._replace(path=path)
    link = re.match(r'<([^>]*)>; rel="next"', answer.headers.get("link", ""))
    if link:
        following = urlsplit(link[1])
        yield read._replace(path=f"{following.path}?{following.query}")


# --- what can be wrong ------------------------------------------------------------------------------------------------

_tag = re.compile(r"<([a-zA-Z][^\s/>\"']*)((?:[^\"'<>]|\"[^\"]*\"|'[^']*')*)>").finditer
_quoted = re.compile(r"\"[^\"]*\"|'[^']*'")
_handler = re.compile(r"\son[a-z]+\s*=", re.IGNORECASE).search
# What stands in a field's value is text to be edited, and leads nowhere.
_calls_script = re.compile(r"(?<!\svalue)=\s*[\"']?\s*(?:javascript|vbscript|data:text)", re.IGNORECASE).search
_sound_script = re.compile(r"\b(?:src|nonce)=|type=\"application/json\"").search
_moment = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z").fullmatch


def faults(read: Read, answer: Answer) -> Iterator[str]:
    """What is wrong with an answer."""
    if answer.status != 200:
        yield f"status {answer.status} {answer.body[:200]!r}"
        return
    if answer.headers.get("x-content-type-options") != "nosniff":
        yield "no nosniff"
    try:
        text = "" if read.shape == BYTES else answer.body.decode()
    except UnicodeDecodeError as error:
        yield f"not UTF-8: {error}"
        return
    yield from LOOKS[read.shape](text, answer.headers)


def page_faults(text: str, headers: Any) -> Iterator[str]:
    """What is wrong with a page."""
    if not text.rstrip().endswith("</html>"):
        yield f"cut: ends with {text[-80:]!r}"
    if "content-security-policy" not in headers:
        yield "no Content-Security-Policy"
    yield from fragment_faults(text, headers)


def fragment_faults(text: str, headers: Any) -> Iterator[str]:
    """What is wrong with any markup."""
    yield from (f"something active: {tag.group()[:200]!r}" for tag in _tag(text) if is_active(*tag.groups()))


def is_active(name: str, attributes: str) -> bool:
    """Whether a tag would run what we did not write."""
    if name.lower() == "script" and not _sound_script(attributes):
        return True
    return bool(_handler(_quoted.sub('""', attributes)) or _calls_script(attributes))


def json_faults(text: str, headers: Any) -> Iterator[str]:
    """What is wrong with an answer of the API, or of a health check."""
    try:
        answer = json.loads(text, parse_constant=not_json)
    except ValueError as error:
        yield f"not JSON: {error}"
        return
    if not headers["content-type"].startswith("application/json"):
        yield f"content type {headers['content-type']}"
    if answer.get("success", True) is not True:
        yield "no success"
    yield from (f"{name} is {value!r}" for name, value in moments_in(answer.get("data")) if not is_moment(value))


def bytes_faults(text: str, headers: Any) -> Iterator[str]:
    """What is wrong with a file of bytes from strangers."""
    kept_apart = headers["content-type"] == "application/octet-stream"
    if not kept_apart or not headers.get("content-disposition", "").startswith("attachment;"):
        yield "not kept apart"


LOOKS = {PAGE: page_faults, FRAGMENT: fragment_faults, JSON: json_faults, BYTES: bytes_faults}


def not_json(name: str) -> Any:
    raise ValueError(name)


def moments_in(value: Any) -> Iterator[tuple[str, Any]]:
    """(name, value) of every moment of ours in an answer; what strangers sent is theirs."""
    if isinstance(value, list):
        for inner in value:
            yield from moments_in(inner)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name.endswith("_at"):
                yield name, inner
            elif name not in ("payload", "headers", "body", "error"):
                yield from moments_in(inner)


def is_moment(value: Any) -> bool:
    """Whether a value is a moment as the API writes it, or none."""
    return value is None or (bool(_moment(value)) and parse_rfc3339(value) is not None)


def is_alarming(line: str) -> bool:
    """Whether a line of the log tells of a fault of ours."""
    if "Traceback" in line:
        return True
    try:
        return json.loads(line).get("level") in ("error", "critical")
    except (ValueError, AttributeError):
        return True
