import gzip
import io
import json

import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.test import Client, RequestFactory

from config import api
from config.api import read_body
from config.bodies import BROKEN_OFF, LARGEST_BODY, PROBLEM, TOO_LARGE, TOO_SLOW
from config.errors import PayloadTooLarge
from config.request import Request

pytestmark = pytest.mark.urls("tests.config.urls")

KEY = {"X-API-Key": "good"}
LARGE = b" " * (LARGEST_BODY + 1)


@pytest.fixture
def client():
    return Client(raise_request_exception=False)


def code(answer):
    return answer.status_code, answer.json()["error"]["code"]


# Precedence


def test_a_good_request_is_answered_in_the_envelope(client):
    answer = client.get("/api/things/1", headers=KEY)
    assert answer.status_code == 200
    assert answer.json() == {"success": True, "data": {"number": 1}}
    assert answer["Content-Type"] == "application/json"
    assert "Allow" not in answer


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options", "head", "trace"])
@pytest.mark.parametrize("number", [1, 2])
def test_nobody_is_told_anything_without_a_key(client, method, number):
    answer = getattr(client, method)(f"/api/things/{number}")
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == 'Bearer realm="tests"'


def test_a_wrong_key_is_a_401_with_its_reason(client):
    answer = client.get("/api/things/1", headers={"X-API-Key": "wrong"})
    assert code(answer) == (401, "UNAUTHORIZED")
    assert answer.json()["error"]["message"] == "This key is not known."


@pytest.mark.parametrize("number", [1, 2])
def test_a_key_that_may_not_is_a_403_whether_there_is_something_or_not(client, number):
    for method in (client.post, client.patch):
        assert code(method(f"/api/things/{number}", headers={"X-API-Key": "reader"})) == (403, "FORBIDDEN")


def test_a_missing_record_is_a_404_for_every_method(client):
    for method in (client.get, client.post, client.put, client.patch, client.delete, client.options):
        assert code(method("/api/things/2", headers=KEY)) == (404, "NOT_FOUND")


def test_a_method_that_a_record_does_not_have_is_a_405_that_names_those_it_has(client):
    for method in (client.put, client.patch, client.delete, client.options):
        answer = method("/api/things/1", b"{", content_type="text/plain", headers=KEY)
        assert code(answer) == (405, "METHOD_NOT_ALLOWED")
        assert answer["Allow"] == "GET, HEAD, POST"


def test_another_content_type_is_a_415_before_the_body_is_looked_at(client):
    answer = client.post("/api/things/1", b"{", content_type="text/plain", headers=KEY)
    assert code(answer) == (415, "UNSUPPORTED_MEDIA_TYPE")


def test_the_body_comes_last(client):
    answer = client.post("/api/things/1", b"{", content_type="application/json", headers=KEY)
    assert code(answer) == (400, "MALFORMED_JSON")
    answer = client.post("/api/things/1", {"a": 1}, content_type="application/json", headers=KEY)
    assert (answer.status_code, answer.json()["data"], answer["Location"]) == (201, {"a": 1}, "/api/things/1")


@pytest.mark.django_db
def test_too_many_requests_are_a_429_before_the_record_is_looked_for(client):
    hasty = {"X-API-Key": "hasty"}
    assert client.get("/api/things/1", headers=hasty).status_code == 200
    answer = client.get("/api/things/2", headers=hasty)
    assert code(answer) == (429, "RATE_LIMITED")
    assert 1 <= int(answer["Retry-After"]) <= 60


def test_a_head_request_is_answered_like_a_get_without_its_body(client):
    answer = client.head("/api/things/1", headers=KEY)
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("query", ["", "?format=html", "?format=api"])
@pytest.mark.parametrize("accept", ["text/html", "application/xml", "image/*;q=0", "nonsense", ""])
def test_answers_are_json_whatever_is_asked_for(client, query, accept):
    answer = client.get(f"/api/things/1{query}", headers={**KEY, "Accept": accept})
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")


# Bodies


