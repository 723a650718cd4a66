"""Integrations on the pages: made, named, their address and secret, their door."""

import json
import re
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.test import Client
from standardwebhooks.webhooks import Webhook

from config import clock
from config.signing import new_signing_secret
from config.vault import open_sealed
from integrations import counts
from integrations.models import InboundDelivery, Integration
from tests.conftest import NOON, an_event, make_integration, tell_it
from tests.dashboard.conftest import secret_of, words

PAGER = {"name": "Pager", "type": "better_stack", "count_only": ""}


@pytest.fixture
def door(integration):
    """`door()`: the status that an event which is sent to the integration's address is answered with."""

    def send(path=f"/api/webhooks/incident-log/{integration.token}", **headers):
        return Client().post(path, BODY, content_type="application/json", headers=headers).status_code

    return send


BODY = json.dumps(an_event("monitor.created"))


@pytest.fixture
def at(integration):
    """`at("edit")`: the address of one of the integration's pages."""
    return lambda do="": f"/team/integrations/{integration.pk}" + (f"/{do}" if do else "")


def path_of(url):
    return url.removeprefix("http://testserver")


def test_a_new_integration_shows_its_address_once_and_takes_events_in(manager, team, door):
    answer = manager.post("/team/integrations/new", PAGER | {"count_only": "a.b\n\nc.d\na.b"}, follow=True)
    made = Integration.objects.get(name="Pager")
    assert answer.redirect_chain == [(f"/team/integrations/{made.pk}", 302)]
    assert (made.team, made.type, made.count_only) == (team, "better_stack", ["a.b", "c.d"])
    url = secret_of(answer)
    assert url.startswith("http://testserver/api/webhooks/incident-log/whi_")
    assert "no-store" in answer.headers["Cache-Control"]
    assert url not in manager.get(f"/team/integrations/{made.pk}").content.decode()
    assert door(path_of(url)) == 202
    assert InboundDelivery.objects.get().integration == made


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"name": "Better Stack"}, "The team already has an integration called Better Stack."),
        ({"name": " "}, "This field is required."),
        ({"name": "x" * 201}, "at most 200 characters"),
        ({"type": "pigeon"}, "pigeon is not one of the available choices"),
        ({"count_only": "x" * 201}, "A name has at most 200 characters."),
        ({"count_only": "\n".join(map(str, range(101)))}, "At most 100 names."),
    ],
)
def test_what_can_be_no_integration_is_said_beside_the_form(change, refusal, manager, integration, at):
    other = make_integration(integration.team, "Other")
    for path in ("/team/integrations/new", f"/team/integrations/{other.pk}/edit"):
        answer = manager.post(path, PAGER | change)
        assert answer.status_code == 400, path
        assert refusal in words(answer)
    assert set(Integration.objects.values_list("name", flat=True)) == {"Better Stack", "Other"}


def test_a_name_that_another_team_has_is_free(manager, foreign):
    assert manager.post("/team/integrations/new", PAGER | {"name": "Theirs"}).status_code == 302


def test_the_list_says_when_each_was_heard_and_what_waits_in_quarantine(manager, integration):
    make_integration(integration.team, "Silent")
    with clock.at(NOON + timedelta(hours=1, minutes=5)):
        tell_it(integration, an_event("monitor.created"), an_event("incident.started", incident_id="x"))
        read = words(manager.get("/team/integrations"))
    assert "Better Stack Better Stack 1 in quarantine Open 5 min ago" in read
    assert "Silent Better Stack Open never heard from" in read


def test_one_is_renamed_and_counts_further_names_only(manager, integration, at):
    assert 'value="Better Stack"' in manager.get(at("edit")).content.decode()
    said = {"name": "Pager", "type": "watchkeeper", "count_only": "monitor.checked"}
    assert "Saved." in words(manager.post(at("edit"), said, follow=True))
    integration.refresh_from_db()
    assert (integration.name, integration.type, integration.count_only) == ("Pager", "watchkeeper", ["monitor.checked"])
    assert "Saved." not in words(manager.post(at("edit"), said, follow=True))


def test_the_address_is_shown_on_demand_by_a_post_and_once(manager, integration, at, door):
    assert "whi_" not in manager.get(at()).content.decode()
    assert manager.get(at("address")).status_code == 405
    url = secret_of(manager.post(at("address"), follow=True))
    assert url.endswith(integration.token)
    assert "whi_" not in manager.get(at()).content.decode()


def test_an_address_that_no_present_encryption_key_opens_can_be_replaced(manager, integration, at, door):
    Integration.objects.filter(pk=integration.pk).update(token_ciphertext=b"broken")
    answer = manager.post(at("address"), follow=True)
    assert "None of the present encryption keys opens its token." in words(answer)
    assert secret_of(answer) is None
    url = secret_of(manager.post(at("rotate"), follow=True))
    assert door(path_of(url)) == 202


def test_a_new_token_shuts_the_old_address(manager, at, door):
    assert "The old address is answered 401" in words(manager.get(at("rotate")))
    assert door() == 202
    url = secret_of(manager.post(at("rotate"), follow=True))
    assert (door(), door(path_of(url))) == (401, 200)


