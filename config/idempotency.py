"""
Requests that may be sent again: an `Idempotency-Key` makes that a POST has its effect once; and forms that are.

The work and its answer are kept in one transaction, so that there is never one without the other. Answers are sealed,
for a secret may stand in one. Whose keys they are is told by the caller as a scope. Not here: which requests may have a
key (config.api), or forms (dashboard.doubled).
"""

import random
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256

from django.db import transaction
from django.http import HttpResponse, HttpResponseRedirect

from config import faults
from config.errors import Conflict, ValidationFailed
from config.models import IdempotentAnswer
from config.turns import take_free_turn, wait_for_turn
from config.vault import CannotOpen, open_sealed, seal

HEADER = "Idempotency-Key"
LONGEST_KEY = 255
# Printable ASCII; blanks at its ends are no part of a header's value.
SHAPE = r"^[!-~]([ -~]{0,253}[!-~])?$"
KEPT_FOR = timedelta(hours=24)
# How long who asks for what is being worked on is told to wait.
AGAIN_SECONDS = 1
# One in so many answers that are kept also sweeps out old ones.
SWEEP_ONE_IN = 100
SWEPT_AT_MOST = 1000

WORKED = faults.point("idempotency: worked, the answer not kept")
KEPT = faults.point("idempotency: kept, before the commit")

_sane = re.compile(SHAPE).match


def sound_key(text: str) -> str:
    """The key that a header has. Raises ValidationFailed naming the header."""
    if not _sane(text) or text.endswith("\n"):
        raise ValidationFailed({HEADER: [f"Expected 1 to {LONGEST_KEY} printable ASCII characters."]})
    return text


def once(scope: str, key: str, request: bytes, at: datetime, work: Callable[[], HttpResponse]) -> HttpResponse:
    """
    The answer to a request: that of `work`, or the one that was kept when the same request came before with that key.

    `request` is a digest of all that makes a request the same. Raises Conflict where the key came with another one, or
    while the same is still being worked on. Only an answer of 2xx is kept: what was refused may be corrected and sent
    under its key.
    """
    name = f"{scope}\n{key}"
    digest = sha256(name.encode()).digest()
    with transaction.atomic():
        if not take_free_turn(name):
            raise Conflict(
                f"A request with this {HEADER} is still being worked on. Try again in a moment.",
                headers={"Retry-After": str(AGAIN_SECONDS)},
            )
        known = IdempotentAnswer.objects.filter(pk=digest, created_at__gt=at - KEPT_FOR).first()
        if known:
            return again(known, request)
        answer = work()
        WORKED()
        if 200 <= answer.status_code < 300:
            keep(digest, request, answer, at)
        KEPT()
        return answer


def led(scope: str, key: str, at: datetime, work: Callable[[], HttpResponse]) -> tuple[HttpResponse, bool]:
    """
    The answer to a form, that of `work`, and True; or, where that form led to another page before, the way there, and
    False. Who sends it while it is being worked on waits. An answer that leads nowhere is not kept: nothing was done.
    """
    name = f"{scope}\n{key}"
    digest = sha256(name.encode()).digest()
    with transaction.atomic():
        wait_for_turn(name)
        known = IdempotentAnswer.objects.filter(pk=digest, created_at__gt=at - KEPT_FOR).first()
        if known:
            return HttpResponseRedirect(opened(known)), False
        answer = work()
        if isinstance(answer, HttpResponseRedirect):
            keep(digest, digest, HttpResponse(answer.url.encode(), status=answer.status_code), at)
        return answer, True


def again(known: IdempotentAnswer, request: bytes) -> HttpResponse:
    """The answer that was kept, for the same request. Raises Conflict for another one."""
    if bytes(known.request) != request:
        raise Conflict(f"This {HEADER} was used for another request.")
    headers = {"ETag": known.etag} if known.etag else None
    return HttpResponse(opened(known), content_type="application/json", status=known.answered, headers=headers)


def opened(known: IdempotentAnswer) -> str:
    """The body of an answer that was kept. Raises Conflict where no present key opens it."""
    try:
        return open_sealed(bytes(known.body))
    except CannotOpen:
        raise Conflict("This was done before, and its answer can't be opened any more.") from None


def keep(digest: bytes, request: bytes, answer: HttpResponse, at: datetime) -> None:
    """Keep an answer for a day; and now and then, forget those of the day before."""
    body = seal(answer.content.decode())
    etag = answer.headers.get("ETag", "")
    kept = IdempotentAnswer(
        key=digest, request=request, answered=answer.status_code, body=body, etag=etag, created_at=at
    )
    columns = ["request", "answered", "body", "etag", "created_at"]
    IdempotentAnswer.objects.bulk_create([kept], update_conflicts=True, unique_fields=["key"], update_fields=columns)
    if random.randrange(SWEEP_ONE_IN) == 0:  # noqa: S311 - nothing to guess
        sweep(at)


def sweep(at: datetime) -> int:
    """Forget answers that are too old; how many those were."""
    old = IdempotentAnswer.objects.filter(created_at__lte=at - KEPT_FOR)
    some = old.order_by("created_at").select_for_update(skip_locked=True).values("key")[:SWEPT_AT_MOST]
    return IdempotentAnswer.objects.filter(key__in=list(some.values_list("key", flat=True))).delete()[0]
