import json

import pytest
from django.db import transaction

from tests.conftest import NOON
from tests.timeline.outbound.conftest import later
from timeline.outbound import installation as room
from timeline.outbound.installation import count_up, go, look, remember, remembered, this_installation
from timeline.outbound.models import Installation

pytestmark = pytest.mark.django_db

OURS = "wk_ours"


@pytest.fixture
def ours():
    return Installation.objects.create(public_id=OURS, counter=7)


def knows(data_folder, public_id, counter):
    (data_folder / "sending.json").write_text(json.dumps({"installation": public_id, "counter": counter}))


def test_there_is_one_installation_made_by_whoever_asks_first():
    first = this_installation()
    assert first.public_id.startswith("wk_")
    assert this_installation() == first
    assert this_installation().public_id == first.public_id


# --- file and database ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("in_file", "counter", "why"),
    [
        (None, 0, ""),
        (None, 7, room.MOVED),
        ((OURS, 6), 7, ""),
        ((OURS, 7), 7, ""),
        ((OURS, 8), 7, room.RESTORED),
        ((OURS, 1), 0, room.RESTORED),
        (("wk_other", 6), 7, room.ANOTHER),
        (("wk_other", 8), 7, room.ANOTHER),
        (("wk_other", 0), 0, room.ANOTHER),
        ("rubbish", 7, room.MOVED),
        ("", 7, room.MOVED),
        ("rubbish", 0, ""),
        ("[]", 7, room.MOVED),
        ('{"installation": "wk_ours"}', 7, room.MOVED),
    ],
)
def test_sending_is_paused_where_database_and_data_folder_do_not_agree(data_folder, ours, in_file, counter, why):
    Installation.objects.update(counter=counter)
    if isinstance(in_file, str):
        (data_folder / "sending.json").write_text(in_file)
    elif in_file:
        knows(data_folder, *in_file)
    with transaction.atomic():
        counted = count_up(NOON)
    assert (counted is None) == bool(why)
    assert Installation.objects.values_list("paused_why", flat=True).get() == why
    Installation.objects.update(counter=counter, paused_at=None, paused_why="")
    found = look(NOON)
    assert (found.paused_why, found.paused_at) == (why, NOON if why else None)
    if not why:
        assert (remembered().public_id, remembered().counter) == (OURS, counter)


def test_what_is_paused_stays_paused_and_keeps_its_reason(data_folder, ours):
    knows(data_folder, OURS, 9)
    look(NOON)
    knows(data_folder, "wk_other", 9)
    found = look(later(60))
    assert (found.paused_at, found.paused_why) == (NOON, room.RESTORED)
    assert count_up(later(60)) is None
    knows(data_folder, OURS, 7)
    assert look(later(90)).paused_at == NOON


@pytest.mark.parametrize("in_file", [None, (OURS, 3), (OURS, 12), ("wk_other", 20)])
@pytest.mark.parametrize("anew", [False, True])
def test_when_an_operator_says_go_it_is_sent_from_then_on(data_folder, ours, in_file, anew):
    if in_file:
        knows(data_folder, *in_file)
    Installation.objects.update(paused_at=NOON, paused_why="x")
    gone = go(anew=anew)
    assert (gone.public_id != OURS) == anew
    assert gone.counter > max(7, in_file[1] if in_file else 0)
    assert look(NOON).paused_at is None
    assert count_up(NOON).counter == gone.counter + 1


def test_a_second_restore_of_the_same_backup_is_noticed_too(data_folder, ours):
    look(NOON)
    gone = go()
    remember(OURS, gone.counter + 1)
    Installation.objects.update(counter=7)
    assert look(NOON).paused_why == room.RESTORED


# --- the file -------------------------------------------------------------------------------------------------


def test_the_data_folder_never_forgets_how_far_it_was():
    remember(OURS, 5)
    remember(OURS, 4)
    assert remembered().counter == 5
    remember(OURS, 2**62)
    remember(OURS, 6)
    assert remembered().counter == 2**62


def test_what_belongs_to_another_installation_is_overwritten_only_anew():
    remember("wk_other", 5)
    remember(OURS, 9)
    assert remembered().public_id == "wk_other"
    remember(OURS, 1, anew=True)
    assert (remembered().public_id, remembered().counter) == (OURS, 1)


def test_the_file_is_written_over_in_place_and_always_as_long(data_folder):
    remember(OURS, 1)
    file = data_folder / "sending.json"
    first = file.stat()
    remember("wk_" + "x" * 37, 2**63 - 1, anew=True)
    second = file.stat()
    assert (first.st_ino, first.st_size) == (second.st_ino, second.st_size)
    assert remembered().counter == 2**63 - 1


def test_a_data_folder_that_is_not_there_yet_is_made(settings, tmp_path):
    settings.DATA_DIR = tmp_path / "new" / "folder"
    remember(OURS, 3)
    assert remembered().counter == 3
