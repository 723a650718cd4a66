"""Integrations, ingest keys, deliveries and counts in Django admin."""

import base64
import json
import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from standardwebhooks.webhooks import Webhook

from config import clock
from config.errors import ApiError
from config.times import rfc3339
from config.vault import open_sealed
from incidents.models import Incident
from integrations import counts, ingest
from integrations.lifecycle import webhook_path
from integrations.models import DoorCount, InboundDelivery, IngestKey, Integration
from teams.models import APIKey
from tests.conftest import NOON, an_event, make_integration, make_user
from timeline.models import TimelineEvent

INTEGRATIONS = "/admin/integrations/integration/"
DELIVERIES = "/admin/integrations/inbounddelivery/"
KEYS = "/admin/integrations/ingestkey/"
GIVEN = "whsec_" + base64.b64encode(b"k" * 32).decode()


def said(answer):
    """The messages that a page is going to show."""
    return " ".join(str(message) for message in get_messages(answer.wsgi_request))


def form_of(integration=None, **changes):
    shown = {"name": "Vendor", "type": "better_stack", "count_only": "", "signing": "keep", "signing_secret": ""}
    if integration:
        shown |= {"name": integration.name, "type": integration.type}
    return shown | changes


def send(path, event, **headers):
    return Client().post(path, json.dumps(event), content_type="application/json", headers=headers).status_code


# --- integrations


def test_an_integration_is_made_with_an_address_that_can_be_seen_again(staff, team):
    answer = staff.post(f"{INTEGRATIONS}add/", form_of(team=team.pk, count_only="monitor.checked\n\n a.b \na.b"))
    made = Integration.objects.get()
    path = webhook_path(made)
    assert path.startswith("/api/webhooks/incident-log/whi_")
    assert f"{INTEGRATIONS}{made.pk}/change/" in said(answer) and path not in said(answer)
    assert path in staff.get(f"{INTEGRATIONS}{made.pk}/change/").content.decode()
    assert path not in staff.get(INTEGRATIONS).content.decode().partition('id="changelist"')[2]
    assert (made.team, made.count_only, made.signing_secret_ciphertext) == (team, ["monitor.checked", "a.b"], None)
    assert send(path, an_event("incident.started")) == 202


def test_a_second_integration_of_the_same_name_is_refused_in_the_form(staff, team, integration):
    answer = staff.post(f"{INTEGRATIONS}add/", form_of(team=team.pk, name=integration.name))
    assert answer.status_code == 200 and Integration.objects.count() == 1
    renamed = make_integration(team, "Other")
    answer = staff.post(f"{INTEGRATIONS}{renamed.pk}/change/", form_of(renamed, name=integration.name))
    assert answer.status_code == 200
    renamed.refresh_from_db()
    assert renamed.name == "Other"


def test_an_integration_never_moves_to_another_team_and_its_token_is_not_typed(staff, integration, team, other_team):
    form = form_of(integration, team=other_team.pk, name="Renamed", token_digest="x", token_ciphertext="y")
    assert staff.post(f"{INTEGRATIONS}{integration.pk}/change/", form).status_code == 302
    changed = Integration.objects.get()
    assert (changed.team, changed.name) == (team, "Renamed")
    assert webhook_path(changed).endswith(integration.token)


