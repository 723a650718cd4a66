"""Tests of monitors.probes.http: what counts as an answer, what is wrong with one, and what is never done."""

import asyncio
import gzip
import zlib

import pytest

from monitors.probes.result import Code, Status
from monitors.probes.target import Condition, Header, Op, Source, Type
from tests.monitors.probes.looking import HASTY, is_up, look, run, shop_is_here
from tests.monitors.probes.servers import answer, serving, silent

HELLO = answer(b"<h1>Hello, welcome</h1>", "Content-Type: text/html")


def check(serve, kind=Type.STATUS, *, path="/", **target):
    """Look once at a server: the result, and the server."""

    async def once():
        async with serving(serve) as server:
            return await look(kind, server.url(path), **target), server

    return run(once())


def keyword(serve, word="welcome", **target):
    """Look once for a keyword: the result."""
    return check(serve, Type.KEYWORD, required_keyword=word, **target)[0]


# --- what is up ------------------------------------------------------------------------------------------------


def test_what_answers_2xx_is_up_and_tells_how_long_each_part_took():
    result, server = check(HELLO)
    assert is_up(result)
    assert result.status_code == 200
    assert (result.addresses, result.address) == (("127.0.0.1",), "127.0.0.1")
    times = result.timings
    assert min(times.name, times.connect, times.first_byte) >= 0
    assert times.tls is None
    assert times.total >= times.connect + times.first_byte
    assert server.visits[0].headers["host"] == f"shop.example:{server.port}"


@pytest.mark.parametrize(
    "head",
    [
        f"Set-Cookie: big={'c' * 9_000}",
        "\r\n".join(f"X-Header-{number}: {number}" for number in range(200)),
        "X-Name: M\xfcller \xa9",
        "Content-Encoding: br",
        "Content-Type: text/html; charset=klingon",
        "Content-Length: 0\r\nContent-Length: 0",
        "X-Bad Header : yes\r\nno colon here",
        "Server: \x01\x7f",
    ],
    ids=["9 kB cookie", "200 headers", "Latin-1", "unasked encoding", "bad charset", "length twice", "odd", "controls"],
)
def test_what_a_browser_takes_as_an_answer_is_one(head):
    assert is_up(check(f"HTTP/1.1 200 OK\r\n{head}\r\n\r\n".encode("latin-1"))[0])


@pytest.mark.parametrize(
    "body",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\ncut sho",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        answer(b"this is no gzip", "Content-Encoding: gzip"),
        answer(gzip.compress(b"welcome" * 99)[:-12], "Content-Encoding: gzip"),
    ],
    ids=["cut short", "bad chunks", "no gzip", "gzip cut short"],
)
def test_what_is_wrong_with_a_body_matters_to_keywords_only(body):
    assert is_up(check(body)[0])
    result = keyword(body)
    assert result.status == Status.DOWN
    assert "The answer of shop.example" in result.cause


