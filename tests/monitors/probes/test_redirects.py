"""Tests of redirects (monitors.probes.requests, http): followed as browsers do, with cookies, and not with secrets."""

import base64

import pytest

from config.networks import NetworkTable, read_openings
from monitors.probes.result import Code, Status
from monitors.probes.target import Header, Type
from tests.monitors.probes.looking import is_up, look, names, run
from tests.monitors.probes.servers import answer, serving

BASIC = "Basic " + base64.b64encode(b"me:geheim").decode()
SECRETS = {
    "auth_username": "me",
    "auth_password": "geheim",
    "request_headers": (Header("X-Key", "s3cr3t", is_secret=True), Header("X-Open", "yes"), Header("Cookie", "own=1")),
}


def to(location, *headers, status="302 Found"):
    """A redirect."""
    return answer(b"", f"Location: {location}", *headers, status=status)


def check(serve, path="/", **target):
    """Look once at a server: the result, and the server."""

    async def once():
        async with serving(serve) as server:
            return await look(Type.STATUS, server.url(path), **target), server

    return run(once())


def said(pages):
    """A server that says an answer for each path, and 404 for others."""

    async def serve(visit):
        page = pages.get(visit.path, answer(status="404 X"))
        await visit.say(page(visit) if callable(page) else page)

    return serve


def test_redirects_are_followed_and_where_they_led_is_told_without_the_query():
    result, server = check(
        said({"/": to("a/../b?token=x#part"), "/b?token=x": to("//shop.example:0/")}), follow_redirects=True
    )
    assert result.status != Status.UP
    result, server = check(said({"/": to("a/../b?token=x#part"), "/b?token=x": answer()}))
    assert is_up(result)
    assert [visit.path for visit in server.visits] == ["/", "/b?token=x"]
    assert result.final_url == server.url("/b")


def test_a_redirect_that_sets_a_cookie_and_returns_is_no_loop():
    def home(visit):
        if "seen=1" in visit.headers.get("cookie", ""):
            return answer(b"welcome")
        return to("/", "Set-Cookie: seen=1; Path=/; HttpOnly")

    result, server = check(said({"/": home}))
    assert is_up(result)
    assert len(server.visits) == 2


def test_cookies_live_for_one_check_only_and_go_where_they_belong():
    async def once():
        def login(visit):
            return to("/home", "Set-Cookie: a=1; Path=/home", "Set-Cookie: b=2; Path=/other", 'Set-Cookie: c=x="y z"')

        async with serving(said({"/": login, "/home": answer()})) as server:
            for _ in range(2):
                assert is_up(await look(Type.STATUS, server.url()))
            return [visit.headers.get("cookie") for visit in server.visits]

    first, second, third, fourth = run(once())
    assert (first, third) == (None, None)
    assert second == fourth
    assert sorted(second.split("; ")) == ["a=1", 'c=x="y z"']


def test_a_true_loop_ends_with_that_cause():
    result, server = check(said({"/": to("/a"), "/a": to("/b"), "/b": to("/a")}))
    assert (result.status, result.code) == (Status.DOWN, Code.STATUS_CODE)
    assert result.cause == "shop.example redirects in a loop."
    assert len(server.visits) == 3


def test_five_redirects_are_followed_and_not_six():
    def pages(last):
        return {"/": to("/1")} | {f"/{n}": to(f"/{n + 1}") for n in range(1, last)} | {f"/{last}": answer()}

    assert is_up(check(said(pages(5)))[0])
    result, _ = check(said(pages(6)))
    assert (result.code, result.cause) == (Code.STATUS_CODE, "shop.example redirects more than 5 times.")


@pytest.mark.parametrize(
    ("status", "method", "becomes", "body"),
    [
        ("301 X", "POST", "GET", b""),
        ("302 X", "POST", "GET", b""),
        ("303 X", "POST", "GET", b""),
        ("303 X", "PUT", "GET", b""),
        ("302 X", "PUT", "PUT", b"data"),
        ("307 X", "POST", "POST", b"data"),
        ("308 X", "POST", "POST", b"data"),
        ("303 X", "HEAD", "HEAD", b""),
    ],
)
def test_methods_change_as_in_browsers(status, method, becomes, body):
    async def serve(visit):
        await visit.say(to("/then", status=status) if visit.path == "/" else answer())

    sent = None if method == "HEAD" else "data"
    result, server = check(serve, http_method=method, request_body=sent)
    assert is_up(result)
    then = server.visits[1]
    assert (then.head.split(" ")[0], then.body) == (becomes, body)
    assert ("content-type" in then.headers) == bool(body)


