"""Tests of config.egress: what is sent goes to allowed addresses only, and ends whatever the receiver does."""

import asyncio
import gzip
import json
import logging
import socket
import ssl
import threading
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from config import egress, lookups
from config.egress import LONGEST_EXCERPT, MOST_READ, Answer, Failed, Outward, Refused
from config.networks import read_networks
from tests.receiving import HERE, always, an_answer, answering, receiving, silent

JSON = {"Content-Type": "application/json"}
# Seconds after which a test has hung.
HUNG = 30
# Deadlines: for what has to end by itself, and for what never ends.
PATIENT, HASTY = 2 * HUNG, 0.3


def run(coroutine):
    """Run a test's coroutine to its end, which has to come."""
    return asyncio.run(asyncio.wait_for(coroutine, HUNG))


async def until(condition):
    """Wait for what has to come."""
    while not condition():
        await asyncio.sleep(0.01)


def leading_to(*addresses):
    """A resolver to whom every name leads to these, and the names that it was asked for."""
    asked = []

    async def resolve(host):
        asked.append(host)
        return list(addresses)

    return resolve, asked


@pytest.fixture(autouse=True)
def _kept(monkeypatch):
    """Connections are kept for longer than a busy machine takes over a test."""
    monkeypatch.setattr(egress, "KEPT_FOR", HUNG)


def here(**how):
    """A way out to receivers on this machine."""
    return Outward(HERE, **{"deadline": PATIENT} | how)


def post(serve, *, url="http://127.0.0.1", tls=None, trust=None, **how):
    """POST once to a receiver, which has a certificate or not: the answer or the error, and the receiver."""

    async def once():
        async with receiving(serve, tls) as receiver, here(tls=trust, **how) as outward:
            try:
                answer = await outward.post(f"{url}:{receiver.port}/hook", b"{}", JSON)
            except (Refused, Failed) as error:
                answer = error
            return answer, receiver

    return run(once())


# --- where it goes ---------------------------------------------------------------------------------------------

URLS = [
    json.loads(line)
    for line in (Path(__file__).parent.parent / "corpus" / "urls.jsonl").read_text().splitlines()
    if not line.startswith("#")
]


class Watched(Outward):
    """Remembers every socket that is made, and connects none."""

    def open_socket(self, info):
        super().open_socket(info).close()
        self.made.append(info[4][:2])
        raise OSError("a test connects nothing")


async def tried(case):
    """What becomes of a URL of the corpus: the error, the sockets that were made, and the names that were asked for."""
    resolve, asked = leading_to(*case.get("leads", []))
    async with Watched(read_networks(case.get("opened", [])), deadline=PATIENT, resolve=resolve) as outward:
        outward.made = []
        with pytest.raises((Refused, Failed)) as caught:
            await outward.post(case["url"], b"{}", JSON)
    return caught.value, outward.made, asked


def test_the_corpus_has_urls_of_both_kinds():
    assert len(URLS) >= 300
    assert {case["verdict"] for case in URLS} == {"allowed", "refused"}


@pytest.mark.parametrize("case", URLS, ids=[f"{number}-{case['why']}" for number, case in enumerate(URLS)])
def test_a_url_goes_where_it_may_or_nowhere(case):
    error, places, asked = run(tried(case))
    if case["verdict"] == "allowed":
        assert (type(error), str(error)) == (Failed, "No connection could be made.")
        assert {ip_address(address) for address, _ in places} == {ip_address(lead) for lead in case["leads"]}
        assert len(asked) == (0 if case.get("literal") else 1)
    else:
        assert (type(error), places) == (Refused, [])
        assert len(asked) == (0 if case["by"] == "text" else 1)
    wrong = egress.wrong_url(case["url"], read_networks(case.get("opened", [])))
    assert bool(wrong) == (case.get("by") == "text")


def test_all_that_a_name_leads_to_is_looked_at_but_only_some_of_it_is_tried():
    many = [f"8.8.8.{number}" for number in range(1, 40)] + [f"2606:4700::{number}" for number in range(1, 40)]
    _, places, _ = run(tried({"url": "http://many.example/", "leads": many}))
    assert len(set(places)) == 2 * egress.MOST_TRIED
    error, places, _ = run(tried({"url": "http://many.example/", "leads": [*many, "10.0.0.1"]}))
    assert (type(error), places) == (Refused, [])


@pytest.mark.parametrize(
    "places", [["10.0.0.1"], ["10.0.0.1", "10.0.0.2"], ["8.8.8.8", "10.0.0.1"], ["::1", "10.0.0.1"]]
)
def test_a_socket_s_address_is_looked_at_when_it_is_made(places, monkeypatch):
    """The second lock: were the first one open, nothing would be connected to what is forbidden."""
    opened, connected = [], []

    class Made(socket.socket):
        def __init__(self, *how):
            opened.append(how)
            super().__init__(*how)

    async def connect(_loop, _sock, place):
        connected.append(place[0])
        raise OSError("a test connects nothing")

    async def post():
        async with Outward(deadline=PATIENT) as outward:

            async def careless(host, port, family):
                return [outward.names.found(host, ip_address(place), port) for place in places]

            outward.names.resolve = careless
            with pytest.raises((Refused, Failed)):
                await outward.post("http://careless.example/", b"{}", JSON)

    monkeypatch.setattr(asyncio.SelectorEventLoop, "sock_connect", connect)
    monkeypatch.setattr(egress.socket, "socket", Made)
    run(post())
    assert set(connected) <= {"8.8.8.8"}


