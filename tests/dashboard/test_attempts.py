"""Two people who work on the same incident: whoever comes second is told who was first, and nothing is overwritten."""

from datetime import timedelta

import pytest

from config import clock
from incidents import details, lifecycle
from incidents.corrections import correct
from incidents.declaring import Declaration, declare
from incidents.models import Severity, Type
from tests.conftest import NOON, make_user
from tests.dashboard.conftest import words
from tests.dashboard.test_acting import facts, hidden, press

MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def later():
    """Somebody looks at 15:00."""
    with clock.at(NOON + 180 * MINUTE) as now:
        yield now


@pytest.fixture
def bob(team):
    return make_user("bob@example.com", team, name="Bob Smith")


@pytest.fixture
def carol(team):
    return make_user("carol@example.com", team, name="Carol Jones")


@pytest.fixture
def native(team, user):
    told = Declaration(Severity.MAJOR, Type.OTHER, "nobody can buy", title="The shop is shut")
    return declare(team, told, by=user, at=NOON)


# --- what a correction changed


def corrected(incident, fact, by, minutes, **what):
    correct(incident, fact.pk, by=by, at=NOON + minutes * MINUTE, reason="It was so.", **what)


def test_who_corrected_what_one_saw_is_named_and_not_who_moved_it_before(staff, native, bob, carol):
    lifecycle.acknowledge(native, by=bob, at=NOON + MINUTE)
    resolved = lifecycle.resolve(native, by=bob, at=NOON + 2 * MINUTE)
    seen = hidden(staff.get(f"/incidents/{native.uuid}"), "move")
    corrected(native, resolved, carol, 3, hidden=True)
    answer = press(staff, native, "reopen", seen)
    assert "Carol Jones corrected its history at 12:03; it is acknowledged now." in words(answer)
    assert "Bob Smith acknowledged it at" not in words(answer)


def test_who_moved_it_after_a_correction_is_named(staff, native, bob, carol):
    resolved = lifecycle.resolve(native, by=carol, at=NOON + 2 * MINUTE)
    seen = hidden(staff.get(f"/incidents/{native.uuid}"), "move")
    corrected(native, resolved, carol, 3, hidden=True)
    lifecycle.acknowledge(native, by=bob, at=NOON + 4 * MINUTE)
    assert "Bob Smith acknowledged it at 12:04" in words(press(staff, native, "close", seen))


def test_who_corrected_a_detail_is_named_and_not_who_corrected_something_else(staff, native, bob, carol):
    first = details.change_severity(native, by=bob, at=NOON + MINUTE, severity=Severity.MINOR)
    second = details.change_severity(native, by=bob, at=NOON + 2 * MINUTE, severity=Severity.CRITICAL)
    seen = hidden(staff.get(f"/incidents/{native.uuid}"), "severity")
    corrected(native, second, carol, 3, hidden=True)
    corrected(native, first, bob, 4, message="Not so bad.")
    answer = press(staff, native, "severity", seen, severity="warning")
    assert "Carol Jones corrected its history at 12:03. Nothing was changed by you." in words(answer)
    details.change_severity(native, by=bob, at=NOON + 5 * MINUTE, severity=Severity.MAJOR)
    corrected(native, first, carol, 6, hidden=True)
    answer = press(staff, native, "severity", seen, severity="warning")
    assert "Bob Smith changed the severity at 12:05." in words(answer)
    assert facts(native, "incident.severity_changed").count() == 3


def test_who_corrected_an_edit_is_named(staff, native, bob, carol):
    details.edit(native, by=bob, at=NOON + MINUTE, error_message="No power")
    edited = details.edit(native, by=bob, at=NOON + 2 * MINUTE, error_message="No water")
    details.edit(native, by=bob, at=NOON + 3 * MINUTE, title="Shut")
    seen = hidden(staff.get(f"/incidents/{native.uuid}"), "edit")
    corrected(native, edited, carol, 4, hidden=True)
    answer = press(staff, native, "edit", seen, title="Mine", error_message="No water")
    assert "Carol Jones corrected its history at 12:04." in words(answer)
