"""What somebody had typed when their session had ended: it stays, and goes along through the log-in."""

import re

import pytest
from django.conf import settings
from django.test import Client

from dashboard import unsent
from incidents.models import Incident
from teams.models import Membership, Organization, Role, User
from tests.conftest import an_event, make_user
from tests.dashboard.conftest import logged_in, words
from timeline.models import TimelineEvent

TYPED = "The database was restarted.\nIt took long."
LOGIN = {"username": "alice@example.com", "password": "correct horse battery"}
HTMX = {"HX-Request": "true"}


@pytest.fixture
def place(tell):
    """The path of an incident's page."""
    tell(an_event("incident.started"))
    return f"/incidents/{Incident.objects.get().uuid}"


@pytest.fixture
def out(user):
    """Alice's browser, whose session has ended."""
    client = logged_in(user)
    client.session.flush()
    return client


def notes():
    return [str(fact.payload) for fact in TimelineEvent.objects.filter(event="incident.commented")]


def hidden(response):
    """The hidden fields of a page's form."""
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', response.content.decode())
    return {name: value for name, value in found if name != "csrfmiddlewaretoken"}


@pytest.mark.parametrize("path", ["//evil.example/", "///evil.example/", "//evil.example/?x=//y"])
def test_the_page_that_something_was_typed_on_never_leads_to_another_site(out, place, path):
    refused = out.post(place, {"message": TYPED}, headers={"Referer": f"http://testserver{path}"})
    fields = hidden(refused)
    out.post("/login", LOGIN | fields)
    [back] = re.findall(r'href="([^"]+)">Leave it', out.get("/unsent").content.decode())
    assert (back[:3], fields["next"][:3]) == ("/%2", "/%2")


def test_a_note_typed_after_the_session_ended_is_carried_through_the_login_and_sent_by_one_more_press(out, place):
    refused = out.post(place, {"message": TYPED, "once": "word"}, headers={"Referer": f"http://testserver{place}?x=1"})
    assert refused.status_code == 401
    assert "You are logged out, so this was not recorded." in words(refused)
    assert "The database was restarted. It took long." in words(refused)
    assert notes() == []
    fields = hidden(refused)
    assert fields["next"] == f"{place}?x=1"
    answer = out.post("/login", LOGIN | fields)
    assert answer.url == "/unsent"
    shown = out.get("/unsent")
    assert "Send it again, and it is recorded as yours, Alice Johnson" in words(shown)
    [action] = re.findall(r'action="([^"]+)"', shown.content.decode())
    [text] = re.findall(r'name="message"[^>]*>\n([^<]+)</textarea>', shown.content.decode())
    assert (action, text, hidden(shown)) == (place, TYPED, {"once": "word"})
    assert f'href="{place}?x=1"' in shown.content.decode()
    assert notes() == []
    out.post(action, {"message": text} | hidden(shown))
    assert len(notes()) == 1 and "The database was restarted." in notes()[0]


def test_it_survives_a_wrong_password_and_a_first_password(user, out, place):
    fields = hidden(out.post(place, {"message": TYPED}))
    User.objects.filter(pk=user.pk).update(must_change_password=True)
    wrong = out.post("/login", LOGIN | fields | {"password": "wrong"})
    assert wrong.status_code == 400 and "The database was restarted." in words(wrong)
    assert hidden(wrong)["unsent"] == fields["unsent"]
    assert out.post("/login", LOGIN | fields).url == "/unsent"
    there = out.get("/unsent").url
    assert there == "/password?next=%2Funsent"
    new = {"old_password": LOGIN["password"], "new_password1": "a lamp of brass", "new_password2": "a lamp of brass"}
    assert out.post(there, new | {"next": "/unsent"}).url == "/unsent"
    assert TYPED in out.get("/unsent").content.decode()


def test_htmx_is_answered_with_the_whole_login_page_and_a_poll_with_a_word_alone(out, place):
    posted = out.post(place, {"message": TYPED}, headers=HTMX)
    assert posted.status_code == 401 and "<html" in posted.content.decode()
    assert "HX-Redirect" not in posted.headers
    polled = out.get("/", headers=HTMX)
    assert (polled.status_code, polled.headers["HX-Trigger"]) == (401, "logged-out")
    assert (polled.headers["HX-Reswap"], polled.content) == ("none", b"")


@pytest.mark.parametrize("signed", ["", "x", "a:b:c", "W10:1x:y"])
def test_what_did_not_come_from_here_is_not_taken_along(signed, user):
    assert Client().post("/login", LOGIN | {"unsent": signed}).url == "/"


def test_nothing_to_send_leads_to_the_overview_and_nobody_is_sent_to_the_login(staff, db):
    assert staff.get("/unsent").url == "/"
    assert Client().get("/unsent").url == "/login?next=/unsent"


