"""
Whatever door a verb is called through, it is told the same: what one door refuses the others refuse too, each by the
name that it has for that field, and what is the longest for one is so for all.
"""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from config import clock
from dashboard.acts import ACTS
from dashboard.declaration import DeclarationForm
from dashboard.forms import NoteForm
from incidents import admin_forms, grouping, lifecycle
from incidents.admin_verbs import ASKING
from incidents.api_bulk import ACTIONS
from incidents.bodies import DeclarationBody, NoteBody
from incidents.forms import Regions
from incidents.models import Incident
from teams.models import Team, User
from tests.conftest import NOON, make_user
from tests.dashboard.conftest import logged_in
from timeline.models import TimelineEvent

LATER = NOON.replace(hour=14)
ENTRY = {"message": "x", "occurred_at": "2026-05-13T11:00:00Z", "reason": "y"}

# How the API of one incident is asked for a verb, beside the bulk: (method, path behind the incident).
ALONE = {
    "reopen": ("post", "/reopen"), "escalate": ("post", "/escalate"), "group": ("post", "/group"), "edit": ("put", ""),
    "assign": ("put", ""), "change_severity": ("put", ""), "comment": ("post", "/updates"),
    "add_entry": ("post", "/timeline"), "acknowledge": ("put", "/status"), "resolve": ("put", "/status"),
}  # fmt: skip
# What a verb is called on the pages, and what fields are called there and in admin, where it is otherwise.
ON_PAGES = {"change_severity": "severity", "add_entry": "add"}
PAGES_NAMES = {"assignee_id": "assignee", "incident_group_id": "group"}
ADMINS_NAMES = {"assignee_id": "assignee", "incident_group_id": "number", "targets": "people"}

# (verb, the rest of what it needs, field, what is refused).
REFUSED = [
    *((verb, {}, "note", "x" * 501) for verb in ("acknowledge", "resolve", "reopen")),
    ("escalate", {}, "targets", "{stranger}"),
    ("escalate", {}, "targets", "{nobody}"),
    ("assign", {}, "assignee_id", "{stranger}"),
    ("assign", {}, "assignee_id", "{nobody}"),
    ("change_severity", {}, "severity", "awful"),
    ("edit", {}, "title", "x" * 256),
    ("edit", {}, "error_message", "x" * 1001),
    ("edit", {}, "affected_regions", ["x" * 256]),
    ("edit", {}, "affected_regions", ["x"] * 101),
    ("group", {}, "incident_group_id", "{their_group}"),
    ("group", {}, "incident_group_id", 2**63 - 1),
    ("group", {}, "name", "x" * 256),
    ("comment", {}, "message", ""),
    ("comment", {}, "message", "x" * 1001),
    ("add_entry", ENTRY, "message", "x" * 1001),
    ("add_entry", ENTRY, "reason", "x" * 501),
    ("add_entry", ENTRY, "reason", " "),
    ("add_entry", ENTRY, "occurred_at", "2026-05-13T15:00:00Z"),
    ("add_entry", ENTRY, "occurred_at", "1999-12-31T23:59:59Z"),
]


@pytest.fixture(autouse=True)
def it_is_later():
    with clock.at(LATER):
        yield


@pytest.fixture
def known(other_team: Team) -> dict[str, Any]:
    """What stands in the table in braces: somebody and something of another team, and what there is nowhere."""
    stranger = make_user("stranger@example.com", other_team)
    nobody = User(uuid=uuid4(), email="nobody@example.com")
    return {
        "{stranger}": stranger,
        "{nobody}": nobody,
        "{their_group}": grouping.make_group(other_team, "Theirs", at=NOON).pk,
    }


def through_api(api: Client, incident: Incident, verb: str, said: dict[str, Any]) -> list[str]:
    """The fields that the API of one incident says are wrong."""
    method, path = ALONE[verb]
    moved = {"status": {"acknowledge": "acknowledged", "resolve": "resolved"}[verb]} if path == "/status" else {}
    asked = getattr(api, method)
    return named(asked(f"/api/incidents/{incident.uuid}{path}", moved | in_json(said), content_type="application/json"))


def through_bulk(api: Client, incident: Incident, verb: str, said: dict[str, Any]) -> list[str]:
    """The fields that the bulk API says are wrong."""
    body = {"ids": [str(incident.uuid)], "action": verb} | in_json(said)
    return named(api.post("/api/incidents/bulk", body, content_type="application/json"))


def named(answer: Any) -> list[str]:
    assert answer.status_code == 400, answer.content
    return [name.partition(".")[0] for name in answer.json()["error"]["details"]["fields"]]


def in_json(said: dict[str, Any]) -> dict[str, Any]:
    people = {name: str(each.uuid) for name, each in said.items() if isinstance(each, User)}
    called = {"targets": [{"type": "user", "id": people["targets"]}]} if "targets" in people else {}
    return said | people | called


