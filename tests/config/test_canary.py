"""Tests of config.canary: which keys a database knows, and what is done where the present ones don't fit."""

import io
import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.apps import apps
from django.core import checks
from django.core.management import CommandError, call_command
from django.db import connection, connections, models
from django.http import HttpResponse
from django.test import Client

from config import canary, keyring, vault
from config.idempotency import keep
from config.models import IdempotentAnswer, KeyCanary
from config.sealed import Sealed
from integrations.lifecycle import rotate_token, set_signing_secret, webhook_path
from integrations.models import Integration
from tests.conftest import make_integration, make_team
from tests.endpoints import secrets_at
from timeline.outbound.models import Endpoint

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 5, 13, 12, tzinfo=UTC)
OLD, NEW, OTHER = "the key of last year", "the key of this year", "nobody's key"
WHSEC = "whsec_" + "A" * 32


@pytest.fixture(autouse=True)
def _keys(settings):
    """A database that knows no key yet, as one of an older version, and a key."""
    KeyCanary.objects.all().delete()
    settings.ENCRYPTION_KEYS = [OLD]


def ids_of(databases=("default",)):
    return {each.id for each in checks.run_checks(databases=databases) if (each.id or "").startswith("watchkeeper.")}


def refusal():
    """Why the present keys are refused."""
    with pytest.raises(canary.Unfit) as unfit:
        canary.settle(NOON)
    assert len(str(unfit.value).splitlines()) == 1
    assert str(unfit.value).startswith("WATCHKEEPER_ENCRYPTION_KEY ")
    assert "--new-keys" in str(unfit.value)
    return str(unfit.value)


def endpoint(team, **fields):
    return Endpoint.objects.create(
        team=team, url="https://example.com/hook", secret_ciphertext=vault.seal(WHSEC), **fields
    )


# What is sealed


def test_every_column_that_holds_something_sealed_is_known_to_be_one():
    found = {f"{model._meta.label}.{field.name}" for model, field in canary.sealed_columns()}
    assert found >= {
        "integrations.Integration.token_ciphertext",
        "integrations.Integration.signing_secret_ciphertext",
        "timeline.Endpoint.secret_ciphertext",
        "timeline.Endpoint.old_secret_ciphertext",
        "config.IdempotentAnswer.body",
    }
    named = {
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        for field in model._meta.local_concrete_fields
        if isinstance(field, models.BinaryField) and ("cipher" in field.name or "sealed" in field.name)
    }
    assert named - found == {"config.KeyCanary.sealed"}
    assert all(field.what and field.anew for _, field in canary.sealed_columns())


def test_for_the_database_it_is_a_column_like_any_other():
    field = Sealed(what="secret", anew="make it", whose=("team",), needed=models.Q(pk=1), null=True)
    assert field.deconstruct()[1:] == ("django.db.models.BinaryField", [], {"null": True})
    assert (field.clone().what, field.clone().whose, field.clone().needed) == ("secret", ("team",), models.Q(pk=1))


# A database that knows no key yet


def test_a_new_database_knows_the_first_key_from_then_on(settings):
    assert canary.complaint() == ""
    assert canary.settle(NOON) == []
    assert canary.settle(NOON) == []
    settings.ENCRYPTION_KEYS = [OTHER]
    assert canary.complaint() == keyring.ANOTHER
    assert refusal() == f"WATCHKEEPER_ENCRYPTION_KEY {keyring.ANOTHER}"


def seal_a_token(team):
    make_integration(team)


def seal_a_signing_secret(team):
    set_signing_secret(make_integration(team), WHSEC)


def seal_an_endpoint_s_secret(team):
    endpoint(team)


def seal_a_rotated_secret(team):
    made = endpoint(team, old_secret_ciphertext=vault.seal(WHSEC), old_secret_until="2100-01-01T00:00:00Z")
    assert made.old_secret_ciphertext