def test_a_new_signing_secret_is_shown_once_and_asked_for_at_the_door(staff, integration):
    page = f"{INTEGRATIONS}{integration.pk}/change/"
    answer = staff.post(page, form_of(integration, signing="new"))
    [secret] = re.findall(r"whsec_[\w+/=]+", said(answer))
    integration.refresh_from_db()
    assert open_sealed(integration.signing_secret_ciphertext) == secret
    assert secret in staff.get(INTEGRATIONS).content.decode()
    for address in (INTEGRATIONS, page, f"{INTEGRATIONS}{integration.pk}/history/"):
        assert secret not in staff.get(address).content.decode()
    event, at = an_event("incident.started"), clock.now()
    assert send(webhook_path(integration), event) == 401
    signature = Webhook(secret).sign("msg_1", at, json.dumps(event))
    signed = {"webhook-id": "msg_1", "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signature}
    assert send(webhook_path(integration), event, **signed) == 202


def test_a_senders_secret_is_kept_left_alone_and_cleared(staff, integration):
    page = f"{INTEGRATIONS}{integration.pk}/change/"
    staff.post(page, form_of(integration, signing="given", signing_secret=GIVEN))
    integration.refresh_from_db()
    assert open_sealed(integration.signing_secret_ciphertext) == GIVEN
    assert GIVEN not in staff.get(page).content.decode()
    staff.post(page, form_of(integration))
    integration.refresh_from_db()
    assert open_sealed(integration.signing_secret_ciphertext) == GIVEN
    staff.post(page, form_of(integration, signing="none"))
    integration.refresh_from_db()
    assert integration.signing_secret_ciphertext is None


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"signing": "given", "signing_secret": ""}, "A signing secret is whsec_"),
        ({"signing": "given", "signing_secret": "whsec_short"}, "A signing secret is whsec_"),
        ({"signing": "given", "signing_secret": GIVEN.removeprefix("whsec_")}, "A signing secret is whsec_"),
        ({"signing": "given", "signing_secret": "whsec_" + "é" * 40}, "A signing secret is whsec_"),
        ({"signing": "new", "signing_secret": GIVEN}, "A secret was given"),
        ({"signing": "nonsense"}, "is not one of the available choices"),
        ({"type": "nonsense"}, "is not one of the available choices"),
        ({"count_only": "x" * 201}, "A name has at most 200 characters."),
        ({"count_only": "\n".join(map(str, range(101)))}, "At most 100 names."),
        ({"name": ""}, "This field is required."),
    ],
)
def test_an_integration_that_cannot_be_is_refused_in_the_form(staff, integration, changes, complaint):
    answer = staff.post(f"{INTEGRATIONS}{integration.pk}/change/", form_of(integration, **changes))
    assert answer.status_code == 200 and complaint in answer.content.decode()
    integration.refresh_from_db()
    assert integration.signing_secret_ciphertext is None


def test_rotating_a_token_asks_first_and_shuts_the_old_address(staff, integration):
    old = webhook_path(integration)
    chosen = {"action": "rotate", "_selected_action": integration.pk}
    assert 'name="action" value="rotate"' in staff.get(f"{INTEGRATIONS}{integration.pk}/change/").content.decode()
    assert "The old address is answered 401" in staff.post(INTEGRATIONS, chosen).content.decode()
    assert send(old, an_event("monitor.created")) == 202
    answer = staff.post(INTEGRATIONS, chosen | {"post": "yes"})
    integration.refresh_from_db()
    new = webhook_path(integration)
    assert new != old and "has a new address" in said(answer) and new not in said(answer)
    assert (send(old, an_event("monitor.down")), send(new, an_event("monitor.down"))) == (401, 202)


def test_of_two_who_rotate_a_token_at_the_same_time_the_second_is_told(staff, operator, integration):
    chosen = {"action": "rotate", "_selected_action": integration.pk}
    seen = re.search(r'name="seen" value="([^"]+)"', staff.post(INTEGRATIONS, chosen).content.decode())[1]
    sent = chosen | {"post": "yes", "seen": seen}
    staff.post(INTEGRATIONS, sent)
    integration.refresh_from_db()
    first = webhook_path(integration)
    answer = staff.post(INTEGRATIONS, sent)
    assert "You rotated a token" in said(answer) and said(answer).count("has a new address") == 1
    LogEntry.objects.update(user=make_user("olga@example.com", name="Olga", is_staff=True))
    assert "Olga rotated a token" in said(staff.post(INTEGRATIONS, sent))
    integration.refresh_from_db()
    assert webhook_path(integration) == first


def test_deleting_an_integration_shuts_its_door_and_keeps_what_it_sent(staff, integration, tell):
    tell(an_event("incident.started"))
    asked = staff.get(f"{INTEGRATIONS}{integration.pk}/delete/").content.decode()
    assert "takes nothing in" in asked and "will be deleted" not in asked
    staff.post(f"{INTEGRATIONS}{integration.pk}/delete/", {"post": "yes"})
    integration.refresh_from_db()
    assert integration.deactivated_at is not None
    assert (InboundDelivery.objects.count(), Incident.objects.count()) == (1, 1)
    assert send(webhook_path(integration), an_event("incident.resolved")) == 401
    staff.post(INTEGRATIONS, {"action": "reopen", "_selected_action": integration.pk})
    assert send(webhook_path(integration), an_event("incident.resolved")) == 202


