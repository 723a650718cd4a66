import re
from pathlib import Path

import pytest

from dashboard.templatetags import marks
from incidents.models import Severity, Status
from integrations.models import Verdict
from monitors.models import Status as ResourceStatus
from timeline.events import EVENTS

STATIC = Path("config/static")
DRAWN = set(re.findall(r'<symbol id="([^"]+)"', (STATIC / "icons.svg").read_text()))
STATES = {*Status.values, *Severity.values, *Verdict.values, *ResourceStatus.values}


@pytest.mark.parametrize("name", sorted(STATES))
def test_every_state_has_a_shape_a_tone_and_a_word(name):
    assert name in DRAWN
    assert name in marks.TONES
    assert f"#{name}" in marks.status_chip(name)
    assert marks.worded(name) in marks.status_chip(name)


@pytest.mark.parametrize("event", sorted(EVENTS))
def test_every_event_has_a_mark_of_its_own(event):
    mark = marks.happening(event)
    assert mark["icon"] in DRAWN
    assert mark["icon"] != "unknown"


def test_what_is_not_known_still_has_a_mark():
    assert "#unknown" in marks.status_chip("<odd>")
    assert "<odd>" not in marks.status_chip("<odd>")
    assert marks.happening("monitor.checked")["icon"] == "unknown"


def templates():
    return sorted(Path("templates").rglob("*.html"))


def test_every_icon_that_a_page_uses_is_drawn():
    used = {name for path in templates() for name in re.findall(r'{% icon "([^"]+)" %}', path.read_text())}
    assert used <= DRAWN


@pytest.mark.parametrize("path", templates(), ids=str)
def test_no_page_has_an_inline_style_script_or_handler(path):
    text = path.read_text()
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|hx-on", text)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text))


@pytest.mark.parametrize("path", templates(), ids=str)
def test_no_page_loads_anything_from_elsewhere(path):
    assert not re.search(r'(?:src|href|action)="(?:https?:)?//', path.read_text())


def test_a_page_s_answer_has_a_policy_that_allows_nothing_inline(staff):
    policy = staff.get("/").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
