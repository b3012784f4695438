"""Which samples a package was fitted on, in a few bytes: figures on such samples flatter.

A sketch keeps the smallest hashes of the fitted samples (bottom-k, Cohen & Kaplan, 2007). Samples whose hash is no
larger than the largest of them are in it exactly when they were in the fit, so the share of them that is in it
estimates the share of all that was.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.schema.package import FitSpec

_KEPT, _DIGITS = 64, 10
_PIECE_BYTES = 2**19


def fit_spec(X: Any, rows: NDArray[np.int64], *, refitted: bool) -> FitSpec:  # noqa: ANN401 - an array or spooled rows
    """What a package says of its fit.

    Args:
        X: all samples, shape (n, ...).
        rows: those that were fitted on.
        refitted: whether it was made after another fit had been judged.
    """
    smallest = np.unique(_hashes(X, rows))[:_KEPT]
    return FitSpec(samples=len(rows), refitted=refitted, seen="".join(f"{h:0{_DIGITS}x}" for h in smallest.tolist()))


def share_seen(X: Any, fit: FitSpec | None) -> float | None:  # noqa: ANN401 - an array or spooled rows
    """The share of samples that a fit has seen, estimated; None where too few are comparable or nothing is known.

    Args:
        X: samples as the package takes them, shape (n, ...).
        fit: of its manifest; None in packages from before it.
    """
    hits, comparable = count_seen(X, fit)
    return hits / comparable if comparable else None


def count_seen(X: Any, fit: FitSpec | None) -> tuple[int, int]:  # noqa: ANN401 - an array or spooled rows
    """How many samples a fit has seen, of those that its sketch can tell of: counts of parts of samples add up."""
    if fit is None or not fit.seen:
        return 0, 0
    known = np.asarray([int(fit.seen[i : i + _DIGITS], 16) for i in range(0, len(fit.seen), _DIGITS)], np.uint64)
    found = _hashes(X, np.arange(len(X), dtype=np.int64))
    comparable = found if len(known) < _KEPT else found[found <= known[-1]]
    return int(np.isin(comparable, known).sum()), len(comparable)


def _hashes(X: Any, rows: NDArray[np.int64]) -> NDArray[np.uint64]:  # noqa: ANN401 - an array or spooled rows
    """A hash of 40 bits of each sample's float32 values; all missing values are alike."""
    size = int(np.prod(X.shape[1:]))
    odd = np.random.default_rng(0).integers(0, 2**63, size, np.uint64) * np.uint64(2) + np.uint64(1)
    # Products of 64 bits take several times the room of the values.
    step = max(1, _PIECE_BYTES // (4 * size))
    made = [np.zeros(0, np.uint64)]
    for start in range(0, len(rows), step):
        values = np.asarray(X[rows[start : start + step]], np.float32).reshape(-1, size) + np.float32(0)
        words = np.where(np.isnan(values), np.float32(np.nan), values).view(np.uint32).astype(np.uint64)
        mixed = (words * odd).sum(axis=1, dtype=np.uint64)
        mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
        made.append(mixed >> np.uint64(64 - 4 * _DIGITS))
    return np.concatenate(made)
