"""
What all endpoints of a team's API have in common: a key opens them, everything they show is reached through that key's
team, a list is read page by page, and a path names a record by its id.

Not here: the manners of answers (config.api), keys and what they may do (teams.authentication).
"""

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar, cast

from django.db.models import Model, QuerySet
from django.http import HttpResponse, QueryDict
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request

from config.api import APIView, listing
from config.errors import NotFound
from config.fields import page_of
from config.filtering import ListFilters
from config.heavy import note_asker
from config.numbers import read_uuid, whole_number
from teams.authentication import KeyAuthentication, KeyMay, PerKey
from teams.models import APIKey, Team, User

Record = TypeVar("Record", bound=Model)


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


class TeamList(TeamView):
    """
    A list of a team's records. Subclasses say its name, the FilterSet of its kind of record, the serializer of one, and
    the records, which the FilterSet's order can be read of; `described_list` says what the API's document needs.
    """

    called: ClassVar[str]
    filters: ClassVar[type[ListFilters]] = ListFilters
    serializer: ClassVar[type[serializers.Serializer[Any]]]

    def records(self) -> QuerySet[Any]:
        """All of the team's, before anything is narrowed."""
        raise NotImplementedError

    def narrowed(self, asked: QueryDict) -> ListFilters:
        """The records that a query string leaves."""
        return self.filters(asked, self.records(), team=self.team)

    def shown(self, rows: list[Any]) -> list[Any]:
        """Records as the answer has them."""
        return list(self.serializer(rows, many=True).data)

    def get(self, request: Request) -> HttpResponse:
        """Answer a page of the list."""
        found = self.narrowed(request.GET)
        found.require()
        chosen = found.chosen
        rows, more = found.read(chosen["limit"], chosen.get("cursor"))
        return listing(self.called, self.shown(rows), chosen["limit"], more)


Listed = TypeVar("Listed", bound=type[TeamList])


def described_list(summary: str, description: str, answer: str = "") -> Callable[[Listed], Listed]:
    """
    What the API's document says of a list's GET, as a decorator of its class. `answer`: what it says of a page of it.
    """

    def described(view: Listed) -> Listed:
        page = page_of(view.called, view.serializer, answer or f"Some {view.called}.")
        extended = extend_schema(
            operation_id=f"list_{view.called}",
            summary=summary,
            description=description,
            parameters=[view.filters.as_query()],
            responses={200: page},
        )
        return extend_schema_view(get=extended)(view)

    return described


def numbered(records: QuerySet[Record], called: str, text: str) -> Record:
    """The record with the integer id that a path has as `text`. Raises NotFound; `called` is what a record is."""
    identity = whole_number(text)
    return one(records, called, pk=-1 if identity is None or str(identity) != text else identity)


def unique(records: QuerySet[Record], called: str, text: str) -> Record:
    """The record with the UUID that a path has as `text`. Raises NotFound."""
    return one(records, called, uuid=read_uuid(text))


def one(records: QuerySet[Record], called: str, **key: Any) -> Record:
    """The record with that key. Raises NotFound, the same for another team's as for none."""
    found = records.filter(**key).first()
    if found is None:
        raise NotFound(f"{called} not found")
    return found