@pytest.mark.parametrize(
    "location",
    [
        "ftp://shop.example/",
        "javascript:alert(1)",
        "http://[::1",
        "file:///etc/passwd",
        "http://a:b:c/",
        "data:,x",
    ],
)
def test_a_redirect_to_no_web_address_is_down(location):
    result, server = check(to(location))
    assert (result.status, result.code) == (Status.DOWN, Code.STATUS_CODE)
    assert result.cause == "shop.example redirects to what is no web address."
    assert len(server.visits) == 1


def test_a_redirect_that_says_nothing_is_down_and_one_to_a_mail_port_is_not_followed():
    result, _ = check(answer(status="302 Found"))
    assert result.cause == "shop.example answered 302, and did not say where to."
    result, _ = check(to("http://shop.example:25/"))
    assert result.cause == "shop.example redirects to port 25, which is not a web server's."


def test_letters_of_any_script_in_a_location_are_read_as_browsers_do():
    result, server = check(
        lambda visit: visit.say(
            answer() if "caf" in visit.path else b"HTTP/1.1 302 X\r\nLocation: /caf\xc3\xa9\r\n\r\n"
        )
    )
    assert is_up(result)
    assert server.visits[1].path == "/caf%C3%A9"


def elsewhere(**target):
    """A first server that redirects to a second one, under another name: the result, and what each was told."""

    async def once():
        async with serving(answer()) as second, serving(to(second.url(host="other.example"))) as first:
            resolve = names(shop_example=["127.0.0.1"], other_example=["127.0.0.1"])
            result = await look(Type.STATUS, first.url(), resolve=resolve, **target)
            return result, first.visits[0].headers, second.visits[0].headers

    return run(once())


def test_secrets_go_to_the_first_origin_only():
    result, first, second = elsewhere(**SECRETS)
    assert is_up(result)
    assert (first["authorization"], first["x-key"], first["cookie"]) == (BASIC, "s3cr3t", "own=1")
    assert "authorization" not in second
    assert "x-key" not in second
    assert "cookie" not in second
    assert second["x-open"] == "yes"


def test_another_port_is_another_origin_and_coming_back_is_not():
    async def once():
        async with serving(lambda visit: visit.say(to(back[0]))) as other:

            async def serve(visit):
                await visit.say(answer() if visit.path == "/back" else to(other.url("/there")))

            async with serving(serve) as first:
                back.append(first.url("/back"))
                result = await look(Type.STATUS, first.url(), **SECRETS)
                return result, [visit.headers.get("authorization") for visit in [*first.visits, *other.visits]]

    back = []
    result, told = run(once())
    assert is_up(result)
    assert told == [BASIC, BASIC, None]


def test_a_name_and_password_in_a_location_are_not_used():
    async def serve(visit):
        place = visit.headers["host"]
        await visit.say(answer() if visit.path == "/in" else to(f"http://admin:admin@{place}/in"))

    result, server = check(serve)
    assert is_up(result)
    assert "authorization" not in server.visits[1].headers
    assert "admin" not in result.final_url


def test_a_redirect_into_a_closed_network_is_not_followed_and_says_nothing_of_what_is_there():
    async def once():
        async with serving(answer()) as inside, serving(to(f"http://inside.example:{inside.port}/")) as outside:
            resolve = names(shop_example=["127.0.0.1"], inside_example=["127.0.0.2"])
            table = NetworkTable(read_openings(["127.0.0.1"]))
            return await look(Type.STATUS, outside.url(), table=table, resolve=resolve), inside.visits

    result, visits = run(once())
    assert result.status == Status.DOWN
    assert "inside.example leads only to addresses that may not be looked at" in result.cause
    assert "127.0.0.2" not in repr(result)
    assert visits == []
