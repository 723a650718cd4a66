"""
How much each endpoint is sent at once, so that slow and dead ones hold nobody else up, however many they are. Pure.

Each endpoint has a window: how many of its messages may be in hand. What is taken quickly widens it, what fails or
takes long halves it. Those with narrow windows share a small part of all that a worker has in hand, and take turns in
it; the others share the rest.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

# How many messages of one endpoint, and of all, a worker has in hand, and how many of all those that are not quick.
WIDEST = 256
MOST_IN_HAND = 2_048
MOST_OF_SLOW = 96
# A window as wide as this makes a quick endpoint; one that took what it was sent last begins with it.
QUICK = 8
QUICK_SECONDS = 1.0
# So many endpoints are remembered.
MOST_KNOWN = 10_000

InHand = Mapping[int, Collection[int]]


@dataclass
class Pace:
    """The windows of the endpoints that were sent something lately, and who of the slow and quick ones was last."""

    windows: dict[int, int] = field(default_factory=dict)
    last: dict[bool, int] = field(default_factory=lambda: {True: 0, False: 0})

    def learn(self, endpoint_id: int, took: float | None) -> None:
        """A message was taken in so many seconds; None: it was not taken."""
        window = self.windows.pop(endpoint_id, QUICK)
        quick = took is not None and took < QUICK_SECONDS
        self.windows[endpoint_id] = min(window + 1, WIDEST) if quick else max(window // 2, 1)
        while len(self.windows) > MOST_KNOWN:
            del self.windows[next(iter(self.windows))]

    def room(self, wanted: Mapping[int, bool], in_hand: InHand) -> dict[int, int]:
        """
        For how many more messages there is room, by endpoint. `wanted`: those that have work, and whether they took
        what they were sent last; `in_hand`: the messages in hand, by endpoint.
        """
        for identity, is_well in wanted.items():
            self.windows.setdefault(identity, QUICK if is_well else 1)
        slow = {each for each in wanted if self.is_slow(each)}
        slow_in_hand = sum(len(some) for each, some in in_hand.items() if self.is_slow(each))
        all_in_hand = sum(map(len, in_hand.values()))
        found = self.shared(slow, in_hand, MOST_OF_SLOW - slow_in_hand, slow=True)
        left = MOST_IN_HAND - max(MOST_OF_SLOW, slow_in_hand) - (all_in_hand - slow_in_hand)
        return found | self.shared(wanted.keys() - slow, in_hand, left, slow=False)

    def is_slow(self, endpoint_id: int) -> bool:
        """Whether an endpoint shares the part of those that are not quick."""
        return self.windows.get(endpoint_id, 1) < QUICK

    def shared(self, ids: Iterable[int], in_hand: InHand, left: int, *, slow: bool) -> dict[int, int]:
        """Room shared out evenly among endpoints, beginning behind the last that got some."""
        last = self.last[slow]
        wishes = {each: self.windows[each] - len(in_hand.get(each, ())) for each in ids}
        line = sorted((each for each, wish in wishes.items() if wish > 0), key=lambda each: (each <= last, each))
        found: dict[int, int] = defaultdict(int)
        while left > 0 and line:
            share = max(left // len(line), 1)
            for each in line[:left]:
                found[each] += (more := min(share, wishes[each] - found[each]))
                left -= more
                self.last[slow] = each
            line = [each for each in line if found.get(each, 0) < wishes[each]]
        return dict(found)
