"""What the lists have in common: the address of what follows. Not here: paging itself (config.paging)."""

from django.http import HttpRequest


def older(request: HttpRequest, cursor: str | None, place: str = "") -> str:
    """
    The address of the next page, with the filters of this one; "" on the last page. `place` is the path of the list
    where that may be shown in answer to what was posted to another.
    """
    if cursor is None:
        return ""
    query = request.GET.copy()
    query["cursor"] = cursor
    return f"{place or request.path}?{query.urlencode()}"