def test_a_name_that_is_bound_anew_is_looked_at_anew():
    """The first answer is allowed, the second forbidden: it is asked for once, and goes where it was looked at."""
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])
    asked = []

    async def rebinding(host):
        asked.append(host)
        return next(answers)

    async def posts():
        async with (
            receiving(answering(an_answer(b"1"), an_answer(b"2"))) as receiver,
            here(resolve=rebinding) as outward,
        ):
            url = receiver.url("rebound.example")
            first = await outward.post(url, b"{}", JSON)
            kept = await outward.post(url, b"{}", JSON)
            await receiver.left.wait()
            assert (first.excerpt, kept.excerpt, asked, receiver.visits) == (b"1", b"2", ["rebound.example"], 1)
            await until(lambda: not outward.lines)
            with pytest.raises(Refused):
                await outward.post(url, b"{}", JSON)
            assert (len(asked), receiver.visits) == (2, 1)

    run(posts())


def test_this_machine_is_not_reached_by_its_name_unless_opened():
    async def posts():
        async with receiving(always) as receiver, Outward(deadline=PATIENT) as outward:
            with pytest.raises(Refused, match="localhost is not on the public internet"):
                await outward.post(receiver.url("localhost"), b"{}", JSON)
            with pytest.raises(Refused, match=r"127\.0\.0\.1 is not on the public internet"):
                await outward.post(receiver.url(), b"{}", JSON)
            assert receiver.visits == 0

    run(posts())


@pytest.mark.parametrize("status", ["301 M", "302 F", "303 S", "307 T", "308 P", "300 M", "304 N"])
def test_a_redirect_is_an_answer_and_not_followed(status):
    async def posts():
        async with receiving(always) as inside, here() as outward:
            answer = an_answer(b"", f"Location: {inside.url()}", status=status)
            async with receiving(answering(answer)) as receiver:
                answer = await outward.post(receiver.url(), b"{}", JSON)
            assert (answer.status, inside.visits) == (int(status[:3]), 0)

    run(posts())


def test_the_environment_s_proxies_are_not_used(monkeypatch):
    async def posts():
        async with receiving(always) as proxy, receiving(always) as receiver:
            for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
                monkeypatch.setenv(name, proxy.url())
            async with here() as outward:
                assert (await outward.post(receiver.url(), b"{}", JSON)).excerpt == b"fine"
            assert (proxy.visits, receiver.visits) == (0, 1)

    run(posts())


# --- what is said, and what is heard ------------------------------------------------------------------------------


def test_a_request_is_whole_and_says_no_more_than_it_has_to():
    resolve, _ = leading_to("127.0.0.1")
    _, receiver = post(always, url="http://Receiver.Example.", resolve=resolve)
    [(head, body)] = receiver.requests
    lines = head.decode().split("\r\n")
    assert (lines[0], body) == ("POST /hook HTTP/1.1", b"{}")
    assert {line.partition(":")[0]: line.partition(": ")[2] for line in lines[1:] if line} == {
        "Host": f"Receiver.Example:{receiver.port}",
        "User-Agent": "Watchkeeper",
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "Content-Type": "application/json",
        "Content-Length": "2",
    }


def test_a_path_goes_out_as_it_was_written():
    async def posts():
        async with receiving(always) as receiver, here() as outward:
            await outward.post(f"http://127.0.0.1:{receiver.port}/a/../b%2fc%zz\\|?q=%41+[]&&x=#part", b"", JSON)
            assert receiver.requests[0][0].startswith(b"POST /a/../b%2fc%zz\\|?q=%41+[]&&x= HTTP/1.1\r\n")

    run(posts())


@pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding", "ACCEPT-ENCODING", "Connection"])
def test_a_caller_has_no_say_in_how_a_message_is_sent(name):
    async def posts():
        async with receiving(always) as receiver, here() as outward:
            with pytest.raises(AssertionError):
                await outward.post(receiver.url(), b"{}", {name: "x"})
            assert receiver.visits == 0

    run(posts())


@pytest.mark.parametrize("headers", [{"X": "a\r\nHost: b"}, {"X\r\nY": "a"}, {"X": "a\x00"}, {"X Y": "a\n"}])
def test_no_header_becomes_two(headers):
    async def posts():
        async with receiving(always) as receiver, here() as outward:
            with pytest.raises(Failed, match="Nothing could be sent"):
                await outward.post(receiver.url(), b"{}", headers)
            assert receiver.requests == []

    run(posts())


@pytest.mark.parametrize("status", [200, 204, 400, 404, 410, 429, 500, 503, 599])
def test_any_status_is_an_answer(status):
    answer, _ = post(answering(an_answer(b"", status=f"{status} So")))
    assert answer == Answer(status, b"", False, None)


