"""Views for the tests of the ground's manners: one for each way in which a request can go wrong."""

from typing import Any

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException, AuthenticationFailed, Throttled
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from config import errors, fields, health
from config.api import APIView, RawParser, listing, ok, read_body
from config.ratelimit import Throttle


class Key(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[str, str] | None:
        key = request.headers.get("X-API-Key")
        if key == "wrong":
            raise AuthenticationFailed("This key is not known.")
        return (key, key) if key else None

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="tests"'


class HasKey(BasePermission):
    def has_permission(self, request: Request, view: Any) -> bool:
        if request.auth == "reader":
            return bool(request.method == "GET")
        return request.auth is not None


class OncePerMinute(Throttle):
    limit = 1

    def key(self, request: Request, view: Any) -> str | None:
        return f"once {request.auth}" if request.auth == "hasty" else None


class Guarded(APIView):
    """/api/things/{number}: number 1 exists."""

    authentication_classes = [Key]
    permission_classes = [HasKey]
    throttle_classes = [OncePerMinute]

    def load(self, request: Request, **kwargs: Any) -> None:
        if kwargs["number"] != 1:
            raise errors.NotFound("Thing not found")

    def get(self, request: Request, number: int) -> HttpResponse:
        return ok({"number": number})

    def post(self, request: Request, number: int) -> HttpResponse:
        return ok(request.data, status=201, headers={"Location": "/api/things/1"})


class Body(serializers.Serializer):
    text = fields.StrictChar(max_length=5)
    number = fields.StrictInteger(required=False)
    inner = serializers.ListField(child=fields.StrictChar(), required=False)


class Posted(APIView):
    def post(self, request: Request) -> HttpResponse:
        body = Body(data=request.data)
        body.is_valid(raise_exception=True)
        return ok(body.validated_data)


class Raw(APIView):
    parser_classes = [RawParser]

    def post(self, request: Request) -> HttpResponse:
        return ok({"length": len(request.data)})


class Small(APIView):
    def post(self, request: Request) -> HttpResponse:
        return ok({"length": len(read_body(request, limit=64 * 1024))})


class Filters(fields.ListQuery):
    status = fields.StrictChoice(choices=["open", "closed"], required=False)
    since = fields.StrictMoment(required=False)
    live = fields.QueryBoolean(required=False)


class Listed(APIView):
    def get(self, request: Request) -> HttpResponse:
        chosen = fields.query(request, Filters)
        return listing("things", [chosen], chosen["limit"], None)


FAULTS: dict[str, Exception] = {
    "away": OperationalError("connection refused: password=hunter2"),
    "interface": InterfaceError("connection already closed"),
    "bug": ValueError("a secret detail"),
    "404": Http404("a secret detail"),
    "403": PermissionDenied("a secret detail"),
    "400": SuspiciousOperation("a secret detail"),
    "409": errors.Conflict("It is closed.", details={"status": "closed"}),
    "422": errors.ValidationFailed({"dt": ["Required."]}, status=422),
    "429": errors.RateLimited(7),
    "throttled": Throttled(12.3),
    "500": APIException("a secret detail"),
    "503": errors.Unavailable("Later.", retry_after=9),
}


class Failing(APIView):
    def get(self, request: Request, fault: str) -> HttpResponse:
        raise FAULTS[fault]


def failing_page(request: HttpRequest, fault: str) -> HttpResponse:
    raise FAULTS[fault]


@csrf_exempt
def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse("".join(f"{key}={value};" for key, value in (request.POST or request.GET).items()))


def guarded_page(request: HttpRequest) -> HttpResponse:
    return HttpResponse("in")


urlpatterns = [
    path("api/things/<int:number>", Guarded.as_view()),
    path("api/posted", Posted.as_view()),
    path("api/raw", Raw.as_view()),
    path("api/small", Small.as_view()),
    path("api/listed", Listed.as_view()),
    path("api/failing/<str:fault>", Failing.as_view()),
    path("failing/<str:fault>", failing_page),
    path("page", page),
    path("page/<str:text>", lambda request, text: HttpResponse(text)),
    path("guarded", guarded_page),
    path("healthz", health.Healthz.as_view()),
    path("readyz", health.Readyz.as_view()),
    path("workz", health.Workz.as_view()),
]

handler400 = errors.handler400
handler403 = errors.handler403
handler404 = errors.handler404
handler500 = errors.handler500
