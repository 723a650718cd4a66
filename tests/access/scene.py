"""
Two teams that have everything alike, and everybody who may come to the door.

Each text of a team contains a word that occurs nowhere else, and each row has an id that nothing else has, so that
whatever of a team is shown to another is recognized. Not here: what is asked (visits, places).
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import Group, Permission
from django.db import connection, models, transaction
from django.test import Client

from config.vault import keyed_digest, new_token, seal
from incidents import corrections, details, grouping, lifecycle
from incidents.declaring import Declaration, declare
from incidents.models import Incident, Severity, Type
from incidents.updates import event_id
from integrations.lifecycle import bind_key
from integrations.models import DoorCount, Integration
from monitors import lifecycle as resources
from monitors.models import Heartbeat, Monitor
from teams.authentication import make_key
from teams.entry_links import invite, make_link
from teams.models import APIKey, Organization, Role, Scope, Team, User
from tests.conftest import an_event, make_user, tell_it
from timeline.models import TimelineEvent
from timeline.outbound import lifecycle as outbound
from timeline.outbound.models import Attempt

PASSWORD = "correct horse battery"
BOTH = [Scope.READ, Scope.WRITE]
OF_WHO_LEFT = {"email": "guest@quetzal.example", "role": Role.VIEWER}
# Ids begin here, so that none of them is also a port, a year or a number of seconds.
FIRST_ID = 3_000_000
# Texts that are words of ours, or drawn at random.
WORDS_OF_OURS = {
    "public_id", "role", "status", "severity", "type", "event", "effect", "why", "presses", "webhook_id",
    "subject_kind", "resource_kind", "named_kind", "prefix", "time_zone", "password", "resource_type",
    "source_organization_id", "source_team_id", "reason", "headers", "source", "error", "entries", "disabled_why",
}  # fmt: skip


@dataclass
class Side:
    """One team: the word in its texts, and its records and secrets by the names that visits call them."""

    word: str
    names: dict[str, Any] = field(default_factory=dict)
    # Ids of rows, and texts drawn at random, that only this team may see.
    ids: set[bytes] = field(default_factory=set)


@dataclass(frozen=True)
class Actor:
    """
    Somebody who asks. `side`: whose records their forms name ("a" or "b"); `sees`: whose words they may be shown;
    `token`: which token stands in a path.
    """

    name: str
    headers: dict[str, str]
    side: str = "a"
    sees: str = ""
    token: str = "token"
    # Whether the table has a column for them.
    is_in_table: bool = True


@dataclass
class Scene:
    """The two teams and the actors, in the table's order."""

    a: Side
    b: Side
    actors: dict[str, Actor] = field(default_factory=dict)
    # What stands in forms of admin: path → fields.
    forms: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    # What team B was answered before there was a team A: request → answer.
    alone: dict[str, Any] = field(default_factory=dict)
    # Team A's rows as they are.
    rows_of_a: dict[str, str] = field(default_factory=dict)

    def side(self, actor: Actor) -> Side:
        return self.b if actor.side == "b" else self.a


@contextmanager
def furnished(alone: Callable[[Scene], None]) -> Iterator[Scene]:
    """The scene, for as long as the block runs; `alone` is called when there is nobody but team B."""
    assert str(connection.settings_dict["NAME"]).startswith("test"), "a test without the mark django_db"
    with transaction.atomic():
        lift_ids()
        scene = Scene(Side("quetzal"), a_side("hoatzin"))
        strangers = [*team_b(scene.b)]
        scene.actors = {actor.name: actor for actor in strangers}
        alone(scene)
        scene.a = a_side("quetzal")
        scene.actors = {actor.name: actor for actor in everybody(scene, strangers)}
        for side in (scene.a, scene.b):
            side.ids = recognizable(side)
        scene.rows_of_a = rows_as_they_are(scene.a)
        yield scene
        transaction.set_rollback(True)


def lift_ids() -> None:
    """Let the ids of each table begin at a number of its own."""
    ours = [model for model in apps.get_models() if model._meta.app_label not in ("contenttypes", "sessions", "config")]
    with connection.cursor() as cursor:
        for place, model in enumerate(ours):
            table, key = model._meta.db_table, model._meta.pk
            if isinstance(key, models.AutoField):
                first = FIRST_ID + 10_000 * place
                cursor.execute(f'ALTER TABLE "{table}" ALTER COLUMN "{key.column}" RESTART WITH {first}')


