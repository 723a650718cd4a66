"""All pages of Django admin: who comes in, what no query string, path or form can break, and what lists cost."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client

from config import changelist, paging
from config.composing import composition, label_of
from incidents.models import Incident
from integrations.models import InboundDelivery
from teams.models import Organization, User
from tests.conftest import NOON, an_event, make_user, tell_it
from tests.endpoints import make_attempt, make_endpoint, make_message
from tests.readers import Visitor
from tests.trust.conftest import FULL
from timeline.models import TimelineEvent


@pytest.fixture
def visitor(staff):
    visitor = Visitor()
    visitor.cookies["watchkeeper_session"] = staff.cookies["watchkeeper_session"].value
    return visitor


@pytest.fixture
def something_of_everything(team, user, integration, ingest_key, api_key):
    """At least one record of every kind that an operator sees."""
    tell_it(
        integration,
        an_event("monitor.created"),
        an_event("heartbeat.down"),
        an_event("incident.started", incident_cause="Timeout"),
        an_event("incident.started", incident_name=5),
        an_event("monitor.checked"),
    )
    make_attempt(make_message(make_endpoint(team), status="dead", why="The answer was 404."))


SITES = list(admin.site._registry.values())


def address_of(site):
    return f"/admin/{site.opts.app_label}/{site.opts.model_name}/"


def lists():
    return [address_of(site) for site in SITES]


def first_ids():
    for model, site in admin.site._registry.items():
        record = model._base_manager.order_by("pk").first()
        if record is not None:
            yield address_of(site), record.pk, site


# --- coming in


def test_whose_password_somebody_else_gave_comes_in_after_changing_it(staff, operator):
    User.objects.filter(pk=operator.pk).update(must_change_password=True)
    for path, back in (("/admin/", ""), ("/admin/teams/user/", "teams%2Fuser%2F"), ("/admin/password_change/", "")):
        assert staff.get(path).headers["Location"] == f"/password?next=%2Fadmin%2F{back}"
    assert staff.get("/admin/nothing/").headers["Location"].startswith("/password?")
    refused = staff.post("/admin/teams/organization/add/", {"name": "Acme"})
    assert refused.headers["Location"] == "/password?next=%2Fadmin%2F"
    assert not Organization.objects.exists()
    password = {"new_password1": "a lamp of brass", "new_password2": "a lamp of brass"}
    changed = staff.post("/password", password | {"old_password": "correct horse battery"})
    assert changed.headers["Location"] == "/admin/"
    assert staff.get("/admin/").status_code == 200


def test_whose_password_somebody_else_gave_may_log_out(staff, operator):
    User.objects.filter(pk=operator.pk).update(must_change_password=True)
    staff.post("/admin/logout/")
    assert staff.get("/admin/").headers["Location"].startswith("/admin/login/")


def test_a_password_is_changed_on_the_pages_own_form_which_counts_tries(staff):
    for path in ("/admin/password_change/", "/admin/password_change/done/"):
        assert staff.get(path).url == staff.post(path, {"old_password": "x"}).url == "/password?next=%2Fadmin%2F"


def test_who_may_see_incidents_alone_sees_none_of_their_facts(client, tell):
    """What stands below a record needs a permission of its own, everywhere."""
    tell(an_event("incident.started", message="only for those who may see facts"))
    incident = Incident.objects.get()
    looking = make_user("looking@example.com", is_staff=True)
    client.force_login(looking)
    page = f"/admin/incidents/incident/{incident.pk}/change/"
    for seen, codenames in (
        (False, ["view_incident"]),
        (True, ["view_incident", "view_timelineevent"]),
    ):
        looking.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        text = client.get(page).content.decode()
        assert ("only for those who may see facts" in text) is seen
        assert ("Timeline: the latest" in text) is seen


def test_every_panel_says_of_which_records_it_is():
    added = composition().panels
    panels = {panel for site in SITES for panel in [*site.panels, *added.get(label_of(site.model), ())]}
    assert len(panels) >= 8
    for panel in panels:
        assert admin.site.get_model_admin(apps.get_model(panel.rows_are_of))


def test_admin_without_its_slash_leads_to_admin(client):
    assert client.get("/admin").headers["Location"] == "/admin/"


def test_a_stranger_is_sent_to_the_pages_own_login_and_back(client, operator):
    assert client.get("/admin/teams/team/").headers["Location"] == "/admin/login/?next=/admin/teams/team/"
    there = client.get("/admin/login/?next=/admin/teams/team/").headers["Location"]
    assert there == "/login?next=/admin/teams/team/"
    back = client.post(there, {"username": "OPERATOR@example.com", "password": "correct horse battery"})
    assert (back.status_code, back.headers["Location"]) == (302, "/admin/teams/team/")


def test_failed_logins_at_admin_are_throttled_as_all_are(client, operator, settings):
    settings.FAILED_LOGINS_PER_MINUTE = 3
    wrong = {"username": "operator@example.com", "password": "wrong"}
    there = client.get("/admin/login/").headers["Location"]
    assert [client.post(there, wrong).status_code for _ in range(5)][-1] == 429


def test_who_is_logged_in_without_being_an_operator_is_refused_and_not_sent_around(client, user):
    client.force_login(user)
    assert client.get("/admin/").status_code == 302
    assert client.get("/admin/login/?next=/admin/").status_code == 403


def test_an_inactive_operator_stays_outside(client, operator):
    client.force_login(operator)
    User.objects.filter(pk=operator.pk).update(is_active=False)
    assert client.get("/admin/teams/team/").status_code == 302


# --- what can't be broken


QUERY_STRINGS = [
    "id__exact=99999999999999999999",
    "id__in=99999999999999999999,abc",
    "id__regex=(",
    "name__regex=((((",
    "payload__a__b=1",
    "password__startswith=pbkdf2",
    "team__organization__name=x",
    "q=%00",
    "q=%ff",
    "q=" + "x" * 5000,
    "q=99999999999999999999999",
    "q='%20\\\\%20%22%20%25_%20:*%20%26%20!",
    "q=incident%2099999999999999999999",
    "q=incident%20%C2%B2",
    "o=abc",
    "o=1.-2.99999999999999999999.-",
    "o=" + "9" * 6000,
    "p=-1",
    "p=abc",
    "p=" + "9" * 6000,
    "p=99999999999999999999",
    "all=",
    "all=1&p=3",
    "e=1",
    "cursor=abc",
    "cursor=",
    "cursor=WyItaWQiLDFd%00",
    "cursor=WyItaWQiLDk5OTk5OTk5OTk5OTk5OTk5OTk5XQ",
    "status__exact=nonsense",
    "status__exact=a&status__exact=b",
    "status__isnull=abc",
    "team__id__exact=abc",
    "team__id__exact=99999999999999999999",
    "team__id__exact=1&team__id__exact=2",
    "team__id__exact=",
    "team__isnull=abc",
    "integration__id__exact=abc",
    "integration__isnull=maybe",
    "integration_id=abc",
    "integration_id=99999999999999999999",
    "incident_id=-1",
    "organization__id__exact=%F0%9F%98%80",
    "is_active__exact=maybe",
    "is_live__exact=2",
    "provisional__exact=x",
    "deactivated=maybe",
    "destroyed=",
    "revoked=%D9%A1",
    "event=nonsense",
    "effect__exact=nonsense",
    "about=incident-abc",
    "about=incident-99999999999999999999",
    "about=user-1",
    "about=",
    "in=monitor",
    "of=incident--1",
    "_to_field=abc",
    "_to_field=password",
    "_to_field=id&_popup=1",
    "_popup=1",
    "_facets=True",
    "_changelist_filters=%25%25%3D",
    "day__year=0&day__month=99",
    "utm_source=letter",
    "%5B%5D=1",
    "__=1",
    "id__=1",
]


EVERYWHERE = {"q", "o", "p", "all", "e", "cursor", "_to_field", "_popup", "_facets"}


def concerns(site, query):
    """Whether a list's code looks at anything in a query string; what no list knows is tried on incidents."""
    names = {each.partition("=")[0] for each in query.split("&")}
    known = set().union(*(changelist.parameters_of(each, site.model) for each in site.list_filter))
    return bool(names & (EVERYWHERE | known)) or site.opts.model_name == "incident"


