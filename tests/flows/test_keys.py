"""
The keys are lost, or are another database's: nothing starts, and says what to do; and with new keys it is said what has
to be made anew. With a real Watchkeeper, an embedded and a given database, and two data folders.
"""

import json
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from config import keyring
from tests.running import LAUNCHER, ROOT, Running

ELSEWHERE = "a key of another installation, of fifty characters and more"
LOST = "Acme Inc. › Acme › integration “Incident log”: its address (rotate its token"
EVENT = {
    "dt": "2026-05-13T12:00:00.000Z",
    "event": "incident.started",
    "message": "Shop is down",
    "organization_id": "org_1",
    "team_id": "team_1",
    "incident_id": 7,
}


def post(running: Running, path: str, **fields: Any) -> int:
    """What a webhook is answered."""
    request = urllib.request.Request(running.base + path, json.dumps(EVENT | fields).encode(), method="POST")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def ask(running: Running, *arguments: str, **variables: str) -> tuple[int, str]:
    """The exit code of a command, or of an `up` that does not come up, and what it said."""
    environment = running.environment() | variables
    command = [*LAUNCHER, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120)
    return done.returncode, done.stdout + done.stderr


def refused(running: Running, *arguments: str, **variables: str) -> str:
    """The one line that nothing starts with."""
    code, said = ask(running, *arguments, **variables)
    assert code == 1
    (line,) = said.splitlines()
    assert keyring.BRING in line
    return line


def test_where_the_data_folder_s_keys_are_lost_nothing_starts_until_they_are_back_or_given_up(tmp_path: Path) -> None:
    home = Running(tmp_path / "data")
    with home:
        acme = home.create_team("Acme")
        assert post(home, acme["webhook_path"]) == 202
    secrets = home.data / "secrets.json"
    kept = secrets.read_text()

    secrets.unlink()
    for command in (("up",), ("check",), ("worker",), ("create_team", "--organization", "A", "--team", "B")):
        assert f"is neither set nor kept in {secrets}" in refused(home, *command)
    assert not secrets.exists()

    secrets.write_text(
        json.dumps(dict.fromkeys(json.loads(kept), "a key from elsewhere, which is long enough for all"))
    )
    for command in (("up",), ("check",)):
        assert f"the key in {secrets} is not the key of this database" in refused(home, *command)

    secrets.write_text(kept)
    with home:
        assert post(home, acme["webhook_path"]) == 200
        assert post(home, acme["webhook_path"], incident_id=8) == 202

    secrets.unlink()
    code, said = ask(home, "migrate", "--new-keys")
    assert code == 0
    assert LOST in said
    now = json.loads(secrets.read_text())[keyring.KEY]
    with home:
        assert post(home, acme["webhook_path"], incident_id=9) == 401
        assert LOST in ask(home, "check", DATABASE_URL=home.database_url)[1]

    home.environ[keyring.KEY] = f"{now},{json.loads(kept)[keyring.KEY]}"  # it was found after all
    with home:
        assert post(home, acme["webhook_path"], incident_id=9) == 202


def test_a_second_host_on_the_same_database_needs_the_same_keys(tmp_path: Path) -> None:
    """The database is given to both; each has a data folder of its own."""
    with Running(tmp_path / "first") as home:
        acme = home.create_team("Acme")
        second = Running(tmp_path / "second", {"DATABASE_URL": home.database_url})
        assert "is neither set nor kept in" in refused(second, "up")
        assert "is not the key of this database" in refused(second, "up", WATCHKEEPER_ENCRYPTION_KEY="x" * 50)
        second.environ |= json.loads((home.data / "secrets.json").read_text())
        with second:
            assert post(second, acme["webhook_path"]) == 202
            assert not (second.data / "secrets.json").exists()
