"""Django as a WSGI application: what config.front hands requests to, in its threads."""

import os
from typing import Any

import django
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.utils.http import parse_header_parameters

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


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


class Handler(WSGIHandler):
    """Django's own, for such requests."""

    request_class = Request


django.setup(set_prefix=False)
application = Handler()
