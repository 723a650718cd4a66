from tests.conftest import NOON, an_event
from tests.dashboard.conftest import words
from timeline.models import TimelineEvent


def test_a_fact_shows_all_we_keep_of_it(staff, tell):
    tell(an_event("incident.acknowledged", user_name="Bob Smith", extra=["kept", "<as it was>"]))
    fact = TimelineEvent.objects.get()
    page = staff.get(f"/facts/{fact.pk}")
    read = words(page)
    assert "Event incident.acknowledged Occurred 2026-05-13 12:00:00.000 +00:00 Recorded 2026-05-13 13:00" in read
    assert "By Bob Smith Through Better Stack Effect Applied" in read
    assert bytes(fact.identity).hex() in read
    assert '"<as it was>"' in read
    assert "/deliveries/" in page.content.decode()


def test_a_fact_leads_back_to_what_it_is_about(staff, tell):
    tell(an_event("heartbeat.down", NOON))
    fact = TimelineEvent.objects.get()
    assert f'href="/heartbeats/{fact.subject_id}"' in staff.get(f"/facts/{fact.pk}").content.decode()
