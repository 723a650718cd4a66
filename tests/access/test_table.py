"""
Everybody by every method on every route: as the table says, and nothing of one team to another.

A new route fails here until it stands in access.txt. To see the table of the code as it is:

    WATCHKEEPER_ACCESS=/tmp/access.txt .venv/bin/pytest tests/access/test_table.py
    diff tests/access/access.txt /tmp/access.txt

and then think about each line before it is taken over: who should be let in, is it `done` where something was asked for
(else tests.access.visits needs a sound body), is it 404 for the other team. What must always be so stands below.
"""

import os
from difflib import unified_diff
from pathlib import Path

import pytest

from tests.access.visits import METHODS, routes
from tests.access.walk import TABLE, leaks, read, read_forms, walk, written_down
from tests.trust.conftest import FULL

pytestmark = pytest.mark.django_db

PRINTED = os.environ.get("WATCHKEEPER_ACCESS")

# The sample leaves out what is as good as asked for already: the API looks at no session, pages and admin at no key,
# and admin at no membership.
API_SAMPLE = {"anonymous", "manager", "superuser", "b.manager"}
KEY_SAMPLE = {"key.write", "b.key"}
ADMIN_SAMPLE = {"anonymous", "manager", "b.manager", "clerk", "staff", "superuser", "deactivated", "key.write"}
FEW = {"anonymous", "manager", "clerk", "superuser"}


def is_asked(actor: str, method: str, route: str) -> bool:
    """Whether a request belongs to the sample."""
    if FULL or PRINTED:
        return True
    is_key = "key" in actor or actor == "wrong"
    if route.startswith("/api/"):
        return is_key or actor in API_SAMPLE
    if is_key and actor not in KEY_SAMPLE:
        return False
    if route.startswith("/admin"):
        return method in ("GET", "POST") and actor in ADMIN_SAMPLE
    return method in ("GET", "HEAD", "POST") or actor in FEW


def columns(scene):
    """The actors that have a column."""
    return [actor.name for actor in scene.actors.values() if actor.is_in_table]


def test_everybody_is_let_in_or_turned_away_as_the_table_says(scene):
    read_forms(scene)
    actors = columns(scene)
    stands = TABLE.read_text()
    known = read(stands, actors)
    nobody = dict.fromkeys(actors, "?")
    table = {(method, route): dict(known.get((method, route), nobody)) for route in routes() for method in METHODS}
    leaked = []
    for step in walk(scene, is_asked):
        table[step.method, step.route][step.actor.name] = step.answer.outcome
        leaked += [(step.actor.name, step.method, step.route, found) for found in leaks(scene, step)]
    text = written_down(table)
    if PRINTED:
        Path(PRINTED).write_text(text)
    assert leaked == []
    differing = unified_diff(stands.splitlines(True), text.splitlines(True), "the table", "the code")
    assert "".join(differing) == ""


# --- what must be so, whatever the table says -------------------------------------------------------------------------

LET_IN = {"ok", "done"}
OPEN_TO_ALL = {
    "/healthz", "/readyz", "/workz", "/admin", "/login", "/logout", "/admin/logout/", "/admin/login/",
    "/link/<str:token>", "/api/openapi.json", "/api/docs", "/api/webhooks/incident-log/<str:token>",
}  # fmt: skip
# Of one's own: not of a team.
OWN = {"/password", "/preferences", "/team", "/unsent"}
SESSIONS = ("viewer", "responder", "manager", "b.viewer", "b.responder", "b.manager", "clerk", "staff", "superuser")


@pytest.fixture
def rows(scene):
    """(method, route, outcome by actor) of the table, without what is open to all."""
    table = read(TABLE.read_text(), columns(scene))
    return [(method, route, row) for (method, route), row in table.items() if route not in OPEN_TO_ALL]


def let_in(rows, *actors, having=LET_IN):
    """Where any of some actors is let in."""
    return {(method, route) for method, route, row in rows if having & {row[actor] for actor in actors}}


def test_who_has_no_sound_key_and_no_session_is_let_in_nowhere(rows):
    assert let_in(rows, "anonymous", "deactivated", "key.revoked", "key.expired", "key.left", "wrong") == set()


def test_a_session_opens_nothing_of_the_api_and_a_key_no_page(rows):
    api = [row for row in rows if row[1].startswith("/api/")]
    pages = [row for row in rows if not row[1].startswith("/api/")]
    assert let_in(api, *SESSIONS) == set()
    assert let_in(pages, *(actor for actor in rows[0][2] if "key" in actor)) == set()


def test_superusers_and_staff_see_no_page_of_a_team_they_are_not_in(rows):
    pages = [row for row in rows if not row[1].startswith(("/api/", "/admin/")) and row[1] not in OWN]
    assert let_in(pages, "clerk", "staff", "superuser") == set()


def test_another_team_is_let_in_to_no_record(rows):
    records = [row for row in rows if "<" in row[1]]
    assert let_in(records, "b.viewer", "b.responder", "b.manager", "b.key") == set()
    for method, route, row in records:
        if not route.startswith("/admin/") and row["manager"] in LET_IN:
            assert {row["b.viewer"], row["b.responder"], row["b.manager"]} == {"404"}, f"{method} {route}"
        if row["key.write"] in LET_IN:
            assert row["b.key"] == "404", f"{method} {route}"


def test_only_operators_are_in_admin_and_without_permissions_they_see_no_record(rows):
    admin = [row for row in rows if row[1].startswith("/admin/")]
    assert let_in(admin, *(actor for actor in rows[0][2] if actor not in ("clerk", "staff", "superuser"))) == set()
    records = [row for row in admin if row[1].count("/") > 4 and not row[1].endswith("<path:object_id>/")]
    assert let_in(records, "clerk") == set()


def test_who_reads_changes_nothing_and_each_role_may_all_that_the_one_before_may(rows):
    shared = [row for row in rows if row[1] not in OWN and not row[1].startswith("/admin/")]
    assert let_in(shared, "viewer", "key.read", "key.viewers", having={"done"}) == set()
    assert let_in([row for row in rows if row[0] in ("GET", "HEAD", "OPTIONS")], *rows[0][2], having={"done"}) == set()
    for weaker, stronger in (("viewer", "responder"), ("responder", "manager")):
        assert let_in(rows, weaker) <= let_in(rows, stronger)
        assert let_in(rows, weaker, having={"done"}) <= let_in(rows, stronger, having={"done"})
    assert let_in(rows, "key.viewers") <= let_in(rows, "key.responders") <= let_in(rows, "key.write")
    assert let_in(rows, "key.read") <= let_in(rows, "key.write")


def test_only_managers_manage_the_team_its_monitors_heartbeats_and_endpoints(rows):
    managed = [row for row in rows if row[1].startswith(("/team/", "/monitors", "/heartbeats"))]
    assert let_in(managed, "responder", having={"done"}) == set()
    assert let_in([row for row in rows if row[1].startswith("/team/")], "responder") == set()
    ours = ("/api/monitors", "/api/heartbeats", "/api/endpoints", "/api/messages")
    watched = [row for row in rows if row[1].startswith(ours)]
    assert let_in(watched, "key.responders", having={"done"}) == set()
