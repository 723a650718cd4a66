"""
What is watched: monitors and heartbeats. Native ones are ours; mirrored ones are known from an integration's events.

The columns under "fold" are the left fold of the resource's facts (monitors.fold), written by monitors.keeper only.
"""

from django.db import models
from django.db.models import F, Q
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


# What is neither up nor paused, the worst first.
NOT_UP = [Status.DOWN, Status.VERIFYING_RECOVERY, Status.MAINTENANCE]


class Type(models.TextChoices):
    """
    What is looked at where a monitor's address leads. A mirrored one may have any word of its source's.

    Source: the incident log's `monitor_type` ("status", "keyword", "ping"); the others are its neighbours' words.
    """

    STATUS = "status", "HTTP status"
    KEYWORD = "keyword", "Keyword on the page"
    TCP = "tcp", "TCP port"
    PING = "ping", "Ping"
    DNS = "dns", "DNS name"
    TLS = "tls", "TLS certificate"


# Until something checks them, every form and page of a team's own says so.
NOTHING_CHECKS = "Nothing checks your own monitors and heartbeats yet: none of them is found to be up or down."

# What people give; a vendor's names have no bound.
LONGEST_NAME = 255
# In seconds. Shorter than half a minute is too short for what runs late by itself; longer than a year is forgotten.
SHORTEST_PERIOD, LONGEST_PERIOD, USUAL_PERIOD = 30, 31_536_000, 86_400
LONGEST_GRACE, USUAL_GRACE = 31_536_000, 3_600


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
    kin = models.BooleanField(
        default=False, db_default=False, editable=False, help_text="A Watchkeeper created it, this one or another."
    )

    # Where the fold stands.
    facts = models.BigIntegerField(default=0, editable=False)
    last_occurred_at = models.DateTimeField(null=True, editable=False)
    last_rank = models.SmallIntegerField(null=True, editable=False)
    last_identity = models.BinaryField(max_length=32, null=True, editable=False)
    fold_version = models.SmallIntegerField(
        default=0, db_default=0, editable=False, help_text="Which version of the fold found this."
    )

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
            models.Index(
                F("team"),
                F("status"),
                F("status_since").desc(nulls_last=True),
                F("id").desc(),
                condition=Q(status__in=NOT_UP, destroyed_at__isnull=True),
                name="%(class)s_not_up",
            ),
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

    @property
    def is_changeable(self) -> bool:
        """Whether it can be changed here: ours, and not deleted."""
        return self.is_native and self.destroyed_at is None

    @property
    def is_unchecked(self) -> bool:
        """Whether it is one of ours that nothing has checked yet."""
        return self.is_native and self.status == Status.PENDING


class Monitor(Resource):
    """A URL, host or service that is checked."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="monitors")
    url = models.TextField(blank=True)
    type = models.TextField(blank=True)


class Heartbeat(Resource):
    """A job that is expected to report: once in each period, and then late by the grace at most."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="heartbeats")
    period = models.IntegerField(null=True, blank=True, help_text="In seconds; empty: not told.")
    grace = models.IntegerField(null=True, blank=True, help_text="In seconds; empty: not told.")
