"""Tests of config.web: what the web server loads before it forks."""

import subprocess
import sys

LOADED = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
from config import web
web.load()
print("config.wsgi" in sys.modules, "integrations.door" in sys.modules)
"""


def test_the_application_is_made_only_when_its_static_files_are_there(tmp_path):
    """They are collected while the server loads its modules; middleware looks for them once, when it is made."""
    environ = {"WATCHKEEPER_SECRET_KEY": "x", "PATH": ""}
    environ["WATCHKEEPER_DATA"] = str(tmp_path)
    done = subprocess.run([sys.executable, "-c", LOADED], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
    # And whoever starts it for the first time is told of none that are missing.
    assert done.stderr == ""
