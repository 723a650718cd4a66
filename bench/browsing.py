"""
Somebody who reads: a client with a key, or with a session of the pages or of Django admin, over one kept connection.

Standard library only. Not here: what is read, and what the times mean.
"""

import http.client
import re
import time
from dataclasses import dataclass
from urllib.parse import quote, urlencode, urlsplit

from tests.running import HOST

CURSOR = re.compile(r"[?&;]cursor=([A-Za-z0-9_%-]+)|\"next_cursor\":\"([A-Za-z0-9_-]+)\"")
FORM_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')


@dataclass
class Seen:
    """An answer: its status, its text, and after how many milliseconds it was there."""

    status: int
    text: str
    milliseconds: float

    @property
    def next_cursor(self) -> str | None:
        """The cursor of the page after it."""
        found = CURSOR.search(self.text)
        return (found[1] or found[2]) if found else None


class Reader:
    """A client. Cookies are kept."""

    def __init__(self, port: int, key: str = "") -> None:
        self.connection = http.client.HTTPConnection(HOST, port, timeout=60)
        self.headers = {"X-API-Key": key} if key else {}
        self.cookies: dict[str, str] = {}

    def get(self, path: str) -> Seen:
        """Ask for a page."""
        return self._ask("GET", path)

    def post(self, path: str, **form: str) -> Seen:
        """Send a form, with the token of the page that has it."""
        token = FORM_TOKEN.search(self.get(path).text)
        form["csrfmiddlewaretoken"] = token[1] if token else self.cookies.get("watchkeeper_csrf", "")
        return self._ask("POST", path, urlencode(form))

    def log_in(self, email: str, password: str) -> "Reader":
        """Enter the pages (and, as an operator, Django admin)."""
        answer = self.post("/login", username=email, password=password)
        assert answer.status == 302, (answer.status, answer.text[:2000])
        return self

    def choose(self, team: str) -> None:
        """Go over to another of the user's teams, by its public id."""
        page = self.get("/")
        token = FORM_TOKEN.search(page.text)
        assert token
        answer = self._ask("POST", "/team", urlencode({"team": team, "csrfmiddlewaretoken": token[1]}))
        assert answer.status == 302, (answer.status, answer.text[:2000])

    def _ask(self, method: str, path: str, form: str | None = None) -> Seen:
        headers = self.headers | {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        begun = time.perf_counter()
        try:
            self.connection.request(method, path, form, headers)
            answer = self.connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionError):  # it had been idle for long; a browser does the same
            self.connection.close()
            return self._ask(method, path, form)
        body = answer.read()
        taken = time.perf_counter() - begun
        for cookie in answer.headers.get_all("Set-Cookie") or []:
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return Seen(answer.status, body.decode(errors="replace"), 1000 * taken)


def with_cursor(path: str, cursor: str) -> str:
    """The path of the page after a cursor."""
    joint = "&" if urlsplit(path).query else "" if path.endswith("?") else "?"
    return f"{path}{joint}cursor={quote(cursor)}"
