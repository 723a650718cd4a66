"""What the lists have in common: the address of what follows. Not here: paging itself (config.paging)."""

from django.http import HttpRequest


def older(request: HttpRequest, cursor: str | None) -> str:
    """The query string of the next page, with the filters of this one; "" on the last page."""
    if cursor is None:
        return ""
    query = request.GET.copy()
    query["cursor"] = cursor
    return query.urlencode()