def test_a_token_that_no_key_opens_says_so_and_can_be_rotated(staff, integration, settings):
    settings.ENCRYPTION_KEYS = ["another-key-0123456789-0123456789-0123456789"]
    page = staff.get(f"{INTEGRATIONS}{integration.pk}/change/")
    assert "None of the present encryption keys opens its token." in page.content.decode()
    staff.post(INTEGRATIONS, {"action": "rotate", "_selected_action": integration.pk, "post": "yes"})
    integration.refresh_from_db()
    assert webhook_path(integration)


def test_an_operator_who_may_only_look_does_not_act(client, integration):
    looking = make_user("looking@example.com", is_staff=True)
    looking.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(looking)
    path = webhook_path(integration)
    for action in ("rotate", "reopen", "delete_selected"):
        client.post(INTEGRATIONS, {"action": action, "_selected_action": integration.pk, "post": "yes"})
    integration.refresh_from_db()
    assert (webhook_path(integration), integration.deactivated_at) == (path, None)
    assert path.rpartition("/")[2] not in client.get(f"{INTEGRATIONS}{integration.pk}/change/").content.decode()


# --- ingest keys


@pytest.fixture
def inside(team, operator):
    """Olga is in the team, too."""
    return team.memberships.create(user=operator)


def test_an_ingest_key_is_shown_once_and_sends_to_its_integration(staff, integration, inside, operator):
    form = {"integration": integration.pk, "name": "agent", "further": ["read"]}
    answer = staff.post(f"{KEYS}add/", form)
    [text] = re.findall(r"wk_[\w-]{20,}", said(answer))
    key = APIKey.objects.get()
    assert key.user == operator
    assert (key.scopes, key.team, IngestKey.objects.get().integration) == (
        ["ingest", "read"],
        integration.team,
        integration,
    )
    assert text in staff.get(KEYS).content.decode()
    assert text not in staff.get(KEYS).content.decode()
    assert text not in staff.get(f"{KEYS}{key.pk}/change/").content.decode()
    assert send("/api/webhooks/incident-log", an_event("incident.started"), **{"X-API-Key": text}) == 202
    staff.post(f"{KEYS}{key.pk}/delete/", {"post": "yes"})
    assert send("/api/webhooks/incident-log", an_event("incident.resolved"), **{"X-API-Key": text}) == 401
    assert IngestKey.objects.exists()


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"integration": "abc"}, "Select a valid choice."),
        ({"further": ["ingest"]}, "is not one of the available choices"),
        ({"expires_at_0": "9999-12-31", "expires_at_1": "23:59:59"}, "Enter a day of the years 2000 to 2199."),
    ],
)
def test_an_ingest_key_that_cannot_be_is_refused_in_the_form(staff, integration, inside, changes, complaint):
    form = {"integration": integration.pk, "name": "agent"} | changes
    answer = staff.post(f"{KEYS}add/", form)
    assert answer.status_code == 200 and complaint in answer.content.decode()
    assert not APIKey.objects.exists()


def test_an_ingest_key_acts_for_its_maker_who_is_in_the_integrations_team(staff, integration, user):
    answer = staff.post(f"{KEYS}add/", {"integration": integration.pk, "user": user.pk, "name": "agent"})
    assert "you are not a member of this team" in answer.content.decode()
    assert not APIKey.objects.exists()


# --- deliveries


@pytest.fixture
def put_aside(integration):
    """Deliveries with wrong fields, of an unknown event, and of bytes that are no JSON."""
    ingest.receive_from(integration, json.dumps(an_event("incident.started", incident_id=None)).encode(), {}, NOON)
    ingest.receive_from(integration, json.dumps(an_event("monitor.checked")).encode(), {}, NOON)
    with pytest.raises(ApiError):
        ingest.receive_from(integration, b'{"not": \xff json <script>', {"user-agent": "vendor/1"}, NOON)
    return list(InboundDelivery.objects.order_by("id"))


