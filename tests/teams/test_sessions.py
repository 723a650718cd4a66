"""Sessions: kept as digests, sliding, swept when they ended."""

import importlib
from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore as DjangosStore
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client

from config import clock
from teams import sessions
from teams.sessions import SLIDES_EVERY, SessionStore, digest_key, sweep_sessions
from tests.dashboard.conftest import logged_in

COOKIE = settings.SESSION_COOKIE_NAME
AGE = timedelta(seconds=settings.SESSION_COOKIE_AGE)


def with_cookie(value):
    client = Client()
    client.cookies[COOKIE] = value
    return client


def test_what_stands_in_the_table_opens_no_session(user):
    client = logged_in(user)
    key, kept = client.cookies[COOKIE].value, Session.objects.get().session_key
    assert kept == digest_key(key) != key
    assert client.get("/").status_code == 200
    assert with_cookie(kept).get("/").status_code == 302
    assert with_cookie(key).get("/").status_code == 200


def test_logging_out_deletes_it(user):
    client = logged_in(user)
    key = client.cookies[COOKIE].value
    client.post("/logout")
    assert not Session.objects.filter(session_key=digest_key(key)).exists()
    assert with_cookie(key).get("/").status_code == 302


def test_a_store_does_all_that_django_s_does(db):
    store = SessionStore()
    store["a"] = 1
    store.save()
    key = store.session_key
    assert SessionStore(key)["a"] == 1 and SessionStore().exists(key)
    store.cycle_key()
    assert store.session_key != key and not SessionStore().exists(key)
    again = SessionStore(store.session_key)
    again.flush()
    assert not Session.objects.exists()


def run_migration():
    migration = importlib.import_module("teams.migrations.0004_sessions_as_digests")
    with connection.cursor() as cursor:
        cursor.execute(migration.END)
        cursor.execute(migration.CHANGE)


def test_sessions_of_an_older_version_go_on_and_the_migration_can_be_run_again(user, monkeypatch):
    with pytest.MonkeyPatch.context() as older:
        for name in ("_get_session_from_db", "exists", "create_model_instance", "delete"):
            older.setattr(SessionStore, name, getattr(DjangosStore, name))
        client = logged_in(user)
        key = client.cookies[COOKIE].value
        assert Session.objects.get().session_key == key
    for _ in range(2):
        run_migration()
        assert Session.objects.get().session_key == digest_key(key)
        assert client.get("/").status_code == 200


def test_who_comes_back_stays_logged_in_and_is_written_once_a_day(user, django_assert_num_queries):
    at = clock.now()
    with clock.at(at):
        client = logged_in(user)
        began = Session.objects.get().expire_date
    with clock.at(at + SLIDES_EVERY / 2):
        assert COOKIE not in client.get("/preferences").cookies
        assert Session.objects.get().expire_date == began
    Session.objects.update(expire_date=at + timedelta(days=2))
    with clock.at(at + SLIDES_EVERY * 2 - timedelta(minutes=1)):
        answer = client.get("/preferences")
    assert answer.cookies[COOKIE]["max-age"] == settings.SESSION_COOKIE_AGE
    assert Session.objects.get().expire_date > at + AGE - timedelta(minutes=1)


def test_a_session_that_ended_is_none(user):
    client = logged_in(user)
    with clock.at(clock.now() + AGE + timedelta(minutes=1)):
        assert client.get("/").status_code == 302


def test_the_worker_sweeps_out_what_ended_a_while_ago(user, monkeypatch):
    monkeypatch.setattr(sessions, "BATCH", 3)
    at = clock.now()
    for age in (1, 8, 9, 10, 11):
        Session.objects.create(session_key=f"{age}" * 20, expire_date=at - timedelta(days=age))
    logged_in(user)
    assert [sweep_sessions(at) for _ in range(3)] == [3, 1, 0]
    assert Session.objects.count() == 2