@pytest.mark.parametrize("size", [0, 1, LONGEST_EXCERPT - 1, LONGEST_EXCERPT])
def test_a_body_is_read_whole_up_to_its_longest(size):
    answer, _ = post(answering(an_answer(b"x" * size)))
    assert answer == Answer(200, b"x" * size, False, None)


@pytest.mark.parametrize("size", [LONGEST_EXCERPT + 1, MOST_READ, 10 * MOST_READ])
def test_a_longer_body_is_cut(size):
    answer, _ = post(answering(an_answer(b"x" * size)))
    assert answer == Answer(200, b"x" * LONGEST_EXCERPT, True, None)


def test_a_body_in_chunks_is_put_together():
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer, _ = post(answering(head + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: 1\r\n\r\n"))
    assert answer == Answer(200, b"abcde", False, None)


def test_a_body_may_end_with_its_connection():
    answer, _ = post(answering(b"HTTP/1.1 200 OK\r\n\r\nabc"))
    assert answer == Answer(200, b"abc", False, None)


def test_nothing_is_unpacked():
    packed = gzip.compress(bytes(10_000_000))
    assert len(packed) < LONGEST_EXCERPT
    for encoding in ("gzip", "deflate", "br", "zstd", "gzip, gzip"):
        answer, _ = post(answering(an_answer(packed, f"Content-Encoding: {encoding}")))
        assert answer == Answer(200, packed, False, None)


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        ("120", "120"),
        ("Wed, 21 Oct 2026 07:28:00 GMT", "Wed, 21 Oct 2026 07:28:00 GMT"),
        ("  5  ", "5"),
        ("", None),
        ("9" * 101, None),
        ("1\t2", None),
        ("f\xfcnf", None),
        ("f\xc3\xbcnf", None),
    ],
)
def test_when_to_try_again_is_heard_if_it_can_mean_something(text, heard):
    answer, _ = post(answering(an_answer(b"", f"Retry-After: {text}", status="429 Too Many")))
    assert answer == Answer(429, b"", False, heard)


def test_what_comes_before_an_answer_is_passed_over():
    before = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    answer, _ = post(answering(before + an_answer(b"fine")))
    assert answer == Answer(200, b"fine", False, None)


def test_a_change_of_protocol_is_an_answer_and_the_end():
    async def posts():
        upgrade = b"HTTP/1.1 101 Up\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nabc"
        async with receiving(answering(upgrade)) as receiver, here() as outward:
            answer = await outward.post(receiver.url(), b"{}", JSON)
            assert (answer.status, answer.excerpt) == (101, b"")
            await until(lambda: not outward.lines)

    run(posts())


CHUNKED = (b"Transfer-Encoding: chunked", b"")
HEAD = b"HTTP/1.1 200 OK\r\n"


# --- receivers that misbehave -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"220 mail.example ESMTP\r\n",
        b"-ERR unknown command\r\n",
        b"<html>hello</html>",
        b"\x16\x03\x01\x00\x05",
        b"\x00" * 100,
        b"HTTP/1.1 200\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: " % n + b"x" * 8000 + b"\r\n" for n in range(100)) + b"\r\n",
    ],
    ids=lambda said: repr(said[:40]),
)
def test_what_is_no_answer_of_http_is_none(said):
    error, _ = post(answering(said))
    assert type(error) is Failed
    assert str(error) in (
        "What came back is not an answer of HTTP, or its head is too long.",
        "The connection was closed before an answer came.",
    )


