import gzip
import json

import pytest
from django.db import OperationalError
from django.http import HttpResponse, StreamingHttpResponse
from django.test import Client, RequestFactory

from config import middleware

pytestmark = pytest.mark.urls("tests.config.urls")

UNCLEAN = ["%00", "a%00b", "%FF", "%C0%80", "%ED%A0%80", "%F4%90%80%80", "%E2%82", "%80"]


@pytest.fixture
def client():
    return Client(raise_request_exception=False)


def refused_in_the_envelope(answer):
    return answer.status_code == 400 and answer.json()["error"]["code"] == "VALIDATION_ERROR"


def refused_with_a_page(answer):
    return answer.status_code == 400 and b"<h1>" in answer.content


# CleanText


@pytest.mark.parametrize("text", UNCLEAN)
def test_unclean_text_in_a_path_is_refused(client, text):
    assert refused_in_the_envelope(client.get(f"/api/{text}"))
    assert refused_with_a_page(client.get(f"/page/{text}"))


@pytest.mark.parametrize("query", [*UNCLEAN, "q=%00", "%00=1", "a=1&b=x%FFy", "q=%e0%80%80", "+%00"])
def test_unclean_text_in_a_query_string_is_refused(client, query):
    assert refused_in_the_envelope(client.get(f"/api/listed?{query}"))
    assert refused_with_a_page(client.get(f"/page?{query}"))


def test_raw_bytes_that_are_not_utf_8_are_refused_in_a_query_string(client):
    for raw in ("q=\xff", "q=a\0b"):
        assert refused_in_the_envelope(client.get("/api/listed", QUERY_STRING=raw))


@pytest.mark.parametrize("query", ["q=%C3%A9%F0%9F%98%80", "q=%", "q=%zz", "q=%2", "a&b=&=c", "q=%20%0A%7F", "q=é"])
def test_clean_text_passes(client, query):
    assert client.get("/page", QUERY_STRING=query.encode().decode("latin-1")).status_code == 200


def test_a_path_in_utf_8_passes(client):
    assert client.get("/page/%C3%A9😀").content.decode() == "é😀"


@pytest.mark.parametrize("body", ["q=%00", "%00=1", "q=%FF", "q=%ED%A0%80"])
def test_unclean_text_in_a_form_is_refused(client, body):
    answer = client.generic("POST", "/page", body, content_type="application/x-www-form-urlencoded")
    assert refused_with_a_page(answer)


@pytest.mark.parametrize(("name", "value"), [("q", "a\0b"), ("a\0b", "q")])
def test_nul_in_a_form_of_several_parts_is_refused(client, name, value):
    assert refused_with_a_page(client.post("/page", {name: value}))


def test_a_file_whose_name_is_unclean_never_arrives(client):
    parts = b'--x\r\nContent-Disposition: form-data; name="f"; filename="a\0b.txt"\r\n\r\nhello\r\n--x--\r\n'
    answer = client.generic("POST", "/page", parts, content_type="multipart/form-data; boundary=x")
    assert answer.status_code in {200, 400}


def test_a_clean_form_arrives_whole(client):
    assert client.post("/page", {"q": "é😀"}).content.decode() == "q=é😀;"
    answer = client.generic("POST", "/page", "q=%C3%A9+x", content_type="application/x-www-form-urlencoded")
    assert answer.content.decode() == "q=é x;"


@pytest.mark.parametrize("charset", ["unicode_escape", "utf-7", "utf-16", "raw_unicode_escape", "latin-1"])
def test_a_charset_in_the_content_type_decodes_nothing(client, charset):
    answer = client.generic(
        "GET", "/page", b"", QUERY_STRING="q=\\u0000%2BAAA-", content_type=f"text/plain; charset={charset}"
    )
    assert answer.content == b"q=\\u0000+AAA-;"
    parts = b'--x\r\nContent-Disposition: form-data; name="q"\r\n\r\n\\u0000\\ud800\r\n--x--\r\n'
    answer = client.generic("POST", "/page", parts, content_type=f"multipart/form-data; boundary=x; charset={charset}")
    assert answer.content == b"q=\\u0000\\ud800;"


@pytest.mark.parametrize("cookie", ['watchkeeper_session="\\000"', 'a="x\\000y"', "a=\0"])
def test_nul_in_a_cookie_is_refused(client, cookie):
    assert refused_with_a_page(client.get("/page", headers={"Cookie": cookie}))


def test_other_cookies_pass(client):
    assert client.get("/page", headers={"Cookie": 'a=b; c="\\303\\251"; nonsense'}).status_code == 200


@pytest.mark.parametrize("body", [b"--x\r\nnonsense", b"", b"--x\r\n\r\n\r\n--x--"])
def test_a_form_that_cannot_be_read_is_no_crash(client, body):
    for content_type in ("multipart/form-data; boundary=x", "multipart/form-data", "multipart/form-data; boundary=é"):
        assert client.generic("POST", "/page", body, content_type=content_type).status_code in {200, 400}