def test_deliveries_are_not_made_changed_or_deleted_here_by_anybody(staff, put_aside):
    before = list(InboundDelivery.objects.order_by("id").values())
    for delivery in put_aside:
        assert staff.post(f"{DELIVERIES}{delivery.pk}/change/", {"status": "applied"}).status_code == 403
        assert staff.post(f"{DELIVERIES}{delivery.pk}/delete/", {"post": "yes"}).status_code == 403
    assert staff.post(f"{DELIVERIES}add/", {}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [each.pk for each in put_aside], "post": "yes"}
    staff.post(DELIVERIES, chosen)
    assert list(InboundDelivery.objects.order_by("id").values()) == before


def test_a_deliverys_page_shows_its_bytes_headers_and_verdict(staff, put_aside):
    page = staff.get(f"{DELIVERIES}{put_aside[2].pk}/change/").content.decode()
    assert r"{&quot;not&quot;: \xff json &lt;script&gt;" in page
    assert f"{len(put_aside[2].body)} bytes, not UTF-8" in page
    assert "&quot;user-agent&quot;: &quot;vendor/1&quot;" in page
    assert "Quarantined" in page and "MALFORMED_JSON" in page


def test_an_applied_delivery_leads_to_its_fact_and_incident(staff, tell):
    tell(an_event("incident.started"))
    fact, incident = TimelineEvent.objects.get(), Incident.objects.get()
    page = staff.get(f"{DELIVERIES}{InboundDelivery.objects.get().pk}/change/").content.decode()
    assert f'<a href="/admin/timeline/timelineevent/{fact.pk}/change/">' in page
    assert f'<a href="/admin/incidents/incident/{incident.pk}/change/">' in page
    assert 'value="replay"' not in page


def test_replaying_shows_what_it_would_do_before_it_does_it(staff, operator, put_aside):
    wrong = put_aside[0]
    sound = json.dumps(an_event("incident.started")).encode()
    InboundDelivery.objects.filter(pk=wrong.pk).update(body=sound)
    chosen = {"action": "replay", "_selected_action": [each.pk for each in put_aside]}
    asked = staff.post(DELIVERIES, chosen).content.decode()
    assert "A dry run: nothing has been changed yet." in asked
    assert "My Website is Down</bdi>: new → open" in asked
    assert not Incident.objects.exists() and not InboundDelivery.objects.exclude(replayed_at=None).exists()
    answer = staff.post(DELIVERIES, chosen | {"post": "yes"})
    assert "1 applied" in said(answer) and "1 quarantined" in said(answer) and "1 unrecognized" in said(answer)
    wrong.refresh_from_db()
    assert (wrong.status, wrong.replayed_by, Incident.objects.get().status) == ("applied", operator, "open")
    again = staff.post(DELIVERIES, {"action": "replay", "_selected_action": wrong.pk, "post": "yes"})
    assert "nothing to replay" in said(again)


def test_what_is_too_large_is_shown_with_its_size_and_is_nothing_to_replay(staff, integration):
    body = json.dumps(an_event("incident.started", message="x" * 70_000)).encode()
    ingest.receive_from(integration, body, {}, NOON)
    kept = InboundDelivery.objects.get()
    page = staff.get(f"{DELIVERIES}{kept.pk}/change/").content.decode()
    assert f"Only the first 1,024 of {len(body):,} bytes are kept." in page
    assert 'value="replay"' not in page
    answer = staff.post(DELIVERIES, {"action": "replay", "_selected_action": kept.pk, "post": "yes"})
    assert "nothing to replay" in said(answer)


def test_what_waits_is_applied_now_after_what_that_would_do_was_shown(staff, operator, integration):
    ingest.receive_from(
        integration, json.dumps(an_event("incident.started", NOON + timedelta(hours=20))).encode(), {}, NOON
    )
    [waiting] = InboundDelivery.objects.all()
    page = staff.get(f"{DELIVERIES}{waiting.pk}/change/").content.decode()
    assert "Waiting" in page and 'value="apply_now"' in page and 'value="replay"' not in page
    chosen = {"action": "apply_now", "_selected_action": [waiting.pk]}
    asked = staff.post(DELIVERIES, chosen).content.decode()
    assert "A dry run: nothing has been changed yet." in asked
    assert "My Website is Down</bdi>: new → open" in asked
    assert not Incident.objects.exists()
    assert "Applied now: 1 applied." in said(staff.post(DELIVERIES, chosen | {"post": "yes"}))
    fact = TimelineEvent.objects.get()
    assert (fact.occurred_at, fact.dated["by"]["email"]) == (NOON, operator.email)
    page = staff.get(f"/admin/timeline/timelineevent/{fact.pk}/change/").content.decode()
    assert "dt_as_sent" in page and operator.email in page
    again = staff.post(DELIVERIES, chosen | {"post": "yes"})
    assert "None of these waits" in said(again)


