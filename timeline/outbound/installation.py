"""
Which Watchkeeper this is, and whether it may send: a restored backup would send again what was sent since.

A counter in the database grows with everything that is taken up for sending, and the data folder remembers how far it
was. Where the database knows of less, or is another one, it was restored or copied: sending is paused, until an
operator says go.
"""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import F

from timeline.outbound.models import Installation, installation_id

RESTORED = "The database is older than what was sent: it was restored from a backup."
ANOTHER = "The data folder belongs to another database."
MOVED = "The data folder does not know this database, from which something was sent before."
# Of what stands in the file.
LENGTH = 120


def this_installation() -> Installation:
    """This installation; made by whoever asks first."""
    found = Installation.objects.first()
    return found or Installation.objects.get_or_create(pk=1)[0]


def is_set_up() -> bool:
    """Whether create_team ever set up a team here."""
    return this_installation().set_up_at is not None


def note_set_up(at: datetime) -> None:
    """Note that create_team has set up a team; the first time is kept."""
    Installation.objects.filter(pk=this_installation().pk, set_up_at=None).update(set_up_at=at)


@dataclass(frozen=True)
class Remembered:
    """What the data folder knows: which installation it belongs to, and how far its counter was."""

    public_id: str
    counter: int


def memory() -> Path:
    """The file in the data folder."""
    return Path(settings.DATA_DIR) / "sending.json"


@contextmanager
def alone() -> Iterator[None]:
    """Whatever several workers read and write in the data folder, one after the other."""
    memory().parent.mkdir(parents=True, exist_ok=True)
    with memory().with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def remembered() -> Remembered | None:
    """What the data folder knows; None: nothing."""
    with alone():
        return read()


def remember(public_id: str, counter: int, *, anew: bool = False) -> None:
    """
    Let the data folder know how far the counter is. What it knows of another installation stays, unless `anew` says
    that it is to belong to this one.
    """
    with alone():
        known = read()
        if anew or known is None or (known.public_id == public_id and known.counter < counter):
            write(Remembered(public_id, counter))


def read() -> Remembered | None:
    """What stands in the file."""
    try:
        values = json.loads(memory().read_text())
        return Remembered(str(values["installation"]), int(values["counter"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def write(known: Remembered) -> None:
    """
    Write over what stands in the file, always as long, in one piece: a machine that loses its power leaves the one or
    the other, and never an empty file.
    """
    text = json.dumps({"installation": known.public_id, "counter": known.counter}).ljust(LENGTH) + "\n"
    with memory().open("r+b" if memory().exists() else "wb", buffering=0) as file:
        file.write(text.encode())


def why_not(public_id: str, counter: int, known: Remembered | None) -> str:
    """Why the database can't be the one that was sent from; empty where it can."""
    if known is None:
        return MOVED if counter else ""
    if known.public_id != public_id:
        return ANOTHER
    return RESTORED if known.counter > counter else ""


def look(at: datetime) -> Installation:
    """Before anything is sent: compare database and data folder, and pause sending where they don't agree."""
    with transaction.atomic():
        this_installation()
        present = Installation.objects.select_for_update().get()
        reason = why_not(present.public_id, present.counter, remembered())
        if reason:
            pause(at, reason)
    if not reason:
        remember(present.public_id, present.counter)
    return this_installation()


def pause(at: datetime, why: str) -> None:
    """Send nothing until an operator says go."""
    Installation.objects.filter(paused_at=None).update(paused_at=at, paused_why=why)


def go(*, anew: bool = False) -> Installation:
    """
    Send from now on. `anew`: this is a copy that lives on beside the original, and gets an id of its own.
    """
    this_installation()
    with transaction.atomic():
        present = Installation.objects.select_for_update().get()
        known = remembered()
        present.counter = max(present.counter, known.counter if known else 0) + 1
        present.paused_at, present.paused_why = None, ""
        if anew:
            present.public_id = installation_id()
        present.save()
        # Before the commit, for what begins to send at that moment compares the two.
        remember(present.public_id, present.counter, anew=True)
    return present


def count_up(at: datetime) -> Installation | None:
    """
    One step more, in the transaction that takes something up for sending. None where sending is paused, and where it is
    paused now, because the database was replaced meanwhile by one that can't be the one that was sent from.
    """
    if not Installation.objects.filter(paused_at=None).update(counter=F("counter") + 1):
        return None
    present = Installation.objects.get()
    reason = why_not(present.public_id, present.counter - 1, remembered())
    if reason:
        pause(at, reason)
        return None
    return present