# What a browser takes as an answer with the body `ab`. Each was shown to Chromium, too.
BADLY_WRITTEN = {
    "two equal lengths": (b"HTTP/1.1 200 OK", b"Content-Length: 2", b"content-length: 2", b"", b"ab"),
    "a length said twice in a line": (b"HTTP/1.1 200 OK", b"Content-Length: 2, 2", b"", b"ab"),
    "no length that is one": (b"HTTP/1.1 200 OK", b"Content-Length: -1", b"", b"ab"),
    "a length in words": (b"HTTP/1.1 200 OK", b"Content-Length: two", b"", b"ab"),
    "a length without an end": (b"HTTP/1.1 200 OK", b"Content-Length: " + b"9" * 60, b"", b"ab"),
    "an empty length": (b"HTTP/1.1 200 OK", b"Content-Length:", b"", b"ab"),
    "a length and chunks": (b"HTTP/1.1 200 OK", b"Content-Length: 9", *CHUNKED, b"2", b"ab", b"0", b"", b""),
    "chunks and a length": (b"HTTP/1.1 200 OK", *CHUNKED[:1], b"Content-Length: 9", b"", b"2", b"ab", b"0", b"", b""),
    "no coding": (b"HTTP/1.1 200 OK", b"Transfer-Encoding: identity", b"Content-Length: 2", b"", b"ab"),
    "a header of 9 kB": (b"HTTP/1.1 200 OK", b"X: " + b"x" * 9_000, b"", b"ab"),
    "a header of 100 kB": (b"HTTP/1.1 200 OK", b"X: " + b"x" * 100_000, b"", b"ab"),
    "200 headers": (b"HTTP/1.1 200 OK", *(b"X-%d: y" % number for number in range(200)), b"", b"ab"),
    "5,000 headers": (b"HTTP/1.1 200 OK", *[b"X: y"] * 5_000, b"", b"ab"),
    "Latin-1": (b"HTTP/1.1 200 Gr\xfc\xdfe", b"X: caf\xe9", b"", b"ab"),
    "UTF-8": ("HTTP/1.1 200 Grüße ✓".encode(), "X: 日本".encode(), b"", b"ab"),
    "a name that is none": (b"HTTP/1.1 200 OK", b"X\xe9 Y: z", b"(X): z", b": z", b"", b"ab"),
    "no colon": (b"HTTP/1.1 200 OK", b"no colon", b"", b"ab"),
    "a blank before the colon": (b"HTTP/1.1 200 OK", b"Content-Length : 2", b"", b"ab"),
    "a folded line": (b"HTTP/1.1 200 OK", b"X: a", b"  b", b"\tc", b"", b"ab"),
    "control characters": (b"HTTP/1.1 200 OK", b"X: a\x01\x7fb", b"", b"ab"),
    "no reason": (b"HTTP/1.1 200", b"", b"ab"),
    "a long reason": (b"HTTP/1.1 200 " + b"x" * 10_000, b"", b"ab"),
    "two blanks": (b"HTTP/1.1  200  OK", b"", b"ab"),
    "small letters": (b"http/1.1 200 ok", b"", b"ab"),
    "an old version": (b"HTTP/1.0 200 OK", b"", b"ab"),
    "no blank": (b"HTTP/1.1 200OK", b"", b"ab"),
    "the next version": (b"HTTP/2 200 OK", b"", b"ab"),
    "a version without a point": (b"HTTP/1 200 OK", b"", b"ab"),
    "an upgrade that is offered": (b"HTTP/1.1 200 OK", b"Connection: Upgrade", b"Upgrade: h2,h2c", b"", b"ab"),
    "headers of one kind twice": (b"HTTP/1.1 200 OK", *[b"Server: x", b"Content-Type: a/b"] * 2, b"", b"ab"),
    "empty lines before": (b"", b"", b"HTTP/1.1 200 OK", b"", b"ab"),
    "an encoding that nobody asked for": (b"HTTP/1.1 200 OK", b"Content-Encoding: x", b"", b"ab"),
}


@pytest.mark.parametrize("case", BADLY_WRITTEN)
def test_what_a_browser_takes_as_an_answer_is_one(case):
    answer, _ = post(answering(b"\r\n".join(BADLY_WRITTEN[case])))
    assert answer == Answer(200, b"ab", False, None)


@pytest.mark.parametrize("case", BADLY_WRITTEN)
def test_lines_may_end_with_a_line_feed_alone(case):
    answer, _ = post(answering(b"\n".join(BADLY_WRITTEN[case])))
    assert answer.status == 200
    assert (
        answer.excerpt == b"ab" or CHUNKED[0] in BADLY_WRITTEN[case]
    )  # the frames of chunks are read as they should be


@pytest.mark.parametrize("case", BADLY_WRITTEN)
def test_an_answer_may_come_letter_by_letter(case):
    async def serve(visit):
        await visit.request()
        answer = b"\r\n".join(BADLY_WRITTEN[case])
        for place in range(0, min(len(answer), 400)):
            await visit.say(answer[place : place + 1])
            await asyncio.sleep(0)
        await visit.say(answer[400:])

    answer, _ = post(serve)
    assert answer == Answer(200, b"ab", False, None)


def test_a_connection_is_kept_after_a_badly_written_answer():
    badly = b"HTTP/1.1 200 OK\r\nX: " + b"x" * 9_000 + b"\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab"
    assert visits_of(answering(*[badly] * 5), 5) == 1


@pytest.mark.parametrize(
    "body",
    [b"zz\r\n", b"-1\r\n", b"ffffffffffffffffff\r\n", b"\x00", b"3\r\nabcdefgh\r\n"],
)
def test_a_broken_body_that_comes_with_its_head_makes_no_less_of_an_answer(body):
    answer, _ = post(answering(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + body))
    assert (answer.status, answer.cut) == (200, True)


@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 100 Continue\r\n\r\n"]
)
def test_a_connection_that_is_closed_before_the_head_has_come_is_no_answer(said):
    error, _ = post(answering(said))
    assert (type(error), str(error)) == (Failed, "The connection was closed before an answer came.")


def test_a_connection_that_is_reset_is_no_answer():
    async def reset(visit):
        await visit.reader.read(1)
        visit.writer.transport.abort()

    error, _ = post(reset)
    assert (type(error), str(error)) == (Failed, "The connection was closed before an answer came.")


def test_a_closed_port_is_no_answer():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"

        async def posts():
            async with here() as outward:
                with pytest.raises(Failed, match="No connection could be made"):
                    await outward.post(url, b"{}", JSON)

        run(posts())