def test_no_secret_no_login_and_nothing_endless_is_carried(rf, out):
    def carried(path, **fields):
        return unsent.unsent_form(rf.post(path, fields))

    assert carried("/login", username="a", password="b") is None
    assert carried("/password", old_password="b") is None
    assert carried("/incidents/new", error_message="x" * (unsent.LARGEST + 1)) is None
    form = carried("/team/integrations/1/signing", name="Pager", signing_secret="whsec_x", csrfmiddlewaretoken="t")
    assert form.fields == [("name", "Pager")]


def test_a_page_before_that_is_not_ours_is_the_overview(rf):
    for referrer in ("", "https://evil.example/x", "//evil.example"):
        assert unsent.page_before(rf.post("/", headers={"Referer": referrer})) == "/"


def test_a_form_of_django_admin_is_carried_through_the_login_too(operator):
    client = logged_in(operator)
    client.session.flush()
    refused = client.post("/admin/teams/organization/add/", {"name": "Acme of\nold", "_save": "Save"})
    assert refused.status_code == 401 and "Acme of old" in words(refused)
    client.post("/login", LOGIN | {"username": "operator@example.com"} | hidden(refused))
    shown = client.get("/unsent")
    assert 'action="/admin/teams/organization/add/"' in shown.content.decode()
    assert hidden(shown) == {"_save": "Save"}
    client.post("/admin/teams/organization/add/", {"name": "Acme of old"} | hidden(shown))
    assert Organization.objects.get().name == "Acme of old"


# --- two windows ------------------------------------------------------------------------------------------------------


@pytest.fixture
def strict(user):
    """Alice's browser, whose tokens are looked at; not logged in."""
    return Client(enforce_csrf_checks=True, headers={"Origin": "http://testserver"})


def token(client, path="/login"):
    return re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', client.get(path).content.decode())[1]


def test_a_login_that_was_opened_in_two_windows_is_no_403(strict):
    first, second = token(strict), token(strict)
    assert strict.post("/login", LOGIN | {"csrfmiddlewaretoken": first}).status_code == 302
    again = strict.post("/login", LOGIN | {"csrfmiddlewaretoken": second, "next": "/incidents"})
    assert (again.status_code, again.url) == (302, "/incidents")
    fresh = token(strict, "/preferences")
    strict.post("/logout", {"csrfmiddlewaretoken": fresh})
    strict.cookies[settings.CSRF_COOKIE_NAME] = "y" * 32
    stale = strict.post("/login", LOGIN | {"csrfmiddlewaretoken": second, "next": "/incidents"})
    assert stale.status_code == 400
    assert "in another window. Log in once more." in words(stale)
    assert 'value="alice@example.com"' in stale.content.decode() and hidden(stale)["next"] == "/incidents"


def test_a_login_form_from_elsewhere_is_refused(user):
    client = Client(enforce_csrf_checks=True)
    mine = token(client)
    for named in ({"Origin": "https://evil.example"}, {}):
        said = LOGIN if not named else LOGIN | {"csrfmiddlewaretoken": mine}
        assert client.post("/login", said, headers=named).status_code == 403
    assert "_auth_user_id" not in client.session


def test_a_form_whose_sender_logged_in_again_in_another_window_keeps_what_was_typed(strict, place):
    strict.post("/login", LOGIN | {"csrfmiddlewaretoken": token(strict)})
    old = token(strict, place)
    strict.session.flush()
    strict.post("/login", LOGIN | {"csrfmiddlewaretoken": token(strict)})
    answer = strict.post(place, {"message": TYPED, "csrfmiddlewaretoken": old})
    assert answer.status_code == 403
    assert "The page that this was typed on was too old" in words(answer)
    assert TYPED in answer.content.decode() and notes() == []
    fresh = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', answer.content.decode())[1]
    strict.post(place, {"message": TYPED, "csrfmiddlewaretoken": fresh})
    assert len(notes()) == 1
    assert strict.post(place, {"message": TYPED, "csrfmiddlewaretoken": old}, headers=HTMX).status_code == 401


def test_a_form_from_elsewhere_is_shown_to_nobody_with_a_good_token(strict, place):
    strict.post("/login", LOGIN | {"csrfmiddlewaretoken": token(strict)})
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}):
        answer = strict.post(place, {"message": TYPED}, headers=headers)
        assert answer.status_code == 403
        assert TYPED not in answer.content.decode() and "csrfmiddlewaretoken" not in answer.content.decode()


def test_what_is_sent_again_is_the_present_person_s(place, out, team):
    bob = make_user("bob@example.com", team, Role.RESPONDER, name="Bob")
    fields = hidden(out.post(place, {"message": TYPED}))
    out.post("/login", LOGIN | fields | {"username": "bob@example.com"})
    assert "recorded as yours, Bob" in words(out.get("/unsent"))
    assert Membership.objects.filter(user=bob).exists()
