"""`./watchkeeper sending`: whether webhooks are sent, and letting that go on."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from config import clock
from tests.conftest import NOON
from tests.endpoints import make_endpoint, make_message
from timeline.outbound.installation import RESTORED, look, remember, this_installation
from timeline.outbound.models import Installation, Message

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def own_data_folder(settings, tmp_path):
    settings.DATA_DIR = tmp_path


def sending(*arguments):
    """(exit code, standing) of the command."""
    said = StringIO()
    try:
        call_command("sending", "--json", *arguments, stdout=said, stderr=StringIO())
    except SystemExit as end:
        return end.code, json.loads(said.getvalue())
    return 0, json.loads(said.getvalue())


@pytest.fixture
def restored():
    """The data folder knows of more than the database."""
    remember(this_installation().public_id, 7)


def test_it_says_how_it_stands(team):
    endpoint = make_endpoint(team)
    for status in ("new", "due", "dead", "delivered"):
        make_message(endpoint, status=status)
    assert sending() == (
        0,
        {
            "installation_id": this_installation().public_id,
            "counter": 0,
            "paused": False,
            "reason": None,
            "waiting": 2,
            "dead": 1,
        },
    )
    said = StringIO()
    call_command("sending", stdout=said)
    assert said.getvalue().splitlines()[1:] == ["Sending.", "2 messages wait, 1 were given up."]


def test_a_restored_database_is_known_before_a_worker_looked_and_after(restored):
    for _ in range(2):
        code, now = sending()
        assert (code, now["paused"], now["reason"]) == (1, True, RESTORED)
        look(NOON)
    said = StringIO()
    with pytest.raises(SystemExit):
        call_command("sending", stdout=said)
    assert f"Paused: {RESTORED}" in said.getvalue()


def test_go_lets_it_go_on_behind_what_was_sent(restored, team):
    look(NOON)
    message = make_message(make_endpoint(team))
    code, now = sending("go")
    assert (code, now["paused"], now["counter"], now["waiting"]) == (0, False, 8, 1)
    assert look(NOON).paused_at is None
    message.refresh_from_db()
    assert message.status == "new"


def test_go_can_give_up_what_waits(restored, team):
    endpoint = make_endpoint(team)
    for status in ("new", "behind", "due", "sending", "delivered"):
        make_message(endpoint, status=status)
    with clock.at(NOON):
        code, now = sending("go", "--skip")
    assert (code, now["waiting"], now["dead"]) == (0, 0, 4)
    given_up = Message.objects.filter(status="dead").values_list("why", "ended_at").distinct()
    assert list(given_up) == [("Not sent: restored from a backup.", NOON)]


def test_what_waits_is_not_given_up_while_it_is_sent(team):
    make_message(make_endpoint(team))
    with pytest.raises(CommandError, match="Sending is not paused"):
        sending("go", "--skip")
    assert Message.objects.get().status == "new"


def test_a_copy_gets_an_id_of_its_own(restored):
    before = this_installation().public_id
    code, now = sending("go", "--as-new")
    assert code == 0
    assert now["installation_id"] == this_installation().public_id != before
    assert sending()[0] == 0


def test_an_operator_stops_it_and_lets_it_go_on():
    with clock.at(NOON):
        code, now = sending("stop")
    assert (code, now["paused"], now["reason"]) == (0, True, "An operator stopped it.")
    assert Installation.objects.get().paused_at == NOON
    assert sending()[0] == 1
    said = StringIO()
    call_command("sending", "go", "--json", stdout=said)
    assert json.loads(said.getvalue())["paused"] is False
    assert sending()[0] == 0
