"""
What a line of the corpus says, as bytes: TEXT, JSON values with things made in them, events of the incident log, and
whole requests.

tests/corpus/rubbish/README.md has the words. Not for sending them: that is tests/wire.py.
"""

import base64
import gzip
import hashlib
import hmac
import json
import random
import re
import string
import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import quote, urlencode

# The documented examples, at a moment that lies in the past of every machine's clock.
NOON = "2025-05-13T12:30:00.000Z"
COMMON = {"organization_id": "org_123", "team_id": "team_456"}
MONITOR = {
    "monitor_id": 789,
    "monitor_url": "https://www.example.com",
    "monitor_name": "My Website",
    "monitor_type": "status",
}
HEARTBEAT = {"heartbeat_id": 101, "heartbeat_name": "Daily Backup"}
INCIDENT = {
    "incident_id": 201,
    "incident_name": "My Website is Down",
    "resource_type": "monitor",
    "resource_id": 789,
    "resource_name": "My Website",
}
ACTED = {
    "user_email": "user@example.com",
    "user_name": "John Doe",
    "integration_name": None,
    "integration_type": None,
}
REGIONS = {"regions": ["us-east-1", "eu-central-1"]}
TARGETS = [{"type": "user", "id": 123, "name": "John Doe"}, {"type": "team", "id": 456, "name": "Operations Team"}]
EXAMPLES: dict[str, dict[str, Any]] = {
    **{f"monitor.{action}": MONITOR for action in ("created", "destroyed", "paused", "unpaused", "verifying_recovery")},
    "monitor.down": MONITOR | {"cause": "Connection refused"} | REGIONS,
    **{f"heartbeat.{action}": HEARTBEAT for action in ("created", "destroyed", "down", "paused", "unpaused", "up")},
    **{f"incident.{action}": INCIDENT | ACTED for action in ("acknowledged", "reopened", "resolved")},
    "incident.destroyed": INCIDENT,
    "incident.escalated": INCIDENT | {"escalation_targets": TARGETS},
    "incident.grouped": INCIDENT | {"incident_group_id": 999},
    "incident.started": INCIDENT | {"incident_cause": "Connection refused"} | REGIONS | {"escalation_policy_id": 111},
}


def example(name: str) -> dict[str, Any]:
    """The documented example of an event type; of an unknown one only what is common."""
    return {"dt": NOON, "event": name, "message": f"{name} happened", **COMMON, **EXAMPLES.get(name, {})}


# A signing secret as the Standard Webhooks specification writes one.
SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

# Which characters are drawn at random: their numbers. `any` leaves out the halves of surrogate pairs.
ALPHABETS: dict[str, Sequence[int]] = {
    "letters": (string.ascii_letters + string.digits).encode(),
    "any": range(0x20, 0x110000 - 0x800),
    "combining": range(0x300, 0x370),
    "controls": (*range(1, 32), 127, *range(0x80, 0xA0)),
}


@cache
def drawn(number: int, of: str, seed: int) -> bytes:
    """So many characters of an alphabet in UTF-8, or `bytes`; the same in every run."""
    chance = random.Random(seed)
    if of == "bytes":
        return chance.randbytes(number)
    codes = chance.choices(ALPHABETS[of], k=number)
    return "".join(chr(code if code < 0xD800 else code + 0x800) for code in codes).encode()


_unit = re.compile(r"([+-][0-9.]+)(ms|s|m|h|d)").fullmatch
_units = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_name = re.compile(r"\{([a-z_0-9]+)\}")


