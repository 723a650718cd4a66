"""Addresses are those that Django finds, whatever has been asked for before."""

from uuid import UUID

import pytest
from django.urls import reverse

from config.pages import page_of


@pytest.mark.parametrize("key", [0, 7, 10_000_000_000])
@pytest.mark.parametrize("name", ["monitor", "fact", "admin:teams_team_change"])
def test_a_page_with_a_number_has_the_address_that_django_finds(name: str, key: int):
    assert page_of(name, key) == reverse(name, args=[key])


@pytest.mark.parametrize("key", [UUID(int=0), UUID("550e8400-e29b-41d4-a716-446655440000")])
def test_a_page_with_a_uuid_has_the_address_that_django_finds(key: UUID):
    assert page_of("incident", key) == reverse("incident", args=[key])
