"""Tests of config.keyring: nothing starts with keys that are not those of the database."""

import json
import stat

import pytest
from django.db import connection

from config import canary, clock, keepsakes, keyring, vault
from config.console import CannotStart

KEY, SESSION_KEY = keyring.KEY, keyring.SESSION_KEY
OURS, OTHER = "the key of this database", "nobody's key"


@pytest.fixture
def held(monkeypatch):
    """Say what the database holds: whether there is data, and which keys left a canary."""

    def say(has_data, *keys):
        canaries = []
        for key in keys:
            vault_keys = [key]
            monkeypatch.setattr("django.conf.settings.ENCRYPTION_KEYS", vault_keys, raising=False)
            canaries.append(vault.seal("canary"))
        monkeypatch.setattr(keyring, "held", lambda url: keyring.Held(has_data, canaries))

    return say


def unlock(folder, variables=None, command="worker", *, anew=False):
    """The secrets that a command finds."""
    found = dict(variables or {})
    keyring.unlock("postgresql://here", folder, found, command=command, anew=anew)
    return found


def refused(*arguments, **options):
    """The line with which nothing starts."""
    with pytest.raises(CannotStart) as cannot:
        unlock(*arguments, **options)
    assert len(str(cannot.value).splitlines()) == 1
    assert keyring.BRING in str(cannot.value)
    return str(cannot.value)


def test_a_new_database_gets_new_secrets_which_are_kept(tmp_path, held):
    held(False)
    first = unlock(tmp_path, command="up")
    assert set(first) == {KEY, SESSION_KEY}
    assert unlock(tmp_path) == first
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("command", ["up", "worker", "create_team", "check", "migrate", "prepare"])
def test_none_are_made_beside_a_database_that_has_data(tmp_path, held, command):
    for keys in ([], [OURS]):
        held(True, *keys)
        line = refused(tmp_path, command=command)
        assert line.startswith(f"{KEY} is neither set nor kept in {tmp_path}/secrets.json, and this database has data")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", sorted(keyring.HARMLESS))
def test_what_seals_and_opens_nothing_needs_none(tmp_path, held, command):
    held(True, OURS)
    assert unlock(tmp_path, command=command) == {}
    assert unlock(tmp_path, {KEY: OTHER}, command=command) == {KEY: OTHER}
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["up", "worker", "create_team", "check", "migrate"])
def test_another_key_is_refused_by_name_wherever_it_came_from(tmp_path, held, command):
    held(True, OURS)
    assert refused(tmp_path, {KEY: OTHER, SESSION_KEY: "s"}, command=command).startswith(
        f"{KEY} is not the key of this"
    )
    (tmp_path / "secrets.json").write_text(json.dumps({KEY: OTHER, SESSION_KEY: "s"}))
    line = refused(tmp_path, command=command)
    assert line.startswith(f"the key in {tmp_path}/secrets.json is not the key of this database")


def test_the_right_one_opens_from_the_folder_from_the_environment_and_among_several(tmp_path, held):
    held(True, OURS)
    assert unlock(tmp_path, {KEY: f"{OTHER}, {OURS}", SESSION_KEY: "s"})[KEY] == f"{OTHER}, {OURS}"
    (tmp_path / "secrets.json").write_text(json.dumps({KEY: OURS, SESSION_KEY: "s"}))
    assert unlock(tmp_path) == {KEY: OURS, SESSION_KEY: "s"}
    assert refused(tmp_path, {KEY: OTHER}).startswith(f"{KEY} is not the key of this database")


def test_where_one_of_several_is_missing_only_who_looks_at_all_that_is_sealed_goes_on(tmp_path, held):
    held(True, OURS, "another of ours")
    for command in ("worker", "check", "create_team"):
        assert "lacks a key of this database" in refused(tmp_path, {KEY: OURS}, command=command)
    for command in keyring.LOOKS_FOR_ITSELF:
        assert unlock(tmp_path, {KEY: OURS, SESSION_KEY: "s"}, command=command)


def test_new_ones_are_made_for_who_says_that_the_old_ones_are_lost(tmp_path, held):
    held(True, OURS)
    made = unlock(tmp_path, command="up", anew=True)
    assert made[KEY] not in ("", OURS)
    assert unlock(tmp_path, command="up", anew=True) == made
    assert unlock(tmp_path, {KEY: "given"}, command="migrate", anew=True)[KEY] == "given"


def test_the_key_of_sessions_alone_is_made_anew_and_that_is_said(tmp_path, held, capsys):
    held(True, OURS)
    made = unlock(tmp_path, {KEY: OURS})
    assert made[SESSION_KEY]
    assert "WATCHKEEPER_SECRET_KEY is made anew: everybody signs in again" in capsys.readouterr().err
    assert json.loads((tmp_path / "secrets.json").read_text()) == {SESSION_KEY: made[SESSION_KEY]}
    assert unlock(tmp_path, {KEY: OURS}) == made
    assert capsys.readouterr().err == ""


def test_what_a_folder_lacks_is_added_to_what_it_has(tmp_path):
    (tmp_path / keepsakes.FILE).write_text(json.dumps({SESSION_KEY: "s"}))
    found: dict[str, str] = {}
    keepsakes.set_secrets(tmp_path, found)
    assert json.loads((tmp_path / keepsakes.FILE).read_text()) == found
    assert found[SESSION_KEY] == "s"
    assert found[KEY]


@pytest.mark.django_db(transaction=True)
def test_it_asks_the_database_itself(settings):
    parameters = connection.get_connection_params()
    url = "postgresql:///?" + "&".join(
        f"{name}={parameters[name]}" for name in ("dbname", "user", "host", "port") if parameters.get(name)
    )
    canary.settle(clock.now(), anew=True)
    found = keyring.held(url)
    assert found.has_data
    assert keyring.complaint(found.canaries, settings.ENCRYPTION_KEYS) == ""
    assert keyring.complaint(found.canaries, [OTHER]) == keyring.ANOTHER
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE config_key_canary RENAME TO not_yet")
        try:
            assert keyring.held(url) == keyring.Held(True, [])
        finally:
            cursor.execute("ALTER TABLE not_yet RENAME TO config_key_canary")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"key"', f'{{"{KEY}": 7}}', f'{{"{KEY}": " "}}', "\0"])
def test_a_file_of_secrets_that_is_damaged_is_one_line_and_stays_as_it_is(tmp_path, held, text):
    held(True, OURS)
    (tmp_path / "secrets.json").write_text(text)
    for command in ("up", "check", "migrate"):
        with pytest.raises(CannotStart, match=r"secrets\.json is damaged: it has to be a JSON object of texts"):
            unlock(tmp_path, command=command, anew=command == "migrate")
    assert (tmp_path / "secrets.json").read_text() == text


def test_a_file_of_secrets_that_can_not_be_read_is_one_line(tmp_path, held):
    held(False)
    (tmp_path / "secrets.json").mkdir()
    with pytest.raises(CannotStart, match=r"secrets\.json \(Is a directory\); see that it can be read and written"):
        unlock(tmp_path)
