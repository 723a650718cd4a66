"""Times that people type: the hours that a clock has twice, or not at all."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from django import forms
from django.utils import timezone

from config.adminforms import MomentField
from config.momentfields import SKIPPED, TWICE, LocalMoment, readings

FIRST = datetime(2026, 10, 25, 0, 30, 7, tzinfo=UTC)
SECOND = datetime(2026, 10, 25, 1, 30, 7, tzinfo=UTC)
BOTH = [(FIRST, "+02:00"), (SECOND, "+01:00")]


class ClockForm(forms.Form):
    when = LocalMoment()


class AdminForm(forms.Form):
    when = MomentField()


def typed(day, time, offset=None):
    """The same time, as each of the forms sends it."""
    further = {} if offset is None else {"when_offset": offset}
    return [
        ClockForm({"when": f"{day}T{time}"} | further),
        AdminForm({"when_0": day, "when_1": time} | further),
    ]


@pytest.fixture(autouse=True)
def berlin():
    with timezone.override(ZoneInfo("Europe/Berlin")):
        yield


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize(("moment", "offset"), BOTH)
def test_the_hour_that_comes_twice_is_asked_back_and_each_of_them_can_be_entered(moment, offset, which):
    form = typed("2026-10-25", "02:30:07")[which]
    assert form.errors == {"when": [TWICE]}
    page = str(form)
    assert '<option value="+02:00">02:30:07 +02:00</option><option value="+01:00">02:30:07 +01:00</option>' in page
    chosen = typed("2026-10-25", "02:30:07", offset)[which]
    assert chosen.is_valid() and chosen.cleaned_data["when"] == moment
    assert f'<option value="{offset}" selected>' in str(chosen)


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize(
    ("offset", "moment"),
    [("+02:00", datetime(2026, 3, 29, 1, 30, tzinfo=UTC)), ("+01:00", datetime(2026, 3, 29, 0, 30, tzinfo=UTC))],
)
def test_the_hour_that_is_skipped_is_asked_back_with_what_it_may_mean(offset, moment, which):
    form = typed("2026-03-29", "02:30:00")[which]
    assert form.errors == {"when": [SKIPPED]}
    page = str(form)
    assert '<option value="+01:00">01:30 +01:00</option><option value="+02:00">03:30 +02:00</option>' in page
    chosen = typed("2026-03-29", "02:30:00", offset)[which]
    assert chosen.is_valid() and chosen.cleaned_data["when"] == moment


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("offset", [None, "", "+09:00", "x"])
def test_a_time_that_means_one_moment_needs_no_offset_and_ignores_one(offset, which):
    form = typed("2026-10-25", "04:30:00", offset)[which]
    assert form.is_valid() and form.cleaned_data["when"] == datetime(2026, 10, 25, 3, 30, tzinfo=UTC)
    assert "when_offset" not in str(form)


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("offset", ["", "+09:00", "x"])
def test_an_offset_that_is_none_of_both_is_asked_for_again(offset, which):
    assert typed("2026-10-25", "02:30:07", offset)[which].errors == {"when": [TWICE]}


@pytest.mark.parametrize(("moment", "offset"), BOTH)
def test_a_moment_in_the_doubled_hour_is_prefilled_with_its_offset_and_stays_if_left_alone(moment, offset):
    class Prefilled(forms.Form):
        when = LocalMoment(initial=moment, required=False)

    page = str(Prefilled())
    assert 'value="2026-10-25T02:30:07"' in page and f'<option value="{offset}" selected>' in page
    alone = Prefilled({"when": "2026-10-25T02:30:07", "when_offset": offset})
    assert alone.is_valid() and alone.cleaned_data["when"] is None
    other = next(each for each in BOTH if each[1] != offset)
    changed = Prefilled({"when": "2026-10-25T02:30:07", "when_offset": other[1]})
    assert changed.is_valid() and changed.cleaned_data["when"] == other[0]


@pytest.mark.parametrize(("moment", "offset"), BOTH)
def test_admin_prefills_it_too_and_sees_whether_it_was_changed(moment, offset):
    form = AdminForm(initial={"when": moment})
    assert f'<option value="{offset}" selected>' in str(form)
    sent = {"when_0": "2026-10-25", "when_1": "02:30:07"}
    for chosen, changed in ((offset, []), (next(each[1] for each in BOTH if each[1] != offset), ["when"])):
        assert AdminForm(sent | {"when_offset": chosen}, initial={"when": moment}).changed_data == changed


@pytest.mark.parametrize(
    "text", ["0001-01-01T00:00", "9999-12-31T23:59", "1999-12-31T23:59", "soon", "2026-13-01T00:00"]
)
def test_what_is_no_time_is_said(text):
    assert not ClockForm({"when": text}).is_valid()


def test_a_program_may_send_a_moment_with_its_offset():
    form = ClockForm({"when": "2026-10-25T02:30:07+01:00"})
    assert form.is_valid() and form.cleaned_data["when"] == SECOND


def test_a_time_on_a_clock_means_one_moment_or_two():
    assert readings(datetime.fromisoformat("2026-05-13T14:00")) == [datetime(2026, 5, 13, 12, tzinfo=UTC)]
    assert readings(datetime.fromisoformat("2026-10-25T02:30:07")) == [FIRST, SECOND]
