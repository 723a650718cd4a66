"""
What happened: facts in one timeline, and the checkpoints from which a chronology can be folded again.

A fact is written by timeline.record only and never changed; the columns under "derived" are the fold's reading of it,
written by the keepers (incidents.keeper, monitors.keeper) and rewritten when an earlier fact arrives late. When it
occurred is what its payload says, unless that was corrected: `correction` is what the correcting facts come to.
Facts name their subjects by plain columns (kind and id), so that history outlives its subject.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db import models
from django.db.models import Q
from django.db.models.fields.json import KeyTextTransform

from config.paging import Order
from config.times import parse_rfc3339
from teams.models import Team, User
from timeline.corrections import told_at
from timeline.events import ACTED_AT, EARLIEST, LATEST, said
from timeline.outbound.models import Attempt, Endpoint, Installation, Message
from timeline.ranks import LOWEST_RANK
from timeline.values import time

__all__ = ["Attempt", "Checkpoint", "Effect", "Endpoint", "Installation", "Message", "SubjectKind", "TimelineEvent"]

# Recorded more than this many seconds after it occurred: late.
LATE_AFTER_SECONDS = 60


class SubjectKind(models.TextChoices):
    """What a fact can be about."""

    MONITOR = "monitor", "Monitor"
    HEARTBEAT = "heartbeat", "Heartbeat"
    INCIDENT = "incident", "Incident"


class Effect(models.TextChoices):
    """Whether a fact did something to its subject."""

    APPLIED = "applied", "Applied"
    NONE = "none", "No effect"


# How the facts of one subject are read: the latest first.
CHRONOLOGY: Order = [("occurred_at", "desc"), ("rank", "desc"), ("identity", "desc")]


class TimelineEvent(models.Model):
    """
    One thing that happened to an incident, monitor or heartbeat: what, who, when it occurred, when we recorded it.

    A chronology's order is (`occurred_at`, `rank`, `identity`).
    """

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="timeline_events", db_index=False)
    integration_id = models.BigIntegerField(null=True, help_text="Which integration told us; empty: our own.")
    event = models.TextField(help_text="Its name in the incident log, e.g. incident.started.")
    subject_kind = models.CharField(max_length=20, choices=SubjectKind.choices)
    subject_id = models.BigIntegerField()
    named_kind = models.CharField(max_length=20, choices=SubjectKind.choices, null=True)
    named_id = models.BigIntegerField(null=True, help_text="The resource that the fact itself names.")
    group_id = models.BigIntegerField(null=True, help_text="The incident group that the fact itself names.")
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    rank = models.SmallIntegerField(help_text="Its place among facts of the same millisecond.")
    identity = models.BinaryField(max_length=32, help_text="SHA-256 of the event's canonical JSON, as it was sent.")
    payload = models.JSONField()
    reading = models.JSONField(null=True, help_text="What was read otherwise than it was sent: see timeline.record.")
    user = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+", db_index=False)
    user_email = models.TextField(null=True)
    user_name = models.TextField(null=True)

    # Derived; and, where there is a correction, `occurred_at`.
    correction = models.JSONField(null=True, help_text="What was said of it later: see timeline.corrections.")
    resource_kind = models.CharField(max_length=20, choices=SubjectKind.choices, null=True)
    resource_id = models.BigIntegerField(null=True, help_text="In which resource's chronology it also stands.")
    effect = models.CharField(max_length=10, choices=Effect.choices, default=Effect.APPLIED)
    why = models.TextField(blank=True, help_text="Why it had no effect.")
    entries = models.JSONField(default=list, help_text="What the updates endpoint shows of it.")
    hold = models.SmallIntegerField(default=0, help_text="Change of the resource's count of live incidents.")
    presses = models.CharField(
        max_length=10, blank=True, help_text="Whether it holds its resource down or releases it."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["integration_id", "identity"],
                condition=Q(integration_id__isnull=False),
                name="fact_once_per_integration",
            ),
            models.UniqueConstraint(
                fields=["team", "identity"], condition=Q(integration_id__isnull=True), name="own_fact_once_per_team"
            ),
            models.CheckConstraint(
                condition=Q(occurred_at__gte=EARLIEST, occurred_at__lt=LATEST), name="fact_occurred_within_bounds"
            ),
            models.CheckConstraint(
                condition=Q(recorded_at__gte=EARLIEST, recorded_at__lt=LATEST), name="fact_recorded_within_bounds"
            ),
            models.CheckConstraint(
                condition=Q(subject_kind__in=SubjectKind.values, subject_id__gte=0), name="fact_subject_known"
            ),
            models.CheckConstraint(condition=Q(effect__in=Effect.values), name="fact_effect_known"),
        ]
        indexes = [
            models.Index(fields=["team", "id"], name="fact_of_team"),
            models.Index(
                fields=["subject_kind", "subject_id", "occurred_at", "rank", "identity"], name="fact_chronology"
            ),
            models.Index(
                fields=["resource_kind", "resource_id", "occurred_at", "rank", "identity"],
                condition=Q(resource_id__isnull=False),
                name="fact_resource_chronology",
            ),
            models.Index(
                fields=["subject_id", "-occurred_at", "-rank", "-identity"],
                condition=Q(event="incident.commented"),
                name="fact_note",
            ),
            models.Index(
                "subject_id",
                KeyTextTransform("corrects", "payload"),
                condition=Q(event="incident.corrected"),
                name="fact_correction",
            ),
            # Nothing stands in it once ranks are numbers: see timeline.renumbering.
            models.Index(fields=["id"], condition=Q(rank__lt=LOWEST_RANK), name="fact_to_renumber"),
        ]

    def __str__(self) -> str:
        return f"{self.event} at {self.occurred_at:%Y-%m-%d %H:%M:%S}"

    @property
    def position(self) -> tuple[datetime, int, bytes]:
        """Its place in every chronology it stands in."""
        return (self.occurred_at, self.rank, bytes(self.identity))

    @property
    def told_at(self) -> datetime:
        """When it occurred, as it was told: before any correction."""
        return told_at(self.payload) if self.correction else self.occurred_at

    @property
    def acted_at(self) -> datetime | None:
        """
        When somebody did it, where it stands later: behind what a source told whose clock is ahead. None where it
        stands when it was done.
        """
        told = said(self.payload, ACTED_AT)
        if told and time(told) is None:
            at = parse_rfc3339(told)
            return at if at < self.told_at else None
        ahead = self.told_at - self.recorded_at >= timedelta(seconds=1)
        return self.recorded_at if self.integration_id is None and ahead else None

    @property
    def done_at(self) -> datetime:
        """When it occurred; of what stands later than it was done, when it was done."""
        return (None if self.correction else self.acted_at) or self.occurred_at

    @property
    def is_hidden(self) -> bool:
        """Whether staff hid it."""
        return bool(self.correction and self.correction["hidden"])

    @property
    def message(self) -> str:
        """What it says: in its own words, unless they were corrected."""
        corrected = self.correction["message"] if self.correction else None
        return str(corrected or self.payload["message"])

    @property
    def ignored(self) -> list[str]:
        """Which fields of the event were ignored, for they had a wrong type."""
        return list((self.reading or {}).get("ignored", ()))

    @property
    def dated(self) -> dict[str, Any] | None:
        """Who dated it anew, when, and how it had been sent: see timeline.record. None: it stands as it was sent."""
        return (self.reading or {}).get("dated")

    @property
    def late_seconds(self) -> float | None:
        """How much later than it was said to occur it was recorded, in seconds; None where that is no news."""
        seconds = (self.recorded_at - self.told_at).total_seconds()
        return seconds if seconds > LATE_AFTER_SECONDS else None


class Checkpoint(models.Model):
    """
    The state of a subject right after one of its facts. Written every so often (see timeline.chronology), so that a
    late fact costs the tail behind it and not the whole history.
    """

    subject_kind = models.CharField(max_length=20, choices=SubjectKind.choices)
    subject_id = models.BigIntegerField()
    occurred_at = models.DateTimeField()
    rank = models.SmallIntegerField()
    identity = models.BinaryField(max_length=32)
    facts = models.BigIntegerField(help_text="How many facts the state has seen.")
    state = models.JSONField()
    known_at = models.DateTimeField(null=True, help_text="When the last of these was recorded; empty: not known.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["subject_kind", "subject_id", "occurred_at", "rank", "identity"], name="checkpoint_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subject_kind} {self.subject_id} at {self.occurred_at:%Y-%m-%d %H:%M:%S}"
