"""Tests of config.web: what the web server loads before it forks."""

import subprocess
import sys

LOADED = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
from config import web
web.load()
from django.contrib.staticfiles.storage import staticfiles_storage
from django.utils.functional import empty
print("config.wsgi" in sys.modules, "integrations.ingest_view" in sys.modules, staticfiles_storage._wrapped is empty)
"""


def test_the_application_is_made_only_when_its_static_files_are_there(tmp_path):
    """
    They are collected while the server loads its modules; middleware looks for them once, when it is made, and so does
    what knows their names.
    """
    environ = {"WATCHKEEPER_SECRET_KEY": "x", "PATH": "", "WATCHKEEPER_DATA": str(tmp_path)}
    for folder in (None, tmp_path / "static"):  # the first start, which warns of none that are missing; an upgrade
        if folder:
            folder.mkdir()
            (folder / "of_the_version_before.d634f24bde4f.css").touch()
        done = subprocess.run([sys.executable, "-c", LOADED], env=environ, capture_output=True, text=True, check=True)
        assert (done.stdout.split(), done.stderr) == (["False", "True", "True"], "")
