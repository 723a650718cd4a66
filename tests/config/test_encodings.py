"""What comes out of gzip: whole and one member, or nothing; and never more than is asked for."""

import contextlib
import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.encodings import NotGzip, TooMuch, gunzip

LIMIT = 1000


@given(st.binary(max_size=LIMIT), st.integers(0, 9))
def test_what_was_compressed_comes_out(data, level):
    assert gunzip(gzip.compress(data, level), LIMIT) == data


@given(st.binary(min_size=LIMIT + 1, max_size=3 * LIMIT))
def test_no_more_than_the_limit_comes_out(data):
    with pytest.raises(TooMuch) as error:
        gunzip(gzip.compress(data), LIMIT)
    assert error.value.beginning == data[:LIMIT]


@given(st.binary(max_size=200), st.data())
def test_what_is_cut_off_anywhere_is_none(data, draw):
    whole = gzip.compress(data)
    with pytest.raises(NotGzip):
        gunzip(whole[: draw.draw(st.integers(0, len(whole) - 1))], LIMIT)


@given(st.binary(max_size=200), st.binary(min_size=1, max_size=50))
def test_what_has_anything_behind_it_is_none(data, more):
    with pytest.raises(NotGzip):
        gunzip(gzip.compress(data) + more, LIMIT)


@pytest.mark.parametrize("data", [b"", b"{}", zlib.compress(b"{}"), zlib.compress(b"{}", wbits=-15), b"\x1f\x8b"])
def test_what_is_no_gzip_is_none(data):
    with pytest.raises(NotGzip):
        gunzip(data, LIMIT)


@pytest.mark.parametrize("place", [3, 12, -6, -1])
def test_damaged_gzip_is_called_that(place):
    data = bytearray(gzip.compress(b'{"message": "Shop is down"}'))
    data[place] ^= 0xFF
    with pytest.raises(NotGzip, match="damaged gzip"):
        gunzip(bytes(data), LIMIT)


@given(st.binary(max_size=300))
def test_no_bytes_are_too_strange(data):
    for sent in (data, b"\x1f\x8b\x08" + data):
        with contextlib.suppress(NotGzip, TooMuch):
            assert len(gunzip(sent, LIMIT)) <= LIMIT
