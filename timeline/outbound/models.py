"""
Who is told, what, and how that went: endpoints, messages and attempts, in the words of the Standard Webhooks
specification; and which installation this is.

A message's body is frozen when its fact is recorded. Its status is written by the engine, and by the verbs that have it
sent again.
"""

import secrets
from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from config.sealed import Sealed
from teams.models import Team


def installation_id() -> str:
    """A new public id of an installation: `wk_…`."""
    return "wk_" + secrets.token_urlsafe(12)


class Installation(models.Model):
    """
    Which Watchkeeper this is, in one row. `counter` grows with all that is sent: see timeline.outbound.installation.
    """

    id = models.SmallIntegerField(primary_key=True, default=1, editable=False)
    public_id = models.CharField(max_length=40, default=installation_id, editable=False)
    counter = models.BigIntegerField(default=0, editable=False)
    paused_at = models.DateTimeField(null=True, editable=False, help_text="Since when nothing is sent.")
    paused_why = models.TextField(blank=True, editable=False)
    set_up_at = models.DateTimeField(
        null=True, editable=False, help_text="When create_team set up a team for the first time."
    )

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="one_installation")]

    def __str__(self) -> str:
        return self.public_id


# Those that were disabled because they failed, and not by a person.
FAILED = Q(deleted_at=None) & ~Q(disabled_why="")


class Endpoint(models.Model):
    """
    Where a team's incident log is sent. Deleted ones stay as tombstones, for the sake of what was sent to them.

    `lease_token` grows whenever a worker takes the endpoint over; who holds an older one may write no more.
    """

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="endpoints")
    url = models.CharField("URL", max_length=2048)
    description = models.CharField(max_length=255, blank=True)
    event_types = ArrayField(
        models.CharField(max_length=100), default=list, blank=True, help_text="Which events are sent; none named: all."
    )
    further = models.BooleanField(
        "further events and fields",
        default=False,
        help_text="Also send what the log’s 19 events can’t carry, for a receiver that understands Watchkeeper.",
    )
    relay = models.BooleanField(default=False, help_text="Also pass on what integrations tell, under our own ids.")
    secret_ciphertext = Sealed(
        what="signing secret",
        editable=False,
        whose=("team.organization", "team"),
        needed=Q(deleted_at=None),
        anew="rotate it, and give its receiver the new one",
    )
    old_secret_ciphertext = Sealed(
        what="signing secret before the last rotation",
        null=True,
        editable=False,
        whose=("team.organization", "team"),
        needed=Q(deleted_at=None, old_secret_until__gt=Now()),
        anew="nothing, for it would have been forgotten within a day",
    )
    old_secret_until = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    disabled_at = models.DateTimeField(null=True, blank=True, editable=False)
    disabled_why = models.TextField(blank=True, editable=False, help_text="Empty where a person did it.")
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    # How it goes; written by the engine.
    succeeded_at = models.DateTimeField(null=True, editable=False)
    failing_since = models.DateTimeField(
        null=True, editable=False, help_text="When it failed first since it last succeeded."
    )
    lease_token = models.BigIntegerField(default=0, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["team", "-id"], name="endpoint_newest"),
            models.Index(fields=["team"], condition=FAILED, name="endpoint_failed"),
        ]

    def __str__(self) -> str:
        return self.description or self.url

    @property
    def is_enabled(self) -> bool:
        """Whether it is sent anything."""
        return self.disabled_at is None and self.deleted_at is None

    def sealed_secrets_at(self, at: datetime) -> list[bytes]:
        """The signing secrets that are good at a moment, sealed: the present one, and in a rotation the one before."""
        sealed = [self.secret_ciphertext, *([self.old_secret_ciphertext] if self.both_good_until(at) else [])]
        return [bytes(each) for each in sealed if each is not None]

    def both_good_until(self, at: datetime) -> datetime | None:
        """Until when, of a moment, the secret before the present one is good, too; None: it is not."""
        until = self.old_secret_until if self.old_secret_ciphertext is not None else None
        return until if until and until > at else None


class Progress(models.TextChoices):
    """How far a message is."""

    NEW = "new", "New"
    BEHIND = "behind", "Waits for one before it"
    DUE = "due", "Waits to be sent"
    SENDING = "sending", "Being sent"
    DELIVERED = "delivered", "Delivered"
    DEAD = "dead", "Given up"


