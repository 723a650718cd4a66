"""
The inbound door over HTTP: where vendors' webhooks come in. docs/record.md, "The inbound door".

Two ways lead to the same integration: a secret token in the URL, for senders that can only be given a URL, and an API
key bound to the integration, for the others. Requests are taken as integrations.ingest takes them, several at a time
(config.together) or one; this room reads their headers and says in HTTP what became of them.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from config import clock, faults
from config.api import APIView, RawParser, ok, read_body
from config.errors import ApiError, NotFound, envelope_of
from config.refusals import note_identity, note_refusal
from config.signing import Signature
from integrations import doors, ingest
from integrations.counts import SLASH, count_all
from integrations.doors import Credential, Refusal
from integrations.ingest import Answer, Outcome, Webhook
from integrations.serializers import RECEIVE
from teams.authentication import presented

# What is kept of the headers: what helps to understand a sender, and never a secret.
KEPT_HEADERS = {
    "content-type": "CONTENT_TYPE",
    "user-agent": "HTTP_USER_AGENT",
    "webhook-id": "HTTP_WEBHOOK_ID",
    "webhook-timestamp": "HTTP_WEBHOOK_TIMESTAMP",
    "svix-id": "HTTP_SVIX_ID",
    "svix-timestamp": "HTTP_SVIX_TIMESTAMP",
    "content-encoding": "HTTP_CONTENT_ENCODING",
}
# The headers that sign, each by its standard name or by the one that it has at Svix.
SIGNED = [(f"HTTP_WEBHOOK_{name}", f"HTTP_SVIX_{name}") for name in ("ID", "TIMESTAMP", "SIGNATURE")]

KEPT = faults.point("door: kept, before the answer")

STATUS_OF = {"accepted": 202, "waiting": 202, "unrecognized": 202, "duplicate": 200, "conflict": 200}


class IngestView(APIView):
    """Takes in one event, or an array of them."""

    parser_classes = [RawParser]

    def load(self, request: Request, token: str | None = None, **kwargs: Any) -> None:
        """Refuse with 401 who has no secret, before anything is said of the method; to receive looks itself."""
        if request.method != "POST" and (refusal := ingest.refuse(credential_of(request, token), clock.now())):
            note(request, refusal)
            raise refusal.error

    @extend_schema(**RECEIVE)
    def post(self, request: Request, token: str | None = None, **kwargs: Any) -> HttpResponse:
        [answer] = receive_together([(request._request, token)])
        return answer


def receive_together(requests: Sequence[tuple[HttpRequest, str | None]]) -> list[HttpResponse]:
    """The answers to requests that wait together, each with the token in its path (config.together)."""
    webhooks = [webhook_of(request, token) for request, token in requests]
    outcomes = ingest.receive(webhooks, clock.now())
    KEPT()
    return [answer_of(request, outcome) for (request, _), outcome in zip(requests, outcomes, strict=True)]


@csrf_exempt
def with_a_slash(request: HttpRequest, token: str | None = None) -> HttpResponse:
    """The door's address with a slash at its end: no address, and so a 404; but whose it is meant to be is told."""
    at = clock.now()
    found, _ = doors.find_doors({0: credential_of(request, token)}, at, set())
    if not found or request.method != "POST":
        raise NotFound()
    count_all({(found[0].integration_id, SLASH): 1}, at)
    raise NotFound("There is nothing at this address: leave off the slash at its end.")


def credential_of(request: Request | HttpRequest, token: str | None) -> Credential:
    """What a request would open the door with; with a token in the URL no key is looked for."""
    return Credential(token) if token is not None else Credential(key=presented(request))


def webhook_of(request: HttpRequest, token: str | None) -> Webhook:
    """A request as it is received."""
    meta = request.META
    return Webhook(
        credential_of(request, token),
        kept_headers(request),
        partial(read_body, request),
        Signature(*(meta.get(name) or meta.get(at_svix) or "" for name, at_svix in SIGNED)),
        is_packed="HTTP_CONTENT_ENCODING" in meta,
    )


def kept_headers(request: HttpRequest) -> dict[str, str]:
    """The headers that are kept with a delivery, in lower case, without NUL (which PostgreSQL does not keep)."""
    found = {name: request.META.get(key, "") for name, key in KEPT_HEADERS.items()}
    return {name: value.replace("\0", "") for name, value in found.items() if value}


def answer_of(request: HttpRequest, outcome: Outcome) -> HttpResponse:
    """The answer to a request."""
    if isinstance(outcome, Refusal):
        note(request, outcome)
        return envelope_of(outcome.error)
    if isinstance(outcome, list):
        return ok([shown(each) for each in outcome], status=202)
    assert isinstance(outcome, Answer)
    return single(outcome)


def note(request: Request | HttpRequest, refusal: Refusal) -> None:
    """Say for the log why a request is refused."""
    if refusal.account:
        note_identity(request, account=refusal.account, key=refusal.prefix)
    if refusal.what:
        key = "" if refusal.account else refusal.prefix
        note_refusal(request, refusal.what, why=refusal.why, key=key)


def single(answer: Answer) -> HttpResponse:
    """The answer to a request with one event."""
    if answer.error is None:
        return ok(shown(answer), status=STATUS_OF[answer.status])
    details = answer.error.get("details", {}) | ({"id": answer.id} if answer.id else {})
    code = answer.error["code"]
    status = 422 if code == "VALIDATION_ERROR" else None
    return envelope_of(ApiError(answer.error["message"], code=code, details=details or None, status=status))


def shown(answer: Answer) -> dict[str, Any]:
    """What is said of one event."""
    said: dict[str, Any] = {"id": answer.id, "status": answer.status}
    if answer.error:
        said["error"] = answer.error
    if answer.ignored:
        said["ignored"] = list(answer.ignored)
    return said
