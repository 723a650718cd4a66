"""
Ingest: requests at the door are let in, read, judged and kept, as many as there are, with the same handful of
statements, before anybody is told that anything was accepted.

`receive` is the one way, for those that wait together and for one alone: it finds whose they are (integrations.doors),
opens and judges what they carry (integrations.judging), looks at signatures, and keeps all of it exactly as it was
(integrations.delivery_store), in one statement with one commit. Nothing is applied here: that is
integrations.applying, in the worker. What senders are told over HTTP is said by integrations.ingest_view.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, lru_cache
from typing import Any

import structlog

from config import canary, faults, strictjson
from config.api import Oversized, Unopened
from config.errors import ApiError, PayloadTooLarge, Unauthorized, Unavailable, ValidationFailed
from config.signing import Signature, is_signed, signing_key
from config.vault import open_sealed
from integrations import delivery_store, doors
from integrations.counts import NOT_KEPT, SIGNATURE, UNAUTHORIZED, Counted, count_all, reason_of
from integrations.delivery_store import Kept, Parcel
from integrations.doors import Credential, Door, Refusal
from integrations.judging import COUNTED, Arrival, judge, no_event, our_id, too_large_request, unproved
from integrations.models import Integration, Verdict, known_events

log = structlog.get_logger(__name__)

MOST_EVENTS = 1000
# A door that is shut or changed at the very moment is looked up again, so often at most.
TURNS = 4

# When a sender may come again whose signing secret has to be made anew first, in seconds.
UNOPENED_RETRY = 60

LET_IN = faults.point("ingest: let in and judged, nothing kept")
SETTLED = faults.point("ingest: kept and counted, before the answers")

ACCEPTED, REJECTED = "accepted", "rejected"

UNSIGNED = Signature("", "", "")


@dataclass(frozen=True, slots=True)
class Webhook:
    """
    One request: what opens the door for it, the headers to keep, those that sign it, and how its body is read, once it
    was let in. `is_packed`: to read it is to open it.
    """

    credential: Credential
    headers: Mapping[str, str]
    read: Callable[[], bytes]
    signature: Signature = UNSIGNED
    is_packed: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What became of one event: the delivery's id (None: not kept), a status of docs/record.md, an error if it has one,
    and the names of the fields that were ignored.
    """

    id: int | None
    status: str
    error: dict[str, Any] | None = None
    ignored: tuple[str, ...] = ()


Outcome = Answer | list[Answer] | Refusal


def receive(webhooks: Sequence[Webhook], at: datetime) -> list[Outcome]:
    """
    Judge and keep what requests brought that were received at a moment: an Answer to one event, a list of them to an
    array, or a Refusal. Raises what the database does, and Unavailable; then all may come again.
    """
    outcomes: dict[int, Outcome] = {}
    for turn in range(TURNS):
        left = {place: each for place, each in enumerate(webhooks) if place not in outcomes}
        if not left:
            break
        outcomes |= Turn(left, at, may_remember=turn == 0).take()
    else:
        raise Unavailable("The door is changed again and again.")
    return [outcomes[place] for place in range(len(webhooks))]


def refuse(credential: Credential, at: datetime) -> Refusal | None:
    """Why somebody is not let in who does not mean to bring anything, which is counted; None for who would be."""
    _, outcomes = (turn := Turn({0: Webhook(credential, {}, bytes)}, at, may_remember=False)).admit()
    count_all(turn.counted, at)
    refusal = outcomes.get(0)
    return refusal if isinstance(refusal, Refusal) else None


def receive_from(integration: Integration, body: bytes, headers: Mapping[str, str], at: datetime) -> Any:
    """
    Judge and keep what an integration that we know sent: an Answer, or a list of them for an array. Raises ApiError for
    what is refused. The demo, benches and tests send so, without its secrets.
    """
    [outcome] = receive([Webhook(doors.of(integration), headers, lambda: body)], at)
    if isinstance(outcome, Refusal):
        raise outcome.error
    return outcome