def sample_of(rubbish, site):
    """What is tried on a kind of record: in a sample the odd of it on one, the even on the next."""
    return rubbish if FULL else rubbish[SITES.index(site) % 2 :: 2]


@pytest.mark.parametrize("site", SITES, ids=lambda site: site.opts.model_name)
def test_no_query_string_breaks_a_list(visitor, something_of_everything, site):
    address = address_of(site)
    for query in sample_of(QUERY_STRINGS, site):
        if concerns(site, query):
            answer = visitor.get(f"{address}?{query}")
            assert answer.status_code in (200, 302, 400), f"{address}?{query[:60]} → {answer.status_code}"


IDS = [
    "abc",
    "-1",
    "0",
    str(2**70),
    "9" * 6000,
    "1.0",
    "_00",
    "_D8_00",
    "%20",
    "1'--",
    "١",
    "None",
    "a/b",
    "%F0%9F%98%80",
]


@pytest.mark.parametrize("site", SITES, ids=lambda site: site.opts.model_name)
def test_no_id_in_an_address_breaks_a_page(visitor, something_of_everything, site):
    address = address_of(site)
    pages = ["change/", "delete/", "history/", *(["password/"] if site.opts.model_name == "user" else [])]
    for number, key in enumerate(IDS):
        page = f"{address}{key}/{pages[number % len(pages)]}"
        assert visitor.get(page).status_code < 500, page
        assert visitor.post(page, {"post": "yes"}).status_code < 500, page


