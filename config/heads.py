"""
What counts as the head of an HTTP answer: what a browser takes as one.

Many receivers write heads badly: lengths that are said twice, lines without a colon, blanks before one, folded lines,
header lines of any length, number and encoding. A browser reads all of that, and a receiver that said 200 took what was
sent. `plain` writes such a head anew, as strict parsers want it; `Reader` does so with the bytes of a connection. What
could mean two things (two different lengths, a NUL) stays as it came: the parser behind refuses it. Pure; the caller
bounds how much comes.

Source: RFC 9112; the Fetch standard, "extract a length"; where these leave it open, Chromium.
"""

import re
from collections.abc import Iterable, Iterator

# The longest beginning that may still become a status line.
_BEGINNING = b"HTTP/"
_end = re.compile(rb"\n\r?\n").search
_status_line = re.compile(
    rb"HTTP/(?P<version>[12](?:\.[0-9]+)?)[ \t]+(?P<code>[1-9][0-9]{2})(?![0-9])[ \t]*(?P<reason>.*)", re.IGNORECASE
).fullmatch
_token = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
# Line ends are gone by here; of what is left only these mean something to a parser.
_controls = re.compile(rb"[\x01-\x08\x0a-\x1f\x7f]")
_LONGEST_BODY = 2**63 - 1

Header = tuple[bytes, bytes]


def plain(head: bytes) -> bytes:
    """A head (with its empty line) as a strict parser wants it; one that is none, or ambiguous, as it came."""
    first, *lines = head.split(b"\n")
    status = _status_line(first.rstrip(b"\r"))
    if status is None or b"\0" in head:
        return head
    framed = framing(list(headers(unfolded(lines))))
    if framed is None:
        return head
    minor = b"0" if status["version"] in (b"1", b"1.0") else b"1"
    reason = _controls.sub(b" ", status["reason"]).strip()
    written = b"".join(b"%b: %b\r\n" % header for header in framed)
    return b"HTTP/1.%b %b %b\r\n%b\r\n" % (minor, status["code"], reason, written)


def unfolded(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Header lines, those that go on in the next ones put together; without their ends."""
    whole: list[bytes] = []
    for line in lines:
        if line[:1] in (b" ", b"\t") and line.strip():
            whole.append(line.strip())
            continue
        if whole:
            yield b" ".join(whole)
        whole = [line.rstrip()]
    if whole:
        yield b" ".join(whole)


def headers(lines: Iterable[bytes]) -> Iterator[Header]:
    """Names and values; a line that has no colon, or a name that is none, is passed over."""
    for line in lines:
        name, colon, value = line.partition(b":")
        name = name.strip()
        if colon and _token(name):
            yield name, _controls.sub(b" ", value).strip()


def framing(found: list[Header]) -> list[Header] | None:
    """
    The headers with one way to tell where the body ends: chunks before a length, and else the end of the connection.
    None where two different lengths are said.
    """
    codings = [value for name, value in found if name.lower() == b"transfer-encoding"]
    lengths = [value for name, value in found if name.lower() == b"content-length"]
    if not codings and len(lengths) < 2 and all(length.isdigit() and len(length) < 16 for length in lengths):
        return found
    others = [header for header in found if header[0].lower() not in (b"transfer-encoding", b"content-length")]
    if codings and codings[-1].rpartition(b",")[2].strip().lower() == b"chunked":
        return [*others, (b"Transfer-Encoding", b"chunked")]
    said = {each.strip() for length in lengths for each in length.split(b",")}
    if len(said) > 1:
        return None
    if not said or not (only := said.pop()).isdigit() or int(only[:20]) > _LONGEST_BODY or len(only) > 19:
        return others
    return [*others, (b"Content-Length", only)]


class Reader:
    """
    Puts the bytes of a connection into pieces for a parser: each head by itself and plain, then the body as it comes.
    """

    def __init__(self) -> None:
        self.held = bytearray()
        self.in_head = True
        self.looked = 0

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """What can be handed on, now that this came."""
        if not self.in_head:
            yield data
            return
        self.held += data
        while self.in_head and self.held:
            self._pass_over_empty_lines()
            if not self._may_be_a_head():
                self.in_head = False
            elif end := _end(self.held, max(0, self.looked - 2)):
                written = plain(bytes(self.held[: end.end()]))
                del self.held[: end.end()]
                self.looked = 0
                # Heads before the answer's own, but for that of another protocol, which is the last there is.
                self.in_head = written[9:10] == b"1" and written[9:12] != b"101"
                yield written
            else:
                self.looked = len(self.held)
                return
        if self.held and not self.in_head:
            rest = bytes(self.held)
            self.held.clear()
            yield rest

    def _pass_over_empty_lines(self) -> None:
        if self.held[:1] in (b"\r", b"\n"):
            self.held = self.held.lstrip(b"\r\n")
            self.looked = 0

    def _may_be_a_head(self) -> bool:
        start = self.held[: len(_BEGINNING)].upper()
        return start == _BEGINNING[: len(start)]
