"""Tests of monitors.probes.bodies: what a body says, however it is encoded, and never more than a bound of it."""

import gzip
import random
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitors.probes.bodies import MOST_DECODED, Decoder, Unreadable, codec_of, holds, text_of


def decoded(encoding, *pieces):
    """What pieces of a body decode to."""
    decoder = Decoder(encoding)
    for piece in pieces:
        decoder.feed(piece)
    decoder.finish()
    return bytes(decoder.decoded)


@given(st.binary(max_size=5_000), st.integers(0, 5_000), st.sampled_from(["gzip", "deflate", "raw", ""]))
def test_a_body_decodes_to_what_it_was_wherever_it_is_cut(body, at, kind):
    encoded = {
        "gzip": gzip.compress(body),
        "deflate": zlib.compress(body),
        "raw": zlib.compress(body, wbits=-15),
        "": body,
    }[kind]
    assert decoded("deflate" if kind == "raw" else kind, encoded[:at], encoded[at:]) == body


@given(st.binary(max_size=2_000), st.sampled_from(["gzip", "deflate", "", "br", "gzip, deflate", ","]))
def test_no_body_breaks_the_decoder(body, encoding):
    with suppress(Unreadable):
        assert len(decoded(encoding, body)) <= MOST_DECODED


def test_a_bomb_is_decoded_to_the_bound_and_no_further():
    bomb = gzip.compress(bytes(300 * MOST_DECODED))
    decoder = Decoder("gzip")
    decoder.feed(bomb)
    assert decoder.is_full
    assert len(decoder.decoded) == MOST_DECODED
    decoder.feed(bomb)
    decoder.finish()
    assert len(decoder.decoded) == MOST_DECODED


def test_many_empty_members_end():
    assert decoded("gzip", gzip.compress(b"") * 20_000 + gzip.compress(b"x")) == b"x"


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        ("Grüße".encode(), "text/html", "Grüße"),
        ("Grüße".encode("latin-1"), "text/html", "Grüße"),
        ("Grüße".encode("latin-1"), "text/html; charset=iso-8859-1", "Grüße"),
        ("Grüße".encode("cp1252"), 'text/html; charset="Windows-1252"', "Grüße"),
        ("привет".encode("koi8-r"), "text/plain;charset=KOI8-R", "привет"),
        ("привет".encode("cp1251"), "text/html; charset=windows-1251", "привет"),
        ("日本".encode("shift_jis"), "text/html; charset=Shift_JIS", "日本"),
        ("日本".encode("euc-jp"), "text/html; charset=euc-jp", "日本"),
        ("Grüße".encode("utf-16"), "text/html", "Grüße"),
        ("\ufeffGrüße".encode(), "text/html; charset=latin1", "Grüße"),
        (b"<meta charset=windows-1251>" + "привет".encode("cp1251"), "text/html", "<meta charset=windows-1251>привет"),
        ("Grüße".encode(), "text/html; charset=klingon", "Grüße"),
        ("Grüße".encode(), "text/html; charset=", "Grüße"),
        (b"abc\xff", "text/html; charset=utf-8", "abc\ufffd"),
        ("Caf\u00e9".encode("latin-1"), "", "Café"),
        ("Gr\u00fc".encode()[:-1].rjust(2_000), "", "Gr\ufffd".rjust(2_000)),
    ],
)
def test_a_body_reads_as_in_a_browser(body, content_type, text):
    assert text_of(body, content_type) == text


@pytest.mark.parametrize(
    "name", ["rot13", "zip", "hex", "idna", "punycode", "unicode_escape", "utf-7", "base64", "undefined"]
)
def test_what_python_calls_a_codec_is_not_always_one(name):
    assert codec_of(name) is None


@pytest.mark.parametrize(
    "kind", ["iso-8859-2", "ISO-8859-16", "windows-1258", "cp1250", "iso8859-15", "gbk", "big5", "euc-kr"]
)
def test_charsets_of_pages_are_known(kind):
    assert "x".encode(codec_of(kind)) == b"x"


def test_every_charset_reads_any_bytes():
    noise = random.Random(7).randbytes(4_000)
    for kind in (
        "utf-8",
        "utf-16",
        "iso-2022-jp",
        "shift_jis",
        "gb18030",
        "big5",
        "euc-kr",
        "macintosh",
        "ibm866",
        "tis-620",
    ):
        assert text_of(noise, f"text/html; charset={kind}")


def test_a_keyword_is_found_as_it_reads_or_in_utf8_whatever_the_page_says():
    body = "Grüße".encode()
    wrong = text_of(body, "text/html; charset=latin1")
    assert "Grüße" not in wrong
    assert holds(body, wrong, "Grüße", case_sensitive=True)
    assert holds(body, wrong, "GRÜSSE", case_sensitive=False)
    assert not holds(body, wrong, "Gruesse", case_sensitive=False)
