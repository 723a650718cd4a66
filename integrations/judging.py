"""
Judging: what one event of a request is, before anything is kept: sound, ill written, unknown, too large, come back.

Pure but for this installation's id. Not here: whose it is (integrations.doors), keeping it
(integrations.delivery_store), and judging it again when it is applied (integrations.applying).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from config.bodies import KIB, LARGEST_BODY, MIB
from integrations.models import Verdict
from timeline.events import VENDOR_EVENTS, EventType, Judged, Payload, passed, said, validate
from timeline.identity import beginning_identity, bytes_identity, event_identity
from timeline.outbound.installation import this_installation

# Of what is too large so much is kept.
BEGINNING = 1 * KIB
LARGEST_EVENT = 64 * KIB
# More is announced by who means no good, and can't be kept as a number.
LARGEST_SIZE = 2**63 - 1

# Not verdicts of deliveries: a sound event that its integration wants counted by name; bytes of which nobody can say
# that they were signed. Of both nothing is kept.
COUNTED, UNPROVED = "counted", "unproved"

# What this installation sent itself, or passed on: it is here already.
RETURNED = {"code": "RETURNED", "message": "It came back: this installation sent it, or passed it on, itself."}

Error = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Arrival:
    """
    One event of a request, judged: its exact bytes, by what it is known, and how it is kept: a Verdict, COUNTED or
    UNPROVED.

    `is_event`: whether the bytes are an event at all. Of what is too large they are the first, and `size` says how many
    there were. `event`: its name, where it has one. `due_at`: not to be applied before.
    """

    body: bytes
    identity: bytes
    status: str
    event: str | None = None
    error: Error | None = None
    ignored: tuple[str, ...] = ()
    due_at: datetime | None = None
    is_event: bool = True
    size: int | None = None


def our_id() -> str:
    """The id of this installation."""
    return this_installation().public_id


def came_back(payload: Payload, ours: Callable[[], str] = our_id) -> bool:
    """Whether an event names this installation among those that it came through."""
    through = passed(payload)
    return bool(through) and ours() in through


def judge(
    body: bytes,
    value: Any,
    at: datetime,
    count_only: Sequence[str] = (),
    known: dict[str, EventType] = VENDOR_EVENTS,
    *,
    ours: Callable[[], str] = our_id,
) -> Arrival:
    """
    Judge one event that was received at a moment; unknown ones named in `count_only` are not kept. `ours` is asked for
    this installation's id where an event names any.
    """
    if len(body) > LARGEST_EVENT:
        return too_large_event(body, said(value, "event") if isinstance(value, dict) else None)
    judged = validate(value, at, known)
    identity = event_identity(value) if isinstance(value, dict) else bytes_identity(body)
    if came_back(judged.payload, ours):
        return Arrival(body, identity, Verdict.DUPLICATE, judged.event, RETURNED, judged.ignored)
    if judged.fields:
        return Arrival(body, identity, Verdict.QUARANTINED, judged.event, wrong_fields(judged), judged.ignored)
    if judged.type is None:
        status = COUNTED if judged.event in count_only else Verdict.UNRECOGNIZED
        return Arrival(body, identity, status, judged.event, None, judged.ignored)
    if judged.is_ahead:
        due_at = judged.believable_at
        return Arrival(body, identity, Verdict.WAITING, judged.event, None, judged.ignored, due_at)
    return Arrival(body, identity, Verdict.RECEIVED, judged.event, None, judged.ignored)


def wrong_fields(judged: Judged) -> Error:
    """The error of an event with wrong fields."""
    return {
        "code": "VALIDATION_ERROR",
        "message": f"Not valid: {', '.join(judged.fields)}.",
        "details": {"fields": judged.fields},
    }


# --- bytes that are no event --------------------------------------------------------------------------------------


def no_event(body: bytes, code: str, message: str) -> Arrival:
    """Bytes that are no sound JSON, or no array of a length that is taken: kept whole."""
    error = {"code": code, "message": message}
    return Arrival(body, bytes_identity(body), Verdict.QUARANTINED, error=error, is_event=False)


def too_large_event(body: bytes, event: str | None) -> Arrival:
    """An event of more than 64 KiB."""
    message = f"An event has at most {LARGEST_EVENT // KIB} KiB. This one has {len(body):,} bytes."
    return beginning(body, len(body), message, event)


def too_large_request(body: bytes, size: int, *, at_least: bool) -> Arrival:
    """A request of more than 4 MiB, of which this was read; it has so many bytes, or at least so many."""
    number = f"at least {size:,}" if at_least else f"{size:,}"
    message = f"A request body has at most {LARGEST_BODY // MIB} MiB. This one has {number} bytes."
    return beginning(body, min(size, LARGEST_SIZE), message)


def beginning(body: bytes, size: int, message: str, event: str | None = None) -> Arrival:
    """The first of the bytes of what is too large; what was read of it beyond them still tells it from others."""
    error = {"code": "PAYLOAD_TOO_LARGE", "message": message, "details": {"size": size}}
    identity = beginning_identity(body, size)
    return Arrival(body[:BEGINNING], identity, Verdict.QUARANTINED, event, error, is_event=False, size=size)


def unproved() -> Arrival:
    """What should have been signed, and can't be looked at for that."""
    return Arrival(b"", b"", UNPROVED, is_event=False)