# Those that are still to be delivered.
WAITING = (Progress.NEW, Progress.BEHIND, Progress.DUE, Progress.SENDING)
OVER = (Progress.DELIVERED, Progress.DEAD)


class Standing(models.TextChoices):
    """How far a message is, in the words of those outside the engine."""

    WAITING = "waiting", "Waiting"
    DELIVERED = "delivered", "Delivered"
    DEAD = "dead", "Given up"


STANDINGS = {Standing.WAITING: WAITING, Standing.DELIVERED: OVER[:1], Standing.DEAD: OVER[1:]}


class Message(models.Model):
    """
    One event for one endpoint, exactly as it is sent. Its `webhook_id` is the same whenever and to whomever it is sent.

    A message is sent when no earlier one of the same subject waits, nor one that it comes `after`. `tries` are the
    attempts since it was last asked for; `due_at` is when it is sent next, or while it is being sent, when it was taken
    up; of a new one, when it was asked for again.
    """

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="messages", db_index=False)
    endpoint = models.ForeignKey(Endpoint, on_delete=models.PROTECT, related_name="messages", db_index=False)
    webhook_id = models.CharField(max_length=64)
    event = models.TextField()
    subject_kind = models.CharField(max_length=20)
    subject_id = models.BigIntegerField()
    fact_id = models.BigIntegerField(null=True, help_text="The fact that it tells; none for a test.")
    body = models.TextField()
    created_at = models.DateTimeField()

    after = ArrayField(
        models.BigIntegerField(),
        null=True,
        help_text="Messages about other subjects that come first: of what is deleted, its incidents’ ends.",
    )

    status = models.CharField(max_length=10, choices=Progress.choices, default=Progress.NEW)
    due_at = models.DateTimeField(null=True)
    tries = models.SmallIntegerField(default=0)
    ended_at = models.DateTimeField(null=True, help_text="When it was delivered or given up.")
    why = models.TextField(blank=True, help_text="What was wrong with the last attempt.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["endpoint", "webhook_id"], name="message_once_per_endpoint"),
            models.CheckConstraint(condition=Q(status__in=Progress.values), name="message_status_known"),
        ]
        indexes = [
            models.Index(fields=["endpoint", "id"], condition=Q(status="new"), name="message_new"),
            models.Index(fields=["endpoint", "due_at", "id"], condition=Q(status="due"), name="message_due"),
            models.Index(fields=["endpoint", "id"], condition=Q(status="sending"), name="message_sending"),
            models.Index(
                fields=["endpoint", "subject_kind", "subject_id", "id"],
                condition=Q(status__in=["new", "behind", "due", "sending"]),
                name="message_lane",
            ),
            models.Index(
                fields=["endpoint"], condition=Q(after__isnull=False, status="behind"), name="message_after_others"
            ),
            models.Index(fields=["endpoint", "-id"], name="message_of_endpoint"),
            models.Index(fields=["team", "-id"], name="message_newest"),
            models.Index(fields=["subject_kind", "subject_id", "-id"], name="message_about"),
            models.Index(fields=["endpoint", "-id"], condition=Q(status="dead"), name="message_dead"),
            models.Index(fields=["team", "status", "-id"], condition=~Q(status="delivered"), name="message_by_status"),
        ]

    def __str__(self) -> str:
        return f"{self.event} to {self.endpoint_id}"

    @property
    def next_try_at(self) -> datetime | None:
        """When it is tried next; None where that is not known, or over."""
        return self.due_at if self.status == Progress.DUE else None

    @property
    def standing(self) -> Standing:
        """Whether it waits, was delivered or was given up."""
        return Standing.WAITING if self.status in WAITING else Standing(self.status)


class Attempt(models.Model):
    """
    One try to deliver a message, written down when it ended (before it begins, its message says that it is being
    sent). One without an end was interrupted: nobody knows whether it arrived.
    """

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="attempts")
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    status_code = models.SmallIntegerField(null=True, help_text="Of the answer; empty: there was none.")
    error = models.TextField(blank=True, help_text="Why it failed; empty: it was delivered.")
    excerpt = models.TextField(blank=True, help_text="The answer’s first 64 KiB.")

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"attempt {self.pk} of message {self.message_id}"

    @property
    def succeeded(self) -> bool:
        """Whether the receiver took it."""
        return self.ended_at is not None and not self.error

    @property
    def milliseconds(self) -> float | None:
        """How long it took; None for one that was interrupted."""
        return (self.ended_at - self.started_at).total_seconds() * 1000 if self.ended_at else None
