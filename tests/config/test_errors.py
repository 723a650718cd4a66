import json
import sys

import psycopg
import pytest
from django.conf import settings
from django.core.exceptions import DisallowedHost, PermissionDenied, RequestDataTooBig, TooManyFieldsSent
from django.db import DataError, OperationalError
from django.http import Http404, UnreadablePostError
from django.test import Client, RequestFactory
from rest_framework import exceptions as drf

from config import errors, strictjson

pytestmark = pytest.mark.urls("tests.config.urls")

TRANSLATED = [
    (strictjson.Malformed("no"), "MALFORMED_JSON", 400),
    (strictjson.Unsafe("no"), "UNSAFE_JSON", 400),
    (Http404("x"), "NOT_FOUND", 404),
    (PermissionDenied("x"), "FORBIDDEN", 403),
    (RequestDataTooBig("x"), "PAYLOAD_TOO_LARGE", 413),
    (TooManyFieldsSent("x"), "VALIDATION_ERROR", 400),
    (DisallowedHost("x"), "VALIDATION_ERROR", 400),
    (UnreadablePostError("x"), "MALFORMED_JSON", 400),
    (OperationalError("x"), "UNAVAILABLE", 503),
    (psycopg.OperationalError("x"), "UNAVAILABLE", 503),
    (DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes"), "VALIDATION_ERROR", 400),
    (drf.ValidationError({"a": ["b"]}), "VALIDATION_ERROR", 400),
    (drf.ParseError(), "MALFORMED_JSON", 400),
    (drf.NotAuthenticated(), "UNAUTHORIZED", 401),
    (drf.AuthenticationFailed(), "UNAUTHORIZED", 401),
    (drf.PermissionDenied(), "FORBIDDEN", 403),
    (drf.NotFound(), "NOT_FOUND", 404),
    (drf.MethodNotAllowed("PATCH"), "METHOD_NOT_ALLOWED", 405),
    (drf.UnsupportedMediaType("text/plain"), "UNSUPPORTED_MEDIA_TYPE", 415),
    (drf.Throttled(3), "RATE_LIMITED", 429),
    (drf.NotAcceptable(), "VALIDATION_ERROR", 406),
]


@pytest.mark.parametrize(("error", "code", "status"), TRANSLATED, ids=lambda item: type(item).__name__)
def test_what_others_raise_has_a_code_of_ours(error, code, status):
    known = errors.translated(error)
    assert known.code == code
    assert known.status == errors.STATUS[code]
    assert status in {known.status, 406}


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("x"), drf.APIException("x"), AssertionError()])
def test_a_fault_of_ours_is_not_translated(error):
    assert errors.translated(error) is None


def test_our_errors_are_those_of_django_too_so_that_pages_can_raise_them():
    assert isinstance(errors.NotFound(), Http404)
    assert isinstance(errors.Forbidden(), PermissionDenied)


@pytest.mark.parametrize(
    ("detail", "fields"),
    [
        ({"a": ["b", "c"]}, {"a": ["b", "c"]}),
        (["whole"], {"body": ["whole"]}),
        ("whole", {"body": ["whole"]}),
        ({"non_field_errors": ["whole"]}, {"body": ["whole"]}),
        ({"a": {"b": ["c"], "non_field_errors": ["d"]}}, {"a.b": ["c"], "a": ["d"]}),
        ({"targets": [{}, {"id": ["e"]}]}, {"targets.1.id": ["e"]}),
        ({"ids": {2: ["e"]}}, {"ids.2": ["e"]}),
        ({}, {}),
    ],
)
def test_nested_errors_become_flat(detail, fields):
    assert errors.fields_of(detail) == fields


def test_field_errors_are_named_in_the_message_and_listed_in_the_details():
    failed = errors.ValidationFailed({"limit": ["Too large."], "cursor": ["Not one."]})
    answer = json.loads(errors.envelope_of(failed).content)
    assert answer["error"] == {
        "code": "VALIDATION_ERROR",
        "message": "Not valid: limit, cursor.",
        "details": {"fields": {"limit": ["Too large."], "cursor": ["Not one."]}},
    }


def test_details_of_its_own_take_the_place_of_fields():
    failed = errors.ValidationFailed(message="No way.", details={"fromStatus": "closed"})
    assert failed.details == {"fromStatus": "closed"}
    assert errors.ValidationFailed(message="No way.").details is None


API = [
    ("away", 503, "UNAVAILABLE"),
    ("interface", 503, "UNAVAILABLE"),
    ("404", 404, "NOT_FOUND"),
    ("403", 403, "FORBIDDEN"),
    ("400", 400, "VALIDATION_ERROR"),
    ("409", 409, "CONFLICT"),
    ("422", 422, "VALIDATION_ERROR"),
    ("429", 429, "RATE_LIMITED"),
    ("throttled", 429, "RATE_LIMITED"),
    ("503", 503, "UNAVAILABLE"),
    ("bug", 500, "INTERNAL_ERROR"),
    ("500", 500, "INTERNAL_ERROR"),
]


@pytest.fixture
def client():
    return Client(raise_request_exception=False)


