"""
Whether the present keys are those of this database, as the launcher asks before anything starts, without Django.

A database with data has canaries (`config_key_canary`): a known text, sealed by each key that ever sealed there. Keys
that don't open it would open nothing else either: every address that vendors post to would be answered 401, and they
don't try that again. So nothing starts with them, and none are made beside a database that has data, unless the
operator says that the old ones are lost. Who writes canaries, and looks at all that is sealed: config.canary.
"""

from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from config import environment, keepsakes, vault
from config.console import CannotStart, say

NEW_KEYS = "--new-keys"
KEY, SESSION_KEY = "WATCHKEEPER_ENCRYPTION_KEY", "WATCHKEEPER_SECRET_KEY"
# What reads nothing sealed and seals nothing, and may be needed to see what is wrong.
HARMLESS = {"dbshell", "help", "makemigrations", "showmigrations", "version"}
# Who looks at all that is sealed before it goes on (config.canary), where a key may only seem to be missing.
LOOKS_FOR_ITSELF = {"migrate", "up"}

BRING = (
    "Bring it from where this Watchkeeper ran before: the variable, or secrets.json of its data folder (several keys "
    "with commas between them). Only if it is lost for good: ./watchkeeper up --new-keys, which lists what has to be "
    "made anew"
)
ANOTHER = f"is not the key of this database, and opens nothing of what is sealed there. {BRING}"
INCOMPLETE = f"lacks a key of this database, and opens only a part of what is sealed there. {BRING}"
MISSING = f"and this database has data that was sealed with it. {BRING}"

_TABLES = "SELECT to_regclass('config_key_canary') IS NOT NULL, to_regclass('django_migrations') IS NOT NULL"
_CANARIES = "SELECT sealed FROM config_key_canary WHERE sealed IS NOT NULL"


@dataclass(frozen=True)
class Held:
    """What a database holds: whether there is data, and its canaries (none where it is older than they are)."""

    has_data: bool
    canaries: Sequence[bytes]


def unlock(url: str, data: Path, variables: MutableMapping[str, str], *, command: str, anew: bool = False) -> None:
    """
    Give the environment the secrets for a command on the database at a URL: those of the data folder, or new ones where
    there is no data yet, or where `anew` says that the old ones are lost. Raises CannotStart where the keys don't fit.
    """
    were_given = bool(variables.get(KEY))
    with telling_of(data / keepsakes.FILE):
        keepsakes.bring_secrets(data, variables)
    found = held(url)
    if found.has_data and command in HARMLESS:
        return
    if found.has_data and not variables.get(KEY) and not anew:
        raise CannotStart(f"{KEY} is neither set nor kept in {data / keepsakes.FILE}, {MISSING}")
    wrong = "" if anew else complaint(found.canaries, environment.value_of(KEY, variables))
    if wrong and not (wrong == INCOMPLETE and command in LOOKS_FOR_ITSELF):
        raise CannotStart(f"{KEY if were_given else f'the key in {data / keepsakes.FILE}'} {wrong}")
    if found.has_data and not variables.get(SESSION_KEY):
        say(f"{SESSION_KEY} is made anew: everybody signs in again; nothing that is kept depends on it")
    with telling_of(data / keepsakes.FILE):
        keepsakes.set_secrets(data, variables)


@contextmanager
def telling_of(file: Path) -> Iterator[None]:
    """Say in one line what is wrong with the file that secrets are kept in. Raises CannotStart."""
    try:
        yield
    except OSError as error:
        raise CannotStart(f"can't use {file} ({error.strerror}); see that it can be read and written") from None
    except (ValueError, AttributeError):
        raise CannotStart(
            f"{file} is damaged: it has to be a JSON object of texts. Bring it from a backup, or move it away"
        ) from None


def held(url: str) -> Held:
    """What the database at a URL holds."""
    with psycopg.connect(url) as connection:
        knows_canaries, is_migrated = connection.execute(_TABLES).fetchone() or (False, False)
        canaries = [bytes(row[0]) for row in connection.execute(_CANARIES)] if knows_canaries else []
        has_data = bool(is_migrated and connection.execute("SELECT FROM django_migrations LIMIT 1").rowcount)
    return Held(has_data, canaries)


def complaint(canaries: Sequence[bytes], keys: Sequence[str]) -> str:
    """Why keys won't do for a database with these canaries, after their name; empty where they will."""
    opened = [vault.opens(canary, keys) for canary in canaries]
    if all(opened):
        return ""
    return INCOMPLETE if any(opened) else ANOTHER