class Maker:
    """Makes bytes of what the corpus says; `names` are what `{name}` stands for."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names

    def text(self, said: Any) -> bytes:
        """A TEXT as bytes."""
        if isinstance(said, str):
            return self.named(said).encode()
        if isinstance(said, int | float):
            return str(said).encode()
        if isinstance(said, list):
            return b"".join(map(self.text, said))
        make = self.maker_of(said)
        if make is None:
            raise ValueError(f"no TEXT: {said}")
        return make(said)

    def maker_of(self, said: dict[str, Any]) -> Callable[[Any], bytes] | None:
        """What makes a thing that is to be made, which its first key says; None for any other object."""
        word = next(iter(said), "")
        return getattr(self, f"of_{word[1:]}", None) if word.startswith("$") else None

    def named(self, said: str) -> str:
        """A string, with the names in it replaced."""
        return _name.sub(lambda found: self.names.get(found[1], found[0]), said)

    def of_repeat(self, said: Any) -> bytes:
        return self.text(said["$repeat"]) * int(said["times"])

    def of_numbered(self, said: Any) -> bytes:
        return b"".join(Maker({**self.names, "n": str(n)}).text(said["$numbered"]) for n in range(int(said["times"])))

    def of_random(self, said: Any) -> bytes:
        return drawn(int(said["$random"]), said.get("of", "letters"), said.get("seed", 1))

    def of_hex(self, said: Any) -> bytes:
        return bytes.fromhex(said["$hex"])

    def of_base64(self, said: Any) -> bytes:
        return base64.b64decode(said["$base64"])

    def of_encode(self, said: Any) -> bytes:
        plain, how = self.text(said["$encode"]), said["as"]
        known: dict[str, Callable[[bytes], bytes]] = {
            "gzip": lambda raw: gzip.compress(raw, mtime=0),
            "deflate": zlib.compress,
            "base64": base64.b64encode,
            "percent": lambda raw: quote(raw, safe="").encode(),
        }
        return known[how](plain) if how in known else plain.decode().encode(how)

    def of_time(self, said: Any) -> bytes:
        amount, unit = _unit(said["$time"]).groups()  # type: ignore[union-attr]
        moment = datetime.now(UTC) + timedelta(**{_units[unit]: float(amount)})
        if said.get("form") == "unix":
            return str(int(moment.timestamp())).encode()
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z").encode()

    def of_part(self, said: Any) -> bytes:
        whole = self.text(said["$part"])
        return whole[said.get("from", 0) : len(whole) - said.get("less", 0)]

    def of_upper(self, said: Any) -> bytes:
        return self.text(said["$upper"]).upper()

    def of_lower(self, said: Any) -> bytes:
        return self.text(said["$lower"]).lower()

    def of_event(self, said: Any) -> bytes:
        return self.event(said["$event"], said.get("size"))

    def of_request(self, said: Any) -> bytes:
        request = {"headers": {}} | said["$request"]
        request["headers"] = {"Connection": None} | request["headers"]
        return written(request, self)[0]

    def of_sizeof(self, said: Any) -> bytes:
        size = len(self.text(said["$sizeof"])) - said.get("less", 0)
        return {"hex": b"%x", "HEX": b"%X"}.get(said.get("form", ""), b"%d") % size

    def of_json(self, said: Any) -> bytes:
        return self.json(said["$json"])

    def of_raw(self, said: Any) -> bytes:
        return self.text(said["$raw"])

    def json(self, value: Any) -> bytes:
        """A JSON value as bytes, with what is made in it."""
        if isinstance(value, list):
            return b"[" + b", ".join(map(self.json, value)) + b"]"
        if isinstance(value, dict):
            if "$raw" in value:
                return self.text(value["$raw"])
            if self.maker_of(value):
                return json.dumps(self.text(value).decode(), ensure_ascii=False).encode()
            there = {key: one for key, one in value.items() if one != {"$gone": True}}
            return b"{" + b", ".join(self.json(key) + b": " + self.json(one) for key, one in there.items()) + b"}"
        if isinstance(value, str):
            return json.dumps(self.named(value), ensure_ascii=False).encode()
        return json.dumps(value).encode()

    def event(self, fields: Mapping[str, Any], size: int | None = None) -> bytes:
        """An event of the incident log: the documented example with fields put over it, filled up to a size."""
        name = fields.get("event", "incident.started")
        whole = example(name if isinstance(name, str) else "incident.started") | fields
        if size is None:
            return self.json(whole)
        room = size - len(self.json(whole | {"message": ""}))
        return self.json(whole | {"message": "x" * room})


# --- requests -------------------------------------------------------------------------------------------------


def written(step: dict[str, Any], maker: Maker) -> tuple[bytes, bytes]:
    """A step's request as it goes over the wire, and its body."""
    if "raw" in step:
        raw = maker.text(step["raw"])
        return raw[: step.get("cut")], raw
    body = body_of(step, maker)
    maker = Maker(maker.names | {"length": str(len(body or b""))})
    head = head_of(step, maker, body)
    if step.get("cut") == "head":
        return head, body or b""
    carried = in_chunks(body or b"", step["chunks"]) if "chunks" in step else body or b""
    return (head + carried)[: step.get("cut")], body or b""


