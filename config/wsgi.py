"""The WSGI application that granian serves."""

import os

from django.core.wsgi import get_wsgi_application

from config.lifeline import die_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

die_with_parent()
application = get_wsgi_application()
