"""
The requests of one HTTP check: the first one as its Target says, and those that redirects lead to. Pure.

Who we are (user name, secret headers, a client's certificate) goes to the first origin only: same scheme, host and
port. As browsers do, a POST that is redirected by 301, 302 or 303 becomes a GET without a body, and 307 and 308 change
nothing but the address. Cookies are kept by the caller, for one check.

Source: the Fetch standard, HTTP-redirect fetch; RFC 9110, 15.4.
"""

import json
import re
from base64 import b64encode
from dataclasses import dataclass, field, replace

from yarl import URL

from config.addresses import BAD_PORTS, wrong_form
from monitors.probes.bodies import ACCEPTED
from monitors.probes.result import Code, Status
from monitors.probes.sight import Failure
from monitors.probes.target import Header, Target

REDIRECTS = {301, 302, 303, 307, 308}
LONGEST_LOCATION = 16 * 1024
# What we say ourselves of each request.
OURS = {"host", "content-length", "transfer-encoding", "connection", "upgrade", "expect", "te", "trailer"}
# What says who somebody is, whether it is marked as secret or not.
CREDENTIALS = {"authorization", "proxy-authorization", "cookie"}
_token = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,200}").fullmatch
_controls = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]").search
USUAL = {"user-agent": "Watchkeeper", "accept": "*/*", "accept-encoding": ACCEPTED}


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `cookies` is the text of the Cookie header that earlier answers of this check ask for."""

    method: str
    url: URL
    headers: tuple[Header, ...] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)
    cookies: str = field(default="", repr=False)
    is_first_origin: bool = True

    def head(self) -> list[tuple[str, str]]:
        """The headers to send to this origin."""
        said = [one for one in self.headers if self.is_first_origin or not is_secret(one)]
        names = {one.name.lower() for one in said}
        found = [(name, text) for name, text in USUAL.items() if name not in names]
        own = [one.value for one in said if one.name.lower() == "cookie"]
        found += [(one.name, one.value) for one in said if one.name.lower() != "cookie"]
        cookies = "; ".join([*own, self.cookies] if self.cookies else own)
        return [*found, ("Cookie", cookies)] if cookies else found


def is_secret(header: Header) -> bool:
    """Whether a header goes to the first origin only."""
    return header.is_secret or header.name.lower() in CREDENTIALS


def first_request(target: Target) -> Request:
    """The request that a target asks for. Raises Failure where there can be none."""
    if wrong := wrong_form(target.url):
        raise Failure(Code.OTHER, wrong, Status.INCONCLUSIVE)
    headers = list(target.request_headers)
    if wrong := next((problem for one in headers if (problem := wrong_header(one))), wrong_method(target.http_method)):
        raise Failure(Code.OTHER, wrong, Status.INCONCLUSIVE)
    if target.auth_username is not None:
        headers = [one for one in headers if one.name.lower() != "authorization"]
        headers.append(Header("Authorization", f"Basic {basic(target)}", is_secret=True))
    body = target.request_body.encode() if target.request_body else None
    if body and not any(one.name.lower() == "content-type" for one in headers):
        headers.append(Header("Content-Type", kind_of(target.request_body or "")))
    url = URL(target.url, encoded=True).with_fragment(None)
    return Request(target.http_method.upper(), url, tuple(headers), body)


def wrong_header(header: Header) -> str | None:
    """What is wrong with a header of a monitor's, as a sentence; None if nothing is."""
    if not _token(header.name):
        return f"{header.name[:100]!r} is no header's name."
    if header.name.lower() in OURS:
        return f"The header {header.name} can't be set."
    return f"The header {header.name} has control characters." if _controls(header.value) else None


def wrong_method(method: str) -> str | None:
    """What is wrong with a method, as a sentence; None if nothing is."""
    return None if _token(method) and method.upper() != "CONNECT" else f"{method[:100]!r} is no method of HTTP."


def basic(target: Target) -> str:
    """Name and password as Basic authentication has them."""
    return b64encode(f"{target.auth_username}:{target.auth_password or ''}".encode()).decode()


def kind_of(body: str) -> str:
    """What a body is whose kind nobody said: JSON where it is some, else what curl says of it."""
    try:
        is_json = body.lstrip()[:1] in ("{", "[") and json.loads(body) is not None
    except (ValueError, RecursionError):
        is_json = False
    return "application/json" if is_json else "application/x-www-form-urlencoded"


def secrets_of(target: Target, request: Request) -> list[str]:
    """What must not be seen in what is kept of an answer."""
    found = [target.auth_password or "", *(one.value for one in request.headers if is_secret(one))]
    return [*found, *(one.partition(" ")[2] for one in found), *(one.partition("=")[2] for one in found)]


def has_credentials(target: Target, request: Request) -> bool:
    """Whether an origin was told who we are."""
    return request.is_first_origin and bool(target.client_certificate or any(map(is_secret, request.headers)))


def redirected(request: Request, status: int, location: str | None, origin: URL) -> Request:
    """The request that a redirect asks for. `origin` is the first one. Raises Failure where it leads nowhere."""
    if not location:
        raise Failure(Code.STATUS_CODE, f"{request.url.host} answered {status}, and did not say where to.")
    url = _target_of(request.url, location)
    method, body, headers = request.method, request.body, request.headers
    if (status == 303 and method != "HEAD") or (status in (301, 302) and method == "POST"):
        method, body = "GET", None
        headers = tuple(one for one in headers if not one.name.lower().startswith("content-"))
    is_first = url.origin() == origin.origin()
    return replace(request, method=method, url=url, headers=headers, body=body, is_first_origin=is_first)


def _target_of(base: URL, location: str) -> URL:
    """Where a Location leads, as browsers read it."""
    try:
        text = location.encode("utf-8", "surrogateescape").decode("utf-8", "replace").strip()
        url = base.join(URL(text[:LONGEST_LOCATION])).with_fragment(None)
        if url.scheme not in ("http", "https") or not url.raw_host or len(location) > LONGEST_LOCATION:
            raise ValueError
        if url.user is not None or url.password is not None:
            url = url.with_user(None)
    except (ValueError, UnicodeError, TypeError):
        raise Failure(Code.STATUS_CODE, f"{base.host} redirects to what is no web address.") from None
    if url.explicit_port in BAD_PORTS:
        raise Failure(Code.STATUS_CODE, f"{base.host} redirects to port {url.port}, which is not a web server's.")
    return url
