"""Finding rungs: one file each, ordered by rank."""

from __future__ import annotations

from edgewright.core.catalogue import find, listing
from edgewright.schema.errors import UnknownNameError
from edgewright.search.ladder.contract import PACKAGE, Rung


def ladder_rungs(only: tuple[str, ...] = ()) -> dict[str, Rung]:
    """Rungs by name, from the bottom.

    Raises:
        UnknownNameError: a name that is none.
    """
    known = {name: find(PACKAGE, name, "RUNG", "rung") for name in listing(PACKAGE, "RUNG")}
    for name in only:
        if name not in known:
            raise UnknownNameError("rung", name, known)
    chosen = {name: rung for name, rung in known.items() if not only or name in only}
    return dict(sorted(chosen.items(), key=lambda pair: pair[1].rank))