def signed(secret):
    """The headers of a signed request."""
    at = clock.now()
    signature = Webhook(secret).sign("msg_1", at, BODY)
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signature,
    }


def test_a_signing_secret_that_the_sender_gave_is_asked_for_and_never_shown(manager, integration, at, door):
    secret = new_signing_secret()
    page = manager.post(at("signing"), {"signing": "given", "signing_secret": secret}, follow=True)
    assert secret_of(page) is None
    for path in (at(), at("signing")):
        assert secret not in manager.get(path).content.decode()
    assert (door(), door(**signed(secret))) == (401, 202)


def test_a_new_signing_secret_is_shown_once_and_can_be_removed(manager, integration, at, door):
    secret = secret_of(manager.post(at("signing"), {"signing": "new", "signing_secret": ""}, follow=True))
    integration.refresh_from_db()
    assert open_sealed(bytes(integration.signing_secret_ciphertext)) == secret
    assert secret not in manager.get(at()).content.decode()
    assert door() == 401
    assert "Signatures are not asked for any more." in words(
        manager.post(at("signing"), {"signing": "none"}, follow=True)
    )
    assert door() == 202


@pytest.mark.parametrize(
    "said",
    [
        {"signing": "given", "signing_secret": "hunter2"},
        {"signing": "given", "signing_secret": "whsec_short"},
        {"signing": "given"},
        {"signing": "new", "signing_secret": "whsec_" + "a" * 44},
        {"signing": "often"},
        {},
    ],
)
def test_a_secret_that_can_check_no_signature_is_refused_and_not_shown_again(said, manager, integration, at):
    answer = manager.post(at("signing"), said)
    assert answer.status_code == 400
    assert said.get("signing_secret", "hunter2") not in answer.content.decode()
    integration.refresh_from_db()
    assert integration.signing_secret_ciphertext is None


def test_its_door_is_shut_and_reopened_and_what_it_sent_stays(manager, integration, at, door):
    tell_it(integration, an_event("incident.started"))
    assert "its address and its keys are answered 401" in words(manager.get(at("shut")))
    assert "Its door is shut." in words(manager.post(at("shut"), follow=True))
    assert door() == 401
    assert "My Website is Down" in words(manager.get("/incidents"))
    assert "Its door is shut." not in words(manager.post(at("shut"), follow=True))
    assert "Its door is open again." in words(manager.post(at("reopen"), follow=True))
    assert door() == 202


def test_the_secret_is_not_in_what_a_report_of_a_fault_would_say(manager, at, monkeypatch):
    from dashboard.views import team_integrations as pages

    seen = SimpleNamespace(request=None)

    def broken(request, found, said):
        seen.request = request
        raise ZeroDivisionError

    monkeypatch.setattr(pages, "sign", broken)
    manager.raise_request_exception = False
    assert manager.post(at("signing"), {"signing": "given", "signing_secret": new_signing_secret()}).status_code == 500
    assert seen.request.sensitive_post_parameters == "__ALL__"


def test_the_form_about_signatures_sent_as_it_is_changes_nothing(manager, integration, at):
    manager.post(at("signing"), {"signing": "given", "signing_secret": new_signing_secret()})
    integration.refresh_from_db()
    before = bytes(integration.signing_secret_ciphertext)
    page = manager.get(at("signing")).content.decode()
    assert re.search(r'value="keep"[^>]* checked', page)
    assert "nothing was changed" in words(manager.post(at("signing"), {"signing": "keep"}, follow=True))
    integration.refresh_from_db()
    assert bytes(integration.signing_secret_ciphertext) == before


def test_a_name_that_a_form_cannot_show_is_not_changed_by_it(manager, integration, at):
    integration.name, integration.count_only = "Two\nlines", ["b", "a"]
    integration.save()
    sent = {"name": "Twolines", "type": integration.type, "count_only": "b\r\na"}
    assert "nothing was changed" in words(manager.post(at("edit"), sent, follow=True))
    integration.refresh_from_db()
    assert (integration.name, integration.count_only) == ("Two\nlines", ["b", "a"])


def test_wrong_signatures_a_slash_and_what_was_not_kept_are_warned_of_there(manager, integration, at, team):
    other = make_integration(team, "Another")
    with clock.at(NOON):
        counts.count_all({(integration.pk, counts.SIGNATURE): 3}, NOON - timedelta(days=2))
        counts.count_all({(integration.pk, counts.SIGNATURE): 1}, NOON - timedelta(minutes=5))
        counts.count_all({(integration.pk, counts.SLASH): 2}, NOON - timedelta(minutes=7))
        counts.count_all({(integration.pk, counts.NOT_KEPT): 1}, NOON - timedelta(minutes=9))
        counts.count_all({(integration.pk, counts.SIGNATURE): 100}, NOON - timedelta(days=30))
        read = words(manager.get(at()))
        assert "4 refused for their signatures in the last 7 days; the last 5 min ago" in read
        assert "2 sent to the address with a slash at its end in the last 7 days; the last 7 min ago" in read
        assert "1 that could not be read was not kept in the last 7 days; the last 9 min ago" in read
        assert "in the last 7 days" not in words(manager.get(f"/team/integrations/{other.pk}"))
    with clock.at(NOON + timedelta(days=9)):
        assert "in the last 7 days" not in words(manager.get(at()))
