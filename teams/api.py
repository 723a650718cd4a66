"""
What all endpoints of a team's API have in common: a key opens them, everything they show is reached through that key's
team, and a path names a record by its id.

Not here: the manners of answers (config.api), keys and what they may do (teams.authentication).
"""

import re
from typing import Any, TypeVar, cast
from uuid import UUID

from django.db.models import Model, QuerySet
from rest_framework.request import Request

from config.api import APIView
from config.errors import NotFound
from config.fields import LARGEST_ID
from config.heavy import note_asker
from teams.authentication import KeyAuthentication, KeyMay, PerKey
from teams.models import APIKey, Team, User

Record = TypeVar("Record", bound=Model)

NUMBER = re.compile(r"0|[1-9][0-9]{0,18}").fullmatch
_SHAPE_OF_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}").fullmatch


class TeamView(APIView):
    """The base of endpoints that show or change what belongs to the team of the request's key."""

    authentication_classes = [KeyAuthentication]
    permission_classes = [KeyMay]
    throttle_classes = [PerKey]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        note_asker(self.team.pk, self.whose_keys())

    def whose_keys(self) -> str:
        return f"api key {cast(APIKey, self.request.auth).pk}"

    @property
    def team(self) -> Team:
        """Whose records may be reached."""
        return cast(APIKey, self.request.auth).team

    @property
    def user(self) -> User:
        """Who acts."""
        return cast(User, self.request.user)


def numbered(records: QuerySet[Record], called: str, text: str) -> Record:
    """The record with the integer id that a path has as `text`. Raises NotFound; `called` is what a record is."""
    identity = int(text) if NUMBER(text) else -1
    return one(records, called, pk=identity if identity <= LARGEST_ID else -1)


def unique(records: QuerySet[Record], called: str, text: str) -> Record:
    """The record with the UUID that a path has as `text`. Raises NotFound."""
    return one(records, called, uuid=unique_id(text))


def unique_id(text: str) -> UUID | None:
    """The UUID that a path has as `text`; None for what is none."""
    return UUID(text) if _SHAPE_OF_UUID(text) else None


def one(records: QuerySet[Record], called: str, **key: Any) -> Record:
    """The record with that key. Raises NotFound, the same for another team's as for none."""
    found = records.filter(**key).first()
    if found is None:
        raise NotFound(f"{called} not found")
    return found