GARBAGE = ["abc", str(2**70), "", "9999-12-31", "٣", "x" * 3000]


NAMES = {
    "expires_at_0", "expires_at_1", "password1", "password2", "usable_password", "signing", "signing_secret", "further",
    "action", "index", "_selected_action", "select_across", "groups", "permissions", "memberships-0-id",
    "memberships-0-role", "memberships-0-user", "memberships-0-team", "memberships-0-DELETE", "memberships-TOTAL_FORMS",
    "memberships-INITIAL_FORMS", "memberships-2-0-user", "memberships-2-0-team", "memberships-2-0-role",
}  # fmt: skip
# What formsets must say before they look at their forms.
FORMSETS = {
    "memberships-TOTAL_FORMS": "1",
    "memberships-INITIAL_FORMS": "0",
    "memberships-2-TOTAL_FORMS": "1",
    "memberships-2-INITIAL_FORMS": "0",
}


@pytest.mark.parametrize("site", SITES, ids=lambda site: site.opts.model_name)
def test_no_form_breaks_a_page(visitor, something_of_everything, site):
    address, record = address_of(site), site.model._base_manager.order_by("pk").first()
    names = NAMES | {field.name for field in site.model._meta.get_fields()}
    for garbage in sample_of(GARBAGE, site):
        for further in ({"_to_field": garbage}, FORMSETS | {"_to_field": "", "_popup": "1"}):
            form = dict.fromkeys(names, garbage) | further
            for page in ("add/", f"{record.pk}/change/" if record else "add/", ""):
                answer = visitor.post(f"{address}{page}", form)
                assert answer.status_code < 500, f"POST {address}{page} {garbage[:20]} → {answer.status_code}"


def test_values_in_the_address_of_an_add_page_break_nothing(visitor, something_of_everything):
    for address in lists():
        for query in (
            "team=abc",
            f"team={2**70}",
            "user=1",
            "expires_at=abc",
            "scopes=x",
            "groups=a,b",
            "organization=",
        ):
            assert visitor.get(f"{address}add/?{query}").status_code in (200, 403)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "app_label=teams&model_name=apikey&field_name=user&term=%00",
        "app_label=teams&model_name=apikey&field_name=user&page=abc",
        "app_label=teams&model_name=apikey&field_name=user&page=-1",
        "app_label=teams&model_name=apikey&field_name=user&page=99999999999999999999",
        "app_label=teams&model_name=apikey&field_name=name",
        "app_label=teams&model_name=apikey&field_name=nonsense",
        "app_label=teams&model_name=team&field_name=incidents",
        "app_label=teams&model_name=user&field_name=groups",
        "app_label=incidents&model_name=incident&field_name=team&term=" + "9" * 400,
        "app_label=auth&model_name=permission&field_name=content_type",
        "app_label=x&model_name=y&field_name=z",
    ],
    ids=lambda query: query[-40:],
)
def test_no_query_string_breaks_the_suggestions(visitor, something_of_everything, query):
    assert visitor.get(f"/admin/autocomplete/?{query}").status_code in (200, 400, 403, 404)