def through_page(staff: Client, incident: Incident, verb: str, said: dict[str, Any]) -> list[str]:
    """The fields of the page's form that say what is wrong with them."""
    told = typed(said, PAGES_NAMES, "uuid", "\n")
    if verb == "comment":
        answer = staff.post(f"/incidents/{incident.uuid}", told)
        return list(answer.context["form"].errors)
    kept = {"title": incident.title, "error_message": incident.error_message} if verb == "edit" else {}
    answer = staff.post(f"/incidents/{incident.uuid}/act", {"verb": ON_PAGES.get(verb, verb)} | kept | told)
    assert answer.status_code == 400
    offer = answer.context["offer"]
    sent = [form for form in (offer.moving, *offer.panels, offer.adding) if form.is_bound]
    names = {name: field for field, name in PAGES_NAMES.items()}
    return [names.get(name, name) for form in sent for name in form.errors]


def through_admin(operator: Client, incident: Incident, verb: str, said: dict[str, Any]) -> list[str]:
    """The fields of admin's form that say what is wrong with them; or the last one, where the incident is refused."""
    chosen = {"action": verb, "_selected_action": [incident.pk], "post": "yes"}
    told = typed(said, ADMINS_NAMES, "email", ",")
    answer = operator.post("/admin/incidents/incident/", chosen | told, follow=True)
    names = {name: field for field, name in ADMINS_NAMES.items()}
    if "form" in answer.context and answer.context["form"].errors:
        return [names.get(name, name) for name in answer.context["form"].errors]
    refused = [str(each) for each in answer.context["messages"] if str(each).startswith(str(incident)[:80])]
    assert len(refused) == 1 and ("no active member" in refused[0] or "no group" in refused[0])
    return list(said)[-1:]


def typed(said: dict[str, Any], names: dict[str, str], people_by: str, separator: str) -> dict[str, Any]:
    """What is typed into a form to say the same."""

    def text(value: Any) -> Any:
        return separator.join(value) if isinstance(value, list) else value

    called = {name: str(getattr(each, people_by)) if isinstance(each, User) else each for name, each in said.items()}
    return {names.get(name, name): text(value) for name, value in called.items()}


DOORS: dict[str, Callable[..., list[str]]] = {
    "API": through_api, "bulk": through_bulk, "page": through_page, "admin": through_admin,
}  # fmt: skip
NO_FORM = {"acknowledge", "resolve", "reopen"}  # in admin they ask nothing


def doors_of(verb: str) -> list[str]:
    """Through which doors a verb is called with words."""
    has = {"API": verb in ALONE, "bulk": verb in ACTIONS, "page": True, "admin": verb not in NO_FORM}
    return [door for door, is_there in has.items() if is_there]


@pytest.mark.parametrize(("verb", "others", "field", "value"), REFUSED)
def test_what_one_door_refuses_the_others_refuse_too_by_the_same_field(
    api, user, operator, declared, known, verb, others, field, value
):
    if verb == "reopen":
        lifecycle.resolve(declared, by=user, at=NOON)
    written = TimelineEvent.objects.count()
    said = others | {field: known.get(value, value) if isinstance(value, str) else value}
    clients = {"API": api, "bulk": api, "page": logged_in(user), "admin": logged_in(operator)}
    refused = {door: DOORS[door](clients[door], declared, verb, said) for door in doors_of(verb)}
    assert refused == {door: [field] for door in refused}
    assert TimelineEvent.objects.count() == written


# What a form asks in words of its own: people by address, groups by number.
ASKED_OTHERWISE = {"people", "assignee", "nobody", "number", "group", "monitor", "team"}
VERBS_FORMS = [*ACTS.values(), *(each.form for each in ASKING.values())]
FORMS = [
    *((form, form.does.body) for form in VERBS_FORMS),
    *((form, DeclarationBody) for form in (DeclarationForm, admin_forms.DeclarationForm)),
    (NoteForm, NoteBody),
]


@pytest.mark.parametrize(("form", "body"), FORMS, ids=lambda each: f"{each.__module__}.{each.__name__}")
def test_what_a_form_asks_is_needed_and_bounded_as_what_the_api_takes(form, body):
    """Of an act on several records what is so already is not needed; a form prefilled with it says so itself."""
    asked = {name: field for name, field in form.base_fields.items() if name not in {"seen", "held"} | ASKED_OTHERWISE}
    takes = body._declared_fields
    assert set(asked) - set(takes) <= {"note"}  # with an escalation goes a note, which the API takes by itself
    for name, field in asked.items():
        told = takes.get(name)
        if told is None:
            continue
        assert field.required == told.required, name
        longest = field.number if isinstance(field, Regions) else getattr(field, "max_length", None)
        assert longest == getattr(told, "max_length", None), name
        if hasattr(told, "choices"):
            assert [key for key, _ in field.choices if key] == list(told.choices), name