def test_a_body_that_breaks_off_and_one_that_is_not_what_it_says_have_causes_of_their_own():
    cut = keyword(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nwelcome, cut sho")
    assert (cut.code, cut.cause) == (Code.CONNECTION_ERROR, "The answer of shop.example broke off.")
    assert cut.excerpt == "welcome, cut sho"
    bad = keyword(answer(b"this is no gzip", "Content-Encoding: gzip"))
    assert bad.cause == "The answer of shop.example can't be read: it is not the gzip that it says it is."
    short = keyword(answer(gzip.compress(b"welcome" * 99)[:-12], "Content-Encoding: gzip"))
    assert short.cause == "The answer of shop.example can't be read: its gzip is cut short."


def test_a_status_is_known_when_the_headers_are_there_whatever_comes_then():
    async def endless(visit):
        await visit.say(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await visit.say(b"x" * 65_536)

    assert is_up(check(endless)[0])


# --- what is down ----------------------------------------------------------------------------------------------


def test_who_refuses_a_connection_is_down():
    async def once():
        async with serving(HELLO) as server:
            url = server.url()
        return await look(Type.STATUS, url)

    result = run(once())
    assert (result.status, result.code) == (Status.DOWN, Code.CONNECTION_ERROR)
    assert result.cause == "shop.example refused the connection."
    assert result.timings.first_byte is None


def test_who_breaks_off_before_an_answer_is_down():
    async def reset(visit):
        visit.writer.transport.abort()

    async def close(visit):
        visit.writer.close()

    for serve in (reset, close):
        result, _ = check(serve)
        assert (result.status, result.code) == (Status.DOWN, Code.CONNECTION_ERROR)
        assert result.cause in (
            "shop.example broke off the connection.",
            "shop.example closed the connection without an answer.",
        )


async def slow_header(visit):
    await visit.say(b"HTTP/1.1 200 OK\r\n")
    while True:
        await visit.say(b"X-Slow: yes\r\n")
        await asyncio.sleep(0.02)


async def slow_body(visit):
    await visit.say(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        await visit.say(b"x")
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("serve", "kind", "said"),
    [
        (silent, Type.STATUS, "shop.example did not answer within 0.4 s."),
        (slow_header, Type.STATUS, "shop.example began to answer, but the headers were not complete within 0.4 s."),
        (slow_body, Type.KEYWORD, "The answer of shop.example was not complete within 0.4 s."),
    ],
    ids=["silent", "slow header", "slow body"],
)
def test_who_takes_too_long_is_down_and_the_cause_says_at_what(serve, kind, said):
    result, _ = check(serve, kind, required_keyword="welcome", request_timeout=HASTY)
    assert (result.status, result.code, result.cause) == (Status.DOWN, Code.TIMEOUT, said)


def test_what_is_no_http_is_down():
    for said in (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"\x15\x03\x01\x00\x02\x02\x46", b"220 mail ESMTP\r\n"):
        result, _ = check(said)
        assert (result.status, result.code) == (Status.DOWN, Code.OTHER)
        assert result.cause == "What shop.example answered is not HTTP, or its headers are too long."


def test_endless_headers_end_soon():
    said = []

    async def endless(visit):
        await visit.say(b"HTTP/1.1 200 OK\r\n")
        while True:
            said.append(b"X-Header: " + b"x" * 60_000 + b"\r\n")
            await visit.say(said[-1])

    result, _ = check(endless)
    assert result.cause == "What shop.example answered is not HTTP, or its headers are too long."
    assert len(said) < 500  # what the system's buffers hold, and no endless line


def test_a_bad_status_is_down_with_its_name_and_the_beginning_of_what_was_said():
    result, _ = check(answer(b"<p>Sorry \xe2\x80\x94 closed</p>\0", status="503 X"))
    assert (result.status, result.code, result.status_code) == (Status.DOWN, Code.STATUS_CODE, 503)
    assert result.cause == "shop.example answered 503 Service Unavailable."
    assert result.excerpt == "<p>Sorry — closed</p>\ufffd"


def test_the_excerpt_of_a_bad_answer_that_never_ends_is_not_waited_for():
    async def endless(visit):
        await visit.say(b"HTTP/1.1 500 X\r\n\r\nOops")
        await visit.reader.read()

    result, _ = check(endless)
    assert (result.cause, result.excerpt) == ("shop.example answered 500 Internal Server Error.", "Oops")


def test_an_excerpt_is_a_kibibyte_at_most():
    result, _ = check(answer("ä".encode() * 5_000, "Content-Type: text/plain; charset=utf-8", status="500 X"))
    assert result.excerpt == "ä" * 512


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        (["Retry-After: 120"], 120),
        (["Retry-After: Mon, 30 Nov 2026 10:02:00 GMT", "Date: Mon, 30 Nov 2026 10:00:00 GMT"], 120),
        (["Retry-After: 99999999"], 86_400),
        (["Retry-After: soon"], None),
        (["Retry-After: -1"], None),
        (["Retry-After: Mon, 30 Nov 2026 10:02:00 GMT"], None),
        ([], None),
    ],
)
def test_how_long_a_server_wants_to_be_left_alone_is_told(headers, seconds):
    assert check(answer(b"", *headers, status="503 X"))[0].retry_after == seconds


# --- expected_status_code --------------------------------------------------------------------------------------


def test_an_expected_status_is_up_and_any_other_is_down():
    target = {"expected_status_codes": (401, 418)}
    assert is_up(check(answer(status="418 X"), Type.EXPECTED_STATUS_CODE, **target)[0])
    result, _ = check(answer(), Type.EXPECTED_STATUS_CODE, **target)
    assert (result.code, result.cause) == (Code.STATUS_CODE, "shop.example answered 200 OK, expected: 401, 418.")


def test_an_expected_redirect_is_not_followed_and_another_is():
    elsewhere = answer(b"", "Location: /elsewhere", status="302 Found")

    async def once(visit):
        await visit.say(elsewhere if visit.path == "/" else answer(status="404 X"))

    result, server = check(once, Type.EXPECTED_STATUS_CODE, expected_status_codes=(302,))
    assert is_up(result)
    assert len(server.visits) == 1
    result, server = check(once, Type.EXPECTED_STATUS_CODE, expected_status_codes=(404,))
    assert is_up(result)
    assert [visit.path for visit in server.visits] == ["/", "/elsewhere"]