@pytest.mark.parametrize(
    "address", ["r/1/1/", "r/abc/1/", f"r/{2**70}/{2**70}/", "r/4/abc/", "jsi18n/", "nothing/", "nothing"]
)
def test_the_other_addresses_of_admin_answer(visitor, address):
    assert visitor.get(f"/admin/{address}").status_code < 500


def test_a_selection_that_nobody_can_have_ticked_changes_nothing(visitor, something_of_everything):
    deliveries = InboundDelivery.objects.count()
    for address in lists():
        for chosen in (["abc"], [str(2**70)], ["1"] * 201):
            said = {"action": "delete_selected", "_selected_action": chosen, "post": "yes"}
            assert visitor.post(address, said | {"index": "0"}).status_code < 400
            assert visitor.post(address, said).status_code < 400
    assert InboundDelivery.objects.count() == deliveries


def test_an_action_never_runs_on_more_than_what_was_ticked(visitor, something_of_everything):
    others = make_user("bob@example.com")
    said = {"action": "delete_selected", "select_across": "1", "index": "0", "post": "yes", "_selected_action": "0"}
    visitor.post("/admin/teams/user/", said)
    others.refresh_from_db()
    assert others.is_active


# --- what it shows and costs


def test_every_list_and_every_record_is_shown_without_inline_scripts_or_styles(staff, something_of_everything):
    for address, key, _ in list(first_ids()):
        for page in (address, f"{address}{key}/change/", f"{address}add/", f"{address}{key}/history/"):
            answer = staff.get(page)
            assert answer.status_code in (200, 403), page
            text = answer.content.decode()
            assert " style=" not in text and "<style" not in text and "javascript:" not in text
            assert "<script>" not in text and " onclick=" not in text


def test_a_list_is_read_page_by_page_and_never_counted(staff, integration, django_assert_max_num_queries, monkeypatch):
    monkeypatch.setattr(admin.site._registry[TimelineEvent], "list_per_page", 2, raising=False)
    tell_it(integration, *(an_event("incident.acknowledged", NOON.replace(minute=n)) for n in range(5)))
    seen, address, statements = [], "/admin/timeline/timelineevent/", []
    while address:
        with django_assert_max_num_queries(20) as queries:
            answer = staff.get(address)
        statements += [query["sql"].lower() for query in queries.captured_queries]
        changes = answer.context["cl"]
        seen += [fact.pk for fact in changes.result_list]
        address = changes.older and f"/admin/timeline/timelineevent/{changes.older}"
    assert seen == list(TimelineEvent.objects.order_by("-id").values_list("id", flat=True))
    assert not [sql for sql in statements if "count(" in sql]


def test_a_filter_without_an_index_looks_at_the_newest_only_and_leads_further_back(staff, integration, monkeypatch):
    monkeypatch.setattr(paging, "LOOKED_THROUGH", 3)
    tell_it(integration, an_event("incident.started"))
    tell_it(integration, *(an_event("incident.acknowledged", NOON.replace(minute=n + 1)) for n in range(7)))
    found, address, pages = [], "/admin/timeline/timelineevent/?event=incident.started", 0
    while address:
        changes = staff.get(address).context["cl"]
        found += [fact.event for fact in changes.result_list]
        pages += 1
        address = changes.older and f"/admin/timeline/timelineevent/{changes.older}"
    assert (found, pages) == (["incident.started"], 3)


def test_a_name_is_searched_among_the_newest_and_an_id_everywhere(staff, team, monkeypatch):
    monkeypatch.setattr(paging, "LOOKED_THROUGH", 2)
    old, *others = [make_user(f"anna{n}@example.com") for n in range(4)]
    found = staff.get("/admin/teams/user/?q=ANNA").context["cl"].result_list
    assert {user.email for user in found} == {user.email for user in others[1:]}
    assert [user.pk for user in staff.get(f"/admin/teams/user/?q={old.pk}").context["cl"].result_list] == [old.pk]


def test_admin_shows_and_hides_by_the_permissions_of_an_operator(client, something_of_everything):
    limited = make_user("limited@example.com", is_staff=True)
    client.force_login(limited)
    assert client.get("/admin/").status_code == 200
    assert {client.get(address).status_code for address in lists()} == {403}


def test_the_policy_of_the_pages_holds_for_admin_too(staff):
    policy = staff.get("/admin/").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy


def test_a_strangers_form_is_refused_without_its_token(operator):
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator)
    assert client.post("/admin/teams/organization/add/", {"name": "x"}).status_code == 403
