"""
The inbound door: where vendors' webhooks come in. docs/record.md, "The inbound door".

Two ways lead to the same integration: a secret token in the URL, for senders that can only be given a URL, and an API
key bound to the integration, for the others. Nothing in the payload decides whose it is.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView as AnyView
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from config import canary, clock, faults, strictjson
from config.api import APIView, Oversized, RawParser, Unopened, ok
from config.errors import ApiError, Forbidden, NotFound, Unauthorized, ValidationFailed
from config.refusals import note_refusal
from config.together import Plain
from config.vault import keyed_digests, open_sealed
from integrations import aside, at_once, inbox
from integrations.counts import NOT_KEPT, SIGNATURE, SLASH, UNAUTHORIZED, count
from integrations.models import IngestKey, Integration
from integrations.serializers import RECEIVE
from teams.authentication import KeyAuthentication, presented, usable_key
from teams.models import APIKey, Scope

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
SIGNED = ("id", "timestamp", "signature")
# One of several signatures in a header, of the only version whose secret both sides know. The package looks at no more
# of them once it came to one that it can't read.
SIGNATURES = re.compile(r"(?<![^ ])v1,[A-Za-z0-9+/]{43}=(?![^ ])").findall

LET_IN = faults.point("door: let in, nothing kept")
KEPT = faults.point("door: kept, before the answer")

STATUS_OF = {"accepted": 202, "waiting": 202, "unrecognized": 202, "duplicate": 200, "conflict": 200}


def by_token(token: str) -> Integration | None:
    """The integration with that secret token, if its door is open."""
    found = Integration.objects.select_related("team").filter(token_digest__in=keyed_digests(token)).first()
    return found if found and found.deactivated_at is None and found.team.is_active else None


def by_key(key: object) -> Integration | None:
    """The integration that a key is bound to, if its door is open."""
    if not isinstance(key, APIKey):
        return None
    bound = IngestKey.objects.select_related("integration").filter(api_key=key).first()
    return bound.integration if bound and bound.integration.deactivated_at is None else None


class DoorKeyAuthentication(KeyAuthentication):
    """A wrong key at the door is counted, and never throttled: a vendor's senders share few addresses."""

    def refuse(self, request: Request) -> None:
        count(None, UNAUTHORIZED, clock.now())


class MayIngest(BasePermission):
    """Only keys with the scope `ingest`; a token in the URL is looked at by the view."""

    def has_permission(self, request: Request, view: AnyView) -> bool:
        if "token" in view.kwargs:
            return True
        if not isinstance(request.auth, APIKey):
            count(None, UNAUTHORIZED, clock.now())
            raise Unauthorized()
        if Scope.INGEST not in request.auth.scopes:
            raise Forbidden(f"This key does not have the scope {Scope.INGEST}.")
        return True


