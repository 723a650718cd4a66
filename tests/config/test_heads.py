"""Tests of config.heads: a head is written anew as a strict parser wants it. Real connections: test_egress."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.heads import Reader, plain

SOUND = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 2\r\n\r\n"


def read(*pieces):
    reader = Reader()
    return [part for piece in pieces for part in reader.pieces(piece)]


def test_a_sound_head_stays_as_it_is():
    assert plain(SOUND) == SOUND


@pytest.mark.parametrize(
    ("lengths", "written"),
    [
        ([b"2", b"2"], b"Content-Length: 2\r\n"),
        ([b"2,2 , 2"], b"Content-Length: 2\r\n"),
        ([b"two"], b""),
        ([b"+2"], b""),
        ([b""], b""),
        ([b"9223372036854775807"], b"Content-Length: 9223372036854775807\r\n"),
        ([b"9223372036854775808"], b""),
        ([b"9" * 100_000], b""),
    ],
)
def test_a_length_is_said_once_or_not_at_all(lengths, written):
    head = b"HTTP/1.1 200 OK\r\n" + b"".join(b"Content-Length: %b\r\n" % each for each in lengths) + b"\r\n"
    assert plain(head) == b"HTTP/1.1 200 OK\r\n" + written + b"\r\n"


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: one\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
    ],
)
def test_what_is_ambiguous_or_no_head_stays_as_it_came(head):
    assert plain(head) == head


def test_chunks_go_before_a_length():
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: gzip\r\ntransfer-encoding: Chunked\r\n\r\n"
    assert plain(head) == b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_heads_before_the_answer_s_own_are_read_as_such():
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    assert read(early + SOUND + b"ab") == [early, SOUND, b"ab"]


def test_what_is_no_http_is_handed_on_at_once():
    assert read(b"\r\nSSH-2") == [b"SSH-2"]


@given(st.lists(st.integers(0, 120), max_size=8))
def test_how_it_is_cut_changes_nothing(places):
    whole = b"\r\n\nHTTP/1.1 100 C\n\n" + SOUND + b"ab\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"
    cuts = sorted({0, len(whole), *(min(place, len(whole)) for place in places)})
    parts = read(*(whole[a:b] for a, b in pairwise(cuts)))
    assert b"".join(parts) == b"".join(read(whole))


@given(st.binary(max_size=300))
def test_whatever_comes_there_is_an_end(junk):
    read(b"HTTP/1.1 200 " + junk + b"\n\n")
    read(junk)