# --- a team -----------------------------------------------------------------------------------------------------------


def a_side(word: str) -> Side:
    """A team with everything."""
    at = datetime.now(UTC) - timedelta(hours=2)
    organization = Organization.objects.create(name=f"{word} Inc.")
    team = Team.objects.create(organization=organization, name=f"{word} crew")
    side = Side(word, {"team": team.pk, "team_public": team.public_id, "organization": organization.pk})
    side.names["organization_public"] = organization.public_id
    people = members(side, team)
    told(side, team, at)
    endpoints(side, team, at)
    own(side, team, people["responder"], at + timedelta(minutes=5))
    sent(side, team, at)
    keys(side, team, people)
    invited(side, team, people["manager"])
    return side


def invited(side: Side, team: Team, by: User) -> None:
    """Somebody who has no account yet."""
    made, text = invite(team, f"new@{side.word}.example", Role.VIEWER, by=by, at=datetime.now(UTC))
    side.names |= {"invitation": made.pk, "link": text}


def members(side: Side, team: Team) -> dict[str, User]:
    """A member of each role, and one to be sent away."""
    people = {}
    for name, role in (*zip(("viewer", "responder", "manager"), Role, strict=True), ("leaver", Role.VIEWER)):
        user = make_user(f"{name}@{side.word}.example", team, role, name=f"{name} {side.word}")
        people[name] = user
        side.names |= {name: user.pk, f"{name}_uuid": user.uuid, f"{name}_email": user.email}
        side.names[f"{name}_membership"] = team.memberships.get(user=user).pk
    return people


def told(side: Side, team: Team, at: datetime) -> None:
    """An integration, and all that it told: mirrored records, and deliveries that could not be applied."""
    word, token = side.word, new_token("whi_")
    integration = Integration.objects.create(
        team=team, name=f"{word} door", type="watchkeeper", token_digest=keyed_digest(token),
        token_ciphertext=seal(token),
        count_only=[f"{word}.counted"],
    )  # fmt: skip
    shut = Integration.objects.create(
        team=team, name=f"{word} shut", token_digest=keyed_digest(token + "x"), token_ciphertext=seal(token + "x"),
        deactivated_at=at, count_only=[f"{word}.shut"],
    )  # fmt: skip
    of_monitor = {"monitor_name": f"{word} shop", "monitor_url": f"https://{word}.example", "monitor_type": word}
    of_heartbeat = {"heartbeat_name": f"{word} backup"}
    of_incident = {"incident_name": f"{word} is down", "resource_name": f"{word} shop"}
    acted = {"user_email": f"vendor@{word}.example", "user_name": f"vendor {word}"}
    events: list[dict[str, Any]] = [
        an_event("monitor.created", at, **of_monitor),
        an_event("heartbeat.created", at, **of_heartbeat),
        an_event("heartbeat.down", at, **of_heartbeat),
        an_event(
            "incident.started",
            at,
            incident_cause=f"{word} refused",
            regions=[f"{word}-1"],
            origin=f"inst_{word}",
            identity=sha256(word.encode()).hexdigest(),
            **of_incident,
        ),
        an_event("incident.grouped", at + timedelta(minutes=1), incident_group_id=999, **of_incident),
        an_event("incident.acknowledged", at + timedelta(minutes=2), **of_incident, **acted),
        an_event("incident.acknowledged", at + timedelta(minutes=3), incident_id=f"{word} is no number"),
        an_event(f"{word}.happened", at + timedelta(minutes=4)),
        an_event("incident.acknowledged", at + timedelta(days=1), **of_incident),
    ]
    said = [event | {"message": f"{event['event']} at {word}"} for event in events]
    tell_it(integration, *said, at=at + timedelta(minutes=5))
    DoorCount.objects.create(day=at.date(), integration=integration, reason=f"{word}.counted", count=3)
    incident = team.incidents.get(integration_id=integration.pk)
    deliveries = integration.deliveries
    side.names |= {
        "token": token,
        "integration": integration.pk,
        "shut": shut.pk,
        "mirrored": incident.uuid,
        "mirrored_number": incident.pk,
        "mirrored_monitor": team.monitors.get().pk,
        "mirrored_heartbeat": team.heartbeats.get().pk,
        "mirrored_group": team.incident_groups.get().pk,
        "delivery": deliveries.get(status="applied", event="incident.started").pk,
        "quarantined": deliveries.get(status="quarantined").pk,
        "unrecognized": deliveries.get(status="unrecognized").pk,
        "ahead": deliveries.get(status="waiting").pk,
        "counted": DoorCount.objects.get(integration=integration).pk,
    }


