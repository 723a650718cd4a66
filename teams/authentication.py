"""
API keys at the door: who a key acts for, in which team, and what it may do. For DRF views.

A key is sent as `X-API-Key` or `Authorization: Bearer`; never is a session cookie looked at. Missing, wrong, revoked
and expired keys are all the same 401.
"""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from config import clock
from config.errors import Forbidden, Unauthorized
from config.ratelimit import Throttle, check_failures, count_failure
from config.vault import new_token, plain_digest
from teams.models import APIKey, Membership, Role, Scope, Team, User

KEY_PREFIX = "wk_"
SHOWN_CHARACTERS = 10

# `last_used_at` is good to within a minute, so that reading does not write each time.
USED_RESOLUTION = timedelta(minutes=1)


def make_key(team: Team, user: User, name: str, scopes: list[str]) -> tuple[APIKey, str]:
    """A new key, and its text, which is shown once and not kept."""
    text = new_token(KEY_PREFIX)
    key = APIKey.objects.create(
        team=team, user=user, name=name, prefix=text[:SHOWN_CHARACTERS], digest=plain_digest(text), scopes=scopes
    )
    return key, text


def presented(request: Request) -> str:
    """The key's text in a request's headers; empty without one."""
    header: str = request.META.get("HTTP_X_API_KEY", "")
    scheme, _, bearer = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    return header.strip() or (bearer.strip() if scheme.lower() == "bearer" else "")


class KeyAuthentication(BaseAuthentication):
    """Turns a request's key into `request.user` and `request.auth` (the APIKey), or refuses with 401."""

    def authenticate(self, request: Request) -> tuple[User | AnonymousUser, APIKey] | None:
        text = presented(request)
        if not text:
            return None
        key = usable_key(text)
        if key is None:
            self.refuse(request)
            raise Unauthorized()
        return key.user, key

    def refuse(self, request: Request) -> None:
        """Note a wrong key; too many of them from one address are a 429."""
        check_failures(request)
        count_failure(request)

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def usable_key(text: str) -> APIKey | None:
    """The key with that text, if it opens anything now; a key of somebody who left the team does not."""
    at = clock.now()
    key = APIKey.objects.select_related("team", "team__organization", "user").filter(digest=plain_digest(text)).first()
    if key is None or not key.is_usable(at):
        return None
    membership = Membership.objects.filter(team_id=key.team_id, user_id=key.user_id).first()
    if membership is None:
        return None
    key.membership = membership
    if key.last_used_at is None or at - key.last_used_at > USED_RESOLUTION:
        APIKey.objects.filter(pk=key.pk).update(last_used_at=at)
    return key


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


class PerKey(Throttle):
    """So many requests a minute for each key."""

    limit = settings.API_REQUESTS_PER_MINUTE

    def key(self, request: Request, view: APIView) -> str | None:
        return f"api key {request.auth.pk}" if isinstance(request.auth, APIKey) else None
