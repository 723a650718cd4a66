"""
API keys at the door: who a key acts for, in which team, and what it may do. For DRF views.

A key is sent as `X-API-Key` or `Authorization: Bearer`; never is a session cookie looked at. Missing, wrong, revoked
and expired keys are all the same 401.
"""

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Any, cast

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.db.models import Model
from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from config import clock
from config.errors import Forbidden, Unauthorized
from config.ratelimit import KEYS, Throttle, check_failures, count_failure
from config.refusals import note_identity, note_refusal
from config.statements import fetch
from config.vault import new_token, plain_digest
from teams.models import APIKey, Membership, Role, Scope, Team, User

KEY_PREFIX = "wk_"
SHOWN_CHARACTERS = 10

# `last_used_at` is good to within a minute, so that reading does not write each time.
USED_RESOLUTION = timedelta(minutes=1)


def make_key(
    team: Team, user: User, name: str, scopes: list[str], *, expires_at: datetime | None = None
) -> tuple[APIKey, str]:
    """A new key, and its text, which is shown once and not kept."""
    text = new_token(KEY_PREFIX)
    key = APIKey.objects.create(
        team=team,
        user=user,
        name=name,
        prefix=text[:SHOWN_CHARACTERS],
        digest=plain_digest(text),
        scopes=scopes,
        expires_at=expires_at,
    )
    return key, text


def presented(request: Request | HttpRequest) -> str:
    """The key's text in a request's headers; empty without one."""
    header: str = request.META.get("HTTP_X_API_KEY", "")
    scheme, _, bearer = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    return header.strip() or (bearer.strip() if scheme.lower() == "bearer" else "")


class KeyAuthentication(BaseAuthentication):
    """Turns a request's key into `request.user` and `request.auth` (the APIKey), or refuses with 401."""

    def authenticate(self, request: Request) -> tuple[User | AnonymousUser, APIKey] | None:
        text = presented(request)
        if not text:
            note_refusal(request, "api key", why="There was none.")
            return None
        key = usable_key(text)
        if key is None:
            note_refusal(request, "api key", key=beginning_of(text))
            self.refuse(request)
            raise Unauthorized()
        note_identity(request, account=key.user.email, key=key.prefix)
        return key.user, key

    def refuse(self, request: Request) -> None:
        """Note a wrong key; too many of them from one address are a 429."""
        check_failures(request, KEYS)
        count_failure(request, KEYS)

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def beginning_of(text: str) -> str:
    """
    What is told of a key that is none. What does not look like one of ours may be another secret, sent in the wrong
    place: nothing of it is told.
    """
    return text[:SHOWN_CHARACTERS] if text.startswith(KEY_PREFIX) else ""


def usable_key(text: str) -> APIKey | None:
    """The key with that text, if it opens anything now; a key of somebody who left the team does not."""
    at = clock.now()
    key = known_key(plain_digest(text))
    if key is None or not key.is_usable(at):
        return None
    if key.last_used_at is None or at - key.last_used_at > USED_RESOLUTION:
        note_use([key.pk], at)
    return key


def note_use(key_ids: Collection[int], at: datetime) -> None:
    """Note when keys were used last."""
    APIKey.objects.filter(pk__in=key_ids).update(last_used_at=at)


# The joins of a key `k` in SQL that leave only those that open something at `%(at)s`: as APIKey.is_usable says it, and
# with a membership. For who looks keys up together with what they lead to (integrations.doors).
USABLE = """
    JOIN teams_team t ON t.id = k.team_id AND t.deactivated_at IS NULL
    JOIN teams_user u ON u.id = k.user_id AND u.is_active
    JOIN teams_membership m ON m.team_id = k.team_id AND m.user_id = k.user_id
        AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > %(at)s::timestamptz)
"""

# What every request of a key needs to know of it, its team, its user, and the user's membership there. It is asked each
# time, so that a key that was revoked opens nothing from then on; and it is asked in SQL, because to build it from
# querysets takes several times longer than to run it.
ASKED: dict[str, tuple[type[Model], set[str]]] = {
    "k": (APIKey, {"id", "team_id", "user_id", "name", "prefix", "scopes", "expires_at", "revoked_at", "last_used_at"}),
    "t": (Team, {"id", "organization_id", "public_id", "name", "deactivated_at"}),
    "u": (User, {"id", "uuid", "email", "name", "time_zone", "is_active"}),
    "m": (Membership, {"id", "team_id", "user_id", "role"}),
}
COLUMNS = {
    letter: [field.attname for field in model._meta.concrete_fields if field.attname in names]
    for letter, (model, names) in ASKED.items()
}
KNOWN_KEY = f"""
SELECT {", ".join(f"{letter}.{name}" for letter, names in COLUMNS.items() for name in names)}
FROM teams_apikey k
JOIN teams_team t ON t.id = k.team_id
JOIN teams_user u ON u.id = k.user_id
JOIN teams_membership m ON m.team_id = k.team_id AND m.user_id = k.user_id
WHERE k.digest = %s
"""  # noqa: S608 - names of our own


def known_key(digest: bytes) -> APIKey | None:
    """The key with that digest, with its team, user and membership; what was not asked of them is, on demand."""
    found = fetch(KNOWN_KEY, [digest])
    if not found:
        return None
    values, made = iter(found[0]), {}
    for letter, (model, _) in ASKED.items():
        names = COLUMNS[letter]
        made[letter] = model.from_db(connection.alias, names, [next(values) for _ in names])
    key: Any = made["k"]
    key.team, key.user, key.membership = made["t"], made["u"], made["m"]
    return cast(APIKey, key)


class KeyMay(BasePermission):
    """
    Whether the key has the scope that the method needs, and its user the role. Views say which by attributes:
    `scopes`, a dict of method → Scope (GET and HEAD read, everything else writes), and `roles`, method → Role.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        key = request.auth
        if not isinstance(key, APIKey):
            raise Unauthorized()
        reads = request.method in ("GET", "HEAD", "OPTIONS")
        scope = needed(view, "scopes", request.method, Scope.READ if reads else Scope.WRITE)
        role = needed(view, "roles", request.method, Role.VIEWER if reads else Role.RESPONDER)
        if scope not in key.scopes:
            raise Forbidden(f"This key does not have the scope {scope}.")
        if not key.membership.may(role):
            raise Forbidden(f"This needs the role {role}.")
        return True


def needed(view: APIView, attribute: str, method: str | None, default: Any) -> Any:
    """What a view says a method needs."""
    return getattr(view, attribute, {}).get(method, default)


def opens_still(key: APIKey, scope: Scope = Scope.READ, role: Role = Role.VIEWER) -> Callable[[], bool]:
    """
    What asks whether a key that opened something would do so once more: for answers that are streamed
    (config.streams). To be asked in any thread, long after the request.
    """
    digest = bytes(APIKey.objects.values_list("digest", flat=True).get(pk=key.pk))

    def asked_again() -> bool:
        found = known_key(digest)
        return bool(found and found.is_usable(clock.now()) and scope in found.scopes and found.membership.may(role))

    return asked_again


class PerKey(Throttle):
    """So many requests a minute for each key."""

    limit = settings.API_REQUESTS_PER_MINUTE

    def key(self, request: Request, view: APIView) -> str | None:
        return f"api key {request.auth.pk}" if isinstance(request.auth, APIKey) else None