def own(side: Side, team: Team, by: User, at: datetime) -> None:
    """What the team made itself: monitors, heartbeats, incidents in every state that a visit needs, a group."""
    word, names = side.word, side.names
    for name, pauses in (("", False), ("paused_", True)):
        monitor = resources.create(
            Monitor,
            team,
            by=by,
            at=at,
            name=f"{word} {name}site",
            url=f"https://{name[:-1] or 'www'}.{word}.example",
            type="status",
        )
        heartbeat = resources.create(Heartbeat, team, by=by, at=at, name=f"{word} {name}job", period=60, grace=0)
        names |= {f"{name}monitor": monitor.pk, f"{name}heartbeat": heartbeat.pk}
        for each in (monitor, heartbeat) if pauses else ():
            resources.pause(each, by=by, at=at + timedelta(seconds=1))
    incident = declared(word, "open", team, by, at)
    resolved, grouped = declared(word, "resolved", team, by, at), declared(word, "grouped", team, by, at)
    later = {"by": by, "at": at + timedelta(minutes=1)}
    lifecycle.resolve(resolved, note=f"{word} is back", **later)
    group, _ = grouping.group_anew(grouped, f"{word} outage", **later)
    lifecycle.escalate(incident, targets=[by], note=f"{word} must wake up", **later)
    details.assign(incident, assignee=by, **later)
    entry = corrections.add(
        incident, message=f"{word} was slow", occurred_at=at - timedelta(minutes=9), reason=f"{word} forgot", **later
    )
    corrections.correct(incident, entry.pk, message=f"{word} was very slow", reason=f"{word} erred", **later)
    comment = lifecycle.comment(incident, message=f"{word} looked", **later)
    names |= {"incident": incident.uuid, "incident_number": incident.pk, "entry": entry.pk, "fact": comment.pk}
    names |= {"resolved": resolved.uuid, "grouped": grouped.uuid, "grouped_number": grouped.pk, "group": group.pk}
    names |= {"event": event_of(team, comment), "another_event": event_of(team, entry)}


def endpoints(side: Side, team: Team, at: datetime) -> None:
    """Where the team's log is sent: to one, and no more to one that failed."""
    word, names = side.word, side.names
    for name in ("endpoint", "failed"):
        details = {"url": f"https://hooks.{word}.example/{name}", "description": f"{word} {name}"}
        made, names[f"{name}_secret"] = outbound.create_endpoint(team, at=at, relay=True, further=True, **details)
        names[name] = made.pk
        if name == "failed":
            outbound.disable(made, at=at, why="It answered 410: it is gone.")


def sent(side: Side, team: Team, at: datetime) -> None:
    """What became of the messages that the team's acts made: some were delivered, one was given up."""
    word, done = side.word, at + timedelta(minutes=7)
    messages = team.messages.filter(subject_kind="incident").order_by("id")
    first, second = messages[:2]
    attempt = first.attempts.create(
        started_at=done, ended_at=done, status_code=503, error="The answer was 503.", excerpt=f"{word} is busy"
    )
    messages.exclude(pk__in=messages.reverse()[:3]).update(status="delivered", ended_at=done)
    team.messages.filter(pk=first.pk).update(status="dead", why="The answer was 503.", tries=9)
    side.names |= {"message": first.pk, "delivered": second.pk, "attempt": attempt.pk}
    side.names["waiting"] = messages.reverse()[0].pk


