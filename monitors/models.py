"""
What is watched: monitors and heartbeats. Native ones are ours; mirrored ones are known from an integration's events.

The columns under "fold" are the left fold of the resource's facts (monitors.fold), written by monitors.keeper only.
"""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from teams.models import Team


class Status(models.TextChoices):
    """What a resource is like now, as far as its facts tell."""

    PENDING = "pending", "Pending"
    UP = "up", "Up"
    DOWN = "down", "Down"
    VERIFYING_RECOVERY = "verifying_recovery", "Verifying recovery"
    PAUSED = "paused", "Paused"
    MAINTENANCE = "maintenance", "Maintenance"


class Resource(models.Model):
    """What monitors and heartbeats have in common: whose they are, where they come from, what state they are in."""

    team_id: int  # each has a `team`, under a related name of its own
    integration_id = models.BigIntegerField(null=True, blank=True, help_text="Whose mirror it is; empty: native.")
    source_organization_id = models.TextField(null=True, blank=True)
    source_team_id = models.TextField(null=True, blank=True)
    source_id = models.BigIntegerField(null=True, blank=True, help_text="Its id at the source.")
    source_key = models.BinaryField(max_length=32, null=True, unique=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    # Fold.
    name = models.TextField(blank=True)
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.PENDING)
    status_inferred = models.BooleanField(default=False, help_text="Concluded from incidents, not said.")
    status_since = models.DateTimeField(null=True, blank=True)
    provisional = models.BooleanField(default=True, help_text="Named by events, but its creation was never told.")
    destroyed_at = models.DateTimeField(null=True, blank=True)
    live_incidents = models.IntegerField(default=0)

    # Where the fold stands.
    facts = models.BigIntegerField(default=0, editable=False)
    last_occurred_at = models.DateTimeField(null=True, editable=False)
    last_rank = models.SmallIntegerField(null=True, editable=False)
    last_identity = models.BinaryField(max_length=32, null=True, editable=False)

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(condition=Q(status__in=Status.values), name="%(class)s_status_known"),
            models.CheckConstraint(condition=Q(live_incidents__gte=0), name="%(class)s_live_incidents_counted"),
            models.CheckConstraint(
                condition=Q(integration_id__isnull=True, source_key__isnull=True, source_id__isnull=True)
                | Q(integration_id__isnull=False, source_key__isnull=False, source_id__isnull=False, source_id__gte=0),
                name="%(class)s_native_or_mirrored",
            ),
        ]
        indexes = [
            models.Index(fields=["team", "-id"], name="%(class)s_newest"),
            models.Index(fields=["team", "status", "-id"], name="%(class)s_by_status"),
        ]

    def __str__(self) -> str:
        return self.name or f"{self._meta.verbose_name} {self.pk}"

    @property
    def kind(self) -> str:
        """`monitor` or `heartbeat`."""
        return str(self._meta.model_name)

    @property
    def is_native(self) -> bool:
        """Whether it is ours to check and to change."""
        return self.integration_id is None


class Monitor(Resource):
    """A URL, host or service that is checked."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="monitors")
    url = models.TextField(blank=True)
    type = models.TextField(blank=True)


class Heartbeat(Resource):
    """A job that is expected to report."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="heartbeats")