@pytest.mark.parametrize(
    ("said", "read"),
    [
        (b"Content-Length: 10\r\n\r\nabc", b"abc"),
        (b"Transfer-Encoding: chunked\r\n\r\n5\r\nabc", b"abc"),
        (b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", b"abc"),
        (b"Transfer-Encoding: chunked\r\n\r\n", b""),
    ],
)
def test_a_body_that_breaks_off_is_cut(said, read):
    answer, _ = post(answering(HEAD + said))
    assert answer == Answer(200, read, True, None)


@pytest.mark.parametrize("garbage", [b"zz\r\n", b"-1\r\n", b"ffffffffffffffffff\r\n", b"3\r\nabcdefgh\r\n", b"\x00"])
def test_garbage_between_chunks_ends_a_body(garbage):
    """Whether the head was seen by itself first is the network's affair; then it is an answer."""

    async def serve(visit):
        await visit.request()
        await visit.say(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
        await heard.wait()
        await visit.say(garbage)
        await visit.reader.read()

    async def posts():
        async with receiving(serve) as receiver, here() as outward:
            answer = await outward.post(receiver.url(), b"{}", JSON)
            assert (answer.status, answer.excerpt[:2], answer.cut) == (200, b"ab", True)
            await receiver.left.wait()

    heard = asyncio.Event()
    original = egress.read

    async def reading(response, excerpt):
        heard.set()
        return await original(response, excerpt)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(egress, "read", reading)
        run(posts())


def test_garbage_together_with_the_head_is_an_answer_or_none():
    outcome, _ = post(answering(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"))
    assert type(outcome) is Failed or outcome == Answer(200, b"", True, None)


async def endless(visit, *first, piece):
    """Say something, and then go on for ever."""
    await visit.request()
    await visit.say(*first)
    while True:
        await visit.say(piece)


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (HEAD + b"\r\n", b"x" * 1000),
        (HEAD + b"Content-Length: 999999999999\r\n\r\n", b"x" * 1000),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"3e8\r\n" + b"x" * 1000 + b"\r\n"),
    ],
)
def test_an_endless_body_is_cut(head, piece):
    answer, _ = post(lambda visit: endless(visit, head, piece=piece))
    assert answer == Answer(200, b"x" * LONGEST_EXCERPT, True, None)


def test_chunks_that_are_mostly_frames_are_cut_early():
    head = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    answer, _ = post(lambda visit: endless(visit, head, piece=b"1;" + b"y" * 100 + b"\r\nx\r\n"))
    assert (answer.status, answer.cut) == (200, True)
    assert len(answer.excerpt) < MOST_READ / 100


@pytest.mark.parametrize(
    "piece",
    [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 102 So\r\n" + b"X: " + b"x" * 5000 + b"\r\n\r\n", b"\r\n" * 1000],
    ids=["short", "long", "empty lines"],
)
def test_a_flood_before_the_answer_is_not_listened_to_for_long(piece):
    error, _ = post(lambda visit: endless(visit, piece=piece))
    assert type(error) is Failed


@pytest.mark.parametrize("kind", ["endless head", "endless trailer"])
def test_headers_without_an_end_are_not_listened_to_for_long(kind):
    first = HEAD if kind == "endless head" else HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n"
    outcome, _ = post(lambda visit: endless(visit, first, piece=b"X: yyyyyyyyyyyyyyyyyyyy\r\n"))
    assert type(outcome) is Failed or outcome.cut


# --- in time ------------------------------------------------------------------------------------------------------

LATE = (Failed, "No answer came in time.")


def slowly(first, piece):
    """Say something, and then a little every now and then."""

    async def serve(visit):
        await visit.request()
        await visit.say(first)
        while True:
            await asyncio.sleep(0.01)
            await visit.say(piece)

    return serve


@pytest.mark.parametrize(
    "serve",
    [
        silent,
        slowly(b"HTTP/1.1 200 ", b"x"),
        slowly(HEAD, b"X: y\r\n"),
        slowly(HEAD + b"X: ", b"y"),
        slowly(b"", b"HTTP/1.1 100 C\r\n\r\n"),
    ],
    ids=["silent", "a status letter by letter", "header after header", "a header letter by letter", "continue"],
)
def test_who_takes_too_long_for_a_head_has_not_answered(serve):
    error, _ = post(serve, deadline=HASTY)
    assert (type(error), str(error)) == LATE


@pytest.mark.parametrize("head", [HEAD + b"\r\n", HEAD + b"Content-Length: 65536\r\n\r\n"])
def test_who_takes_too_long_for_a_body_has_answered_and_is_cut(head):
    answer, _ = post(slowly(head, b"x"), deadline=2)
    assert (answer.status, answer.cut) == (200, True)
    assert answer.excerpt.strip(b"x") == b""


def test_who_does_not_read_has_not_answered():
    async def deaf(visit):
        visit.writer.transport.pause_reading()
        await asyncio.Event().wait()

    async def posts():
        async with receiving(deaf) as receiver, here(deadline=HASTY) as outward:
            with pytest.raises(Failed, match="No answer came in time"):
                await outward.post(receiver.url(), bytes(1_000_000), JSON)
            await until(lambda: not outward.lines)

    run(posts())


def test_who_answers_before_all_was_read_has_answered():
    async def hasty(visit):
        await visit.reader.readuntil(b"\r\n\r\n")
        visit.writer.transport.pause_reading()
        await visit.say(an_answer(b"too long", status="413 Too Long"))
        await asyncio.Event().wait()

    async def posts():
        async with receiving(hasty) as receiver, here() as outward:
            answer = await outward.post(receiver.url(), bytes(1_000_000), JSON)
            assert (answer.status, answer.excerpt) == (413, b"too long")
            with pytest.raises(Failed):
                outward.deadline = HASTY
                await outward.post(receiver.url(), b"", JSON)

    run(posts())


def test_who_never_accepts_has_not_answered():
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(8):  # until the line before the door is full
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())

        async def posts():
            async with here(deadline=HASTY) as outward:
                with pytest.raises(Failed, match="No answer came in time"):
                    await outward.post(f"http://127.0.0.1:{listener.getsockname()[1]}/", b"{}", JSON)

        run(posts())


def test_a_resolver_that_hangs_is_not_waited_for():
    async def hanging(_host):
        await asyncio.Event().wait()

    error, receiver = post(always, url="http://slow.example", resolve=hanging, deadline=HASTY)
    assert (type(error), str(error), receiver.visits) == (*LATE, 0)


def test_a_name_is_asked_for_once_however_many_wait_for_it(monkeypatch):
    go, asked = threading.Event(), []

    def hanging(host, *_, **__):
        asked.append(host)
        go.wait(HUNG)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 0))]

    async def posts():
        async with here(deadline=HASTY) as outward:
            urls = ["http://slow.example/"] * 20 + ["http://other.example/"]
            late = await asyncio.gather(*(outward.post(url, b"{}", JSON) for url in urls), return_exceptions=True)
            assert {(type(error), str(error)) for error in late} == {LATE}
            assert sorted(asked) == ["other.example", "slow.example"]
            go.set()
            await until(lambda: not outward.names.system.asked)
            with pytest.raises(Refused):
                await outward.post("http://slow.example/", b"{}", JSON)
            assert len(asked) == 3

    monkeypatch.setattr(egress.socket, "getaddrinfo", hanging)
    run(posts())


