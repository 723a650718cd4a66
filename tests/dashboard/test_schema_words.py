"""What the API's document says in words is what holds."""

from dashboard import schema_words
from incidents.serializers import ALL_UPDATES, MOST_UPDATES


def test_the_figures_in_the_introduction_are_the_codes_own():
    for figure in (f"{ALL_UPDATES:,}", f"{MOST_UPDATES:,}", "24 hours", "4 MiB", "60 seconds"):
        assert figure in " ".join(schema_words.INTRODUCTION.split())


def test_every_part_of_the_api_has_its_words():
    assert all(words.endswith(".") for words in schema_words.TAGS.values())
