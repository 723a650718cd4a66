"""Guessing passwords: slowed down by account, without locking its owner out, and told to them."""

from datetime import timedelta

import pytest
from django.test import Client

from config import clock
from teams.login_guard import DEVICE, OWN_TRIES, PLACES_KEPT, STRANGERS_TRIES, TRIES_PER_MINUTE, WINDOW
from teams.models import LoginPlace
from tests.conftest import NOON, make_user
from tests.dashboard.conftest import words

RIGHT = {"username": "alice@example.com", "password": "correct horse battery"}
WRONG = RIGHT | {"password": "wrong"}


def from_address(number):
    return {"REMOTE_ADDR": f"198.51.{number // 250}.{number % 250 + 1}"}


@pytest.fixture(autouse=True)
def _still():
    with clock.at(NOON):
        yield


@pytest.fixture
def guessed(user):
    """Alice's account, after 130 wrong passwords from 130 addresses; the statuses."""
    return [Client(**from_address(number)).post("/login", WRONG).status_code for number in range(130)]


def test_130_guesses_from_130_addresses_are_as_good_as_few(guessed):
    assert guessed == [400] * STRANGERS_TRIES + [429] * (130 - STRANGERS_TRIES)


def test_a_stranger_who_knows_the_password_has_to_wait_and_is_told_what_else_there_is(guessed):
    refused = Client(**from_address(500)).post("/login", RIGHT)
    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= WINDOW
    assert "from a browser or a network in which you logged in before" in words(refused)
    with clock.at(NOON + timedelta(seconds=WINDOW)):
        assert Client(**from_address(500)).post("/login", RIGHT).status_code == 302


def test_the_owner_comes_in_with_their_browser_and_from_their_network_meanwhile(user):
    own = Client(**from_address(1000))
    own.post("/login", RIGHT)
    for number in range(130):
        Client(**from_address(number)).post("/login", WRONG)
    elsewhere = Client(**from_address(2000))
    elsewhere.cookies = own.cookies
    elsewhere.post("/logout")
    assert elsewhere.post("/login", WRONG).status_code == 400
    assert elsewhere.post("/login", RIGHT).status_code == 302
    assert Client(**from_address(1000)).post("/login", RIGHT).status_code == 302
    assert Client(**from_address(3000)).post("/login", RIGHT).status_code == 429


def test_one_s_own_browser_is_not_for_guessing_without_end_either(user):
    own = Client()
    own.post("/login", RIGHT)
    own.post("/logout")
    later = iter(range(1, 100))
    statuses = []
    for _ in range(OWN_TRIES + 2):
        with clock.at(NOON + timedelta(seconds=5 * next(later))):
            statuses.append(own.post("/login", WRONG).status_code)
    assert statuses == [400] * OWN_TRIES + [429] * 2


@pytest.mark.parametrize("cookie", ["", "x", "eyJ:a:b", "x" * 5_000])
def test_a_browser_s_cookie_can_not_be_made_up(cookie, guessed):
    client = Client(**from_address(700))
    client.cookies[DEVICE] = cookie
    assert client.post("/login", RIGHT).status_code == 429


def test_somebody_else_s_browser_is_a_stranger_s(guessed, team):
    make_user("mallory@example.com", team)
    own = Client(**from_address(800))
    own.post("/login", RIGHT | {"username": "mallory@example.com"})
    own.post("/logout")
    assert own.post("/login", RIGHT).status_code == 429


def test_an_address_that_nobody_has_is_slowed_down_the_same(db):
    unknown = WRONG | {"username": "nobody@example.com"}
    statuses = [Client(**from_address(number)).post("/login", unknown).status_code for number in range(15)]
    assert statuses == [400] * STRANGERS_TRIES + [429] * 5


# Each of them is alice@example.com to the log-in or to PostgreSQL's UPPER, or only looks like it.
SPELLINGS = ("alice@example.com", "ALICE@example.com", "ａlice@example.com", "alıce@example.com", " alice@EXAMPLE.com ")


@pytest.mark.parametrize("whose", ["alice@example.com", "alife@example.com"])
def test_no_spelling_of_an_address_gives_more_guesses_nor_tells_whether_there_is_an_account(user, whose):
    spelled = [each.replace("ce@", "fe@").replace("CE@", "FE@") if whose[3] == "f" else each for each in SPELLINGS]
    statuses = []
    for number in range(6 * len(spelled)):
        guess = WRONG | {"username": spelled[number % len(spelled)]}
        statuses.append((number % len(spelled), Client(**from_address(number)).post("/login", guess).status_code))
    let_through = [spelling for spelling, status in statuses if status == 400]
    assert len([each for each in let_through if each != 3]) == STRANGERS_TRIES
    assert let_through.count(3) == 6, "a letter that only looks the same is another address's"
    user.refresh_from_db()
    assert user.failed_logins == (STRANGERS_TRIES if whose == "alice@example.com" else 0)


def test_the_owner_is_told_once_at_their_next_login(guessed, user):
    own = Client(**from_address(900))
    with clock.at(NOON + timedelta(hours=1)):
        page = words(own.post("/login", RIGHT, follow=True))
        assert f"somebody tried to log in as you with a wrong password: {STRANGERS_TRIES} times" in page
        assert "198.51.0.10" in page
        own.post("/logout")
        assert "somebody tried" not in words(own.post("/login", RIGHT, follow=True))


def test_one_s_own_slips_are_no_news(user):
    own = Client()
    own.post("/login", RIGHT)
    own.post("/logout")
    own.post("/login", WRONG)
    assert "somebody tried" not in words(own.post("/login", RIGHT, follow=True))


def test_good_logins_are_bounded_too_and_use_up_no_failures(user, settings):
    settings.FAILED_LOGINS_PER_MINUTE = 5
    own = Client()
    statuses = []
    for _ in range(3 * 5 + 1):
        statuses.append(own.post("/login", RIGHT).status_code)
        own.post("/logout")
    assert statuses == [302] * 15 + [429]
    settings.FAILED_LOGINS_PER_MINUTE = 1000
    statuses = [own.post("/login", RIGHT).status_code for _ in range(1)]
    assert statuses == [302]


def test_good_logins_of_one_account_are_bounded_wherever_they_come_from(user):
    statuses = []
    for number in range(TRIES_PER_MINUTE + 2):
        statuses.append(Client(**from_address(number)).post("/login", RIGHT).status_code)
    assert statuses == [302] * TRIES_PER_MINUTE + [429] * 2


def test_wrong_keys_lock_nobody_out_of_the_login_nor_wrong_logins_out_of_the_api(user, settings, api):
    settings.FAILED_LOGINS_PER_MINUTE = 3
    wrong = Client(headers={"X-API-Key": "wk_" + "w" * 43})
    assert [wrong.get("/api/incidents").status_code for _ in range(5)][-1] == 429
    assert Client().post("/login", RIGHT).status_code == 302
    for _ in range(5):
        Client().post("/login", WRONG)
    assert Client().post("/login", RIGHT).status_code == 429
    with clock.at(NOON + timedelta(minutes=2)):
        assert [wrong.get("/api/incidents").status_code for _ in range(4)] == [401, 401, 401, 429]
    assert api.get("/api/incidents").status_code == 200


def test_only_the_newest_places_are_kept_and_no_address_is(user):
    for number in range(PLACES_KEPT + 5):
        with clock.at(NOON + timedelta(minutes=number)):
            Client(**from_address(number)).post("/login", RIGHT)
    assert LoginPlace.objects.filter(user=user).count() == PLACES_KEPT
    assert {len(bytes(each.place)) for each in LoginPlace.objects.all()} == {32}