class Door(APIView):
    """Takes in one event, or an array of them."""

    authentication_classes = [DoorKeyAuthentication]
    permission_classes = [MayIngest]
    parser_classes = [RawParser]

    integration: Integration

    def get_authenticators(self) -> list[Any]:
        """With a token in the URL no key is looked for."""
        return [] if "token" in self.kwargs else super().get_authenticators()

    def load(self, request: Request, token: str | None = None, **kwargs: Any) -> None:
        """Find the integration, or refuse with 401, which comes before everything else."""
        found = by_token(token) if token is not None else by_key(request.auth)
        if found is None:
            canary.vouch_for_keys()  # with wrong ones no token is found, and a sender who hears 401 does not come again
            note_refusal(request, "token" if token is not None else "api key")
            count(None, UNAUTHORIZED, clock.now())
            raise Unauthorized("A valid token or API key is required.")
        self.integration = found

    @extend_schema(**RECEIVE)
    def post(self, request: Request, **kwargs: Any) -> HttpResponse:
        at = clock.now()
        headers = kept_headers(request)
        body = self.opened(request, headers, at)
        self.verify(request, body)
        LET_IN()
        try:
            answer = inbox.receive(self.integration, body, headers, at)
        except strictjson.Refused as refusal:
            raise ApiError(refusal.message, code=refusal.code) from None
        except inbox.WrongLength as wrong:
            raise ValidationFailed({"body": [str(wrong)]}, status=422) from None
        KEPT()
        if isinstance(answer, list):
            return ok([shown(each) for each in answer], status=202)
        return single(answer)

    def opened(self, request: Request, headers: dict[str, str], at: datetime) -> bytes:
        """The request's body, decoded. What is too large for us, or can't be decoded, is put aside and refused."""
        try:
            return cast(bytes, request.data)
        except Oversized as error:
            rubbish = aside.too_large_request(error.beginning, error.size, at_least=error.at_least)
            if kept := self.put_aside(rubbish, headers, at):
                error.details = rubbish.error["details"] | {"id": kept}
            raise
        except Unopened as error:
            self.put_aside(aside.refused(error.body, error.code, error.message), headers, at)
            error.body = b""  # it would hang on for as long as the refusal does
            raise

    def put_aside(self, rubbish: aside.Rubbish, headers: dict[str, str], at: datetime) -> int | None:
        """Keep a body that can't be judged, and so whether it was signed rightly; what was not is kept nowhere."""
        if self.integration.signing_secret_ciphertext is not None:
            count(self.integration, NOT_KEPT, at)
            return None
        return inbox.keep_aside(self.integration, rubbish, headers, at).id

    def verify(self, request: Request, body: bytes) -> None:
        """Where the integration has a signing secret, the Standard Webhooks signature must be good."""
        sealed = self.integration.signing_secret_ciphertext
        if sealed is None:
            return
        headers = {f"webhook-{name}": signing_header(request, name) for name in SIGNED}
        headers["webhook-signature"] = " ".join(SIGNATURES(headers["webhook-signature"]))
        # A secret that can't be opened is a fault of ours: no 401, after which the sender would not try again.
        webhook = Webhook(open_sealed(bytes(sealed)))
        try:
            webhook.verify(body, headers, json_parse=False)
        except (WebhookVerificationError, ValueError):  # the package lets broken base64 and UTF-8 through as ValueError
            note_refusal(request, "signature", why=f"Integration {self.integration.pk}.")
            count(self.integration, SIGNATURE, clock.now())
            raise Unauthorized("The signature is missing, wrong or too old.") from None


@csrf_exempt
def with_a_slash(request: HttpRequest, token: str | None = None) -> HttpResponse:
    """The door's address with a slash at its end: no address, and so a 404; but whose it is meant to be is told."""
    found = by_token(token) if token is not None else by_key(usable_key(presented(request)))
    if found is None or request.method != "POST":
        raise NotFound()
    count(found, SLASH, clock.now())
    raise NotFound("There is nothing at this address: leave off the slash at its end.")


def signing_header(request: Request, name: str) -> str:
    """A header that signs, by its standard name or by the one that it has at Svix."""
    value: str = request.headers.get(f"webhook-{name}") or request.headers.get(f"svix-{name}") or ""
    return value


def received_together(webhooks: Sequence[Plain]) -> list[HttpResponse | None]:
    """The short way (config.together): the answers to those that are the common case, and are kept now."""
    keys = {text: usable_key(text) for text in {presented(each.request) for each in webhooks if not each.token} if text}
    sent = [
        at_once.Sent(each.token, keys.get(presented(each.request)), each.body, kept_headers(each.request))
        for each in webhooks
    ]
    return [single(answer) if answer else None for answer in at_once.receive(sent, clock.now())]


def kept_headers(request: Request | HttpRequest) -> dict[str, str]:
    """The headers that are kept with a delivery, in lower case, without NUL (which PostgreSQL does not keep)."""
    found = {name: request.META.get(key, "") for name, key in KEPT_HEADERS.items()}
    return {name: value.replace("\0", "") for name, value in found.items() if value}


def single(answer: inbox.Answer) -> HttpResponse:
    """The answer to a request with one event."""
    if answer.error is None:
        return ok(shown(answer), status=STATUS_OF[answer.status])
    details = answer.error.get("details", {}) | ({"id": answer.id} if answer.id else {})
    code = answer.error["code"]
    raise ApiError(
        answer.error["message"], code=code, details=details or None, status=422 if code == "VALIDATION_ERROR" else None
    )


def shown(answer: inbox.Answer) -> dict[str, Any]:
    """What is said of one event."""
    said: dict[str, Any] = {"id": answer.id, "status": answer.status}
    if answer.error:
        said["error"] = answer.error
    if answer.ignored:
        said["ignored"] = list(answer.ignored)
    return said
