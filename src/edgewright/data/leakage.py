"""What stands on both sides of a split: people, sessions, overlapping windows, identical samples."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from edgewright.core.input.windows import parts
from edgewright.data.findings import Finding, Severity, few, percent, worst_first
from edgewright.data.samples import unit_of
from edgewright.data.splits import touching
from edgewright.data.targets import coded
from edgewright.schema.data import Floats, Samples, Split

# A picture is compared as so many rows and columns of mean colours, without its mean.
_GRID = 8
# So many pictures of a side are compared, drawn with seed 0.
_COMPARED = 4000
# Nearer than this share of pictures are to their nearest picture of another label: chance hardly makes them so alike.
_RARE = 0.01
_FEWEST = 20
_WARNED = 0.02
# Rows of at most so many values have a digest of their words, many rows at once; others one of their bytes.
_ROW_AXES, _NARROW = 2, 64


def near_copies(samples: Samples, known: NDArray[np.int64], test: NDArray[np.int64]) -> list[Finding]:
    """Find test pictures that are almost a training picture of the same label.

    Args:
        samples: pictures; anything else has no such finding.
        known: indices of training and validation samples.
        test: indices of test samples.
    """
    y = np.asarray(samples.y)
    if samples.X.ndim != 4 or y.dtype.kind != "U" or min(len(known), len(test)) < _FEWEST:
        return []
    known, test = (_some(side) for side in (known, test))
    mine, its = (_of_side(samples.X, side) for side in (test, known))
    distance = (mine**2).sum(1)[:, None] - 2.0 * mine @ its.T + (its**2).sum(1)[None]
    alike = y[test][:, None] == y[known][None]
    others = np.where(alike, np.inf, distance).min(axis=1)
    near = np.where(alike, distance, np.inf).min(axis=1)
    if not np.isfinite(others).any():
        return []
    copies = near < np.quantile(others[np.isfinite(others)], _RARE)
    share = float(copies.mean())
    if share < _WARNED:
        return []
    sentence = (
        f"{int(copies.sum())} of {len(test)} test pictures are almost a training picture of the same label "
        f"({percent(share)}): photographs of one thing from one place. Name the place or visit in a column group, "
        "or expect less of new places"
    )
    return [Finding("near-copies", "warning", sentence, numbers={"pictures": float(copies.sum()), "share": share})]


def _some(side: NDArray[np.int64]) -> NDArray[np.int64]:
    if len(side) <= _COMPARED:
        return side
    return np.sort(np.random.default_rng(0).choice(side, _COMPARED, replace=False))


def _of_side(pictures: Floats, side: NDArray[np.int64]) -> Floats:
    return np.concatenate([thumbnails(pictures[side[part]]) for part in parts((len(side), *pictures.shape[1:]))])


def thumbnails(pictures: Floats) -> Floats:
    """Return the mean colours of a grid without their mean, shape (n, channels * grid * grid)."""
    height, width = pictures.shape[2:]
    rows, columns = (np.arange(_GRID) * length // _GRID for length in (height, width))
    sums = np.add.reduceat(np.add.reduceat(pictures, rows, axis=2), columns, axis=3)
    tall, wide = np.diff(np.append(rows, height)), np.diff(np.append(columns, width))
    flat = np.asarray(sums / (tall[:, None] * wide[None]), np.float32).reshape(len(pictures), -1)
    centred: Floats = flat - flat.mean(axis=1, keepdims=True)
    return centred


def overlap(samples: Samples, split: Split, window: int | None) -> tuple[Finding, ...]:
    """Find what lets a model recognise test samples instead of learning.

    Args:
        samples: all samples.
        split: the sides; training and validation together are held against the test.
        window: rows in a window, None for single rows.

    Returns:
        Findings, the worst first; none when the sides are apart.
    """
    known, test = np.concatenate([split.train, split.validation]), split.test
    if not len(known) or not len(test):
        return ()
    findings = [*_groups(samples, known, test), *_sessions(samples, known, test)]
    if window is not None and window > 1:
        findings += _windows(samples, known, test, window)
    findings += [*_identical(samples, known, test), *near_copies(samples, known, test)]
    return worst_first(findings)


def shared(samples: Samples, split: Split, window: int | None) -> tuple[Finding, ...]:
    """Return what makes a split worthless: the same person or machine, or overlapping windows, on both sides."""
    known, test = np.concatenate([split.train, split.validation]), split.test
    if not len(known) or not len(test):
        return ()
    windows = _windows(samples, known, test, window) if window is not None and window > 1 else []
    return worst_first([*_groups(samples, known, test), *windows])


def same_recordings(samples: Samples, split: Split) -> bool:
    """Return whether test samples are neighbours of training samples: of the same recordings in time."""
    return bool(_sessions(samples, np.concatenate([split.train, split.validation]), split.test))


def digests(X: Floats) -> NDArray[np.uint64]:
    """Return an 8-byte digest of each sample: equal for samples whose values, missing ones included, are equal.

    Args:
        X: shape (n, ...), float32.

    Returns:
        Shape (n,). Of a million different samples two are equal by chance once in 37 million data sets.
    """
    numbers = np.empty(len(X), np.uint64)
    # A part at a time: of pictures, a copy of all takes as much memory as they do.
    for part in parts(X.shape):
        clean = np.ascontiguousarray(X[part], dtype=np.float32) + np.float32(0.0)  # -0.0 becomes 0.0
        clean[np.isnan(clean)] = np.nan  # one bit pattern for every NaN
        if clean.ndim == _ROW_AXES and clean.shape[1] <= _NARROW:
            numbers[part] = _mixed(clean.view(np.uint32))
            continue
        own = b"".join(hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in clean)
        numbers[part] = np.frombuffer(own, np.uint64)
    return numbers


def _mixed(words: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """Return a number for each row of words: a finalizer of 64 bits (Steele et al., 2014, SplitMix) word after word."""
    mixed = np.full(len(words), 0x9E3779B97F4A7C15, np.uint64)
    for column in words.T:
        mixed ^= column
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
        mixed ^= mixed >> np.uint64(27)
        mixed *= np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
    return mixed


def _groups(samples: Samples, known: NDArray[np.int64], test: NDArray[np.int64]) -> list[Finding]:
    """Return the same person or machine on both sides."""
    if samples.groups is None:
        return []
    names, codes = coded(samples.groups)
    both = np.intersect1d(np.unique(codes[known]), np.unique(codes[test]))
    if not len(both):
        return []
    share = float(np.isin(codes[test], both).mean())
    sentence = (
        f"{len(both)} of {len(np.unique(codes[test]))} test groups are also in the training data "
        f"({few(names[both].tolist())}): {percent(share)} of the test samples come from a known person or machine"
    )
    numbers = {"groups": float(len(both)), "share": share}
    return [Finding("same-group", "error", sentence, numbers=numbers)]


def _sessions(samples: Samples, known: NDArray[np.int64], test: NDArray[np.int64]) -> list[Finding]:
    """Return the same session on both sides; sessions are counted anew for each person."""
    names, codes = coded(samples.sessions)
    if samples.rate is None and len(names) == 1:
        return []  # a table without time is one session only because nothing else is known
    groups, of = (np.array([""]), np.zeros(1, np.int32)) if samples.groups is None else coded(samples.groups)
    pairs = codes + of.astype(np.int64) * len(names)
    both = np.intersect1d(np.unique(pairs[known]), np.unique(pairs[test]))
    if not len(both):
        return []
    share = float(np.isin(pairs[test], both).mean())
    before = [""] if samples.groups is None else [f"{group} / " for group in groups.tolist()]
    shown = sorted(f"{before[pair // len(names)]}{names[pair % len(names)]}" for pair in both.tolist())
    sentence = (
        f"{len(both):,} session{'s are' if len(both) > 1 else ' is'} on both sides ({few(shown, 3)}): "
        f"{percent(share)} of the test samples"
    )
    numbers = {"sessions": float(len(both)), "share": share}
    return [Finding("same-session", "warning", sentence, numbers=numbers)]


def _windows(samples: Samples, known: NDArray[np.int64], test: NDArray[np.int64], window: int) -> list[Finding]:
    """Test windows that share rows with training windows."""
    shared = touching(samples, test, known, window)
    if not shared.any():
        return []
    sentence = (
        f"{int(shared.sum())} of {len(test)} test windows share rows with a training window ({percent(shared.mean())})"
    )
    numbers = {"windows": float(shared.sum()), "share": float(shared.mean())}
    return [Finding("overlapping-windows", "error", sentence, numbers=numbers)]


def _identical(samples: Samples, known: NDArray[np.int64], test: NDArray[np.int64]) -> list[Finding]:
    """Test samples that training holds value for value."""
    sample_digests = digests(samples.X)
    same = np.isin(sample_digests[test], sample_digests[known])
    if not same.any():
        return []
    unit = f"{unit_of(samples.X)}s"
    sentence = f"{int(same.sum())} of {len(test)} test {unit} are also in training, identical ({percent(same.mean())})"
    numbers = {"samples": float(same.sum()), "share": float(same.mean())}
    severity: Severity = "error" if same.mean() >= 0.01 else "warning"
    return [Finding("identical", severity, sentence, numbers=numbers)]
