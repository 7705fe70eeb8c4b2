"""Where a part comes from: an offer, a plant of the companies' own, the contract in force, a cost curve, or nowhere.

A name never travels inside a string: an offer or a plant may be called whatever its owner likes.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Source(NamedTuple):
    """kind: one of the words below; name: of the offer, plant or curve; owner: the group that owns the plant.

    ``str(source)`` is for people (``plant:LFP at Aoba+Midori``); ``basis`` is what the tables of a run keep.
    """

    kind: str
    name: str = ""
    owner: str = ""

    @property
    def basis(self) -> str:
        """The column price_basis: ``offer:NAME``, ``plant:NAME``, ``curve:NAME``, or the kind alone."""
        return f"{self.kind}:{self.name}" if self.name else self.kind

    @property
    def unowned(self) -> Source:
        """The same plant whoever owns it; any other source itself."""
        return self._replace(owner="")

    def __str__(self) -> str:
        return f"{self.basis} at {self.owner}" if self.owner else self.basis


OFFER: Final = "offer"
PLANT: Final = "plant"
CURVE: Final = "curve"
CONTRACT: Final = Source("contract")
NOT_PRICED: Final = Source("not priced: development only")


def of_offer(name: str) -> Source:
    """An offer as a source."""
    return Source(OFFER, name)


def of_plant(name: str, owner: str) -> Source:
    """A plant that a group owns, as a source."""
    return Source(PLANT, name, owner)
