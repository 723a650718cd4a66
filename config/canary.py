"""
Which keys this database knows, and what in it no present key opens.

Each key that seals leaves a canary, a known text, when it is first used. At an upgrade there is none yet: then what is
sealed is looked at, every kind of it, and a canary is made only where the present keys open it, or a wrong key would be
sealed in. Where they don't, `Unfit` says so, and what to do; `settle(anew=True)` is told that the old ones are lost.

The key that signs sessions is remembered, too: with another one everybody signs in again, and that is all.

Not here: what the launcher asks before anything starts (config.keyring), and the sealing (config.vault).
"""

from collections.abc import Iterator
from datetime import datetime
from functools import reduce
from itertools import islice

import structlog
from django.apps import apps
from django.conf import settings
from django.db import connection, models, transaction

from config import keyring, vault
from config.errors import Unavailable
from config.models import KeyCanary
from config.sealed import Sealed

TEXT = "the canary of this database"
log = structlog.get_logger(__name__)

# What a process said of keys that don't fit, once.
_said: list[str] = []

SEALING, SESSIONS = "sealing", "sessions"
# How many of what can't be opened are named; the rest is counted.
NAMED = 20
# How many of each kind are looked at where there is no canary, by who has no time to look at all.
A_LOOK = 50

FORGOTTEN = (
    "The present keys are those of this database from now on. Passwords and API keys stay good. What only another key "
    "opens is lost, and has to be made anew"
)
SIGNED_OUT = (
    "WATCHKEEPER_SECRET_KEY is another one than before: everybody signs in again; nothing that is kept depends on it"
)


class Unfit(Exception):
    """The present keys are not those of this database; the text is one line: what is wrong, and what to do."""


# What is sealed


def sealed_columns() -> Iterator[tuple[type[models.Model], Sealed]]:
    """Every kind of sealed thing that there is."""
    for model in apps.get_models():
        for field in model._meta.local_concrete_fields:
            if isinstance(field, Sealed):
                yield model, field


def unopened(at_most: int | None = None) -> Iterator[str]:
    """
    Whatever is still needed and can't be opened by the present keys, in words: what, whose, and what to do. With
    `at_most` only so many of a kind are looked at, the newest.
    """
    for model, field in sealed_columns():
        rows = model._base_manager.filter(field.needed).exclude(**{field.name: None}).order_by("-pk")
        related = [name.replace(".", "__") for name in field.whose]
        chosen = rows.select_related(*related)[:at_most] if at_most else rows.select_related(*related).iterator(1000)
        for row in chosen:
            if not vault.opens(getattr(row, field.attname), settings.ENCRYPTION_KEYS):
                yield in_words(row, field)


def in_words(row: models.Model, field: Sealed) -> str:
    """A sealed thing that is lost."""
    owners = [str(reduce(getattr, name.split("."), row)) for name in field.whose]
    if not owners:
        return f"{field.what}: {field.anew}"
    return f"{' › '.join(owners)} › {row._meta.verbose_name} “{row}”: its {field.what} ({field.anew})"


def reseal() -> int:
    """
    Seal all that the present keys open with the first of them, so that the others can be taken away; how many were.
    Beside a running system: what is changed meanwhile is not touched. What none of them opens stays as it is.
    """
    return sum(_reseal(model, field) for model, field in sealed_columns())


def _reseal(model: type[models.Model], field: Sealed) -> int:
    done = 0
    for pk, sealed in model._base_manager.exclude(**{field.name: None}).values_list("pk", field.name).iterator(1000):
        if vault.opens(sealed, settings.ENCRYPTION_KEYS[:1]) or not vault.opens(sealed, settings.ENCRYPTION_KEYS):
            continue
        text = vault.open_sealed(sealed)
        anew = {field.name: vault.seal(text)} | ({field.digest: vault.keyed_digest(text)} if field.digest else {})
        done += model._base_manager.filter(pk=pk, **{field.name: sealed}).update(**anew)
    return done


# Whether the keys fit


def complaint() -> str:
    """
    Why the present keys won't do, in a sentence; empty where they will. One statement, but where no canary was made
    yet: then some of what is sealed is looked at.
    """
    canaries = [bytes(each.sealed or b"") for each in KeyCanary.objects.exclude(sealed=None)]
    if canaries:
        return keyring.complaint(canaries, settings.ENCRYPTION_KEYS)
    return keyring.ANOTHER if next(unopened(A_LOOK), None) else ""


def vouch_for_keys() -> None:
    """Raise Unavailable where the present keys are not those of this database: that is no stranger's fault."""
    if wrong := complaint():
        if not _said:
            _said.append(wrong)
            log.error("the keys don't fit the database", why=wrong)
        raise Unavailable("Secrets can't be looked up at the moment.")


def settle(at: datetime, *, anew: bool = False) -> list[str]:
    """
    See that the present keys fit this database and that it knows them. Answers with what there is to say. Raises Unfit,
    unless they are to be its keys from now on (`anew`).
    """
    with transaction.atomic():
        with connection.cursor() as cursor:  # of two with different keys, one is the first
            cursor.execute("LOCK TABLE config_key_canary IN SHARE ROW EXCLUSIVE MODE")
        return _settle_keys(at, anew) + _settle_sessions(at)


def _settle_keys(at: datetime, anew: bool) -> list[str]:
    known = list(KeyCanary.objects.exclude(sealed=None))
    foreign = [each for each in known if not vault.opens(bytes(each.sealed or b""), settings.ENCRYPTION_KEYS)]
    lost: list[str] = []
    if anew or foreign or not known:
        # Where one of several keys was taken away, what it sealed may all have been made anew.
        lost = [] if known and len(foreign) == len(known) and not anew else summed_up(unopened())
        if not anew and (lost or (known and len(foreign) == len(known))):
            raise Unfit(_why(lost))
    KeyCanary.objects.filter(pk__in=[each.pk for each in foreign]).delete()
    digest = vault.digest_of_key(settings.ENCRYPTION_KEYS[0], SEALING)
    KeyCanary.objects.get_or_create(digest=digest, defaults={"sealed": vault.seal(TEXT), "made_at": at})
    return [f"{FORGOTTEN}{':' if lost else ': nothing'}", *lost] if anew else []


def _why(lost: list[str]) -> str:
    if not lost:
        return f"{keyring.KEY} {keyring.ANOTHER}"
    return f"{keyring.KEY} does not open all that is sealed in this database: {'; '.join(lost)}. {keyring.BRING}"


def _settle_sessions(at: datetime) -> list[str]:
    digest = vault.digest_of_key(settings.SECRET_KEY, SESSIONS)
    before = KeyCanary.objects.filter(sealed=None)
    is_another = before.exclude(digest=digest).delete()[0] > 0
    KeyCanary.objects.get_or_create(digest=digest, defaults={"made_at": at})
    return [SIGNED_OUT] if is_another else []


def signs_other_sessions() -> bool:
    """Whether sessions were last signed with another key than the present one."""
    digest = vault.digest_of_key(settings.SECRET_KEY, SESSIONS)
    return KeyCanary.objects.filter(sealed=None).exclude(digest=digest).exists()


def summed_up(lines: Iterator[str]) -> list[str]:
    """The first few of many lines, and how many more there are."""
    first = list(islice(lines, NAMED))
    more = sum(1 for _ in lines)
    return [*first, f"and {more} more"] if more else first
