"""Tests of dashboard.composition: what the storeys add to each other in Django admin."""

from django.apps import apps
from django.contrib import admin

from config.composing import label_of
from dashboard.composition import COMPOSITION
from tests.dashboard.conftest import logged_in

# What is a team's, and stands on its page in another way or nowhere.
ELSEWHERE = {"teams.membership"}


def test_a_teams_page_leads_to_the_list_of_each_kind_of_record_that_is_its_own(operator, team):
    named = [model for model, _ in COMPOSITION.belongings]
    theirs = {
        label_of(model)
        for model in admin.site._registry
        if any(field.name == "team" for field in model._meta.fields) and label_of(model) not in ELSEWHERE
    }
    assert sorted(named) == sorted(theirs)
    staff = logged_in(operator)
    page = staff.get(f"/admin/teams/team/{team.pk}/change/").content.decode()
    for model, words in COMPOSITION.belongings:
        path = f"/admin/{model.replace('.', '/')}/?team__id__exact={team.pk}"
        assert f'href="{path}">{words}<' in page
        assert staff.get(path).status_code == 200


def test_what_is_added_is_added_to_pages_that_there_are():
    for model in [*COMPOSITION.panels, *COMPOSITION.deleting]:
        assert admin.site.is_registered(apps.get_model(model))
