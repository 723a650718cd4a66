"""What the ground itself has to remember: counters of rate limits, when the worker's loops last ran, what was noticed,
and which keys are its own.

Nobody edits these rows; they are written by `config.ratelimit`, `config.health`, `config.idempotency`, `config.notices`
and `config.canary`.
"""

from datetime import timedelta

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from config.sealed import Sealed


class RateWindow(models.Model):
    """How often something happened in the present window of time. UNLOGGED: a crash may empty the table."""

    key = models.BinaryField(primary_key=True)
    ends_at = models.DateTimeField()
    hits = models.IntegerField()

    class Meta:
        db_table = "config_rate_window"

    def __str__(self) -> str:
        return f"{self.hits} until {self.ends_at}"


class WorkerLoop(models.Model):
    """One loop of the worker: when it last finished a round, by the database's clock, and what it has to say."""

    name = models.TextField(primary_key=True)
    ran_at = models.DateTimeField()
    # Written by older versions that may still run beside this one; how far behind a loop is asks who wants to know.
    lag_seconds = models.FloatField(default=0, db_default=0.0)
    detail = models.TextField(blank=True, default="")

    class Meta:
        db_table = "config_worker_loop"

    def __str__(self) -> str:
        return self.name


class IdempotentAnswer(models.Model):
    """What a request with an `Idempotency-Key` was answered, for as long as it may come again."""

    key = models.BinaryField(primary_key=True, help_text="SHA-256 of the key and whose it is.")
    request = models.BinaryField(max_length=32, help_text="SHA-256 of all that makes a request the same.")
    answered = models.SmallIntegerField(help_text="An HTTP status.")
    body = Sealed(
        what="the answer to a request with an Idempotency-Key",
        anew="nothing, for it would have been forgotten after a day",
        needed=Q(created_at__gt=Now() - timedelta(days=1)),
    )
    etag = models.TextField(default="", db_default="", blank=True)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "config_idempotent_answer"
        indexes = [models.Index(fields=["created_at"], name="idempotent_answer_oldest")]

    def __str__(self) -> str:
        return f"{self.answered} at {self.created_at}"


class Notice(models.Model):
    """What a process noticed and an operator should see to: the latest of its kind."""

    name = models.TextField(primary_key=True)
    detail = models.TextField(blank=True, default="")
    at = models.DateTimeField()

    class Meta:
        db_table = "config_notice"

    def __str__(self) -> str:
        return self.name


class KeyCanary(models.Model):
    """
    A key that this database knows: one that seals what is in it, with a known text sealed by it, or the one that signs
    sessions, which seals nothing.
    """

    digest = models.BinaryField(primary_key=True, help_text="What tells one key from another.")
    sealed = models.BinaryField(null=True)
    made_at = models.DateTimeField()

    class Meta:
        db_table = "config_key_canary"

    def __str__(self) -> str:
        return f"{'a key that seals' if self.sealed else 'the key of sessions'}, since {self.made_at}"
