"""
The web server, as `./watchkeeper up` runs it: granian, with the application's modules loaded before it forks.

The processes then share them, and a killed one is replaced in a moment. Who starts us, says when, and starts us again
is config.supervisor; what is served, config.wsgi.
"""

import os
import sys
from importlib import import_module

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

HOST = "127.0.0.1"


def serve(port: int) -> None:
    """Serve from the end of our standard input (by then the database is prepared) until SIGTERM."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    get_wsgi_application()
    import_module(settings.ROOT_URLCONF)
    sys.stdin.read()
    Granian(
        "config.wsgi:application",  # loaded by each process for itself: it holds on to us there
        address=HOST,
        port=port,
        interface=Interfaces.WSGI,
        # Three processes of one thread, each with a connection of its own, measured better than few with many threads.
        workers=3,
        blocking_threads=1,
        backlog=1024,
        websockets=False,
        respawn_failed_workers=True,
        workers_kill_timeout=3,
        log_level=LogLevels.error,
    ).serve()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