def post(client, raw, content_type="application/json", path="/api/posted"):
    return client.generic("POST", path, raw, CONTENT_TYPE=content_type)


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON", "application/json; charset=utf-8", 'application/json;charset="UTF8"'],
)
def test_json_in_utf_8_is_taken(client, content_type):
    assert post(client, b'{"text":"a"}', content_type).json()["data"] == {"text": "a"}


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/vnd.api+json",
        "application/json; charset=latin-1",
        "application/json; charset=utf-16",
        "application",
        "nonsense;;=",
        "application/" + "x" * 1000,
    ],
)
def test_any_other_content_type_is_a_415(client, content_type):
    assert code(post(client, b'{"text":"a"}', content_type)) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize(
    ("raw", "refusal"),
    [
        (b"", "MALFORMED_JSON"),
        (b"{", "MALFORMED_JSON"),
        (b"\xff", "MALFORMED_JSON"),
        (b"text=a", "MALFORMED_JSON"),
        (b'{"text":"a","text":"b"}', "UNSAFE_JSON"),
        (b'{"text":"\\u0000"}', "UNSAFE_JSON"),
        (b'{"text":"\\ud800"}', "UNSAFE_JSON"),
        (b'{"text":NaN}', "UNSAFE_JSON"),
        (b"[]", "VALIDATION_ERROR"),
        (b'"text"', "VALIDATION_ERROR"),
        (b"null", "VALIDATION_ERROR"),
        (b"{}", "VALIDATION_ERROR"),
        (b'{"text":1}', "VALIDATION_ERROR"),
    ],
)
def test_a_bad_body_is_a_400_with_its_code(client, raw, refusal):
    assert code(post(client, raw)) == (400, refusal)


def test_field_errors_are_listed_by_name(client):
    answer = post(client, b'{"text":"too long","number":true,"inner":["a",1]}')
    assert list(answer.json()["error"]["details"]["fields"]) == ["text", "number", "inner.1"]
    assert post(client, b"[]").json()["error"]["details"]["fields"] == {"body": ["Expected a JSON object."]}


@pytest.mark.parametrize("content_type", ["", "application/x-www-form-urlencoded", "nonsense", "x" * 1000])
def test_a_raw_door_takes_the_bytes_whatever_they_are_called(client, content_type):
    assert post(client, b"\xff\x00a=b", content_type, "/api/raw").json()["data"] == {"length": 5}


def test_a_body_of_the_largest_size_is_taken_and_one_byte_more_is_a_413(client):
    assert post(client, b"x" * LARGEST_BODY, path="/api/raw").json()["data"] == {"length": LARGEST_BODY}
    answer = post(client, b"x" * (LARGEST_BODY + 1), path="/api/raw")
    assert code(answer) == (413, "PAYLOAD_TOO_LARGE")
    assert answer.json()["error"]["message"] == "A request body has at most 4 MiB."


def test_a_door_may_take_less(client):
    assert post(client, b"x" * 65536, path="/api/small").status_code == 200
    answer = post(client, b"x" * 65537, path="/api/small")
    assert answer.json()["error"]["message"] == "A request body has at most 64 KiB."


@pytest.mark.parametrize(
    ("problem", "status", "refusal"),
    [
        (TOO_LARGE, 413, "PAYLOAD_TOO_LARGE"),
        (BROKEN_OFF, 400, "MALFORMED_JSON"),
        (TOO_SLOW, 400, "MALFORMED_JSON"),
    ],
)
def test_a_body_that_the_front_could_not_read_is_refused_in_its_turn(client, problem, status, refusal):
    def sent(path, **headers):
        return client.generic("POST", path, b"{}", "application/json", headers=headers, **{PROBLEM: problem})

    assert code(sent("/api/things/1")) == (401, "UNAUTHORIZED")
    assert code(sent("/api/things/2", **KEY)) == (404, "NOT_FOUND")
    assert code(sent("/api/posted")) == (status, refusal)


def test_a_body_is_bounded_even_where_no_front_read_it(client):
    assert code(post(client, b" " * (LARGEST_BODY + 1))) == (413, "PAYLOAD_TOO_LARGE")


def test_a_body_that_django_has_read_already_is_not_lost():
    request = WSGIRequest({"REQUEST_METHOD": "POST", "CONTENT_LENGTH": "2", "wsgi.input": io.BytesIO(b"{}")})
    assert request.body == b"{}"
    assert read_body(request) == b"{}"
    with pytest.raises(PayloadTooLarge):
        read_body(request, limit=1)


# Lists


