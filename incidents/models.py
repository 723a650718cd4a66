"""
What went wrong: incidents.

The columns under "fold" are the left fold of the incident's facts (incidents.fold), written by incidents.keeper only.
"""

import re
import unicodedata
import uuid

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchQuery, SearchQueryField, SearchVectorField
from django.db import models
from django.db.models import Case, F, Func, Q, Value, When
from django.db.models.functions import Cast, Left
from django.utils import timezone

from config.numbers import read_uuid, whole_number
from incidents import words
from incidents.fold import LIVE
from teams.models import Team, User


class Status(models.TextChoices):
    """Where an incident stands. Which moves are legal stands beside these words in incidents.fold: MOVES."""

    OPEN = "open", "Open"
    ACKNOWLEDGED = "acknowledged", "Acknowledged"
    RESOLVED = "resolved", "Resolved"
    CLOSED = "closed", "Closed"


class Severity(models.TextChoices):
    """How bad it is, worst first."""

    CRITICAL = "critical", "Critical"
    MAJOR = "major", "Major"
    MINOR = "minor", "Minor"
    WARNING = "warning", "Warning"


class Type(models.TextChoices):
    """What kind of failure it is."""

    TIMEOUT = "timeout", "Timeout"
    STATUS_CODE = "status_code", "Status code"
    KEYWORD_MISSING = "keyword_missing", "Keyword missing"
    SSL_ERROR = "ssl_error", "TLS error"
    DNS_ERROR = "dns_error", "DNS error"
    CONNECTION_ERROR = "connection_error", "Connection error"
    SLOW_RESPONSE = "slow_response", "Slow response"
    OTHER = "other", "Other"


def place(field: str, choices: type[models.TextChoices]) -> Case:
    """The place of a column's value among its choices, so that sorting by it means something."""
    return Case(
        *(When(**{field: value}, then=Value(index)) for index, value in enumerate(choices.values)), default=Value(99)
    )


# How the words of a search were found by an older version, and are where it wrote them (Incident.words_version).
WORD = re.compile(r"[^\W_]+")
# How people write an incident's number.
NUMBER = re.compile(r"#\s*([0-9]+)")
# How much of a kind of resource, which may be a vendor's word of any length, is kept in an index.
INDEXED_CHARACTERS = 60


class Matches(Func):
    """Whether a tsvector has what a tsquery asks for."""

    template = "(%(expressions)s)"
    arg_joiner = " @@ "
    output_field = models.BooleanField()


def one_of(column: str, values: list[int]) -> Q:
    """Where a column has one of some values."""
    return Q(**{column: values[0]}) if len(values) == 1 else Q(**{f"{column}__in": values})


class IncidentQuerySet(models.QuerySet["Incident", "Incident"]):
    """Questions about incidents. A team's are reached through `team.incidents`."""

    def live(self) -> "IncidentQuerySet":
        """Neither resolved nor closed nor deleted."""
        return self.filter(is_live=True)

    # Lists are read in the order of an index, and indexes have the places of status and severity, by which lists are
    # sorted, too.

    def of_status(self, *chosen: str) -> "IncidentQuerySet":
        """Those with one of some statuses."""
        return self.filter(one_of("status_place", [Status.values.index(each) for each in chosen]))

    def of_severity(self, *chosen: str) -> "IncidentQuerySet":
        """Those with one of some severities."""
        return self.filter(one_of("severity_place", [Severity.values.index(each) for each in chosen]))

    def of_kind(self, kind: str) -> "IncidentQuerySet":
        """Those about a kind of resource: a monitor, a heartbeat, or what else the source calls it."""
        start = Left("resource_type", INDEXED_CHARACTERS)
        return self.alias(start=start).filter(start=kind[:INDEXED_CHARACTERS], resource_type=kind)

    def in_group(self, group: "IncidentGroup") -> "IncidentQuerySet":
        """Those that were put into a group: here, by its id, or at its source, by the id it has there."""
        mine = Q(incident_group_native=True, incident_group_id=group.pk)
        if group.integration_id is not None:
            mine |= Q(
                incident_group_native=False,
                incident_group_id=group.source_id,
                integration_id=group.integration_id,
                source_organization_id=group.source_organization_id,
                source_team_id=group.source_team_id,
            )
        return self.filter(mine)

    def search(self, text: str) -> "IncidentQuerySet":
        """
        Those with words like every word of the text (incidents.words); one by its UUID, or its number: `#84` is that
        alone, `84` may be a word, too. All for an empty text, none for one without words.
        """
        text = text.strip()
        if not text:
            return self
        narrow = unicodedata.normalize("NFKC", text)
        if named := NUMBER.fullmatch(narrow):
            return self.filter(pk=whole_number(named[1]) or 0)
        if (known := read_uuid(narrow, in_any_form=True)) is not None:
            return self.filter(uuid=known)
        asked = self.wording(text)
        if asked is None:
            return self.none()
        number = whole_number(narrow)
        return self.filter(asked if number is None else asked | Q(pk=number))

    def wording(self, text: str) -> Q | None:
        """The question for the words of a text; None where there are none."""
        asked = words.query(text)
        if not asked:
            return None
        said = Q(Matches(F("search"), Cast(Value(asked), SearchQueryField())))
        before = " & ".join(f"'{word[: words.LONGEST_WORD]}':*" for word in WORD.findall(text))
        if not before or not Incident.objects.filter(words_version=None).exists():
            return said
        as_before = Q(search=SearchQuery(before, config="simple", search_type="raw"))
        return (Q(words_version__isnull=False) & said) | (Q(words_version=None) & as_before)


