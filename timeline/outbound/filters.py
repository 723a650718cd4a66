"""
Which endpoints, messages and attempts a list shows: what its query string may say, and what that asks of the database.

Messages are walked from the newest, and what no index serves is looked for so far at a time: a page may then be shorter
than it could be, and still have a next one.
"""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django import forms
from django.db.models import Model, QuerySet
from django.http import QueryDict
from django.utils.text import Truncator

from config.fields import StrictUUID
from config.filtering import Filter, ListFilters, Number, Place, Since, Word, Words
from config.paging import NEWEST, Order, Page, beyond_window, cursor_after, page
from timeline.about import Subject
from timeline.events import EVENTS, INCIDENT, VENDOR_EVENTS
from timeline.outbound.models import STANDINGS, Endpoint, Message, Standing
from timeline.outbound.shapes import TEST

ENDPOINT_LENGTH = 50


class EndpointFilters(ListFilters):
    """The lists of endpoints."""

    disabled = Since("disabled_at", ("Enabled", "Disabled"))
    deleted = Since("deleted_at", ("No", "Yes"), label="deleted")


class EndpointField(forms.ModelChoiceField):
    """One of the team's endpoints, each with as much of its name as a choice needs."""

    def label_from_instance(self, obj: Any) -> str:
        return Truncator(obj).chars(ENDPOINT_LENGTH) + (" (deleted)" if obj.deleted_at else "")


def of_standing(found: QuerySet[Message], asked: Iterable[str]) -> QuerySet[Message]:
    """Messages that stand so or so."""
    return found.filter(status__in=[status for each in asked for status in STANDINGS[Standing(each)]])


class MessageFilters(ListFilters):
    """The lists of messages. `incidents` is the model of incidents, of a storey above."""

    status = Words(Standing, "State", [("", "Any state"), *Standing.choices], ask=of_standing, admin="state")
    event = Word(
        [(name, name) for name in (*EVENTS, TEST)],
        "Only those of this event.",
        api="",
        control=forms.ChoiceField(
            label="Event",
            choices=[
                ("", "Any event"),
                ("The incident log", [(name, name) for name in VENDOR_EVENTS]),
                ("Further events", [(name, name) for name in EVENTS if name not in VENDOR_EVENTS]),
                (TEST, TEST),
            ],
        ),
    )
    about = Subject("subject_kind", "subject_id", label="subject")
    endpoint_id = Number(
        "Only those to this endpoint.",
        method="to_endpoint",
        label="endpoint",
        page="endpoint",
        control=EndpointField(
            label="Endpoint", queryset=Endpoint.objects.none(), empty_label="Any endpoint", to_field_name="pk"
        ),
        admin="endpoint_id",
    )
    incident_id = Filter(
        StrictUUID(required=False, help_text="Only those about this incident."),
        method="about_incident",
        page="incident",
        control=forms.CharField(widget=forms.HiddenInput),
    )

    def __init__(
        self, data: QueryDict, queryset: QuerySet[Any], *, incidents: type[Model] | None = None, **options: Any
    ) -> None:
        super().__init__(data, queryset, **options)
        self.incidents: Any = incidents

    def offered(self) -> dict[str, QuerySet[Any]]:
        return {"endpoint": self.team.endpoints.all()}

    def to_endpoint(self, found: QuerySet[Message], name: str, number: int) -> QuerySet[Message]:
        # Of another team's endpoint there are none; to find that out among all messages would take long.
        mine = self.place != Place.API or self.team.endpoints.filter(pk=number).exists()
        return found.filter(endpoint_id=number if mine else -1)

    def about_incident(self, found: QuerySet[Message], name: str, uuid: UUID) -> QuerySet[Message]:
        numbers = self.incidents._default_manager.filter(team=self.team, uuid=uuid).values_list("pk", flat=True)
        return found.filter(subject_kind=INCIDENT, subject_id=numbers.first() or -1)

    def read(self, limit: int, cursor: str | None, order: Order | None = None) -> Page:
        sought = self.sought()
        if not sought or not self.is_sound:
            return super().read(limit, cursor, order)
        found = self.narrowed(self.queryset, self.chosen.keys() - sought)
        floor = beyond_window(found, cursor)
        within = self.narrowed(found, sought)
        rows, after = page(within if floor is None else within.filter(pk__gt=floor), NEWEST, limit, cursor)
        return Page(rows, cursor_after({"id": floor + 1}, NEWEST) if after is None and floor is not None else after)

    def sought(self) -> set[str]:
        """The filters that no index serves: what they ask is looked for, message by message."""
        chosen = self.chosen
        return {"event"} & chosen.keys() | ({"status"} if Standing.DELIVERED in chosen.get("status", ()) else set())


class AttemptFilters(ListFilters):
    """The list of attempts."""

    message = Number("", "message_id", api=None, admin="message_id")
