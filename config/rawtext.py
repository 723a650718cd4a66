"""
Bytes from strangers made visible: what is text is shown as text, what is not is shown as what it is.

Not here: parsing them (config.strictjson), or escaping for HTML (the templates do).
"""

import json
from dataclasses import dataclass

# The rest is one click away, as a download of the exact bytes.
SHOWN = 64 * 1024

# Control characters have pictures of their own; line feed, carriage return and tab are left to do their work.
PICTURES = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\r\t"} | {127: 0x2421}


@dataclass(frozen=True)
class RawText:
    """Bytes as they can be shown: `text`, how many bytes there are, whether all are shown, whether they are UTF-8."""

    text: str
    size: int
    is_cut: bool
    is_utf8: bool


def visible(body: bytes) -> RawText:
    """The beginning of some bytes as text; what is not UTF-8 becomes \\x and its hexadecimal digits."""
    shown = body[:SHOWN]
    try:
        body.decode()
        is_utf8 = True
    except UnicodeDecodeError:
        is_utf8 = False
    # Cutting may split a character; its remaining bytes are left out rather than shown as broken.
    text = shown.decode(errors="ignore" if is_utf8 else "backslashreplace")
    return RawText(text.translate(PICTURES), len(body), len(body) > SHOWN, is_utf8)


def indented(value: object) -> str:
    """JSON that we keep, as indented text."""
    return json.dumps(value, indent=2, ensure_ascii=False)
