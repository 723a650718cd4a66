"""
Which Watchkeeper this is, and whether it may send: a restored backup would send again what was sent since.

A counter in the database grows with everything that is taken up for sending, and the data folder remembers how far it
was. Where the database knows of less, or is another one, it was restored or copied: sending is paused, until an
operator says go.
"""

import fcntl
import json
import os
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


def this_installation() -> Installation:
    """This installation; made by whoever asks first."""
    found = Installation.objects.first()
    return found or Installation.objects.get_or_create(pk=1)[0]


@dataclass(frozen=True)
class Remembered:
    """What the data folder knows: which installation it belongs to, and how far its counter was."""

    public_id: str
    counter: int


def memory() -> Path:
    """The file in the data folder."""
    return Path(settings.DATA_DIR) / "sending.json"


def remembered() -> Remembered | None:
    """What the data folder knows; None: nothing."""
    try:
        values = json.loads(memory().read_text())
        return Remembered(str(values["installation"]), int(values["counter"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


@contextmanager
def alone() -> Iterator[None]:
    """Whatever several workers write to the data folder, one after the other."""
    memory().parent.mkdir(parents=True, exist_ok=True)
    with memory().with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def remember(public_id: str, counter: int, *, anew: bool = False) -> None:
    """Let the data folder know how far the counter is; `anew`: whatever it knew before."""
    with alone():
        known = remembered()
        if not anew and known and known.public_id == public_id and known.counter >= counter:
            return
        draft = memory().with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps({"installation": public_id, "counter": counter}))
        draft.replace(memory())


def why_not(installation: Installation, known: Remembered | None) -> str:
    """Why the database can't be the one that was sent from; empty where it can."""
    if known is None:
        return MOVED if installation.counter else ""
    if known.public_id != installation.public_id:
        return ANOTHER
    return RESTORED if known.counter > installation.counter else ""


def look(at: datetime) -> Installation:
    """Before anything is sent: compare database and data folder, and pause sending where they don't agree."""
    with transaction.atomic():
        this_installation()
        present = Installation.objects.select_for_update().get()
        reason = why_not(present, remembered())
        if reason and present.paused_at is None:
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
    remember(present.public_id, present.counter, anew=True)
    return present


def count_up() -> Installation | None:
    """One step more, in the transaction that takes something up for sending; None where sending is paused."""
    counted = Installation.objects.filter(paused_at=None).update(counter=F("counter") + 1)
    return Installation.objects.get() if counted else None
