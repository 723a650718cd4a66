"""
What an HTTP answer's body says: decoded and read as text, never more than `MOST_DECODED` of it, whatever was sent.

Asked for, and read where they come unasked, are gzip and deflate (with zlib's head and without); a body that is encoded
in another way, or twice, is one that can't be read. A charset is looked for where browsers look (a byte order mark, the
Content-Type, a page's own meta), and one that is unknown, or not what it says, makes the text no worse than a browser
shows it. Pure.

Source: RFC 9110, 8.4; the Encoding standard for names; Python's own names are not let in, since some of its codecs are
none for text or take forever.
"""

import re
import zlib

MOST_DECODED = 1024 * 1024
# What we say that we take.
ACCEPTED = "gzip, deflate"
# Names of charsets as pages have them, besides those of `_families`; what browsers call latin-1 is windows-1252.
CHARSETS = {
    "utf-8": "utf-8", "utf8": "utf-8", "unicode-1-1-utf-8": "utf-8", "us-ascii": "cp1252", "ascii": "cp1252",
    "latin1": "cp1252", "latin-1": "cp1252", "iso-8859-1": "cp1252", "iso8859-1": "cp1252", "l1": "cp1252",
    "utf-16": "utf-16-le", "utf-16le": "utf-16-le", "utf-16be": "utf-16-be", "koi8-r": "koi8-r", "koi8-u": "koi8-u",
    "gb2312": "gb18030", "gbk": "gb18030", "gb18030": "gb18030", "big5": "big5hkscs", "big5-hkscs": "big5hkscs",
    "shift_jis": "cp932", "shift-jis": "cp932", "sjis": "cp932", "windows-31j": "cp932", "euc-jp": "euc-jp",
    "iso-2022-jp": "iso2022-jp", "euc-kr": "cp949", "ks_c_5601-1987": "cp949", "macintosh": "mac-roman",
    "windows-874": "cp874", "tis-620": "cp874", "ibm866": "cp866", "cp866": "cp866",
}  # fmt: skip
_families = re.compile(r"(?:iso-?8859-(?P<iso>[2-9]|1[03-6])|(?:windows-|cp)(?P<windows>125[0-8]))").fullmatch
MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_meta = re.compile(rb"<meta[^>]{0,200}charset\s{0,5}=\s{0,5}[\"']?([A-Za-z0-9_:.-]{1,40})", re.IGNORECASE).search
_parameter = re.compile(r"charset\s*=\s*[\"']?([A-Za-z0-9_:.-]{1,40})", re.IGNORECASE).search
# What is shorter was not cut by any bound.
SHORTEST_CUT = 1024
# How far into a page its meta stands.
META_WITHIN = 1024


class Unreadable(Exception):
    """A body that is not what its Content-Encoding says. The text is what is wrong with it, the end of a sentence."""


class Decoder:
    """Undoes a Content-Encoding piece by piece. `whole` once all that it is for has come, or as much as is read."""

    def __init__(self, encoding: str) -> None:
        named = [name for one in encoding.split(",") if (name := one.strip().lower()) not in ("", "identity")]
        if len(named) > 1 or (named and named[0] not in ("gzip", "x-gzip", "deflate")):
            raise Unreadable(f"it is encoded in a way that was not asked for ({', '.join(named)[:60]})")
        self.kind = named[0].removeprefix("x-") if named else ""
        self.decoded = bytearray()
        self.undoing = zlib.decompressobj(wbits=31) if self.kind == "gzip" else None
        self.began = False
        self.ended = not self.kind

    @property
    def is_full(self) -> bool:
        """Whether as much is decoded as is ever read."""
        return len(self.decoded) >= MOST_DECODED

    def feed(self, data: bytes) -> None:
        """More of the body. Raises Unreadable."""
        if not self.kind:
            self.decoded += data[: MOST_DECODED - len(self.decoded)]
            return
        try:
            while data and not self.is_full:
                data = self._undo(data)
        except zlib.error:
            raise Unreadable(f"it is not the {self.kind} that it says it is") from None

    def _undo(self, data: bytes) -> bytes:
        """Undo some of what came; what is left of it then."""
        if self.undoing is None:
            # Many servers leave zlib's head out, which the standard wants: its first byte ends in 8.
            self.undoing = zlib.decompressobj(wbits=15 if data[0] & 15 == 8 else -15)
        self.began = True
        self.decoded += self.undoing.decompress(data, MOST_DECODED - len(self.decoded))
        if not self.undoing.eof:
            return self.undoing.unconsumed_tail
        self.ended = True
        rest = self.undoing.unused_data
        if self.kind == "gzip" and rest.startswith(b"\x1f\x8b"):  # one more member; anything else behind it is nothing
            self.undoing = zlib.decompressobj(wbits=31)
            self.ended = False
            return rest
        return b""

    def finish(self) -> None:
        """The body came to its end. Raises Unreadable where its encoding did not."""
        if self.began and not self.ended and not self.is_full:
            raise Unreadable(f"its {self.kind} is cut short")


def text_of(body: bytes, content_type: str = "") -> str:
    """A body as a browser would read it."""
    mark = next((name for start, name in MARKS.items() if body.startswith(start)), None)
    named = _parameter(content_type)
    meta = _meta(body[:META_WITHIN])
    charset = mark
    if charset is None and named:
        charset = codec_of(named[1])
    elif charset is None and meta:
        charset = codec_of(meta[1].decode())
    if charset is not None:
        return body.decode(charset, "replace")
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        # A bound may have cut a character.
        whole = error.reason == "unexpected end of data" and len(body) >= SHORTEST_CUT
        return body.decode("utf-8" if whole else "cp1252", "replace")


def codec_of(name: str) -> str | None:
    """Python's name of a charset; None for one that is unknown."""
    name = name.lower()
    if family := _families(name):
        return f"iso8859-{family['iso']}" if family["iso"] else f"cp{family['windows']}"
    return CHARSETS.get(name)


def holds(body: bytes, text: str, keyword: str, *, case_sensitive: bool) -> bool:
    """Whether a body has a keyword: as it reads, or in UTF-8 whatever it says that it is."""
    if case_sensitive:
        return keyword in text or keyword.encode("utf-8", "replace") in body
    keyword = keyword.casefold()
    return keyword in text.casefold() or keyword in body.decode("utf-8", "replace").casefold()
