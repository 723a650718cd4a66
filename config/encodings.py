"""
Bodies that were compressed for the way: `Content-Encoding: gzip`, and nothing else.

Opened only for those who may send (config.api.read_body), so that nobody else makes us work; never to more than a
limit, however little came. One member, and nothing behind it. Answers are compressed by config.middleware.
"""

import zlib

# What all gzip begins with.
_MAGIC = b"\x1f\x8b"
GZIP, NONE = "gzip", ("", "identity")
# gzip's own header and trailer, and its largest window.
_WBITS = 16 + zlib.MAX_WBITS


class NotGzip(ValueError):
    """Bytes that are no gzip, or not all of it; the text says so in a sentence."""


class TooMuch(ValueError):
    """More than the limit comes out. `beginning` is what came out until then."""

    def __init__(self, beginning: bytes) -> None:
        super().__init__("too much comes out")
        self.beginning = beginning


def gunzip(data: bytes, limit: int) -> bytes:
    """What was compressed, at most `limit` bytes. Raises NotGzip, TooMuch."""
    opened = zlib.decompressobj(_WBITS)
    try:
        found = opened.decompress(data, limit + 1)
    except zlib.error:
        says = "is damaged gzip" if data.startswith(_MAGIC) else "is not gzip, although Content-Encoding says so"
        raise NotGzip(f"The body {says}.") from None
    if len(found) > limit:
        raise TooMuch(found[:limit])
    if not opened.eof:
        raise NotGzip("The body is gzip that broke off before its end.")
    if opened.unused_data:
        raise NotGzip("Something follows the end of the gzip in the body.")
    return found