def test_a_list_is_answered_with_its_pagination(client):
    answer = client.get("/api/listed?limit=3&status=open&since=2026-05-13T10:05:00Z&live=true")
    assert answer.json() == {
        "success": True,
        "data": {
            "things": [{"limit": 3, "status": "open", "since": "2026-05-13T10:05:00.000Z", "live": True}],
            "pagination": {"limit": 3, "next_cursor": None},
        },
    }


def test_bad_query_parameters_are_a_400_that_names_them(client):
    answer = client.get("/api/listed?limit=101&status=x&since=yesterday&live=1&live=2&unknown=3")
    assert code(answer) == (400, "VALIDATION_ERROR")
    assert sorted(answer.json()["error"]["details"]["fields"]) == ["limit", "live", "since", "status"]


def test_a_plus_that_became_a_space_is_a_bad_time_and_no_crash(client):
    assert code(client.get("/api/listed?since=2026-05-13T10:05:00+02:00")) == (400, "VALIDATION_ERROR")
    assert client.get("/api/listed?since=2026-05-13T10:05:00%2B02:00").status_code == 200


def test_ok_is_the_envelope_of_success():
    assert json.loads(api.ok([1], status=202).content) == {"success": True, "data": [1]}


# Bodies that are compressed


def zipped(client, data, **headers):
    sent = KEY | {"Content-Encoding": "gzip"} | headers
    return client.generic("POST", "/api/things/1", data, content_type="application/json", headers=sent)


def test_a_compressed_body_is_read_as_what_comes_out(client):
    body = b'{"a": 1}'
    assert zipped(client, gzip.compress(body)).json()["data"] == {"a": 1}
    assert zipped(client, body, **{"Content-Encoding": "identity"}).json()["data"] == {"a": 1}


@pytest.mark.parametrize("encoding", ["br", "deflate", "x-gzip", "gzip, gzip", "gzip;q=1"])
def test_another_encoding_is_a_415_that_says_which_there_is(client, encoding):
    for body in (b"{}", LARGE, b"{"):
        answer = zipped(client, body, **{"Content-Encoding": encoding})
        assert code(answer) == (415, "UNSUPPORTED_MEDIA_TYPE")
        assert answer["Accept-Encoding"] == "gzip"


@pytest.mark.parametrize(
    "spoil", [lambda z: z[:-1], lambda z: z + b"x", lambda z: z + z, lambda z: b"{}", lambda z: z[:4]]
)
def test_broken_gzip_is_a_400(client, spoil):
    answer = zipped(client, spoil(gzip.compress(b"{}")))
    assert code(answer) == (400, "MALFORMED_JSON")
    assert "gzip" in answer.json()["error"]["message"]


def test_what_comes_out_has_at_most_4_mib(client):
    assert code(zipped(client, gzip.compress(b" " * LARGEST_BODY))) == (400, "MALFORMED_JSON")
    for size in (LARGEST_BODY + 1, 20 * LARGEST_BODY):
        assert code(zipped(client, gzip.compress(b" " * size))) == (413, "PAYLOAD_TOO_LARGE")


def test_nothing_is_opened_before_the_key_was_found_right(client, monkeypatch):
    monkeypatch.setattr(api, "gunzip", lambda *_: pytest.fail("opened"))
    for key in ("wrong", ""):
        assert zipped(client, gzip.compress(b"{}"), **{"X-API-Key": key}).status_code == 401


def test_what_was_opened_is_not_opened_again(monkeypatch):
    seen = []
    monkeypatch.setattr(api, "gunzip", lambda data, limit: seen.append(data) or b"{}")
    request = RequestFactory().generic("POST", "/api/posted", b"zipped", headers={"Content-Encoding": "gzip"})
    assert [read_body(request) for _ in range(3)] == [b"{}"] * 3
    assert seen == [b"zipped"]
    with pytest.raises(PayloadTooLarge):
        read_body(request, limit=1)


def test_nothing_of_what_was_opened_is_left_when_a_request_is_answered():
    zipped_body = gzip.compress(b'{"a": 1}')
    environ = RequestFactory().generic("POST", "/", zipped_body, headers={"Content-Encoding": "gzip"}).environ
    request = Request(environ)
    assert read_body(request) == b'{"a": 1}'
    request.close()
    assert b'{"a": 1}' not in request.__dict__.values()
