"""What lists of members can say, and what Django admin's lists of teams and of keys are narrowed by."""

from config.filtering import ListFilters, Since
from config.paging import OLDEST


class MemberFilters(ListFilters):
    """The lists of members, in the order in which they joined."""

    order = OLDEST


class TeamFilters(ListFilters):
    """The list of teams."""

    deactivated = Since("deactivated_at", ("Active", "Deactivated"))


class KeyFilters(ListFilters):
    """The list of API keys."""

    revoked = Since("revoked_at", ("Not revoked", "Revoked"))
