"""
Requests as Django knows them, but for one thing: their charset is never the sender's choice. And which of them ask
after our health.
"""

from typing import Any

from django.core.handlers.wsgi import WSGIRequest
from django.utils.http import parse_header_parameters

# What is answered under any host name, or none: who asks from inside knows an address at most.
HEALTH_PATHS = frozenset({"/healthz", "/readyz", "/workz"})


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
