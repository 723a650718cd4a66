from timeline.outbound import pacing
from timeline.outbound.pacing import MOST_IN_HAND, MOST_OF_SLOW, QUICK, WIDEST, Pace


def learn(pace, endpoint, *seconds):
    for each in seconds:
        pace.learn(endpoint, each)


def hands(**numbers):
    """Messages in hand: so many of each endpoint."""
    return {int(name[1:]): set(range(number)) for name, number in numbers.items()}


def test_an_endpoint_that_was_well_begins_quick_and_one_that_failed_or_is_new_with_one_message():
    assert Pace().room({1: True, 2: False}, {}) == {1: QUICK, 2: 1}


def test_what_is_taken_quickly_widens_the_window_up_to_the_widest():
    pace = Pace()
    learn(pace, 1, 0.01, 0.02)
    assert pace.room({1: True}, {}) == {1: QUICK + 2}
    learn(pace, 1, *[0.01] * 500)
    assert pace.room({1: True}, {}) == {1: WIDEST}


def test_what_fails_or_takes_long_halves_the_window_and_one_always_remains():
    pace = Pace()
    learn(pace, 1, *[0.01] * 100, None)
    assert pace.room({1: True}, {}) == {1: (QUICK + 100) // 2}
    learn(pace, 1, 14.0)
    assert pace.room({1: True}, {}) == {1: (QUICK + 100) // 4}
    learn(pace, 1, *[None] * 20)
    assert pace.room({1: True}, {}) == {1: 1}


def test_what_is_in_hand_takes_its_room():
    assert Pace().room({1: True, 2: True}, hands(e1=5, e2=QUICK)) == {1: QUICK - 5}


def test_slow_ones_together_get_a_small_part_however_many_they_are():
    pace, slow = Pace(), dict.fromkeys(range(1, 1_001), False)
    first = pace.room(slow, {})
    assert (sum(first.values()), set(first.values())) == (MOST_OF_SLOW, {1})
    in_hand = {each: {0} for each in first}
    assert pace.room(slow, in_hand) == {}
    well = dict.fromkeys(range(2_001, 2_101), True)
    assert pace.room(slow | well, in_hand) == dict.fromkeys(well, QUICK)


def test_slow_ones_take_turns():
    pace, slow = Pace(), dict.fromkeys(range(1, 301), False)
    had = [set(pace.room(slow | {1_000: True}, {})) - {1_000} for _ in range(4)]
    assert had[0] == set(range(1, MOST_OF_SLOW + 1))
    assert had[0] | had[1] | had[2] | had[3] == set(slow)


def test_quick_ones_share_what_there_is_evenly():
    pace, quick = Pace(), dict.fromkeys(range(1, 41), True)
    for each in quick:
        learn(pace, each, *[0.01] * WIDEST)
    room = pace.room(quick, {})
    assert sum(room.values()) == MOST_IN_HAND - MOST_OF_SLOW
    assert max(room.values()) - min(room.values()) <= 1


def test_what_one_does_not_need_the_others_get():
    pace = Pace()
    for each in range(1, 21):
        learn(pace, each, *[0.01] * WIDEST)
    room = pace.room(dict.fromkeys(range(1, 22), True), {})
    assert room[21] == QUICK
    assert sum(room.values()) == MOST_IN_HAND - MOST_OF_SLOW


def test_never_is_there_room_beyond_what_a_worker_may_have_in_hand():
    pace = Pace()
    learn(pace, 1, *[0.01] * WIDEST)
    assert pace.room({1: True}, {each: set(range(100)) for each in range(2, 40)}) == {}


def test_only_so_many_endpoints_are_remembered(monkeypatch):
    monkeypatch.setattr(pacing, "MOST_KNOWN", 100)
    pace = Pace()
    for each in range(1_000):
        pace.learn(each, 0.01)
    assert list(pace.windows) == list(range(900, 1_000))
