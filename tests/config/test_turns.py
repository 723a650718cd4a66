"""Turns: one transaction at a time does what bears a name, and a name's number never changes."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from django.db import connection, transaction

from config.turns import number_of, take_free_turn, wait_for_turn


@pytest.mark.django_db(transaction=True)
def test_a_turn_is_one_transaction_s_until_it_ends():
    held, over = Event(), Event()

    def hold():
        try:
            with transaction.atomic():
                wait_for_turn("a")
                held.set()
                over.wait(10)
        finally:
            connection.close()

    def ask(name):
        with transaction.atomic():
            return take_free_turn(name)

    with ThreadPoolExecutor() as pool:
        holding = pool.submit(hold)
        assert held.wait(10)
        try:
            assert (ask("a"), ask("b")) == (False, True)
        finally:
            over.set()
        holding.result(10)
    assert ask("a") is True


def test_a_name_s_number_is_that_of_the_versions_before(db):
    """Processes of two versions run at once while one takes over from the other: both have to mean the same turn."""
    assert number_of("api key 1 /api/incidents\nk") == 8102502880741662073
    assert number_of("replay 7") == 6250050311664488234
    with connection.cursor() as cursor:
        cursor.execute("SELECT hashtextextended('create_team', 0)")
        assert cursor.fetchone() == (number_of("create_team"),)
