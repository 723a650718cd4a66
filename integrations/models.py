"""
Hearing from others: integrations, the keys bound to them, and every delivery exactly as it was received.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

from config.sealed import Sealed
from teams.models import APIKey, Team, User
from timeline.events import EVENTS, VENDOR_EVENTS, EventType
from timeline.models import TimelineEvent


class IntegrationType(models.TextChoices):
    """Whose incident log comes in."""

    BETTER_STACK = "better_stack", "Better Stack"
    WATCHKEEPER = "watchkeeper", "Watchkeeper"
    OTHER = "other", "Other"


def known_events(type: str) -> dict[str, EventType]:
    """The events that are understood from an integration of a type: another Watchkeeper's further ones, too."""
    return EVENTS if type == IntegrationType.WATCHKEEPER else VENDOR_EVENTS


class Integration(models.Model):
    """A named inbound door of one team, with its own secret token."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="integrations")
    name = models.CharField(max_length=200)
    type = models.CharField(max_length=40, choices=IntegrationType.choices, default=IntegrationType.BETTER_STACK)
    token_digest = models.BinaryField(max_length=32, unique=True, editable=False)
    token_ciphertext = Sealed(
        what="address",
        digest="token_digest",
        editable=False,
        whose=("team.organization", "team"),
        anew="rotate its token, and give senders the new address",
    )
    signing_secret_ciphertext = Sealed(
        what="signing secret",
        null=True,
        editable=False,
        whose=("team.organization", "team"),
        anew="set a new one, here and there",
    )
    count_only = ArrayField(
        models.CharField(max_length=200),
        default=list,
        blank=True,
        help_text="Names of unknown events to count and not to keep.",
    )
    may_act = models.BooleanField(
        "may act on our incidents",
        default=False,
        db_default=False,
        help_text="What another Watchkeeper’s staff do to incidents of ours that are mirrored there is done here, too.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    deactivated_at = models.DateTimeField(null=True, blank=True, help_text="Since when its door is shut.")

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(fields=["team", "name"], name="integration_name_once_per_team"),
            models.CheckConstraint(condition=Q(type__in=IntegrationType.values), name="integration_type_known"),
        ]

    def __str__(self) -> str:
        return self.name


class Hearing(models.Model):
    """How often an integration is heard from, as integrations.hearing keeps it."""

    integration = models.OneToOneField(Integration, on_delete=models.CASCADE, related_name="hearing", primary_key=True)
    delivery_id = models.BigIntegerField(help_text="The last delivery that is taken in here.")
    heard_at = models.DateTimeField(help_text="When that came.")
    gaps = models.FloatField(default=0, help_text="The gaps between deliveries, in seconds; what is old fades.")
    squares = models.FloatField(default=0, help_text="The same of their squares.")

    def __str__(self) -> str:
        return f"hearing of integration {self.pk}"


class IngestKey(models.Model):
    """Which integration an API key with the scope `ingest` sends to."""

    api_key = models.OneToOneField(APIKey, on_delete=models.CASCADE, related_name="ingest", primary_key=True)
    integration = models.ForeignKey(Integration, on_delete=models.PROTECT, related_name="ingest_keys")

    def __str__(self) -> str:
        return f"{self.api_key} → {self.integration}"


class Verdict(models.TextChoices):
    """What became of a delivery."""

    RECEIVED = "received", "Received"
    APPLIED = "applied", "Applied"
    WAITING = "waiting", "Waiting"
    UNRECOGNIZED = "unrecognized", "Unrecognized"
    QUARANTINED = "quarantined", "Quarantined"
    DUPLICATE = "duplicate", "Duplicate"
    CONFLICT = "conflict", "Conflict"


class InboundDelivery(models.Model):
    """
    One event as it was received: exact bytes, some headers, time. What was received never changes; the verdict does.

    Of what was too large only the beginning is kept, and its `size`. What is dated ahead waits (integrations.waiting)
    until `due_at`, or until somebody lets it occur when it was received, at `dated_at`.
    """

    # Every event pays for each index twice. Those below begin with the foreign keys, or leave out those that are null.
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="deliveries", db_index=False)
    integration = models.ForeignKey(Integration, on_delete=models.PROTECT, related_name="deliveries", db_index=False)
    received_at = models.DateTimeField()
    body = models.BinaryField()
    headers = models.JSONField(default=dict)
    webhook_id = models.TextField(null=True)
    webhook_digest = models.BinaryField(max_length=32, null=True)
    identity = models.BinaryField(max_length=32, help_text="SHA-256 of the canonical JSON, or of bytes that are none.")
    is_event = models.BooleanField(default=True, help_text="Whether the bytes are sound JSON.")
    event = models.TextField(null=True)
    size = models.BigIntegerField(null=True, help_text="How many bytes it had, where only the first of them are kept.")

    status = models.CharField(max_length=20, choices=Verdict.choices, default=Verdict.RECEIVED)
    error = models.JSONField(null=True, help_text="code, message and details of why it was not applied.")
    ignored = ArrayField(
        models.TextField(), null=True, help_text="Which of its fields were ignored, for they had a wrong type."
    )
    dated_at = models.DateTimeField(null=True, help_text="When it is taken to have occurred, against what it says.")
    attempts = models.SmallIntegerField(default=0)
    due_at = models.DateTimeField(null=True, help_text="Not to be applied before.")
    replayed_at = models.DateTimeField(null=True)
    replayed_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+", db_index=False)
    applied_at = models.DateTimeField(null=True)
    fact = models.ForeignKey(TimelineEvent, on_delete=models.PROTECT, null=True, related_name="+", db_index=False)
    incident_id = models.BigIntegerField(null=True, help_text="The incident it was about.")

    class Meta:
        verbose_name_plural = "inbound deliveries"
        constraints = [
            models.UniqueConstraint(fields=["integration", "identity"], name="delivery_once_per_integration"),
            models.UniqueConstraint(
                fields=["integration", "webhook_digest"],
                condition=Q(webhook_digest__isnull=False) & ~Q(status="conflict"),
                name="delivery_webhook_id_once",
            ),
            models.CheckConstraint(condition=Q(status__in=Verdict.values), name="delivery_status_known"),
        ]
        indexes = [
            # What is taken up next, by integration: see integrations.turns, whose ORDER BY it is.
            models.Index(fields=["integration", "due_at", "id"], condition=Q(status="received"), name="delivery_turn"),
            models.Index(fields=["id"], condition=Q(status="unrecognized"), name="delivery_unrecognized"),
            models.Index(fields=["due_at", "id"], condition=Q(status="waiting"), name="delivery_waiting"),
            models.Index(fields=["team", "-id"], name="delivery_newest"),
            models.Index(fields=["integration", "-id"], name="delivery_by_integration"),
            models.Index(fields=["team", "status", "-id"], condition=~Q(status="applied"), name="delivery_by_status"),
            models.Index(fields=["integration"], condition=Q(is_event=False), name="delivery_not_an_event"),
            models.Index(
                fields=["incident_id", "-id"], condition=Q(incident_id__isnull=False), name="delivery_by_incident"
            ),
            models.Index(fields=["fact"], condition=Q(fact__isnull=False), name="delivery_by_fact"),
            models.Index(fields=["replayed_by"], condition=Q(replayed_by__isnull=False), name="delivery_by_replayer"),
        ]

    def __str__(self) -> str:
        return f"delivery {self.pk}"


class DoorCount(models.Model):
    """
    What the door did not keep, by day: refusals for a wrong secret, events to be counted only, rubbish over the
    bound. `reason`: one of integrations.counts, or the name of an event.
    """

    day = models.DateField()
    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, null=True, related_name="door_counts")
    reason = models.TextField(help_text="What was counted: a refusal, or the name of an event to be counted only.")
    count = models.BigIntegerField(default=0)
    last_at = models.DateTimeField(null=True, help_text="When the last of them came.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["day", "integration", "reason"], name="door_count_once", nulls_distinct=False
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reason} on {self.day}: {self.count}"