def test_a_form_that_is_too_large_or_has_too_many_fields_is_refused(client, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 5
    form = "application/x-www-form-urlencoded"
    assert client.generic("POST", "/page", "a=" + "x" * 1000, content_type=form).status_code == 413
    assert client.generic("POST", "/page", "a=1&" * 10, content_type=form).status_code == 400
    assert client.get("/page?" + "a=1&" * 10).status_code == 400


def test_bodies_of_the_api_are_left_alone_whatever_they_are_called(client):
    answer = client.generic("POST", "/api/raw", b"\0%00", content_type="application/x-www-form-urlencoded")
    assert answer.json()["data"] == {"length": 4}


# RequestLog


@pytest.mark.parametrize("given", ["abcdefgh", "550e8400-e29b-41d4-a716-446655440000", "A.b_c-1234"])
def test_a_sane_request_id_is_taken_over(client, given):
    assert client.get("/page", headers={"X-Request-ID": given})["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "short", "x" * 65, "with space here", "new\nline-here", "ключключ", "<script>1"])
def test_any_other_request_id_is_replaced(client, given):
    made = client.get("/page", headers={"X-Request-ID": given})["X-Request-ID"]
    assert made != given
    assert len(made) == 32


def test_each_request_has_an_id_of_its_own(client):
    assert client.get("/page")["X-Request-ID"] != client.get("/page")["X-Request-ID"]


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]


def test_one_line_is_logged_for_each_request_with_the_route_and_never_the_path(client, capsys):
    client.get("/page/a-secret-token?q=another", headers={"X-Request-ID": "request-1"})
    (line,) = [line for line in lines(capsys) if line["event"] == "request"]
    assert line["route"] == "page/*"
    assert (line["method"], line["status"], line["request_id"]) == ("GET", 200, "request-1")
    assert line["ms"] >= 0
    assert "secret" not in str(line)


def test_a_request_without_a_route_is_logged_without_its_path(client, capsys):
    client.get("/nothing/a-secret-token")
    (line,) = lines(capsys)
    assert (line["route"], line["status"]) == (None, 404)


def test_a_fault_is_logged_with_its_traceback_under_the_same_id(client, capsys):
    client.get("/failing/bug", headers={"X-Request-ID": "request-1"})
    fault, request = lines(capsys)
    assert "ValueError: a secret detail" in fault["exception"]
    assert fault["request_id"] == request["request_id"] == "request-1"
    assert (fault["level"], request["status"]) == ("error", 500)


# ErrorAnswers, SecurityHeaders


def test_other_exceptions_are_left_to_django():
    answers = middleware.ErrorAnswers(lambda request: HttpResponse())
    request = RequestFactory().get("/page")
    assert answers.process_exception(request, ValueError()) is None
    assert answers.process_exception(request, OperationalError("away")).status_code == 503


@pytest.mark.parametrize("path", ["/page", "/nothing", "/api/listed", "/api/nothing", "/page/%00", "/failing/bug"])
def test_every_answer_carries_the_headers_of_security(client, path):
    answer = client.get(path)
    assert "camera=()" in answer["Permissions-Policy"]
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer["Cache-Control"] == "private, no-cache"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in answer["Content-Security-Policy"]


def test_what_a_view_says_about_caching_stays(client):
    assert client.get("/healthz")["Cache-Control"] == "no-store"


# Compressed


def answered(content, accepts="gzip", **headers):
    request = RequestFactory().get("/", headers={"Accept-Encoding": accepts} if accepts else {})
    answer = content if not isinstance(content, bytes) else HttpResponse(content, headers=headers)
    return middleware.Compressed(lambda _: answer)(request)


def test_an_answer_of_more_than_1_kib_is_compressed_for_who_accepts_it():
    text = b"a" * 1025
    answer = answered(text)
    assert (answer["Content-Encoding"], answer["Vary"]) == ("gzip", "Accept-Encoding")
    assert (gzip.decompress(answer.content), int(answer["Content-Length"])) == (text, len(answer.content))
    refusing = ("gzip;q=0", "br, GZIP ; q=0.0, *", "identity;q=0, gzip;q=0")
    assert answered(text, accepts="gzip;q=0.5")["Content-Encoding"] == "gzip"
    for plain in (*(answered(text, accepts=each) for each in (None, "br", *refusing)), answered(text[:1024])):
        assert "Content-Encoding" not in plain
        assert not plain.content.startswith(b"\x1f\x8b")


def test_how_well_a_page_was_compressed_is_hidden():
    assert len({len(answered(b"a" * 5000).content) for _ in range(30)}) > 5


def test_a_page_that_shows_a_secret_is_not_compressed():
    for mark in (b'<code class="secret">whi_x</code>', b'<pre id="secret">x</pre>'):
        assert "Content-Encoding" not in answered(b"a" * 5000 + mark)


def test_event_streams_and_whatever_streams_are_never_compressed():
    stream = StreamingHttpResponse([b"a" * 5000])
    assert answered(stream) is stream and "Content-Encoding" not in stream
    assert "Content-Encoding" not in answered(b"a" * 5000, **{"Content-Type": "text/event-stream; charset=utf-8"})


def test_an_etag_of_a_compressed_answer_is_a_weak_one():
    assert answered(b"a" * 5000, ETag='"x"')["ETag"] == 'W/"x"'