class IncidentGroup(models.Model):
    """
    Incidents that belong together. Which ones do is said by their facts; a mirrored group is one that a source's
    incidents were put into there.
    """

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="incident_groups", db_index=False)
    name = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    integration_id = models.BigIntegerField(null=True, blank=True, help_text="Whose mirror it is; empty: native.")
    source_organization_id = models.TextField(null=True, blank=True)
    source_team_id = models.TextField(null=True, blank=True)
    source_id = models.BigIntegerField(null=True, blank=True, help_text="Its id at the source.")
    source_key = models.BinaryField(max_length=32, null=True, unique=True, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(integration_id__isnull=True, source_key__isnull=True, source_id__isnull=True)
                | Q(integration_id__isnull=False, source_key__isnull=False, source_id__isnull=False, source_id__gte=0),
                name="incidentgroup_native_or_mirrored",
            ),
        ]
        indexes = [models.Index(fields=["team", "-id"], name="incidentgroup_newest")]

    def __str__(self) -> str:
        return self.name or f"Incident group {self.pk if self.is_native else self.source_id}"

    @property
    def is_native(self) -> bool:
        """Whether it was made here rather than at a source."""
        return self.integration_id is None


class Incident(models.Model):
    """Something went wrong with a resource, or was declared by hand."""

    uuid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="incidents", db_index=False)
    integration_id = models.BigIntegerField(null=True, blank=True, help_text="Whose mirror it is; empty: native.")
    source_organization_id = models.TextField(null=True, blank=True)
    source_team_id = models.TextField(null=True, blank=True)
    source_id = models.BigIntegerField(null=True, blank=True, help_text="Its id at the source.")
    source_key = models.BinaryField(max_length=32, null=True, unique=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    concerns_native = models.BooleanField(default=False, editable=False, help_text="Is about a resource of our own.")

    # Fold.
    title = models.TextField(blank=True)
    told_title = models.TextField(null=True, blank=True, help_text="What its source called it last.")
    origin = models.TextField(null=True, blank=True, help_text="The installation that told of it as of its own.")
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.OPEN)
    severity = models.CharField(max_length=20, choices=Severity.choices, default=Severity.MAJOR)
    type = models.CharField(max_length=20, choices=Type.choices, default=Type.OTHER)
    error_message = models.TextField(null=True, blank=True)
    affected_regions = ArrayField(models.TextField(), default=list, blank=True)
    escalation_policy_id = models.BigIntegerField(null=True, blank=True)
    incident_group_id = models.BigIntegerField(null=True, blank=True)
    incident_group_native = models.BooleanField(
        default=False, db_default=False, help_text="Whether the group's id is ours rather than the source's."
    )
    assignee = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    assignee_email = models.TextField(null=True, blank=True)
    assignee_name = models.TextField(null=True, blank=True)
    resource_type = models.TextField(null=True, blank=True)
    resource_id = models.BigIntegerField(
        null=True, blank=True, help_text="Our id of a monitor or heartbeat; the source's of anything else."
    )
    resource_name = models.TextField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    destroyed_at = models.DateTimeField(null=True, blank=True)
    destroyed_at_source = models.BooleanField(
        default=False, db_default=False, help_text="Deleted by its source, and not by somebody here."
    )
    provisional = models.BooleanField(default=True, help_text="Known from later events; its start was never told.")
    only_noted = models.BooleanField(default=False, db_default=False, help_text="There are notes of it, no events.")
    corrections = models.BigIntegerField(default=0, db_default=0, help_text="How many of its facts correct others.")
    is_live = models.BooleanField(default=False, help_text="Neither resolved nor closed nor deleted.")

    # Where the fold stands. `updated_at` is when the last fact occurred.
    facts = models.BigIntegerField(default=0, editable=False)
    updated_at = models.DateTimeField(null=True, editable=False)
    last_rank = models.SmallIntegerField(null=True, editable=False)
    last_identity = models.BinaryField(max_length=32, null=True, editable=False)
    fold_version = models.SmallIntegerField(
        default=0, db_default=0, editable=False, help_text="Which version of the fold found this."
    )

    severity_place = models.GeneratedField(
        expression=place("severity", Severity), output_field=models.SmallIntegerField(), db_persist=True
    )
    status_place = models.GeneratedField(
        expression=place("status", Status), output_field=models.SmallIntegerField(), db_persist=True
    )
    # The words of title, cause and resource: see incidents.words. Written by the keeper.
    search = SearchVectorField(null=True, editable=False)
    words_version = models.SmallIntegerField(
        null=True, editable=False, help_text="Which version of incidents.words wrote `search`; none: PostgreSQL did."
    )

    objects = IncidentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(status__in=Status.values), name="incident_status_known"),
            models.CheckConstraint(condition=Q(severity__in=Severity.values), name="incident_severity_known"),
            models.CheckConstraint(condition=Q(type__in=Type.values), name="incident_type_known"),
            models.CheckConstraint(
                condition=Q(is_live=False) | Q(status__in=LIVE, destroyed_at__isnull=True),
                name="incident_live_means_it",
            ),
            models.CheckConstraint(
                condition=Q(integration_id__isnull=True, source_key__isnull=True, source_id__isnull=True)
                | Q(integration_id__isnull=False, source_key__isnull=False, source_id__isnull=False, source_id__gte=0),
                name="incident_native_or_mirrored",
            ),
            models.UniqueConstraint(
                fields=["resource_type", "resource_id"],
                condition=Q(integration_id__isnull=True, concerns_native=True, is_live=True),
                name="one_live_native_incident_per_native_resource",
            ),
        ]
        indexes = [
            # Each new fact of an incident writes to all of these, so there is one for each way of reading a list and
            # no more.
            models.Index(fields=["team", "-started_at", "-id"], name="incident_newest"),
            models.Index(fields=["team", "-updated_at", "-id"], name="incident_updated"),
            models.Index(fields=["team", "severity_place", "-started_at", "-id"], name="incident_worst"),
            models.Index(fields=["team", "status_place", "-started_at", "-id"], name="incident_furthest"),
            models.Index(
                "team",
                Left("resource_type", INDEXED_CHARACTERS),
                F("started_at").desc(),
                F("id").desc(),
                name="incident_of_kind",
            ),
            models.Index(
                fields=["team", "resource_id", "-started_at", "-id"],
                condition=Q(resource_id__isnull=False),
                name="incident_about",
            ),
            models.Index(
                fields=["team", "assignee", "-started_at", "-id"],
                condition=Q(assignee__isnull=False),
                name="incident_of_assignee",
            ),
            models.Index(
                fields=["team", "incident_group_id", "-started_at", "-id"],
                condition=Q(incident_group_id__isnull=False),
                name="incident_of_group",
            ),
            models.Index(
                fields=["team", "-started_at", "-id"], condition=Q(destroyed_at__isnull=False), name="incident_gone"
            ),
            models.Index(fields=["team", "-started_at", "-id"], condition=Q(is_live=True), name="incident_live_newest"),
            models.Index(
                fields=["team", "severity_place", "status_place", "-started_at", "-id"],
                condition=Q(is_live=True),
                name="incident_live_worst",
            ),
            GinIndex(fields=["search"], name="incident_words"),
            models.Index(fields=["id"], condition=Q(words_version__isnull=True), name="incident_unworded"),
        ]

    def __str__(self) -> str:
        return self.title or f"Incident {self.pk}"

    @property
    def number(self) -> int:
        """The integer people and the incident log call it by."""
        return int(self.pk)

    @property
    def is_native(self) -> bool:
        """Whether it was opened here rather than at a source."""
        return self.integration_id is None
