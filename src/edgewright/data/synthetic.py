"""Which rows were made and not measured: their session says so, in files too, and no such row is ever tested on.

A session `synthetic/rotation/1/walk-3` is the first copy of session walk-3 that was turned;
`synthetic/generate/1/of=anna+bert` was drawn from a model that was fitted on the rows of anna and bert.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import SyntheticDataMisplacedError
from edgewright.core.records.data import Labels, Samples, Split

PREFIX = "synthetic/"
OF = "of="


def marked(method: str, number: int, origin: str) -> str:
    """Name of a session that a method made out of another."""
    return f"{PREFIX}{method}/{number}/{origin}"


def origin(session: str) -> str:
    """Return the session that a synthetic one was made of, or `of=...`; the session itself where it was measured."""
    while session.startswith(PREFIX):
        session = session.split("/", 3)[-1]
    return session


def is_synthetic(sessions: Labels) -> NDArray[np.bool_]:
    """Which rows were made, shape (n,)."""
    mask: NDArray[np.bool_] = np.strings.startswith(np.asarray(sessions, np.str_), PREFIX)
    return mask


def measured_only(samples: Samples) -> tuple[Samples, NDArray[np.int64]]:
    """Return the samples that were measured, and their places."""
    kept = np.flatnonzero(~is_synthetic(samples.sessions)).astype(np.int64)
    groups = None if samples.groups is None else samples.groups[kept]
    part = msgspec.structs.replace(
        samples, X=samples.X[kept], y=samples.y[kept], groups=groups, sessions=samples.sessions[kept],
        starts=samples.starts[kept],
    )  # fmt: skip
    return part, kept


def with_synthetic(samples: Samples, sides: Split, places: NDArray[np.int64]) -> Split:
    """Sides of the measured samples, and those synthetic ones in the training whose people or sessions train.

    What was made of a person of the validation or test is left out: a copy in the training would tell of the test.

    Args:
        samples: all of them.
        sides: of `measured_only`.
        places: of the measured ones.

    Raises:
        InputError: for a split that keeps neither people nor sessions whole, or one that leaves no synthetic sample.
    """
    if sides.by not in ("group", "session"):
        raise SyntheticDataMisplacedError(
            "a split by group or session where rows are synthetic",
            f"by = {sides.by!r}",
            "[split] by",
            "A copy of a test row in the training data would leak it: name group or session",
        )
    names = samples.groups if sides.by == "group" and samples.groups is not None else samples.sessions
    trained = {str(name) for name in names[places[sides.train]]} - {
        str(name) for side in (sides.validation, sides.test) for name in names[places[side]]
    }
    synthetic = np.flatnonzero(is_synthetic(samples.sessions))
    kept = [k for k in synthetic.tolist() if _of(samples, k, sides.by) <= trained]
    if not kept:
        raise SyntheticDataMisplacedError(
            "synthetic samples of what trains",
            f"{len(synthetic):,} of what does not",
            "[split]",
            "Create them from people of the training data, or exclude them",
        )
    train = np.sort(np.concatenate([places[sides.train], np.array(kept, np.int64)]))
    return Split(train=train, validation=places[sides.validation], test=places[sides.test], by=sides.by)


def _of(samples: Samples, index: int, by: str) -> set[str]:
    """Return the people, or sessions, that a synthetic sample was made of."""
    source = origin(str(samples.sessions[index]))
    if source.startswith(OF):
        # A model that was fitted on people says nothing of sessions: it is kept out of a split by them.
        return set(source.removeprefix(OF).split("+"))
    if by == "group" and samples.groups is not None:
        return {str(samples.groups[index])}
    return {source}