def test_many_names_whose_servers_are_silent_keep_no_other_from_being_asked_for(monkeypatch):
    """Two hundred: as many as the sender has at most in hand of slow endpoints, twice."""
    go = threading.Event()

    def mostly_silent(host):
        if host.startswith("silent"):
            go.wait(HUNG)
            raise OSError
        return ["10.0.0.1"]

    async def posts():
        async with here() as outward:
            late = [asyncio.create_task(outward.post(f"http://silent{n}.example/", b"{}", JSON)) for n in range(200)]
            await until(lambda: len(outward.names.system.asked) == 200)
            with pytest.raises(Refused):
                await outward.post("http://well.example/", b"{}", JSON)
            assert not any(each.done() for each in late)
            go.set()
            await asyncio.gather(*late, return_exceptions=True)

    monkeypatch.setattr(lookups, "look_up", mostly_silent)
    run(posts())


def test_a_resolver_that_hangs_to_the_end_disturbs_nobody(monkeypatch, caplog):
    go = threading.Event()
    monkeypatch.setattr(egress.socket, "getaddrinfo", lambda *_, **__: go.wait(HUNG) and [])
    error, _ = post(always, url="http://slow.example", deadline=HASTY)
    go.set()
    for thread in threading.enumerate():
        if thread.name.startswith("resolving"):
            thread.join()
    assert (type(error), str(error)) == LATE
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_who_gives_up_is_let_go_and_leaves_no_connection():
    async def posts():
        async with receiving(silent) as receiver, here() as outward:
            task = asyncio.create_task(outward.post(receiver.url(), b"{}", JSON))
            await until(lambda: outward.lines)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await receiver.left.wait()
            await until(lambda: not outward.lines)

    run(posts())


# --- what is said when nothing came -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (socket.gaierror(-2, "Name or service not known"), "The name of its host leads nowhere."),
        (OSError("10.1.2.3 said something"), "The name of its host leads nowhere."),
        (UnicodeError("10.1.2.3 said something"), "Nothing could be sent."),
        (RuntimeError("10.1.2.3 said something"), "Nothing could be sent."),
        (MemoryError(), "Nothing could be sent."),
    ],
)
def test_an_error_tells_nothing_of_what_is_inside(error, said):
    async def failing(_host):
        raise error

    outcome, _ = post(always, url="http://broken.example", resolve=failing)
    assert (type(outcome), str(outcome)) == (Failed, said)


@pytest.mark.parametrize(
    ("leads", "said"), [([], "leads nowhere"), (["x"], "Nothing could be"), ([""], "Nothing could be")]
)
def test_a_resolver_s_nonsense_leads_nowhere(leads, said):
    resolve, _ = leading_to(*leads)
    outcome, receiver = post(always, url="http://broken.example", resolve=resolve)
    assert (type(outcome), receiver.visits) == (Failed, 0)
    assert said in str(outcome)


