"""
Columns that hold what `config.vault` sealed: one kind of field, so that whoever asks whether the present keys open what
is in the database finds all of it (config.canary).

For PostgreSQL, and for migrations, such a column is `bytea` like any other. Not for digests, which open nothing.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Q

if TYPE_CHECKING:
    Bytes = models.BinaryField[Any, Any]
else:
    Bytes = models.BinaryField


class Sealed(Bytes):
    """
    What `vault.seal` made.

    `what` it is; `anew`: what is to be done when no key opens it any more; `whose`: the attributes of the record that
    say in whose hands it is; `needed`: which rows still need theirs (every one, unless said); `digest`: the column that
    has the keyed digest of the same text, by which it is found.
    """

    def __init__(
        self,
        *arguments: Any,
        what: str = "",
        anew: str = "",
        whose: Sequence[str] = (),
        needed: Q | None = None,
        digest: str = "",
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self.what, self.anew, self.whose, self.needed, self.digest = what, anew, whose, needed or Q(), digest

    def deconstruct(self) -> tuple[str, str, Any, Any]:
        """As a plain BinaryField: none of this is the database's."""
        name, _, arguments, options = super().deconstruct()
        return name, "django.db.models.BinaryField", arguments, options

    def clone(self) -> "Sealed":
        """Another one like it."""
        _, _, arguments, options = self.deconstruct()
        ours = {name: getattr(self, name) for name in ("what", "anew", "whose", "needed", "digest")}
        return type(self)(*arguments, **ours | options)