@pytest.mark.parametrize(("fault", "status", "code"), API)
def test_the_api_answers_every_error_in_the_envelope(client, fault, status, code):
    answer = client.get(f"/api/failing/{fault}")
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/json"
    assert set(answer.json()) == {"success", "error"}
    assert answer.json()["success"] is False
    assert answer.json()["error"]["code"] == code
    assert b"secret" not in answer.content
    assert b"hunter2" not in answer.content


@pytest.mark.parametrize(("fault", "seconds"), [("away", "2"), ("429", "7"), ("throttled", "13"), ("503", "9")])
def test_who_is_to_come_back_later_is_told_when(client, fault, seconds):
    assert client.get(f"/api/failing/{fault}")["Retry-After"] == seconds


def test_a_fault_carries_the_id_of_its_request(client):
    answer = client.get("/api/failing/bug", headers={"X-Request-ID": "my-request-1"})
    assert answer.json()["error"]["details"] == {"request_id": "my-request-1"}
    assert answer["X-Request-ID"] == "my-request-1"


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/nothing", "/api/things/x", "/api/things/1/"])
def test_an_unknown_route_of_the_api_is_said_in_the_envelope(client, path):
    for method in (client.get, client.post, client.delete):
        answer = method(path)
        assert answer.status_code == 404
        assert answer.json()["error"] == {"code": "NOT_FOUND", "message": "Not found"}


@pytest.mark.parametrize(("fault", "status", "code"), [entry for entry in API if entry[0] != "throttled"])
def test_a_page_answers_every_error_with_a_page(client, fault, status, code):
    answer = client.get(f"/failing/{fault}")
    assert answer.status_code == status
    assert answer["Content-Type"].startswith("text/html")
    assert b"<h1>" in answer.content
    assert b"secret" not in answer.content
    assert b"hunter2" not in answer.content


def test_a_page_without_the_database_says_when_to_come_back(client):
    assert client.get("/failing/away")["Retry-After"] == "2"


def test_an_unknown_page_is_not_found(client):
    answer = client.get("/nothing")
    assert answer.status_code == 404
    assert b"<h1>" in answer.content


def test_an_error_page_that_cannot_be_drawn_is_a_line_of_text(client, settings, tmp_path):
    settings.TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [tmp_path]}]
    (tmp_path / "errors").mkdir()
    (tmp_path / "errors" / "404.html").write_text("{% no_such_tag %}")
    answer = client.get("/nothing")
    assert (answer.status_code, answer["Content-Type"]) == (404, "text/plain; charset=utf-8")
    assert answer.content == b"404 Not found\n"
    assert client.get("/failing/bug").content == b"500 Something went wrong on our side.\n"


def test_a_database_that_goes_away_outside_of_a_view_is_no_fault_of_ours_either():
    request = RequestFactory().get("/api/incidents")
    try:
        raise OperationalError("gone")
    except OperationalError:
        assert sys.exc_info()[0] is OperationalError
        answer = errors.handler500(request)
    assert answer.status_code == 503
    assert answer["Retry-After"] == "2"


@pytest.mark.parametrize(("path", "kind"), [("/api/x", "application/json"), ("/x", "text/html; charset=utf-8")])
def test_an_expired_form_is_explained(path, kind):
    answer = errors.csrf_failure(RequestFactory().post(path), reason="no token")
    assert (answer.status_code, answer["Content-Type"]) == (403, kind)
    assert b"This form has expired" in answer.content


def test_a_form_without_its_token_is_refused_with_a_page():
    client = Client(enforce_csrf_checks=True)
    client.cookies[settings.CSRF_COOKIE_NAME] = "x" * 32
    answer = client.post("/guarded", {"a": "b"})
    assert answer.status_code == 403
    assert b"This form has expired" in answer.content


def test_a_browser_without_cookies_is_told_so():
    answer = Client(enforce_csrf_checks=True).post("/guarded", {"a": "b"})
    assert answer.status_code == 403
    assert b"sent no cookie with this form" in answer.content


@pytest.mark.parametrize("secure", [False, True])
def test_a_form_from_elsewhere_is_refused_in_its_own_words_and_the_reason_is_in_the_log(secure, capsys):
    client = Client(enforce_csrf_checks=True)
    client.cookies[settings.CSRF_COOKIE_NAME] = "x" * 32
    named = {"Referer": "https://evil.example/<b>"} if secure else {"Origin": "https://evil.example"}
    answer = client.post("/guarded", {"a": "b"}, headers=named, secure=secure)
    assert answer.status_code == 403
    assert b"This form was sent from https://evil.example" in answer.content
    assert b"WATCHKEEPER_ORIGINS" in answer.content and b"<b>" not in answer.content
    [line] = [json.loads(each) for each in capsys.readouterr().err.splitlines() if '"refused"' in each]
    assert (line["what"], line["address"], line["status"]) == ("form", "127.0.0.1", 403)
    assert "does not match any trusted origins" in line["why"]


def test_a_foreign_host_is_refused(client):
    answer = client.get("/api/listed", headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "VALIDATION_ERROR"
