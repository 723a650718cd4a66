"""
Which addresses a monitor of ours can have: http or https, a host that can be asked, nothing that identifies anybody.

One pattern says all of it, so that forms, the API and its schema say the same. Not here: whether we may go there, which
depends on what the host's name leads to when it is asked.

Source: RFC 3986, RFC 1123 (host names; underscores, which many have, are let through).
"""

from django.core.validators import RegexValidator

LONGEST_ADDRESS = 2048

LABEL = "[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
# What begins with a digit might be meant for a number.
LAST_LABEL = "[A-Za-z_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
NAME = rf"(?:{LABEL}\.)*{LAST_LABEL}\.?"
BYTE = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
IPV4 = rf"{BYTE}(?:\.{BYTE}){{3}}"
PORT = "(?:6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3})"


def ipv6() -> str:
    """All eight groups, or some of them around one `::`."""
    group = "[0-9A-Fa-f]{1,4}"
    whole = f"{group}(?::{group}){{7}}"
    shortened = [f"::(?:{group}(?::{group}){{0,6}})?"]
    for before in range(1, 7):
        shortened.append(f"{group}(?::{group}){{{before - 1}}}::(?:{group}(?::{group}){{0,{6 - before}}})?")
    shortened.append(f"{group}(?::{group}){{6}}::")
    return "|".join([whole, *shortened])


HOST = rf"(?:{NAME}|{IPV4}|\[(?:{ipv6()})\])"
# Visible ASCII; whatever is beyond it, browsers write with percent signs.
BEHIND = "[/?#][!-~]*"

WEB_ADDRESS = RegexValidator(
    rf"^[Hh][Tt][Tt][Pp][Ss]?://{HOST}(?::{PORT})?(?:{BEHIND})?\Z",
    "Expected an address such as https://www.example.com/path: http or https, no user name or password, and only ASCII "
    "(other characters as browsers copy them).",
)