@dataclass(slots=True)
class Read:
    """What a request brought, judged; `refusal`: what it is told in place of answers, where it brought no event."""

    arrivals: list[Arrival]
    is_array: bool = False
    refusal: ApiError | None = None


@dataclass
class Turn:
    """
    One go at some requests, by their places. Whoever is not let in for what a process remembers has no outcome, and
    another turn.
    """

    webhooks: Mapping[int, Webhook]
    at: datetime
    may_remember: bool
    counted: Counter[Counted] = field(default_factory=Counter)
    ours: Callable[[], str] = field(default_factory=lambda: cache(our_id))

    def take(self) -> dict[int, Outcome]:
        """The outcomes; what had to be kept and counted is."""
        found, outcomes = self.admit()
        read: dict[int, Read] = {}
        for place, door in found.items():
            each = self.read(self.webhooks[place], door)
            if isinstance(each, Read):
                read[place] = each
            elif each is not None:
                outcomes[place] = each
        LET_IN()
        if read:
            outcomes |= self.keep(read, found)
        count_all(self.counted, self.at)
        SETTLED()
        return outcomes

    def admit(self) -> tuple[dict[int, Door], dict[int, Outcome]]:
        """Whose the requests are, and what those hear who are not let in. What is packed is opened for nobody else."""
        wanted = {place: each.credential for place, each in self.webhooks.items()}
        remembered = {place for place, each in self.webhooks.items() if self.may_remember and not each.is_packed}
        found, refused = doors.find_doors(wanted, self.at, remembered)
        outcomes: dict[int, Outcome] = {}
        if any(each.what == "token" for each in refused.values()):
            canary.vouch_for_keys()  # with wrong ones no token is found, and a sender who hears 401 does not come again
        for place, refusal in refused.items():
            outcomes[place] = refusal
            if isinstance(refusal.error, Unauthorized):
                self.counted[None, UNAUTHORIZED] += 1
        return found, outcomes

    def read(self, webhook: Webhook, door: Door) -> Read | Refusal | None:
        """Read and judge what a request brought. None: by what is remembered it would be refused."""
        try:
            body = webhook.read()
        except ApiError as error:
            return self.read_in_part(error, door)
        try:
            signs_well = door.secret is None or is_signed(body, webhook.signature, key_of(door.secret), self.at)
        except ValueError:
            return unopened(door) if door.is_fresh else None
        if signs_well:
            return read_events(body, door, self.at, self.ours)
        if not door.is_fresh:
            return None
        self.counted[door.integration_id, SIGNATURE] += 1
        wrong = Unauthorized("The signature is missing, wrong or too old.")
        return Refusal(wrong, "signature", f"Integration {door.integration_id}.", door.account, door.prefix)

    @staticmethod
    def read_in_part(error: ApiError, door: Door) -> Read | Refusal:
        """What is kept of a body that is too large or can't be decoded; none of what nobody can say was signed."""
        if isinstance(error, Oversized):
            arrival = too_large_request(error.beginning, error.size, at_least=error.at_least)
            refusal: ApiError = PayloadTooLarge(error.message)
        elif isinstance(error, Unopened):
            arrival = no_event(error.body, error.code, error.message)
            refusal = ApiError(error.message, code=error.code)
        else:
            return Refusal(error, account=door.account, prefix=door.prefix)
        if door.secret is not None:
            return Read([unproved()], refusal=refusal)
        return Read([arrival], refusal=refusal)

    def keep(self, read: Mapping[int, Read], found: Mapping[int, Door]) -> dict[int, Outcome]:
        """Keep what was read, and what its senders are told; no outcome for those whose doors are others by now."""
        parcels = [
            (place, Parcel(found[place], arrival, webhook.headers, None if one.is_array else webhook_id_of(webhook)))
            for place, one in read.items()
            for webhook in (self.webhooks[place],)
            for arrival in one.arrivals
        ]
        answers: dict[int, list[Answer]] = {place: [] for place in read}
        changed = set()
        kept = delivery_store.keep([parcel for _, parcel in parcels], self.at)
        for (place, parcel), became in zip(parcels, kept, strict=True):
            if became is None:
                changed.add(place)
            else:
                self.count(parcel, became)
                answers[place].append(answer_to(parcel.arrival, became))
        return {place: told(read[place], answers[place]) for place in read if place not in changed}

    def count(self, parcel: Parcel, kept: Kept) -> None:
        """Count what is not kept."""
        if parcel.arrival.status == COUNTED:
            self.counted[parcel.door.integration_id, reason_of(parcel.arrival.event)] += 1
        elif not parcel.arrival.is_event and kept.new is kept.old is None:
            self.counted[parcel.door.integration_id, NOT_KEPT] += 1