def seal_an_answer(team):
    keep(b"k" * 32, b"r" * 32, HttpResponse(b"{}", status=201), datetime.now(UTC))


KINDS = [seal_a_token, seal_a_signing_secret, seal_an_endpoint_s_secret, seal_a_rotated_secret, seal_an_answer]


@pytest.mark.parametrize("seal_something", KINDS)
def test_an_older_database_takes_the_key_that_opens_what_is_sealed_there_and_no_other(team, settings, seal_something):
    seal_something(team)
    settings.ENCRYPTION_KEYS = [OTHER]
    assert canary.complaint() == keyring.ANOTHER
    refusal()
    assert not KeyCanary.objects.exists()
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    assert canary.settle(NOON) == []
    assert canary.complaint() == ""


def test_a_key_that_opens_only_a_part_is_refused_and_what_it_does_not_open_is_named(team, settings):
    make_integration(team, "Of last year")
    settings.ENCRYPTION_KEYS = [NEW]
    make_integration(team, "Of this year")
    said = refusal()
    assert "Operations Inc. › Operations › integration “Of last year”: its address (rotate its token" in said
    assert "Of this year" not in said
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    assert canary.settle(NOON) == []


def test_what_is_not_needed_any_more_need_not_be_opened(team, settings):
    endpoint(team, deleted_at=NOON, old_secret_ciphertext=vault.seal(WHSEC), old_secret_until=NOON)
    seal_an_answer(team)
    IdempotentAnswer.objects.update(created_at=NOON)
    settings.ENCRYPTION_KEYS = [OTHER]
    assert canary.settle(NOON) == []


def test_of_many_that_can_not_be_opened_the_first_are_named_and_the_rest_is_counted(team, settings):
    for number in range(canary.NAMED + 7):
        make_integration(team, f"Number {number}")
    settings.ENCRYPTION_KEYS = [OTHER]
    assert "; and 7 more. Bring it" in refusal()


# Keys that come and go


def test_several_keys_go_on_working_and_a_new_first_one_is_known_from_then_on(team, settings):
    made = make_integration(team)
    canary.settle(NOON)
    for keys in ([NEW, OLD], [OLD, NEW], [OTHER, NEW, OLD]):
        settings.ENCRYPTION_KEYS = keys
        assert (canary.settle(NOON), canary.complaint()) == ([], "")
        assert webhook_path(made).endswith(made.token)
    assert KeyCanary.objects.exclude(sealed=None).count() == 3


def test_a_key_may_be_taken_away_as_soon_as_nothing_is_sealed_with_it(team, settings):
    made = make_integration(team)
    canary.settle(NOON)
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    canary.settle(NOON)
    settings.ENCRYPTION_KEYS = [NEW]
    assert canary.complaint() == keyring.INCOMPLETE
    assert "“Better Stack”" in refusal()
    rotate_token(made)
    assert canary.settle(NOON) == []
    assert canary.complaint() == ""
    settings.ENCRYPTION_KEYS = [OLD]
    assert canary.complaint() == keyring.ANOTHER


def test_a_foreign_key_is_not_taken_though_nothing_is_sealed_yet(settings):
    canary.settle(NOON)
    settings.ENCRYPTION_KEYS = [OTHER]
    refusal()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", range(3))
def test_of_two_hosts_with_keys_of_their_own_one_is_refused(settings, turn):
    """Both start at the same moment, with a data folder each, on a database that is new."""
    KeyCanary.objects.all().delete()
    came_to, start = [], threading.Barrier(2)
    keys = threading.local()

    class Own(list):
        def __iter__(self):
            return iter([keys.own])

        def __getitem__(self, at):
            return keys.own

    settings.ENCRYPTION_KEYS = Own(["each has its own"])

    def begin(key):
        keys.own = key
        start.wait()
        try:
            came_to.append(canary.settle(NOON))
        except canary.Unfit:
            came_to.append("refused")
        finally:
            connections.close_all()

    hosts = [threading.Thread(target=begin, args=[key]) for key in (OLD, NEW)]
    for host in hosts:
        host.start()
    for host in hosts:
        host.join()
    assert sorted(map(str, came_to)) == ["[]", "refused"]
    assert KeyCanary.objects.exclude(sealed=None).count() == 1