def test_only_who_may_change_deliveries_replays(client, put_aside):
    looking = make_user("looking@example.com", is_staff=True)
    looking.user_permissions.set(Permission.objects.filter(codename="view_inbounddelivery"))
    client.force_login(looking)
    assert client.get(DELIVERIES).status_code == 200
    client.post(DELIVERIES, {"action": "replay", "_selected_action": put_aside[0].pk, "post": "yes"})
    assert not InboundDelivery.objects.exclude(replayed_at=None).exists()
    looking.user_permissions.add(Permission.objects.get(codename="change_inbounddelivery"))
    client.force_login(type(looking).objects.get(pk=looking.pk))
    client.post(DELIVERIES, {"action": "replay", "_selected_action": put_aside[0].pk, "post": "yes"})
    assert InboundDelivery.objects.exclude(replayed_at=None).count() == 1


def test_deliveries_are_found_by_verdict_integration_incident_and_id(staff, put_aside, tell, team):
    tell(an_event("incident.started"))
    applied, quiet = InboundDelivery.objects.latest("id"), make_integration(team, "Quiet")

    def shown(query):
        return [each.pk for each in staff.get(f"{DELIVERIES}?{query}").context["cl"].result_list]

    assert shown("status__exact=quarantined") == [put_aside[2].pk, put_aside[0].pk]
    assert shown(f"incident_id={applied.incident_id}") == [applied.pk]
    assert shown(f"q={applied.pk}") == [applied.pk]
    assert shown("q=nonsense") == []
    assert shown(f"integration__id__exact={quiet.pk}") == []
    assert len(shown(f"integration__id__exact={applied.integration_id}")) == 4


# --- counts and lists


def test_what_the_door_did_not_keep_is_counted_and_shown(staff, integration):
    shown = "/admin/integrations/doorcount/"
    counts.count_all({(None, "unauthorized"): 3}, NOON)
    counts.count_all({(integration.pk, "not_kept"): 1}, NOON)
    page = staff.get(shown).content.decode()
    assert "unauthorized" in page and "not_kept" in page
    assert f'<time datetime="{rfc3339(NOON)}"' in page
    assert staff.post(f"{shown}{DoorCount.objects.first().pk}/delete/").status_code == 403
    nobodys = staff.get(f"{shown}?integration__isnull=True").context["cl"].result_list
    assert [each.reason for each in nobodys] == ["unauthorized"]


@pytest.mark.parametrize("address", [INTEGRATIONS, KEYS, DELIVERIES, "/admin/integrations/doorcount/"])
def test_a_list_costs_the_same_for_two_rows_and_for_thirty(staff, team, inside, integration, address):
    def one_more(number):
        another = make_integration(team, f"Vendor {number}")
        form = {"integration": another.pk, "name": f"key {number}"}
        assert staff.post(f"{KEYS}add/", form).status_code == 302
        ingest.receive_from(another, json.dumps(an_event("incident.started", NOON, n=number)).encode(), {}, NOON)
        counts.count_all({(another.pk, "not_kept"): 1}, NOON)

    def cost():
        with CaptureQueriesContext(connection) as queries:
            assert staff.get(address).status_code == 200
        return len(queries)

    for number in range(2):
        one_more(number)
    staff.get(address)
    few = cost()
    for number in range(2, 30):
        one_more(number)
    staff.get(address)
    assert cost() == few


def test_the_list_of_deliveries_does_without_their_bytes(staff, tell):
    tell(an_event("incident.started"))
    with CaptureQueriesContext(connection) as queries:
        staff.get(DELIVERIES)
    assert not [each["sql"] for each in queries if '"body"' in each["sql"]]
