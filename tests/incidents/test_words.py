"""Tests of incidents.words: everyday titles are found by their own words, on databases of every locale alike."""

import json
import random
import unicodedata
from pathlib import Path

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from incidents import words

CORPUS = [
    json.loads(line)
    for line in (Path(__file__).parent.parent / "corpus" / "titles.jsonl").read_text().splitlines()
    if not line.startswith("#")
]
LOCALES = {
    "C": "LOCALE_PROVIDER libc LOCALE 'C'",
    "builtin C.UTF-8": "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C'",
    "C.UTF-8": "LOCALE_PROVIDER libc LOCALE 'C.UTF-8'",
    "en_US": "LOCALE_PROVIDER libc LOCALE 'en_US.UTF-8'",
    "ICU en": "LOCALE_PROVIDER icu ICU_LOCALE 'en' LOCALE 'C'",
    "ICU tr": "LOCALE_PROVIDER icu ICU_LOCALE 'tr' LOCALE 'C'",
}
# Which of them this machine has to have: the others depend on how it, and its PostgreSQL, were made.
ALWAYS = {"C", "builtin C.UTF-8"}

pytestmark = pytest.mark.django_db


def found(title, asked):
    """Whether PostgreSQL finds a title by what is asked for."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::tsvector @@ %s::tsquery", [words.vector(title), words.query(asked)])
        return cursor.fetchone()[0]


def test_there_are_titles_enough():
    assert len(CORPUS) >= 23


@pytest.mark.parametrize("case", CORPUS, ids=[case["title"] for case in CORPUS])
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_title_is_found_by_its_own_words_and_by_no_others(case, form):
    title = unicodedata.normalize(form, case["title"])
    other = "NFD" if form == "NFC" else "NFC"
    assert [each for each in case["found"] if not found(title, unicodedata.normalize(other, each))] == []
    assert [each for each in case["not"] if found(title, each)] == []


@pytest.mark.parametrize("case", CORPUS, ids=[case["title"] for case in CORPUS])
def test_a_title_is_found_by_all_of_itself(case):
    assert found(case["title"], case["title"])
    assert found(case["title"], case["title"].upper())


def test_what_joins_words_takes_them_apart():
    assert list(words.runs("shop.example/eu-west_1")) == [["shop"], ["example"], ["eu"], ["west"], ["1"]]
    assert list(words.runs("l’été, l'été")) == [["l"], ["ete"], ["l"], ["ete"]]


def test_letters_of_a_script_without_spaces_are_words_that_stand_together():
    assert list(words.runs("DB接続エラー、再試行")) == [["db", "接", "続", "エ", "ラ", "ー"], ["再", "試", "行"]]
    assert words.vector("DB接続") == "'db':1 '接':2 '続':3"
    assert words.query("DB接続") == "'db' <-> '接' <-> '続':*"


def test_what_has_no_words_asks_for_nothing():
    for text in ("", " ", "—", "“”", "→", "\u200d\ufe0f", "!?"):
        assert words.query(text) == ""


def test_long_words_are_cut_alike_where_they_stand_and_where_they_are_asked_for():
    for letter in ("x", "ß", "接", "र्"):
        assert found(letter * 900, letter * 150)


ANY_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60)


@given(ANY_TEXT, ANY_TEXT)
def test_postgresql_reads_and_writes_vectors_as_we_do(one, other):
    said = words.vector(one, other)
    with connection.cursor() as cursor:
        cursor.execute("SELECT (%s::tsvector)::text", [said])
        assert cursor.fetchone() == (said,)


@given(ANY_TEXT)
def test_whatever_is_asked_for_postgresql_can_read(text):
    asked = words.query(text)
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::tsvector @@ %s::tsquery", [words.vector(text), asked])
        assert cursor.fetchone() == (bool(asked),)


@given(ANY_TEXT)
def test_it_does_not_matter_how_a_text_is_composed(text):
    forms = {words.vector(unicodedata.normalize(form, text)) for form in ("NFC", "NFD", "NFKC", "NFKD")}
    assert len(forms) == 1


def test_very_many_letters_keep_within_postgresqls_bounds():
    text = "".join(random.Random(1).choices("接続失敗再試行", k=1000)) + "續" * 1000
    with connection.cursor() as cursor:
        cursor.execute("SELECT (%s::tsvector)::text", [said := words.vector(text, "ﷺ" * 1000, text)])
        assert cursor.fetchone() == (said,)


# --- databases of other locales -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def databases(django_db_setup, django_db_blocker):
    """A database of each locale that there is, by its name: connections to them."""
    import psycopg

    known = connection.settings_dict
    place = {"host": known["HOST"], "port": known["PORT"] or 5432, "user": known["USER"], "password": known["PASSWORD"]}
    made = {}
    with psycopg.connect(dbname="postgres", autocommit=True, **place) as server:
        for number, (name, options) in enumerate(LOCALES.items()):
            database = f"{known['NAME']}_words_{number}"
            try:
                server.execute(f'CREATE DATABASE "{database}" TEMPLATE template0 ENCODING UTF8 {options}')
            except psycopg.Error:
                continue
            made[name] = psycopg.connect(dbname=database, autocommit=True, **place)
        yield made
        for line in made.values():
            database = line.info.dbname
            line.close()
            server.execute(f'DROP DATABASE "{database}"')


def test_no_locale_decides_what_is_found(databases):
    assert set(databases) >= ALWAYS
    for name, line in databases.items():
        line.execute("CREATE TABLE titles (number int, search tsvector)")
        for number, case in enumerate(CORPUS):
            line.execute("INSERT INTO titles VALUES (%s, %s::tsvector)", [number, words.vector(case["title"])])
        line.execute("CREATE INDEX ON titles USING gin (search)")
        line.execute("SET enable_seqscan = off")
        for number, case in enumerate(CORPUS):
            for asked, is_found in [(each, True) for each in case["found"]] + [(each, False) for each in case["not"]]:
                rows = line.execute("SELECT number FROM titles WHERE search @@ %s::tsquery", [words.query(asked)])
                assert ((number,) in rows.fetchall()) is is_found, (name, case["title"], asked)