def test_without_following_a_redirect_is_up_for_a_status_and_down_for_a_keyword():
    elsewhere = answer(b"welcome", "Location: /elsewhere", status="302 Found")
    assert is_up(check(elsewhere, follow_redirects=False)[0])
    assert keyword(elsewhere, follow_redirects=False).cause == "shop.example answered 302 Found."
    assert check(answer(status="404 X"), follow_redirects=False)[0].code == Code.STATUS_CODE


# --- keywords --------------------------------------------------------------------------------------------------


def test_a_keyword_is_found_or_not():
    assert is_up(keyword(HELLO))
    result = keyword(HELLO, "goodbye")
    assert (result.code, result.cause) == (Code.KEYWORD_MISSING, "The keyword is not in the answer of shop.example.")
    assert result.excerpt == "<h1>Hello, welcome</h1>"
    assert keyword(HELLO, "WELCOME").code == Code.KEYWORD_MISSING
    assert is_up(keyword(HELLO, "WELCOME", keyword_case_sensitive=False))
    assert keyword(answer(b"welcome", status="500 X")).code == Code.STATUS_CODE


def test_a_keyword_that_must_not_be_there():
    assert is_up(check(HELLO, Type.KEYWORD_ABSENCE, required_keyword="error")[0])
    result, _ = check(HELLO, Type.KEYWORD_ABSENCE, required_keyword="welcome")
    assert (result.code, result.cause) == (
        Code.KEYWORD_MISSING,
        "The keyword that must not be there is in the answer of shop.example.",
    )


@pytest.mark.parametrize(
    ("encoding", "encoded"),
    [
        ("gzip", gzip.compress(b"welcome")),
        ("x-gzip", gzip.compress(b"welcome")),
        ("GZIP", gzip.compress(b"wel") + gzip.compress(b"come")),
        ("gzip", gzip.compress(b"welcome") + b"\0\0\0"),
        ("deflate", zlib.compress(b"welcome")),
        ("deflate", zlib.compressobj(wbits=-15).compress(b"") + zlib.compress(b"welcome", wbits=-15)),
        ("identity", b"welcome"),
        ("", b"welcome"),
    ],
)
def test_a_keyword_is_looked_for_in_what_the_encoding_hides(encoding, encoded):
    assert is_up(keyword(answer(encoded, f"Content-Encoding: {encoding}")))


def test_no_body_is_no_broken_one():
    empty = b"HTTP/1.1 204 No Content\r\nContent-Encoding: gzip\r\n\r\n"
    assert is_up(check(empty, Type.KEYWORD_ABSENCE, required_keyword="error")[0])
    head = answer(b"", "Content-Encoding: gzip")
    assert is_up(check(head, Type.KEYWORD_ABSENCE, required_keyword="error", http_method="HEAD")[0])


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "x"])
def test_an_encoding_that_nobody_asked_for_is_named_where_the_body_is_needed(encoding):
    result = keyword(answer(b"welcome", f"Content-Encoding: {encoding}"))
    assert result.code == Code.OTHER
    assert f"encoded in a way that was not asked for ({encoding})" in result.cause


def test_only_the_first_mebibyte_is_looked_at_and_a_bomb_does_no_harm():
    mebi = 1024 * 1024
    before, behind = b"x" * (mebi - 7) + b"welcome", b"x" * (mebi - 6) + b"welcome"
    assert is_up(keyword(answer(before + b"y" * mebi)))
    assert keyword(answer(behind)).code == Code.KEYWORD_MISSING
    bomb = gzip.compress(b"\0" * 200 * mebi)
    result = keyword(answer(bomb, "Content-Encoding: gzip"))
    assert result.code == Code.KEYWORD_MISSING


def test_a_body_without_end_is_read_to_its_bound():
    async def endless(visit):
        await visit.say(b"HTTP/1.1 200 OK\r\n\r\nwelcome")
        while True:
            await visit.say(b"x" * 65_536)

    assert is_up(keyword(endless))


def test_a_body_in_chunks_of_a_byte_is_read_to_its_bound():
    async def crumbs(visit):
        await visit.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            await visit.say(b"1\r\nx\r\n" * 10_000)

    assert keyword(crumbs).code == Code.KEYWORD_MISSING


# --- requests --------------------------------------------------------------------------------------------------


