"""`password_link`: what an operator hands over to somebody who forgot their password."""

import io
import json

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from tests.conftest import make_user


def password_link(*options):
    said = io.StringIO()
    call_command("password_link", *options, stdout=said)
    return said.getvalue()


def test_its_link_makes_a_new_password_for_operators_too(operator):
    path = json.loads(password_link(" Operator@example.com ", "--json"))["path"]
    new = {"new_password1": "a lamp of brass", "new_password2": "a lamp of brass"}
    assert Client().post(path, new).status_code == 302
    operator.refresh_from_db()
    assert operator.check_password("a lamp of brass")
    assert Client().get(path).status_code == 404


def test_in_words_it_says_for_whom_and_how_long(user):
    assert "For alice@example.com, once, until 20" in password_link("alice@example.com")


def test_nobody_and_who_is_deactivated_get_none(db):
    make_user("gone@example.com", is_active=False)
    for email, why in (("nobody@example.com", "Nobody has the address"), ("gone@example.com", "is deactivated")):
        with pytest.raises(CommandError, match=why):
            password_link(email)
