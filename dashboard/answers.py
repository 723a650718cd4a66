"""
What became of each of several records after one press of a button: kept in the session until the page that the press
leads to was shown.
"""

from dataclasses import asdict, dataclass

from dashboard.access import TeamRequest

KEPT = "answers"
UNCHANGED = "It was so already; nothing was changed."


@dataclass(frozen=True)
class Answer:
    """What became of one of several: whose UUID ("" if there is none) and title, whether it went well, in words."""

    uuid: str
    title: str
    is_fine: bool
    words: str


def leave(request: TeamRequest, answers: list[Answer]) -> None:
    """Keep answers for the next page of this team."""
    if answers:
        request.session[KEPT] = {"team": request.team.pk, "answers": [asdict(each) for each in answers]}


def left(request: TeamRequest) -> list[Answer]:
    """The answers that were left for this page; once."""
    kept = request.session.get(KEPT)
    if not kept or kept["team"] != request.team.pk:
        return []
    del request.session[KEPT]
    return [Answer(**each) for each in kept["answers"]]