# The old ones are lost


def test_with_new_keys_all_that_has_to_be_made_anew_is_listed_and_nothing_else(team, settings):
    lost = make_integration(team, "Lost")
    set_signing_secret(lost, WHSEC)
    endpoint(make_team("Night"), description="Pager")
    canary.settle(NOON)
    settings.ENCRYPTION_KEYS = [NEW]
    make_integration(team, "Fresh")
    assert canary.settle(NOON, anew=True) == [
        f"{canary.FORGOTTEN}:",
        "Night Inc. › Night › endpoint “Pager”: its signing secret (rotate it, and give its receiver the new one)",
        "Operations Inc. › Operations › integration “Lost”: its address (rotate its token, and give senders the new "
        "address)",
        "Operations Inc. › Operations › integration “Lost”: its signing secret (set a new one, here and there)",
    ]
    assert (canary.complaint(), canary.settle(NOON)) == ("", [])
    assert canary.settle(NOON, anew=True)[0] == f"{canary.FORGOTTEN}:"
    Integration.objects.filter(name="Lost").update(signing_secret_ciphertext=None)
    rotate_token(Integration.objects.get(name="Lost"))
    Endpoint.objects.update(secret_ciphertext=vault.seal(WHSEC))
    assert canary.settle(NOON, anew=True) == [f"{canary.FORGOTTEN}: nothing"]


def test_who_finds_the_old_key_afterwards_puts_it_behind_the_new_one(team, settings):
    made = make_integration(team)
    canary.settle(NOON)
    settings.ENCRYPTION_KEYS = [NEW]
    canary.settle(NOON, anew=True)
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    assert (canary.settle(NOON), canary.complaint()) == ([], "")
    assert Client().post(webhook_path(made), b"{", content_type="application/json").status_code == 400


# Sessions


def test_another_key_of_sessions_is_said_and_refused_by_nobody(settings):
    assert canary.settle(NOON) == []
    settings.SECRET_KEY = "another one, of which everybody who is signed in hears"
    assert canary.signs_other_sessions()
    assert ids_of() == {"watchkeeper.W003"}
    assert canary.complaint() == ""
    assert canary.settle(NOON + timedelta(days=1)) == [canary.SIGNED_OUT]
    assert not canary.signs_other_sessions()
    assert ids_of() == set()


# Who asks


def test_migrate_refuses_and_with_new_keys_lists_what_is_lost(team, settings):
    make_integration(team)
    call_command("migrate", verbosity=0)
    settings.ENCRYPTION_KEYS = [OTHER]
    with pytest.raises(CommandError, match="WATCHKEEPER_ENCRYPTION_KEY is not the key of this database"):
        call_command("migrate", verbosity=0)
    said = io.StringIO()
    call_command("migrate", verbosity=0, new_keys=True, skip_checks=False, stdout=said)
    assert said.getvalue().splitlines()[0] == f"watchkeeper: {canary.FORGOTTEN}:"
    assert "“Better Stack”: its address" in said.getvalue()
    call_command("migrate", verbosity=0)


def test_prepare_refuses_too(settings):
    canary.settle(NOON)
    settings.ENCRYPTION_KEYS = [OTHER]
    with pytest.raises(CommandError, match="WATCHKEEPER_ENCRYPTION_KEY is not the key of this database"):
        call_command("prepare")


def test_ready_is_only_who_has_the_keys_and_alive_is_everybody(settings, client):
    canary.settle(NOON)
    assert client.get("/readyz").status_code == 200
    settings.ENCRYPTION_KEYS = [OTHER]
    answer = client.get("/readyz")
    assert answer.status_code == 503
    (fault,) = answer.json()["error"]["details"]["faults"]
    assert fault.startswith("WATCHKEEPER_ENCRYPTION_KEY is not the key of this database")
    assert client.get("/healthz").status_code == 200


