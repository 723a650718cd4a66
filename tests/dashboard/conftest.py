"""What the tests of the pages share: somebody who is logged in, and what they look at."""

import re
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest
from django.http import HttpResponse
from django.test import Client

from integrations.models import Integration
from teams.authentication import make_key
from teams.models import Membership, Role, Scope, Team, User
from tests.conftest import make_integration, make_user


@pytest.fixture
def staff(user: User) -> Client:
    """Alice's browser, logged in. She is a responder."""
    return logged_in(user)


@pytest.fixture
def viewer(team: Team) -> Client:
    """The browser of a member who may only read."""
    return logged_in(make_user("vic@example.com", team, role=Role.VIEWER, name="Vic"))


@pytest.fixture
def mary(team: Team) -> User:
    """Mary manages the team."""
    return make_user("mary@example.com", team, Role.MANAGER, name="Mary Manager")


@pytest.fixture
def manager(mary: User) -> Client:
    """The browser of a member who manages the team."""
    return logged_in(mary)


@pytest.fixture
def foreign(other_team: Team) -> SimpleNamespace:
    """A key, an integration and a membership of a team that nobody here is in, by their ids."""
    stranger = make_user("stranger@example.com", other_team, Role.MANAGER, name="A Stranger")
    return SimpleNamespace(
        key=make_key(other_team, stranger, "canary", [Scope.READ])[0].pk,
        integration=make_integration(other_team, "Theirs").pk,
        membership=Membership.objects.get(user=stranger).pk,
    )


@pytest.fixture
def strangers(other_team: Team) -> Integration:
    """An integration of a team that Alice is not in."""
    return make_integration(other_team, "Theirs")


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


class Words(HTMLParser):
    """The text of a page as it is first seen: without markup, scripts, or the exact form of times."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.is_exact = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.is_exact = ("class", "exact") in attrs

    def handle_endtag(self, tag: str) -> None:
        self.is_exact = False

    def handle_data(self, data: str) -> None:
        if not self.is_exact:
            self.found.append(data)


def words(response) -> str:
    """What a reader reads."""
    parser = Words()
    parser.feed(response.content.decode())
    return " ".join(" ".join(parser.found).split())


def secret_of(response: HttpResponse) -> str | None:
    """The secret that a page shows, this once."""
    found = re.search(r'<pre id="secret"[^>]*>([^<]+)</pre>', response.content.decode())
    return found and found[1]