def test_a_request_says_what_the_monitor_says():
    result, server = check(
        HELLO,
        http_method="post",
        request_body='{"ping": "ü"}',
        request_headers=(Header("X-Tenant", "7"), Header("User-Agent", "mine")),
        auth_username="mönitor",
        auth_password="geheim",
        path="/a%20b?c=d",
    )
    assert is_up(result)
    visit = server.visits[0]
    assert visit.head.startswith("POST /a%20b?c=d HTTP/1.1\r\n")
    assert visit.body.decode() == '{"ping": "ü"}'
    said = visit.headers
    assert (said["x-tenant"], said["user-agent"], said["content-type"]) == ("7", "mine", "application/json")
    assert said["authorization"] == "Basic bcO2bml0b3I6Z2VoZWlt"
    assert said["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize(
    "target",
    [
        {"request_headers": (Header("Host", "other.example"),)},
        {"request_headers": (Header("content-length", "5"),)},
        {"request_headers": (Header("X-A", "b\r\nX-C: d"),)},
        {"request_headers": (Header("X A", "b"),)},
        {"request_headers": (Header("X\r\nA", "b"),)},
        {"http_method": "GET / HTTP/1.1\r\nX: y"},
    ],
)
def test_a_request_that_can_t_be_sent_is_not_and_says_nothing_about_the_target(target):
    result, server = check(HELLO, **target)
    assert result.status == Status.INCONCLUSIVE
    assert server.visits == []


@pytest.mark.parametrize("url", ["ftp://shop.example/", "http://me:pw@shop.example/", "http://shop.example:25/", "x"])
def test_an_address_that_is_none_is_not_gone_to(url):
    result = run(look(Type.STATUS, url))
    assert (result.status, result.code) == (Status.INCONCLUSIVE, Code.OTHER)
    assert "pw" not in result.cause


@pytest.mark.parametrize("status", [401, 403, 407])
def test_credentials_that_are_refused_are_told(status):
    refusing = answer(status=f"{status} X")
    assert check(refusing, auth_username="me", auth_password="wrong")[0].is_refused
    assert check(refusing, request_headers=(Header("X-Key", "wrong", is_secret=True),))[0].is_refused
    assert not check(refusing)[0].is_refused
    assert not check(answer(status="500 X"), auth_username="me", auth_password="wrong")[0].is_refused


def test_no_secret_is_in_what_is_kept():
    async def echo(visit):
        await visit.say(answer(f"You said:\n{visit.head}".encode(), status="500 X"))

    result, server = check(
        echo,
        auth_username="me",
        auth_password="hunter22",
        request_headers=(Header("X-Key", "s3cr3t-key", is_secret=True), Header("Cookie", "session=abcdef123")),
    )
    assert "s3cr3t-key" in server.visits[0].head
    for secret in ("hunter22", "s3cr3t-key", "abcdef123", "bWU6aHVudGVyMjI="):
        assert secret not in repr(result)
    assert "X-Key: [hidden]" in result.excerpt


# --- conditions ------------------------------------------------------------------------------------------------


def test_conditions_look_at_json_and_headers():
    body = answer(b'{"state": {"db": "ok", "queue": [1, 250]}}', "X-Version: 7", "X-Version: 8")

    def met(*conditions, serve=body):
        return check(serve, conditions=tuple(conditions))[0]

    assert is_up(
        met(Condition(Source.JSON, "state.db", Op.EQUALS, "ok"), Condition(Source.HEADER, "x-version", Op.EXISTS))
    )
    result = met(Condition(Source.JSON, "state.queue[-1]", Op.LESS, "100"))
    assert (result.code, result.cause) == (Code.OTHER, "In the JSON, state.queue[-1] is '250', expected: less '100'.")
    assert met(Condition(Source.HEADER, "X-Version", Op.EQUALS, "7, 8")).status == Status.UP
    assert met(Condition(Source.JSON, "a", Op.EXISTS), serve=HELLO).cause == "The answer is not JSON."
    assert met(Condition(Source.JSON, "a", Op.EXISTS), serve=answer(b"[" * 100_000)).cause == "The answer is not JSON."


def test_many_are_looked_at_at_the_same_time_without_mixing_them_up():
    async def each(visit):
        await asyncio.sleep(0.01)
        await visit.say(answer(visit.path.encode()))

    async def all_of_them():
        async with serving(each) as server:
            looks = [
                look(Type.KEYWORD, server.url(f"/{n}"), required_keyword=f"/{n}", resolve=shop_is_here)
                for n in range(20)
            ]
            return await asyncio.gather(*looks)

    assert all(map(is_up, run(all_of_them())))
