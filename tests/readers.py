"""
Those who read: members of a team in three time zones, an operator, a program with a key, and nobody in particular.

They read in this process (Django's test client) or from a running server. Not here: what they read (tests.sweep).
"""

import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Any, NamedTuple

from django.conf import settings
from django.test import Client, RequestFactory
from django.test.client import ClientHandler

from teams.authentication import make_key
from teams.models import Membership, Role, Scope, Team, User

# How often somebody asks who is told to come again in a moment, as all are where the machine has no time for anybody.
TRIES = 4
# The extremes of what people live by, and the middle.
ZONES = ("UTC", "America/New_York", "Pacific/Kiritimati")
OPERATOR, PROGRAM, NOBODY = "operator", "program", "nobody"


class Answer(NamedTuple):
    """What came back; names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


# `get(path, whom, **headers)`; `whom` is one of ZONES, OPERATOR, PROGRAM or NOBODY.
Get = Callable[..., Answer]


@dataclass(frozen=True)
class Readers:
    """The readers of one team: whom → session, and the program's key."""

    team: int
    key: str
    sessions: dict[str, str] = field(default_factory=dict)

    def headers(self, whom: str) -> dict[str, str]:
        """What a reader sends to be let in."""
        if whom == PROGRAM:
            return {"X-API-Key": self.key}
        session = self.sessions.get(whom)
        return {"Cookie": f"{settings.SESSION_COOKIE_NAME}={session}"} if session else {}


def enter(team: Team, role: Role = Role.MANAGER) -> Readers:
    """Make a team's readers and let them in."""
    sessions = {}
    for zone in ZONES:
        person = someone(f"{zone.split('/')[-1].lower()}-{team.pk}@example.com", time_zone=zone)
        Membership.objects.get_or_create(team=team, user=person, defaults={"role": role})
        sessions[zone] = session_of(person)
    sessions[OPERATOR] = session_of(someone("operator@example.com", is_staff=True, is_superuser=True))
    return Readers(team.pk, make_key(team, person, "reader", [Scope.READ, Scope.WRITE])[1], sessions)


def someone(email: str, **fields: Any) -> User:
    """The user of that address, made if there is none."""
    return User.objects.filter(email=email).first() or User.objects.create_user(email, **fields)


def session_of(user: User) -> str:
    """The key of a session in which a user is logged in."""
    client = Client()
    client.force_login(user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


# --- in this process --------------------------------------------------------------------------------------------------


class Visitor(RequestFactory):
    """A client that only looks at answers: without remembering what was rendered it is several times as fast."""

    def __init__(self) -> None:
        super().__init__()
        self.handler = ClientHandler(enforce_csrf_checks=False)

    def request(self, **environ: Any) -> Any:
        return self.handler(self._base_environ(**environ))


def in_process(readers: Readers) -> Get:
    """A `get` that asks Django itself."""
    visitor = Visitor()

    def get(path: str, whom: str, **headers: str) -> Answer:
        answer = visitor.get(path, headers=readers.headers(whom) | headers)
        content = b"".join(answer.streaming_content) if answer.streaming else answer.content
        return Answer(answer.status_code, {name.lower(): value for name, value in answer.headers.items()}, content)

    return get


# --- from a running server --------------------------------------------------------------------------------------------

ENTER = """
import json
from dataclasses import asdict
from teams.models import Team
from tests.readers import enter
print(json.dumps(asdict(enter(Team.objects.get(public_id={team!r})))))
"""


def entered(manage: Callable[..., str], team: str) -> Readers:
    """The readers of the team with that public id, made by a management command of the server."""
    return Readers(**json.loads(manage("shell", "--no-imports", "-c", ENTER.format(team=team)).splitlines()[-1]))


class OverHTTP:
    """A `get` that asks a server on this machine, from any thread, over connections that stay open until `close`."""

    def __init__(self, port: int, readers: Readers) -> None:
        self.port = port
        self.readers = readers
        self.idle: deque[HTTPConnection] = deque()

    def __call__(self, path: str, whom: str, **headers: str) -> Answer:
        sent = self.readers.headers(whom) | headers
        for tries_left in reversed(range(TRIES)):
            try:
                answer = self.asked(path, sent)
            except (HTTPException, OSError):  # the server may have closed it meanwhile
                self.close()
                answer = self.asked(path, sent)
            if not (tries_left and answer.status == 503 and "retry-after" in answer.headers):
                break
            time.sleep(1)
        return answer

    def asked(self, path: str, headers: dict[str, str]) -> Answer:
        """Ask over a connection that nobody uses just now."""
        connection = self.idle.pop() if self.idle else HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
        except BaseException:
            connection.close()
            raise
        self.idle.append(connection)
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, body)

    def close(self) -> None:
        """Close what is open and not in use."""
        while self.idle:
            self.idle.pop().close()
