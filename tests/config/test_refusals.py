"""Whoever is refused leaves a line: what failed, whose address, which account or key. docs/fail2ban.md reads them."""

import json
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from integrations.lifecycle import set_signing_secret
from teams.authentication import make_key
from teams.models import Role, Scope
from tests.conftest import an_event, make_user
from tests.dashboard.conftest import logged_in

RECIPE = Path(settings.BASE_DIR, "docs", "fail2ban.md").read_text()
ADDRESS = "203.0.113.9"
EVENT = json.dumps(an_event("incident.started"))
DOOR = "/api/webhooks/incident-log"


@pytest.fixture
def stranger():
    return Client(REMOTE_ADDR=ADDRESS)


@pytest.fixture
def refused(capsys):
    """The lines of refusals that were written since."""

    def read():
        return [line for line in capsys.readouterr().err.splitlines() if '"refused"' in line]

    return read


def said(lines):
    [line] = lines
    return {name: value for name, value in json.loads(line).items() if name not in ("at", "level", "request_id")}


def failregex():
    """The recipe's, with what fail2ban puts for an address."""
    [written] = re.findall(r"^failregex = (.*)$", RECIPE, re.MULTILINE)
    return re.compile(written.replace("<ADDR>", r"(?P<ip>[\d.]+|[0-9a-f:]+)"))


def datepattern():
    [written] = re.findall(r"^datepattern = (.*)$", RECIPE, re.MULTILINE)
    for name, digits in (("Y", 4), ("m", 2), ("d", 2), ("H", 2), ("M", 2), ("S", 2)):
        written = written.replace(f"%%{name}", rf"\d{{{digits}}}")
    return re.compile(written)


def test_a_failed_login_names_address_and_account(stranger, user, refused):
    stranger.post("/login", {"username": "Alice@example.com", "password": "wrong"})
    assert said(refused()) == {
        "event": "refused", "what": "login", "address": ADDRESS, "status": 400, "route": "login",
        "account": "alice@example.com", "key": "", "why": "",
    }  # fmt: skip


def test_what_is_in_no_address_is_not_written_for_those_who_read_the_log(stranger, db, refused):
    stranger.post("/login", {"username": '"><script>x</script>\u202e@a.b', "password": "wrong"})
    assert said(refused())["account"] == "???script?x??script??@a.b"


def test_a_wrong_key_is_told_by_its_beginning_and_never_whole(stranger, db, refused):
    stranger.get("/api/incidents", headers={"X-API-Key": "wk_" + "w" * 43})
    line = said(refused())
    assert (line["what"], line["key"], line["status"]) == ("api key", "wk_wwwwwww", 401)
    # What is no key may be another secret, in the wrong place.
    stranger.get("/api/incidents", headers={"X-API-Key": "whi_" + "w" * 43})
    line = said(refused())
    assert (line["what"], line["key"], line["status"]) == ("api key", "", 401)
    stranger.get("/api/incidents")
    line = said(refused())
    assert (line["what"], line["key"], line["why"]) == ("api key", "", "There was none.")


def test_a_wrong_token_and_a_wrong_signature(stranger, integration, refused):
    stranger.post(f"{DOOR}/whi_{'w' * 43}", EVENT, content_type="application/json")
    [line] = refused()
    assert "wwww" not in line
    assert json.loads(line)["what"] == "token"
    set_signing_secret(integration, "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
    stranger.post(f"{DOOR}/{integration.token}", EVENT, content_type="application/json")
    line = said(refused())
    assert (line["what"], line["why"]) == ("signature", f"Integration {integration.pk}.")
    stranger.post(DOOR, EVENT, content_type="application/json")
    assert said(refused())["what"] == "api key"


def test_a_403_names_who_it_was(team, user, refused):
    logged_in(make_user("vic@example.com", team, Role.VIEWER)).get("/team/members")
    line = said(refused())
    assert (line["what"], line["account"], line["status"]) == ("permission", "vic@example.com", 403)
    key, text = make_key(team, user, "reader", [Scope.READ])
    Client(REMOTE_ADDR=ADDRESS, headers={"X-API-Key": text}).post("/api/incidents", "{}", "application/json")
    line = said(refused())
    assert (line["what"], line["account"], line["key"]) == ("permission", "alice@example.com", key.prefix)
    assert line["address"] == ADDRESS


def test_a_429_names_what_was_too_often(stranger, user, settings, refused):
    settings.FAILED_LOGINS_PER_MINUTE = 1
    for _ in range(2):
        stranger.post("/login", {"username": "alice@example.com", "password": "wrong"})
    line = json.loads(refused()[-1])
    assert (line["what"], line["status"], line["account"]) == ("login", 429, "alice@example.com")


def test_the_recipe_finds_guessers_and_their_address_and_leaves_others_alone(stranger, user, team, refused, settings):
    stranger.post("/login", {"username": "alice@example.com", "password": "wrong"})
    stranger.get("/api/incidents", headers={"X-API-Key": "wk_" + "w" * 43})
    stranger.post(f"{DOOR}/whi_{'w' * 43}", EVENT, content_type="application/json")
    stranger.get("/link/wlink_wrong")
    Client(REMOTE_ADDR="2001:db8::7").post("/login", {"username": "x", "password": "y"})
    inside = logged_in(make_user("vic@example.com", team, Role.VIEWER))
    inside.post("/password", {"old_password": "wrong"}, REMOTE_ADDR=ADDRESS)
    guessing = refused()
    found = [failregex().search(line) for line in guessing]
    assert [match and match["ip"] for match in found] == [ADDRESS] * 4 + ["2001:db8::7", ADDRESS]
    assert all(datepattern().search(line) for line in guessing)
    inside.get("/team/members")
    Client().post("/preferences", {"name": "x"})
    Client(enforce_csrf_checks=True).post("/preferences", {"name": "x"})
    honest = refused()
    assert len(honest) == 3
    assert [line for line in honest if failregex().search(line)] == []


@pytest.mark.parametrize(
    "typed", ['", "address": "192.0.2.77", "x": "', '"}\n{"address": "192.0.2.77", "status": 1', "x" * 9_000]
)
def test_nobody_can_have_another_address_banned_by_what_they_type(typed, stranger, db, refused):
    stranger.post("/login", {"username": typed, "password": "y"}, headers={"User-Agent": typed, "X-Request-ID": typed})
    [line] = refused()
    assert failregex().search(line)["ip"] == ADDRESS
    assert len(line) < 1_000


def test_what_is_found_is_not_told(client, db, refused):
    client.get("/login")
    client.get("/nothing")
    assert refused() == []
