"""What the tests of the pages share: somebody who is logged in, and what they look at."""

from html.parser import HTMLParser

import pytest
from django.test import Client

from integrations.models import Integration
from teams.models import Role, Team, User
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
