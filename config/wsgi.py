"""Django as a WSGI application: what config.front hands requests to, in its threads."""

import os

import django
from django.core.handlers.wsgi import WSGIHandler

from config.request import Request

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


class Handler(WSGIHandler):
    """Django's own, for such requests."""

    request_class = Request


django.setup(set_prefix=False)
application = Handler()