def webhook_id_of(webhook: Webhook) -> str | None:
    """The id that a sender gave a request."""
    return webhook.headers.get("webhook-id") or webhook.headers.get("svix-id")


@lru_cache(maxsize=1_000)
def key_of(sealed: bytes) -> bytes:
    """The key of a sealed signing secret. Raises ValueError where none of ours opens it."""
    return signing_key(open_sealed(sealed))


def unopened(door: Door) -> Refusal:
    """
    What is said where none of our keys opens a signing secret: no 401, after which the sender would not try again.
    `check` and /readyz name what has to be made anew (config.canary).
    """
    log.error("a signing secret can't be opened: it has to be made anew", integration=door.integration_id)
    error = Unavailable("Signatures can't be looked at just now. Send it again later.", retry_after=UNOPENED_RETRY)
    return Refusal(error, account=door.account, prefix=door.prefix)


def read_events(body: bytes, door: Door, at: datetime, ours: Callable[[], str]) -> Read:
    """The events in a body, judged; bytes that are no sound JSON, or an array that is empty or too long, as a whole."""
    slices: list[bytes] | None
    try:
        value, slices = strictjson.parse_each(body, MOST_EVENTS)
    except strictjson.Refused as refusal:
        return Read(
            [no_event(body, refusal.code, refusal.message)], refusal=ApiError(refusal.message, code=refusal.code)
        )
    except strictjson.TooMany:
        slices = []
    known = known_events(door.type)
    if slices:
        events = zip(slices, value, strict=True)
        return Read([judge(part, one, at, door.count_only, known, ours=ours) for part, one in events], is_array=True)
    if slices is None:
        return Read([judge(body, value, at, door.count_only, known, ours=ours)])
    problem = "An array has 1 to 1,000 events."
    refused = ValidationFailed({"body": [problem]}, status=422)
    return Read([no_event(body, "VALIDATION_ERROR", problem)], refusal=refused)


def answer_to(arrival: Arrival, kept: Kept) -> Answer:
    """What the sender of one event is told."""
    if arrival.status == COUNTED:
        return Answer(None, Verdict.UNRECOGNIZED)
    known = kept.new or kept.old
    if not arrival.is_event and known is None:
        return Answer(None, REJECTED, arrival.error)
    if kept.verdict in (Verdict.QUARANTINED, Verdict.CONFLICT):
        return Answer(known, kept.verdict, arrival.error)
    if kept.new is None:
        return Answer(kept.old, Verdict.DUPLICATE)
    status = ACCEPTED if kept.verdict == Verdict.RECEIVED else kept.verdict
    return Answer(kept.new, status, ignored=arrival.ignored)


def told(read: Read, answers: list[Answer]) -> Outcome:
    """What a request hears."""
    if read.is_array:
        return answers
    [answer] = answers
    if read.refusal is None:
        return answer
    if isinstance(read.refusal, PayloadTooLarge):  # says how large, and where its beginning lies
        size = (answer.error or {}).get("details", {})
        read.refusal.details = size | {"id": answer.id} if answer.id else None
    return Refusal(read.refusal)
