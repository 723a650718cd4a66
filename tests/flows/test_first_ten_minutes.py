"""The first ten minutes on the page of the API's documentation: its commands, as they stand there, in a shell."""

import html
import os
import re
import shutil
import subprocess

import pytest

from incidents.models import Incident
from teams.authentication import make_key
from teams.models import Scope
from tests.conftest import make_team, make_user

STEP = re.compile(r"<code data-step>(.*?)</code>", re.DOTALL)


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_every_command_does_what_it_says(live_server, client):
    team = make_team()
    key = make_key(team, make_user("alice@example.com", team), "first", [Scope.READ, Scope.WRITE])[1]
    steps = [html.unescape(each) for each in STEP.findall(client.get("/api/docs").content.decode())]
    told = "\necho; echo ---\n".join(steps)
    environment = os.environ | {"KEY": key, "API": f"{live_server.url}/api", "no_proxy": "localhost"}
    shell = subprocess.run(["bash", "-euc", told], env=environment, capture_output=True, text=True, check=False)
    assert shell.returncode == 0, shell.stderr
    answers = shell.stdout.split("---\n")
    assert len(answers) == len(steps) >= 7
    for step, answer in zip(steps, answers, strict=True):
        assert '"success":true' in answer, (step, answer)
    incident = Incident.objects.get()
    assert (incident.title, incident.severity, incident.status) == ("A first try", "warning", "acknowledged")
    assert incident.destroyed_at is not None
