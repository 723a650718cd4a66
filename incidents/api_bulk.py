"""
The API of working on several incidents at once: the verbs of one, each with the fields that it takes.

Not here: what those fields may be (incidents.bodies), what the verbs do (incidents.verbs).
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar

from django.db import connection
from django.http import HttpResponse
from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema, extend_schema_field
from rest_framework.request import Request

from config import clock, fields
from config.api import ok
from config.errors import NotFound
from config.fields import AnyId, Body, StrictChoice, StrictList
from config.heavy import AN_INCIDENT, heavy
from config.numbers import read_uuid
from incidents import grouping, keeper, lifecycle
from incidents.models import Incident
from incidents.serializers import BulkAnswer, IncidentSerializer
from incidents.verbs import VERBS
from teams.api import TeamView
from timeline.models import TimelineEvent

INCIDENTS_AT_MOST = 100
# What can be done to several through the API.
ACTIONS = (
    "acknowledge", "resolve", "close", "reopen", "escalate", "group", "ungroup", "assign", "change_severity", "comment",
    "delete",
)  # fmt: skip


class BulkBody(Body):
    """One action on several incidents, with the fields that it takes."""

    # What some action takes, though perhaps not this one.
    of_others: ClassVar[set[str]] = {name for action in ACTIONS for name in VERBS[action].body._declared_fields}

    ids = StrictList(
        child=AnyId(),
        min_length=1,
        max_length=INCIDENTS_AT_MOST,
        help_text="UUIDs of incidents. What is none is answered as a missing one is.",
    )
    action = StrictChoice(choices=list(ACTIONS), help_text="What is to be done with each.")

    def not_taken(self, data: Mapping[str, Any]) -> dict[str, list[str]]:
        wrong = super().not_taken(data)
        others = wrong.keys() & self.of_others
        if wrong.keys() - others or action_of(data) is None:
            return {name: texts for name, texts in wrong.items() if name not in others}
        return {name: [f"The action {action_of(data)} does not take this."] for name in sorted(others)}


def body_of(action: str) -> type[Body]:
    """The body that asks for an action: `BulkAssignBody` for `assign`."""
    words = {"type": "string", "const": action, "description": "What is to be done with each."}
    only = extend_schema_field(words)(type("ActionField", (StrictChoice,), {}))
    name, told = f"Bulk{action.title().replace('_', '')}Body", VERBS[action].body
    return type(name, (BulkBody, told), {"__doc__": told.__doc__, "action": only(choices=[action]), "record": None})


BODIES = {action: body_of(action) for action in ACTIONS}


def action_of(data: Any) -> str | None:
    """Which action a body asks for; None for none that there is."""
    said = data.get("action")
    return said.strip() if isinstance(said, str) and said.strip() in BODIES else None


class Bulk(TeamView):
    """`/api/incidents/bulk`."""

    @extend_schema(
        operation_id="work_on_incidents",
        summary="Do the same with several incidents",
        description="Each by itself, in the order of `ids`; one that is refused stops none of the others. Which fields "
        f"there are depends on the `action`. {lifecycle.ONLY_RECORDED}",
        request=PolymorphicProxySerializer("BulkWork", {**BODIES}, "action"),
        responses={200: BulkAnswer(many=True)},
    )
    def post(self, request: Request) -> HttpResponse:
        action = action_of(request.data)
        said = fields.said(request, BODIES[action] if action else BulkBody)
        ids = said.pop("ids")
        do = partial(VERBS[said.pop("action")].begin(), **said, by=self.user, at=clock.now())
        named = [read_uuid(each.strip()) for each in ids]
        found = {each.uuid: each for each in self.team.incidents.filter(uuid__in=filter(None, named)).defer("search")}
        if connection.in_atomic_block:
            # All is one transaction, so that all is locked first, in the order that everybody keeps to.
            keeper.lock(each.pk for each in found.values())
        with heavy(len(found) * AN_INCIDENT):
            answers = {uuid: answer(found.get(uuid), do) for uuid in dict.fromkeys(filter(None, named))}
        told = zip(ids, named, strict=True)
        return ok([{"id": text} | (answers[uuid] if uuid else answer(None, do)) for text, uuid in told])


def answer(incident: Incident | None, do: Callable[[Incident], TimelineEvent | None]) -> dict[str, Any]:
    """What became of one of them, as BulkAnswer describes it but for its id."""
    done = grouping.done(incident, do) if incident else None
    refused = done.refused if done else NotFound("Incident not found")
    if refused is None:
        return {"success": True, "data": IncidentSerializer(incident).data}
    error = {"code": refused.code, "message": refused.message}
    return {"success": False, "error": error | ({"details": refused.details} if refused.details else {})}