def test_a_refusal_does_not_tell_where_a_name_led():
    resolve, _ = leading_to("10.1.2.3", "fd12:3456::1")
    error, _ = post(always, url="http://inside.example", resolve=resolve)
    assert str(error) == (
        "inside.example is not on the public internet. Whoever runs Watchkeeper can open its network."
    )


# --- TLS ----------------------------------------------------------------------------------------------------------

# When the tests' certificates are good.
YESTERDAY, TOMORROW = (datetime.now(UTC) + timedelta(days=days) for days in (-1, 1))


class Authority:
    """Signs certificates; `trusted` is what a client knows who trusts it."""

    def __init__(self, folder):
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "an authority")])
        own = self.certificate(self.key, self.name, [], x509.BasicConstraints(ca=True, path_length=0))
        self.trusted = ssl.create_default_context(cadata=own.public_bytes(Encoding.PEM).decode())

    def certificate(self, key, subject, names, constraints, until=TOMORROW):
        """A certificate signed by the authority."""
        built = (
            x509.CertificateBuilder(self.name, subject, key.public_key(), x509.random_serial_number())
            .not_valid_before(YESTERDAY - timedelta(days=9))
            .not_valid_after(until)
            .add_extension(constraints, critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        if names:
            built = built.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return built.sign(self.key, hashes.SHA256())

    def server(self, *names, until=TOMORROW, itself=False):
        """What a receiver knows who calls itself by some names; `itself`: it signed that itself."""
        key = self.key if itself else ec.generate_private_key(ec.SECP256R1())
        subject = self.name if itself else x509.Name([])
        constraints = x509.BasicConstraints(ca=False, path_length=None)
        certificate = self.certificate(key, subject, names, constraints, until)
        file = self.folder / "server.pem"
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        file.write_bytes(private + certificate.public_bytes(Encoding.PEM))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(file)
        return context


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


NAMED = x509.DNSName("receiver.example")


def post_securely(serve, server, trusted, host="receiver.example", **how):
    """POST once over TLS."""
    resolve, _ = leading_to("127.0.0.1")
    return post(serve, url=f"https://{host}", tls=server, resolve=resolve, **{"trust": trusted} | how)


def test_a_name_stays_for_tls(authority):
    said = []
    server = authority.server(NAMED)
    server.sni_callback = lambda _socket, name, _context: said.append(name)
    for host in ("receiver.example", "Receiver.Example."):
        answer, receiver = post_securely(always, server, authority.trusted, host)
        assert answer == Answer(200, b"fine", False, None)
        assert f"Host: {host.rstrip('.')}:{receiver.port}".encode() in receiver.requests[0][0]
    assert [name.lower() for name in said] == ["receiver.example"] * 2


def test_a_number_has_a_certificate_too(authority):
    server = authority.server(x509.IPAddress(ip_address("127.0.0.1")))
    answer, _ = post_securely(always, server, authority.trusted, "127.0.0.1")
    assert answer == Answer(200, b"fine", False, None)


@pytest.mark.parametrize(
    ("host", "server", "problem"),
    [
        ("other.example", {}, "it is for another name"),
        ("sub.receiver.example", {}, "it is for another name"),
        ("127.0.0.1", {}, "it is for another address"),
        ("receiver.example", {"until": YESTERDAY}, "it has expired"),
        ("receiver.example", {"itself": True, "trusted": False}, "it is self-signed"),
        ("receiver.example", {"trusted": False}, "nobody known has signed it"),
    ],
)
def test_a_certificate_that_does_not_fit_is_not_accepted(authority, host, server, problem):
    trusted = authority.trusted if server.pop("trusted", True) else None
    error, receiver = post_securely(always, authority.server(NAMED, **server), trusted, host)
    assert (type(error), str(error)) == (Failed, f"Its certificate is not accepted: {problem}.")
    assert receiver.requests == []


def test_who_does_not_speak_tls_has_not_answered(authority):
    async def plain(visit):
        await visit.reader.read(1)
        await visit.say(an_answer(b"hello"))

    error, _ = post_securely(plain, None, authority.trusted)
    assert (type(error), str(error)) == (Failed, "No secure connection (TLS) could be made.")


def test_who_closes_instead_of_speaking_tls_has_not_answered(authority):
    async def closing(visit):
        await visit.reader.read(1)

    error, _ = post_securely(closing, None, authority.trusted)
    assert type(error) is Failed
    assert str(error) in ("No secure connection (TLS) could be made.", "No connection could be made.")


def test_tls_that_stalls_is_not_waited_for(authority):
    error, _ = post_securely(silent, None, authority.trusted, deadline=HASTY)
    assert (type(error), str(error)) == LATE


@pytest.mark.parametrize("first", [HEAD + b"\r\n", b""], ids=["an endless body", "an endless head"])
def test_a_tls_connection_that_goes_on_is_cut_off(authority, first):
    """Whoever waited for its goodbye would read on, for half a minute."""

    async def posts():
        resolve, _ = leading_to("127.0.0.1")
        serve = partial(endless, piece=b"HTTP/1.1 100 C\r\n\r\n" * 1000)
        async with (
            receiving(lambda visit: serve(visit, first), authority.server(NAMED)) as receiver,
            here(resolve=resolve, tls=authority.trusted) as outward,
        ):
            with suppress(Failed):
                await outward.post(receiver.url("receiver.example", "https"), b"{}", JSON)
            await asyncio.wait_for(receiver.left.wait(), HUNG / 2)
            assert not outward.lines

    run(posts())


def test_a_tls_connection_does_not_wait_for_a_goodbye(authority):
    async def deaf(visit):
        await visit.request()
        visit.writer.transport.pause_reading()
        await asyncio.Event().wait()

    async def posts():
        resolve, _ = leading_to("127.0.0.1")
        async with (
            receiving(deaf, authority.server(NAMED)) as receiver,
            here(resolve=resolve, tls=authority.trusted, deadline=HASTY) as outward,
        ):
            with pytest.raises(Failed):
                await outward.post(receiver.url("receiver.example", "https"), b"{}", JSON)
            await asyncio.wait_for(until(lambda: not outward.lines), HUNG / 2)

    run(posts())


def test_a_tls_connection_is_kept_too(authority):
    resolve, asked = leading_to("127.0.0.1")

    async def posts():
        async with (
            receiving(always, authority.server(NAMED)) as receiver,
            here(resolve=resolve, tls=authority.trusted) as outward,
        ):
            for _ in range(3):
                await outward.post(receiver.url("receiver.example", "https"), b"{}", JSON)
            assert (receiver.visits, len(asked)) == (1, 1)

    run(posts())


# --- connections that are kept ------------------------------------------------------------------------------------


def visits_of(serve, posts, **how):
    """How many connections some posts after one another needed."""

    async def sending():
        async with receiving(serve) as receiver, here(**how) as outward:
            for _ in range(posts):
                await outward.post(receiver.url(), b"{}", JSON)
                await asyncio.sleep(pause)
            return receiver.visits

    pause = how.pop("pause", 0)
    return run(sending())


def test_a_connection_is_kept_for_the_next_request():
    assert visits_of(always, 5) == 1


def test_a_connection_is_kept_for_its_own_host_and_port_only():
    resolve, asked = leading_to("127.0.0.1")

    async def posts():
        async with receiving(always) as one, receiving(always) as other, here(resolve=resolve) as outward:
            for url in (one.url("a.example"), one.url("b.example"), other.url("a.example"), one.url("a.example")):
                await outward.post(url, b"{}", JSON)
            assert (one.visits, other.visits, asked) == (2, 1, ["a.example", "b.example", "a.example"])

    run(posts())


def test_a_connection_is_not_kept_for_long(monkeypatch):
    monkeypatch.setattr(egress, "KEPT_FOR", 0.05)
    assert visits_of(always, 3, pause=0.3) == 3


@pytest.mark.parametrize(
    "answer",
    [
        an_answer(b"x" * 10 * MOST_READ),
        an_answer(b"", "Connection: close"),
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        an_answer(b"") + b"HTTP/1.1 200 OK\r\n\r\nmore than was asked for",
    ],
    ids=["cut", "close", "old", "more"],
)
def test_a_connection_is_not_kept_after_some_answers(answer):
    assert visits_of(answering(*[answer] * 3), 3) == 3


def test_no_cookie_comes_back():
    resolve, _ = leading_to("127.0.0.1")

    async def posts():
        answers = answering(an_answer(b"", "Set-Cookie: a=b; Path=/"), an_answer())
        async with receiving(answers) as receiver, here(resolve=resolve) as outward:
            for _ in range(2):
                await outward.post(receiver.url("receiver.example"), b"{}", JSON)
        assert b"cookie" not in receiver.requests[1][0].lower()

    run(posts())


def test_no_more_are_under_way_at_once_than_said():
    present, most = [], []

    async def crowded(visit):
        await visit.request()
        present.append(visit)
        await asyncio.sleep(0.05)
        most.append(len(present))
        present.remove(visit)
        await visit.say(an_answer(b"", "Connection: close"))

    async def posts():
        async with receiving(crowded) as receiver, here(at_once=3) as outward:
            await asyncio.gather(*(outward.post(receiver.url(), b"{}", JSON) for _ in range(12)))
            assert (receiver.visits, max(most)) == (12, 3)

    run(posts())


def test_no_more_connections_are_kept_than_may_be_under_way():
    resolve, _ = leading_to("127.0.0.1")

    async def posts():
        async with receiving(always) as receiver, here(at_once=3, resolve=resolve) as outward:
            for number in range(10):
                await outward.post(receiver.url(f"host{number}.example"), b"{}", JSON)
            await until(lambda: len(outward.lines) <= 3)
            assert (receiver.visits, len(outward.lines)) == (10, 3)

    run(posts())


def test_nothing_stays_open_when_it_is_over():
    async def posts():
        async with receiving(always) as receiver, here() as outward:
            await outward.post(receiver.url(), b"{}", JSON)
            assert len(outward.lines) == 1
            await outward.__aexit__(None, None, None)
            await receiver.left.wait()
            await until(lambda: not outward.lines)

    run(posts())
