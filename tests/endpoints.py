"""Endpoints and messages for tests: made by the verbs, and messages put where the engine would put them."""

from datetime import datetime, timedelta
from typing import Any

from config.vault import open_sealed
from teams.models import Team
from tests.conftest import NOON
from timeline.outbound import lifecycle
from timeline.outbound.models import Attempt, Endpoint, Message

HOOK = "https://hooks.example.com/in"


def make_endpoint(team: Team, at: datetime = NOON, **details: Any) -> Endpoint:
    """An endpoint of the team; its secret stands at `endpoint.secret`."""
    made, secret = lifecycle.create_endpoint(team, at=at, **{"url": HOOK} | details)
    made.secret = secret
    return made


def secrets_at(endpoint: Endpoint, at: datetime) -> list[str]:
    """The signing secrets of an endpoint that are good at a moment, as its receiver has them."""
    return [open_sealed(each) for each in endpoint.sealed_secrets_at(at)]


def make_message(endpoint: Endpoint, at: datetime = NOON, **columns: Any) -> Message:
    """A message of an endpoint that tells nothing, with some columns as the engine might have left them."""
    made = lifecycle.send_test(endpoint, at=at)
    Message.objects.filter(pk=made.pk).update(**columns)
    made.refresh_from_db()
    return made


def make_attempt(message: Message, at: datetime = NOON, **columns: Any) -> Attempt:
    """An attempt at a message: delivered within a quarter of a second, if nothing else is said."""
    lasted = {"started_at": at, "ended_at": at + timedelta(milliseconds=250), "status_code": 200}
    return message.attempts.create(**lasted | columns)