def declared(word: str, name: str, team: Team, by: User, at: datetime) -> Incident:
    """An incident declared by hand."""
    declaration = Declaration(
        severity=Severity.MAJOR, type=Type.OTHER, error_message=f"{word} cause", title=f"{word} {name}",
        started_at=at - timedelta(minutes=10), affected_regions=[f"{word}-2"],
    )  # fmt: skip
    return declare(team, declaration, by=by, at=at)


def event_of(team: Team, fact: TimelineEvent) -> str:
    """The id that a fact has in the API's timeline."""
    return event_id(TimelineEvent.objects.get(team=team, pk=fact.pk).identity)


def keys(side: Side, team: Team, people: dict[str, User]) -> None:
    """Keys of all kinds: their texts by name, and one key's id."""
    yesterday = datetime.now(UTC) - timedelta(days=1)
    wanted = {
        "read": ("manager", [Scope.READ]),
        "write": ("manager", BOTH),
        "viewers": ("viewer", BOTH),
        "responders": ("responder", BOTH),
        "ingest": ("manager", [Scope.INGEST]),
        "revoked": ("manager", BOTH),
        "expired": ("manager", BOTH),
        "leavers": ("leaver", BOTH),
    }
    made = {name: make_key(team, people[who], f"{side.word} {name}", scopes) for name, (who, scopes) in wanted.items()}
    bind_key(made["ingest"][0], team.integrations.get(name=f"{side.word} door"))
    APIKey.objects.filter(pk=made["revoked"][0].pk).update(revoked_at=yesterday)
    APIKey.objects.filter(pk=made["expired"][0].pk).update(expires_at=yesterday)
    side.names |= {f"{name}_key": text for name, (_, text) in made.items()}
    side.names |= {"key": made["leavers"][0].pk, "ingest_number": made["ingest"][0].pk}


# --- what is recognized -----------------------------------------------------------------------------------------------


def rows_of(side: Side) -> Iterator[models.Model]:
    """Every row that belongs to a team, and the team itself."""
    team = Team.objects.get(pk=side.names["team"])
    yield from (team, team.organization)
    yield from User.objects.filter(memberships__team=team).exclude(email__endswith="@staff.example")
    for relation in Team._meta.related_objects:
        yield from getattr(team, relation.get_accessor_name()).all()
    yield from DoorCount.objects.filter(integration__team=team)
    yield from Attempt.objects.filter(message__team=team)


def recognizable(side: Side) -> set[bytes]:
    """What in an answer could only be this team's: ids of rows, UUIDs, public ids, tokens, beginnings of keys."""
    secret = ("_key", "_secret", "event", "token", "link")
    found: set[str] = {
        str(value) for name, value in side.names.items() if name.endswith(secret) and name != "wrong_token"
    }
    for row in rows_of(side):
        if isinstance(row._meta.pk, models.AutoField):
            found.add(str(row.pk))
        drawn = ("uuid", "public_id", "prefix", "webhook_id")
        found |= {str(getattr(row, name)) for name in drawn if getattr(row, name, "")}
    return {text.encode() for text in found}


_numbers = re.compile(rb"(?<![0-9A-Za-z])3[0-9]{6}(?![0-9A-Za-z])")


def seen_of(side: Side, answer: bytes) -> set[bytes]:
    """What of a team stands in an answer."""
    seen = {found for found in _numbers.findall(answer) if found in side.ids}
    seen |= {each for each in side.ids if not each.isdigit() and each in answer}
    return seen | ({side.word.encode()} if side.word.encode() in answer.lower() else set())


def rows_as_they_are(side: Side) -> dict[str, str]:
    """Every row of a team, as text: what nobody else may change. (When a key was last used is nobody's news.)"""
    return {
        f"{row._meta.label} {row.pk}": str([
            (column.attname, bytes(value) if isinstance(value := getattr(row, column.attname), memoryview) else value)
            for column in row._meta.concrete_fields if column.attname not in ("last_used_at", "last_login")
        ])
        for row in rows_of(side)
    }  # fmt: skip


