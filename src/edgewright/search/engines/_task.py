"""What a worker of a cluster is asked to do: module-level functions, so that they travel as their names."""

from __future__ import annotations

from edgewright.search.engines._worker import DONE, FAILED
from edgewright.search.engines.contract import work_named

# What batches share, by digest, of the searches that this worker works for; the oldest goes.
_KEPT: dict[str, bytes] = {}
_MOST = 16


def keep(digest: str, shared: bytes) -> None:
    """Takes what the batches of a search share: sent to each worker once."""
    _KEPT[digest] = shared
    while len(_KEPT) > _MOST:
        del _KEPT[next(iter(_KEPT))]


def perform(work: str, digest: str, batch: bytes) -> bytes:
    """Does a batch; a failure is told in bytes too, so that no exception is pickled on its way back."""
    try:
        return DONE + work_named(work)(_KEPT[digest], batch)
    except Exception as error:  # noqa: BLE001 - told to who asked
        return FAILED + f"{type(error).__name__}: {error}".encode()
