"""
Requests as Django knows them, but for two things: their charset is never the sender's choice, and when they are
answered nothing of their bodies is left. And which of them ask after our health.
"""

from io import BytesIO
from typing import Any

from django.core.handlers.wsgi import WSGIRequest
from django.utils.http import parse_header_parameters

# What is answered under any host name, or none: who asks from inside knows an address at most.
HEALTH_PATHS = frozenset({"/healthz", "/readyz", "/workz"})

# Where a request keeps what came out of its compressed body, for those who ask again (config.api.read_body).
OPENED = "_opened_body"


class Request(WSGIRequest):
    """
    A request whose text is UTF-8, whatever its Content-Type says. Django believes any name of a codec there, and
    decodes with it before anybody could answer for what then goes wrong; Python knows codecs that are no charsets.
    """

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        try:
            self.content_type, self.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))
        except ValueError:
            self.content_type, self.content_params = "", {}

    def take_body(self, whole: BytesIO) -> None:
        """Have the body that the front has read, without Django's looking after its length and reading it again."""
        self._body = whole.getvalue()

    def close(self) -> None:
        """
        Let go of the body. Requests stand in circles with views and forms, which the collector may come to see only
        when many of them are there; the bodies of so many would be all the memory.
        """
        super().close()
        self._body, self._stream = b"", BytesIO()
        form = self.__dict__.pop("_post", None)
        if form is not None:
            dict.clear(form)
        for kept in ("_files", OPENED):
            self.__dict__.pop(kept, None)
        self.environ["wsgi.input"].close()
