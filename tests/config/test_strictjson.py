import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import strictjson
from config.strictjson import Malformed, TooMany, Unsafe, parse, parse_each, parse_text

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**38), 10**38)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
)
documents = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0")), inner, max_size=4
        )
    ),
    max_leaves=20,
)

MALFORMED = [
    b"",
    b"   \n",
    b"\xef\xbb\xbf{}",
    "{}".encode("utf-16"),
    b"\xff",
    b'"\xc0\x80"',
    b'"\xed\xa0\x80"',
    b'"\xf4\x90\x80\x80"',
    b"{",
    b"[",
    b"]",
    b"[1,]",
    b"[,1]",
    b"[1 2]",
    b'{"a" 1}',
    b'{"a":1,}',
    b"{a:1}",
    b"{'a':1}",
    b"{1:1}",
    b'"abc',
    b'"\\x"',
    b'"\\u12"',
    b'"\\u+123"',
    b'"\\u 123"',
    b'"a\nb"',
    b'"\x00"',
    b"\x00{}",
    b"{}\x00",
    b"{} {}",
    b"{}x",
    b"nul",
    b"None",
    b"True",
    b"TRUE",
    b"01",
    b"+1",
    b".5",
    b"1.",
    b"1e",
    b"0x10",
    b"1_000",
    b"--1",
    b"\xc2\xa0{}",
    b"\x0c{}",
    "٣".encode(),
    "1٣".encode(),
    b"// comment\n{}",
    b"/**/{}",
    b"a=1&b=2",
    b"<xml/>",
    b"\x1f\x8b\x08",
]

UNSAFE = [
    b'{"a":1,"a":1}',
    b'{"a":1,"b":2,"\\u0061":3}',
    b'[[{"x":{"":1,"":2}}]]',
    b"NaN",
    b"[NaN]",
    b"Infinity",
    b'{"a":-Infinity}',
    b'"\\u0000"',
    b'{"a\\u0000b":1}',
    b'[{"a":["\\u0000"]}]',
    b'"\\ud800"',
    b'"\\uDFFF"',
    b'"\\udc00\\ud800"',
    b'"\\ud800\\ud800\\udc00"',
    b'{"\\ud83d":1}',
    b'{"a":{"b":["ok","\\udbff"]}}',
    b"[" * 33 + b"]" * 33,
    b'{"a":' * 33 + b"1" + b"}" * 33,
    b'{"a":[' * 17 + b"]}" * 17,
    b"[" * 100_000,
    b"[" * 100_000 + b"]" * 100_000,
    b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    b"1" * 41,
    b"-" + b"1" * 40,
    b"1" * 5000,
    b"0." + b"1" * 39,
    b"[1e" + b"0" * 39 + b"]",
    b"1e309",
    b"-1e309",
    b"[1.8e308]",
    b"1e99999999999",
]

GOOD = {
    b"null": None,
    b" \t\r\n{ } \n": {},
    b"[]": [],
    b'""': "",
    b"1" * 40: int("1" * 40),
    b"-" + b"1" * 39: -int("1" * 39),
    b"9007199254740993": 9007199254740993,
    b"1e308": 1e308,
    b"1e-400": 0.0,
    b"-0": 0,
    b'{"a":{"a":{"a":1}}}': {"a": {"a": {"a": 1}}},
    b'"\\ud83d\\ude00"': "😀",
    b'"\\\\u0000 \\\\ud800"': "\\u0000 \\ud800",
    b'"\\u0001\\u001f\\u007f\\ufffe\\uffff"': "\x01\x1f\x7f\ufffe\uffff",
    '{"ключ":"значение — 😀"}'.encode(): {"ключ": "значение — 😀"},
    b"[" * 32 + b"]" * 32: json.loads("[" * 32 + "]" * 32),
    b'{"a":' * 32 + b"1" + b"}" * 32: json.loads('{"a":' * 32 + "1" + "}" * 32),
    b'"' + b"[{" * 100 + b'"': "[{" * 100,
    b"[" + b"{}," * 99 + b"{}]": [{}] * 100,
}


@pytest.mark.parametrize("read", [parse, parse_each])
@pytest.mark.parametrize("raw", MALFORMED, ids=lambda raw: repr(raw[:20]))
def test_what_is_not_json_is_malformed(raw, read):
    with pytest.raises(Malformed) as refused:
        read(raw)
    assert refused.value.code == "MALFORMED_JSON"


