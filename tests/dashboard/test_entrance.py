import pytest
from django.test import Client

from config.errors import RateLimited
from teams.models import Membership, Role
from tests.conftest import make_team, make_user
from tests.dashboard.conftest import words

RIGHT = {"username": "Alice@Example.com", "password": "correct horse battery"}


def test_the_login_page_is_the_only_one_without_a_frame(db):
    answer = Client().get("/login")
    assert answer.status_code == 200
    assert "Log in" in words(answer)
    assert 'class="rail"' not in answer.content.decode()


def test_the_right_password_leads_to_where_one_wanted_to_go(user):
    answer = Client().post("/login?next=/incidents%3Fstatus%3Dlive", RIGHT | {"next": "/incidents?status=live"})
    assert (answer.status_code, answer.url) == (302, "/incidents?status=live")


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "/\\evil.example"]
)
def test_login_never_leads_to_another_site(elsewhere, user):
    assert Client().post("/login", RIGHT | {"next": elsewhere}).url == "/"


@pytest.mark.parametrize(
    "wrong",
    [
        {"username": "alice@example.com", "password": "wrong"},
        {"username": "nobody@example.com", "password": "wrong"},
        {"username": "inactive@example.com", "password": "correct horse battery"},
    ],
)
def test_a_wrong_login_says_the_same_whatever_is_wrong(wrong, user, team):
    make_user("inactive@example.com", team, is_active=False)
    answer = Client().post("/login", wrong)
    assert answer.status_code == 400
    assert "The e-mail or the password is not right." in words(answer)


@pytest.mark.parametrize("nonsense", ["", "x" * 100_000, "a@b\u202e.example", "' OR 1=1 --", "💥@example.com"])
def test_nonsense_is_no_login(nonsense, user):
    assert Client().post("/login", {"username": nonsense, "password": nonsense}).status_code == 400


def test_after_too_many_failures_not_even_the_right_password_is_looked_at(user, settings):
    settings.FAILED_LOGINS_PER_MINUTE = 3
    client = Client()
    answers = [client.post("/login", RIGHT | {"password": "wrong"}).status_code for _ in range(4)]
    assert answers[:2] == [400, 400]
    assert answers[-1] == 429
    refused = client.post("/login", RIGHT)
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0
    assert "Too many tries" in words(refused)


def test_what_was_not_looked_at_because_too_many_came_at_once_is_no_failure(user, settings, monkeypatch):
    settings.FAILED_LOGINS_PER_MINUTE = 2

    def crowded(*args, **kwargs):
        raise RateLimited(3, "Too many people log in at this moment.")

    with monkeypatch.context() as busy:
        busy.setattr("django.contrib.auth.forms.authenticate", crowded)
        answers = [Client().post("/login", RIGHT) for _ in range(4)]
    assert {answer.status_code for answer in answers} == {429}
    assert "at this moment" in words(answers[-1])
    assert Client().post("/login", RIGHT).status_code == 302


def test_logging_out_is_a_post_and_ends_the_session(staff):
    assert staff.get("/logout").status_code == 405
    assert staff.post("/logout").url == "/login"
    assert staff.get("/").status_code == 302


def test_one_s_teams_can_be_switched(staff, user, team):
    second = make_team("Second")
    Membership.objects.create(team=second, user=user, role=Role.VIEWER)
    assert staff.post("/team", {"team": second.public_id}).url == "/"
    assert "Watchkeeper Second" in words(staff.get("/"))
    staff.post("/team", {"team": team.public_id})
    assert "Watchkeeper Operations" in words(staff.get("/"))


def test_a_team_one_is_not_in_can_not_be_switched_to(staff, other_team):
    assert staff.post("/team", {"team": other_team.public_id}).status_code == 404
    assert staff.post("/team").status_code == 404


def test_preferences_keep_name_and_time_zone(staff, user):
    answer = staff.post("/preferences", {"name": "Alice Liddell", "time_zone": "Pacific/Chatham"}, follow=True)
    user.refresh_from_db()
    assert (user.name, user.time_zone) == ("Alice Liddell", "Pacific/Chatham")
    assert "Saved." in words(answer)
    assert "Times in Pacific/Chatham, +1" in words(answer)


@pytest.mark.parametrize("zone", ["", "Mars/Olympus_Mons", "../../etc/passwd", "x" * 10_000])
def test_a_time_zone_that_does_not_exist_is_refused(zone, staff, user):
    answer = staff.post("/preferences", {"name": "A", "time_zone": zone})
    assert answer.status_code == 400
    user.refresh_from_db()
    assert user.time_zone == "UTC"


def test_preferences_change_nothing_else_of_a_user(staff, user):
    staff.post("/preferences", {"name": "A", "time_zone": "UTC", "email": "evil@example.com", "is_staff": "on"})
    user.refresh_from_db()
    assert (user.email, user.is_staff) == ("alice@example.com", False)