def texts_without_the_word(side: Side) -> list[str]:
    """Columns with texts of people's or vendors' own that don't say whose they are: `model.column`."""
    silent = set()
    for row in rows_of(side):
        for column in row._meta.concrete_fields:
            value = getattr(row, column.attname)
            is_text = isinstance(column, models.CharField | models.TextField | models.JSONField)
            if is_text and value and column.name not in WORDS_OF_OURS and side.word not in str(value):
                silent.add(f"{row._meta.model_name}.{column.name}")
    return sorted(silent)


# --- everybody --------------------------------------------------------------------------------------------------------


def team_b(b: Side) -> Iterator[Actor]:
    """Those of team B; one of them is in a third team, too."""
    team, names = Team.objects.get(pk=b.names["team"]), b.names
    for name in ("viewer", "responder", "manager"):
        yield Actor(f"b.{name}", session(User.objects.get(pk=names[name])), side="b", sees="b")
    yield Actor("b.key", {"X-API-Key": names["write_key"]}, side="b", sees="b")
    yield Actor("b.ingest", {"X-API-Key": names["ingest_key"]}, side="b", is_in_table=False)
    both = make_user("both@staff.example", team, Role.MANAGER, name="Both")
    third = Team.objects.create(organization=Organization.objects.create(name="Third Inc."), name="third crew")
    third.memberships.create(user=both, role=Role.MANAGER)
    newcomer = make_user("newcomer@staff.example", third, Role.VIEWER, name="Newcomer")
    yield Actor("b.newcomer", session(newcomer), side="b", sees="b", is_in_table=False)
    yield Actor("b.both", session(both), side="b", sees="b", is_in_table=False)
    # Who left team A, where their key still is.
    turncoat = make_user("turncoat@staff.example", team, Role.MANAGER, name="Turncoat")
    names |= {"turncoat": turncoat.pk, "turncoat_membership": team.memberships.get(user=turncoat).pk}


def everybody(scene: Scene, strangers: list[Actor]) -> Iterator[Actor]:
    """All who ask, in the table's order."""
    a, b = scene.a.names, scene.b.names
    yield Actor("anonymous", {})
    for name in ("viewer", "responder", "manager"):
        yield Actor(name, session(User.objects.get(pk=a[name])), sees="a")
    yield from strangers[:3]
    yield from operators(scene)
    gone = make_user("gone@quetzal.example", Team.objects.get(pk=a["team"]), Role.MANAGER)
    yield Actor("deactivated", session(gone))
    User.objects.filter(pk=gone.pk).update(is_active=False)
    for name in ("read", "write", "viewers", "responders"):
        yield Actor(f"key.{name}", {"X-API-Key": a[f"{name}_key"]}, sees="a")
    yield Actor("key.ingest", {"X-API-Key": a["ingest_key"]})
    turncoat = User.objects.get(pk=b["turncoat"])
    a["left_key"] = make_key(Team.objects.get(pk=a["team"]), turncoat, "quetzal left", BOTH)[1]
    left = make_link(Team.objects.get(pk=a["team"]), at=datetime.now(UTC), made_by=turncoat, **OF_WHO_LEFT)
    a["left_link"] = left[1]
    for name in ("revoked", "expired", "left"):
        yield Actor(f"key.{name}", {"X-API-Key": a[f"{name}_key"]})
    yield from strangers[3:]
    yield Actor("wrong", {"X-API-Key": "wk_" + "w" * 43}, token="wrong_token")


def operators(scene: Scene) -> Iterator[Actor]:
    """Staff, and what only they work on."""
    yield Actor("clerk", session(make_user("clerk@staff.example", is_staff=True)))
    staff = make_user("staff@staff.example", is_staff=True)
    staff.user_permissions.set(Permission.objects.all())
    group = Group.objects.create(name="quetzal hoatzin readers")
    bare = Organization.objects.create(name="bare")
    for side in (scene.a, scene.b):
        side.names |= {"group_of_operators": group.pk, "bare_organization": bare.pk, "wrong_token": "whi_" + "w" * 43}
    yield Actor("staff", session(staff))
    yield Actor("superuser", session(make_user("super@staff.example", is_staff=True, is_superuser=True)))


def session(user: User) -> dict[str, str]:
    """The cookie of somebody who is logged in."""
    client = Client()
    client.force_login(user)
    return {"Cookie": f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"}