@pytest.mark.parametrize("read", [parse, parse_each])
@pytest.mark.parametrize("raw", UNSAFE, ids=lambda raw: repr(raw[:20]))
def test_what_nobody_should_keep_is_unsafe(raw, read):
    with pytest.raises(Unsafe) as refused:
        read(raw)
    assert refused.value.code == "UNSAFE_JSON"


@pytest.mark.parametrize(("raw", "value"), GOOD.items(), ids=lambda item: repr(item)[:20])
def test_good_json_is_read(raw, value):
    assert parse(raw) == value
    assert parse_each(raw)[0] == value
    assert parse_text(raw.decode()) == value


@pytest.mark.parametrize(
    ("raw", "where"),
    [(b'{\n "a": tru}', "line 2, column 7"), (b"[1,\n\n2,x]", "line 3, column 3"), (b"{}}", "line 1, column 3")],
)
def test_a_syntax_error_is_said_with_its_place(raw, where):
    for read in (parse, parse_each):
        with pytest.raises(Malformed, match=where):
            read(raw)


def test_the_doubled_key_is_named_in_printable_form():
    with pytest.raises(Unsafe, match=r'the key "b" more than once'):
        parse(b'{"a":1,"b":2,"b":3}')
    with pytest.raises(Unsafe, match=r'the key "\\u0001x+\\u2026" more than once'):
        parse(b'{"\\u0001%s":1,"\\u0001%s":2}' % (b"x" * 99, b"x" * 99))


def test_depth_is_a_matter_of_the_document_whatever_the_caller_has_on_the_stack():
    def deeper(levels):
        return deeper(levels - 1) if levels else parse(b"[" * 32 + b"]" * 32)

    assert deeper(sys.getrecursionlimit() // 2) == json.loads("[" * 32 + "]" * 32)


@given(documents)
def test_good_documents_are_read_as_the_standard_library_reads_them(document):
    for ascii_only in (True, False):
        raw = json.dumps(document, ensure_ascii=ascii_only).encode()
        assert repr(parse(raw)) == repr(json.loads(raw))
        assert repr(parse_each(raw)[0]) == repr(json.loads(raw))


@given(st.lists(documents, max_size=5), st.sampled_from(["", " ", "\n\t"]), st.booleans())
def test_the_slices_of_an_array_are_the_exact_bytes_of_its_elements(elements, space, ascii_only):
    pieces = [json.dumps(element, ensure_ascii=ascii_only).encode() for element in elements]
    gap = space.encode()
    raw = gap + b"[" + gap + (gap + b"," + gap).join(pieces) + gap + b"]" + gap
    values, slices = parse_each(raw)
    assert slices == pieces
    assert repr(values) == repr(elements)


@pytest.mark.parametrize("raw", [b"{}", b"1", b'"[]"', b"null"])
def test_what_is_no_array_has_no_slices(raw):
    assert parse_each(raw) == (json.loads(raw), None)


def test_the_slices_keep_what_is_lost_in_the_values():
    raw = b'[ {"a" : 1.50,\r\n"b":"\\u00e9"} ,\t"\xc3\xa9" ]'
    assert parse_each(raw)[1] == [b'{"a" : 1.50,\r\n"b":"\\u00e9"}', b'"\xc3\xa9"']


def test_the_array_around_them_counts_as_a_level_of_its_elements():
    parse_each(b"[" + b"[" * 31 + b"]" * 31 + b"]")
    with pytest.raises(Unsafe, match="32 levels"):
        parse_each(b"[1," + b"[" * 32 + b"]" * 32 + b"]")


def test_an_array_of_more_elements_than_wanted_is_not_read_to_its_end():
    assert parse_each(b"[1,2,3]", at_most=3) == ([1, 2, 3], [b"1", b"2", b"3"])
    with pytest.raises(TooMany, match="more than 3"):
        parse_each(b"[1,2,3,4,NaN", at_most=3)


@given(st.binary(max_size=60) | st.text(alphabet='[]{}",:\\u0dD8e1.-NaIty \n', max_size=40).map(str.encode))
def test_any_bytes_are_either_read_or_refused(raw):
    values = [verdict(parse, raw), verdict(lambda raw: parse_each(raw)[0], raw)]
    assert repr(values[0]) == repr(values[1])
    if values[0] is not strictjson.Refused:
        assert repr(values[0]) == repr(json.loads(raw))
        json.dumps(values[0], ensure_ascii=False, allow_nan=False).encode()


def verdict(read, raw):
    try:
        return read(raw)
    except strictjson.Refused as refused:
        if not refused.message.isprintable():
            raise AssertionError("a message that cannot be shown") from refused
        return strictjson.Refused
