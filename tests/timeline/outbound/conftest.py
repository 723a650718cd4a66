"""
What the tests of sending share: endpoints, incidents, a receiver, and senders in threads.
"""

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from config.vault import seal
from incidents.declaring import Declaration, declare
from incidents.models import Incident, Severity, Type
from teams.models import Team, User
from tests.conftest import NOON
from tests.receivers import Receiver
from tests.running import eventually
from timeline.outbound.models import Endpoint, Message
from timeline.outbound.sender import Sender

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


@pytest.fixture(autouse=True)
def data_folder(settings, tmp_path):
    """A data folder that knows of nothing that was sent."""
    settings.DATA_DIR = tmp_path
    return tmp_path


def an_endpoint(team: Team, url: str = "http://127.0.0.1:9/hook", **fields: Any) -> Endpoint:
    """An endpoint of a team, with the secret that all have here."""
    return Endpoint.objects.create(team=team, url=url, secret_ciphertext=seal(SECRET), created_at=NOON, **fields)


def an_incident(team: Team, by: User | None = None, at: datetime = NOON, **fields: Any) -> Incident:
    """An incident that was declared by hand."""
    said = {"severity": Severity.MAJOR, "type": Type.OTHER, "error_message": "It is broken", "title": "Broken"}
    return declare(team, Declaration(**said | fields), by=by, at=at)


def messages(endpoint: Endpoint | None = None) -> list[tuple[str, str]]:
    """(event, status) of all messages in order of birth."""
    found = Message.objects.filter(endpoint=endpoint) if endpoint else Message.objects
    return list(found.order_by("id").values_list("event", "status"))


def later(seconds: float) -> datetime:
    """So many seconds past noon."""
    return NOON + timedelta(seconds=seconds)


# --- receivers and senders -------------------------------------------------------------------------------------


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as serving:
        yield serving


class Sending:
    """Senders in threads of their own, for as long as a with block runs."""

    def __init__(self, number: int = 1) -> None:
        self.senders = [Sender() for _ in range(number)]
        self.threads = [threading.Thread(target=sender.run) for sender in self.senders]

    def __enter__(self) -> "Sending":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for sender in self.senders:
            sender.stop()
        for thread in self.threads:
            thread.join(30)
        assert not any(thread.is_alive() for thread in self.threads)


def until(happened: Callable[[], object], patience: float = 30.0) -> None:
    """Wait for what a sender does."""
    assert eventually(happened, patience), "it did not happen"


def statuses() -> set[str]:
    """Which statuses messages have."""
    return set(Message.objects.values_list("status", flat=True))