def test_check_names_keys_that_do_not_fit_and_what_was_lost(team, settings):
    make_integration(team)
    canary.settle(NOON)
    assert ids_of() == set()
    settings.ENCRYPTION_KEYS = [OTHER]
    assert ids_of() == {"watchkeeper.E001"}
    assert ids_of(databases=None) == set()
    canary.settle(NOON, anew=True)
    assert ids_of() == {"watchkeeper.W004"}
    rotate_token(Integration.objects.get())
    assert ids_of() == set()


def test_a_database_from_before_keys_were_known_is_no_fault_of_theirs():
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE config_key_canary RENAME TO not_yet")
    assert ids_of() == set()


def test_no_sender_hears_401_because_of_our_keys(team, settings, capfd):
    made = make_integration(team)
    canary.settle(NOON)
    where, right = webhook_path(made), settings.ENCRYPTION_KEYS
    settings.ENCRYPTION_KEYS = [OTHER]
    canary._said.clear()
    for path in (where, "/api/webhooks/incident-log/whi_nobody"):
        answer = Client().post(path, b"{}", content_type="application/json")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "UNAVAILABLE")
        assert answer["Retry-After"]
    assert capfd.readouterr().err.count("the keys don't fit the database") == 1
    settings.ENCRYPTION_KEYS = right
    assert Client().post(where, b"{", content_type="application/json").status_code == 400
    nobody = Client().post("/api/webhooks/incident-log/whi_nobody", b"{", content_type="application/json")
    assert nobody.status_code == 401


# Sealed anew


def test_all_is_sealed_with_the_first_key_and_then_the_others_can_be_taken_away(team, settings):
    made = make_integration(team)
    set_signing_secret(made, WHSEC)
    other = endpoint(team, old_secret_ciphertext=vault.seal(WHSEC), old_secret_until="2100-01-01T00:00:00Z")
    seal_an_answer(team)
    canary.settle(NOON)
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    canary.settle(NOON)
    said = io.StringIO()
    call_command("reseal", stdout=said)
    assert said.getvalue().splitlines() == ["Sealed with the first key: 5.", "The other keys can be taken away."]
    assert canary.reseal() == 0
    settings.ENCRYPTION_KEYS = [NEW]
    assert (canary.settle(NOON), canary.complaint()) == ([], "")
    made.refresh_from_db()
    other.refresh_from_db()
    assert webhook_path(made).endswith(made.token)
    assert secrets_at(other, NOON) == [WHSEC, WHSEC]
    assert vault.open_sealed(made.signing_secret_ciphertext) == WHSEC
    assert Client().post(webhook_path(made), b"{", content_type="application/json").status_code == 401  # not signed


def test_what_none_of_the_keys_opens_stays_as_it_is_and_is_named(team, settings):
    make_integration(team)
    settings.ENCRYPTION_KEYS = [NEW]
    make_integration(team, "Another")
    said = io.StringIO()
    call_command("reseal", stdout=said)
    first, second = said.getvalue().splitlines()
    assert first == "Sealed with the first key: 0."
    assert "No present key opens Operations Inc. › Operations › integration “Better Stack”: its address" in second
    settings.ENCRYPTION_KEYS = [OLD]
    assert webhook_path(Integration.objects.get(name="Better Stack"))


def test_what_is_changed_meanwhile_is_not_sealed_over(team, settings, monkeypatch):
    made = make_integration(team)
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    real = vault.open_sealed

    def while_somebody_rotates(sealed):
        rotate_token(Integration.objects.get(pk=made.pk))
        return real(sealed)

    monkeypatch.setattr(vault, "open_sealed", while_somebody_rotates)
    assert canary.reseal() == 0
    monkeypatch.undo()
    assert not webhook_path(Integration.objects.get(pk=made.pk)).endswith(made.token)
