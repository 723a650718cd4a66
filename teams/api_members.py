"""
The API of who there is: whose key a request has, and the members of the key's team, with the ids that others take.

Not here: changing members (teams.lifecycle, done on the pages and in admin).
"""

from typing import Any, cast

from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from config.api import ok
from config.fields import StrictMoment
from teams.api import TeamList, TeamView, described_list
from teams.filters import MemberFilters
from teams.models import APIKey, Membership, Role, Scope


class NamedSerializer(serializers.Serializer):
    """An organization or a team."""

    id = serializers.CharField(source="public_id", help_text="Its public id.")
    name = serializers.CharField(help_text="What it is called.")


class KeySerializer(serializers.Serializer):
    """An API key, as far as it may be told."""

    name = serializers.CharField(help_text="What it was called when it was made.")
    prefix = serializers.CharField(help_text="Its first characters.")
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=[str(each) for each in Scope]), help_text="What it may be used for."
    )
    expires_at = StrictMoment(allow_null=True, help_text="When it ends; null: never.")


class UserSerializer(serializers.Serializer):
    """A person."""

    id = serializers.UUIDField(source="uuid", help_text="The user's id in this API: what `assignee_id` takes.")
    number = serializers.IntegerField(source="pk", help_text="The user's integer id in the incident log.")
    email = serializers.CharField(help_text="The e-mail address.")
    name = serializers.CharField(help_text="What the person is called; empty if that was not said.")


class MeSerializer(serializers.Serializer):
    """Who a key is: for whom it acts, in which team, and what it may do."""

    user = UserSerializer(help_text="For whom it acts.")
    role = serializers.ChoiceField(choices=[str(each) for each in Role], help_text="The user's role in the team.")
    team = NamedSerializer(help_text="The team that it opens, and no other.")
    organization = NamedSerializer(help_text="Whose team that is.")
    key = KeySerializer(help_text="The key itself.")


class MemberSerializer(UserSerializer):
    """A member of the team, who can be assigned incidents and called to them."""

    role = serializers.ChoiceField(choices=[str(each) for each in Role], help_text="What the member may do.")


class Me(TeamView):
    """`/api/me`."""

    @extend_schema(
        operation_id="get_me",
        summary="Get whose key this is",
        description="For whom it acts, in which team, and what it may do.",
        responses={200: MeSerializer},
    )
    def get(self, request: Request) -> HttpResponse:
        key = cast(APIKey, request.auth)
        whose = {"user": self.user, "role": key.membership.role, "team": self.team}
        return ok(MeSerializer(whose | {"organization": self.team.organization, "key": key}).data)


@described_list(
    "List the team's members",
    "Those who can log in, in the order in which they joined. Incidents can be assigned to them.",
)
class Members(TeamList):
    """`/api/members`."""

    called, filters, serializer = "members", MemberFilters, MemberSerializer

    def records(self) -> QuerySet[Membership]:
        return self.team.memberships.active()

    def shown(self, rows: list[Membership]) -> list[dict[str, Any]]:
        return [{**UserSerializer(each.user).data, "role": each.role} for each in rows]