def body_of(step: dict[str, Any], maker: Maker) -> bytes | None:
    """The bytes of a step's body; None if it has none."""
    body: bytes | None = None
    if "body" in step:
        body = maker.text(step["body"])
    elif "event" in step:
        body = maker.event(step["event"], step.get("size"))
    elif "events" in step:
        body = b"[" + b", ".join(map(maker.event, step["events"])) + b"]"
    elif "json" in step:
        body = maker.json(step["json"])
    elif "form" in step:
        said = step["form"]
        pairs = said.items() if isinstance(said, dict) else said
        body = urlencode([(maker.text(name), maker.text(text)) for name, text in pairs]).encode()
    return body if body is None else body.ljust(step.get("pad", 0))


def in_chunks(body: bytes, sizes: bool | list[int]) -> bytes:
    """A body in chunks of these sizes, the last size again and again."""
    out, at, wanted = [], 0, [len(body)] if sizes is True else list(sizes)
    while at < len(body):
        size = wanted.pop(0) if len(wanted) > 1 else wanted[0]
        piece = body[at : at + size]
        at += size
        out.append(b"%x\r\n%s\r\n" % (len(piece), piece))
    return b"".join(out) + b"0\r\n\r\n"


def head_of(step: dict[str, Any], maker: Maker, body: bytes | None) -> bytes:
    """The request line and headers."""
    if "head" in step:
        return b"\r\n".join(map(maker.text, step["head"])) + b"\r\n\r\n"
    method = step.get("method", "GET" if body is None else "POST")
    lines = [maker.text([method, " ", step["path"], " ", step.get("version", "HTTP/1.1")])]
    lines += [maker.text([name, ": ", text]) for name, text in headers_of(step, maker, body)]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def headers_of(step: dict[str, Any], maker: Maker, body: bytes | None) -> list[tuple[Any, Any]]:
    """Names and TEXTs of a request's headers."""
    said = step.get("headers", {})
    given = list(said.items()) if isinstance(said, dict) else [tuple(pair) for pair in said]
    ours: list[tuple[Any, Any]] = [("Host", "{host}"), ("Connection", "close")]
    if "form" in step:
        ours.append(("Content-Type", "application/x-www-form-urlencoded"))
    if "chunks" in step:
        ours.append(("Transfer-Encoding", "chunked"))
    elif body is not None:
        ours.append(("Content-Length", len(body)))
    if "sign" in step:
        ours += signature(step["sign"], maker, body or b"")
    there = {str(name).lower() for name, _ in given}
    return [pair for pair in ours if pair[0].lower() not in there] + [pair for pair in given if pair[1] is not None]


def signature(said: dict[str, Any], maker: Maker, body: bytes) -> list[tuple[Any, Any]]:
    """The headers of the Standard Webhooks specification."""
    webhook_id = maker.text(said.get("id", "msg_1"))
    timestamp = maker.text({"$time": said.get("at", "+0s"), "form": "unix"})
    over = maker.text(said["over"]) if "over" in said else body
    secret = base64.b64decode(SECRET.removeprefix("whsec_"))[:: -1 if said.get("secret") == "another" else 1]
    signed = hmac.digest(secret, b"%s.%s.%s" % (webhook_id, timestamp, over), hashlib.sha256)
    good = Maker(maker.names | {"signature": "v1," + base64.b64encode(signed).decode()})
    return [
        ("webhook-id", webhook_id.decode()),
        ("webhook-timestamp", timestamp.decode()),
        ("webhook-signature", good.text(said.get("as", "{signature}")).decode()),
    ]
