"""Training, validation and test samples that keep people, sessions and time apart."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import (
    SplitLeaksError,
    SplitMissesClassError,
    SplitTooSmallError,
    UnknownNameError,
)
from edgewright.core.input.recordings import parts
from edgewright.core.records.config import SplitConfig
from edgewright.core.records.data import Floats, Samples, Split
from edgewright.data.contract import Finding, Severity, few, percent, worst_first
from edgewright.data.samples import unit_of
from edgewright.data.synthetic import is_synthetic, measured_only, with_synthetic
from edgewright.data.targets import coded, counted

TRIES = 300
# Work of one search, in units times classes: a million rows get a few tries, twenty people all of them.
_WORK = 20_000_000
# A class that stands on one side only costs more than any share or mix can.
_MISSING_CLASS = 10.0


def choose(
    units: NDArray[np.int64], strata: NDArray[np.int64], share: float, rng: np.random.Generator
) -> NDArray[np.bool_] | None:
    """Choose units whose samples come nearest to a share of all samples with the same mix of classes.

    Several hundred seeded orders of the units are tried: plain shuffles, and shuffles within the class that most of a
    unit's samples have, dealt out evenly. In each the first units up to the share are taken, and the best choice wins.

    Args:
        units: shape (n,), unit of each sample, 0..u-1.
        strata: shape (n,), class of each sample, 0..c-1.
        share: of the samples, between 0 and 1.
        rng: the only source of chance.

    Returns:
        Shape (u,): which units are chosen; None when there are fewer than two units.
    """
    count = int(units.max()) + 1 if len(units) else 0
    if count < 2:
        return None
    classes = int(strata.max()) + 1
    total = np.bincount(strata).astype(np.float64)
    usual, sizes = _usual_classes(units, strata, classes), np.bincount(units).astype(np.float64)
    best_score, chosen = np.inf, np.zeros(count, dtype=np.bool_)
    for attempt in range(max(2, min(TRIES, _WORK // (count * classes)))):
        # The even deal comes first: for single rows it is the stratified shuffle itself.
        order = rng.permutation(count) if attempt % 2 else _even_deal(usual, rng)
        ends = sizes[order[:-1]].cumsum()
        ends -= share * total.sum()
        side = np.zeros(count, dtype=np.bool_)
        side[order[: int(np.abs(ends, out=ends).argmin()) + 1]] = True
        del order, ends
        score = _score(np.bincount(strata[side[units]], minlength=classes).astype(np.float64), total, share)
        if score < best_score:
            best_score, chosen = score, side
            if score < 1e-9:
                break
    return chosen


def _usual_classes(units: NDArray[np.int64], strata: NDArray[np.int64], classes: int) -> NDArray[np.int32]:
    """Return the class that most samples of each unit have, the first of equals."""
    if bool((units == np.arange(len(units))).all()):  # single rows: a table of millions of them is large
        return strata.astype(np.int32)
    count = int(units.max()) + 1
    table = np.bincount(units * classes + strata, minlength=count * classes).reshape(count, classes)
    return np.asarray(table.argmax(axis=1), np.int32)


def _even_deal(usual: NDArray[np.int32], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return an order in which every prefix has nearly the mix of the whole: ranks within a class, spread over 0..1."""
    order = rng.permutation(len(usual))
    order = order[np.argsort(usual[order], kind="stable")]
    sizes = np.bincount(usual)
    # Class after class, as they now stand; parts of one array, because units can be millions of rows.
    key, end = np.empty(len(order)), 0
    for size, offset in zip(sizes.tolist(), rng.random(len(sizes)), strict=True):
        start, end = end, end + size
        key[start:end] = (np.arange(size) + offset) / size
    return np.asarray(order[np.argsort(key, kind="stable")], dtype=np.int64)


def _score(chosen: NDArray[np.float64], total: NDArray[np.float64], share: float) -> float:
    """Distance from the share plus distance between the mixes (total variation), plus classes on one side only."""
    amount = abs(chosen.sum() / total.sum() - share)
    mix = 0.5 * np.abs(chosen / chosen.sum() - total / total.sum()).sum()
    absent = int(((chosen == 0) & (total > 0)).sum() + (chosen == total)[total > 0].sum() * 3)
    return float(amount + mix + _MISSING_CLASS * absent)


Indices = NDArray[np.int64]
# With fewer sessions than this a split by session leaves too little choice, and time within them is used instead.
FEWEST_SESSIONS = 5
# Overlapping windows are moved in chunks of this many: of each chunk only the windows at its ends are lost.
_CHUNK = 10


def split(samples: Samples, config: SplitConfig, *, seed: int, window: int | None) -> Split:
    """Split samples into training, validation and test samples.

    By 'group' and 'session' whole groups or sessions go to one side; by 'time' the last part of every session tests;
    by 'row' samples are shuffled with the mix of classes kept. Windows that would overlap one on another side are
    left out of training, or of validation where they touch the test. Synthetic samples (`data.synthetic`) train only,
    and only those made of what trains. Under 'auto': 'group' where a group is known,
    then, for windows and rows with a time, 'session' from five sessions on and 'time' below that, then 'row'.

    Args:
        samples: their target as the task needs it: text for classes, float64 for amounts.
        config: shares, or names of groups.
        seed: seed of the choice.
        window: rows in a window; None for single rows.

    Raises:
        UnknownNameError: for a group that the samples do not have.
        InputError: for too few groups, an empty side, a class that only the test or validation has, or synthetic
            samples in a split that cannot keep them away from the test.
    """
    if is_synthetic(samples.sessions).any():
        measured, places = measured_only(samples)
        return with_synthetic(samples, split(measured, config, seed=seed, window=window), places)
    by = _kept_whole(samples, config, window)
    rng = np.random.default_rng(seed)
    everything = np.arange(len(samples.y), dtype=np.int64)
    length = window or 1
    named = config.test_groups if by == "group" else ()
    rest, test = _divide(samples, everything, by, config.test, named, rng, length, "test")
    train, validation = rest, rest[:0]
    if config.validation or config.validation_groups:
        named = config.validation_groups if by == "group" else ()
        if config.test_groups and set(named) & set(config.test_groups):
            both = min(set(named) & set(config.test_groups))
            raise SplitLeaksError(
                "groups on one side", f"{both!r} in both", "[split] test_groups and validation_groups"
            )
        train, validation = _divide(samples, rest, by, config.validation, named, rng, length, "validation")
    result = Split(train=np.sort(train), validation=np.sort(validation), test=np.sort(test), by=by)
    _require_classes(samples.y, result)
    return result


def _kept_whole(samples: Samples, config: SplitConfig, window: int | None) -> str:
    """Return what the split keeps whole."""
    named = bool(config.test_groups or config.validation_groups)
    if named and config.by not in ("auto", "group"):
        raise SplitTooSmallError("by = 'group' for named groups", f"{config.by!r}", "[split] by")
    by: str = config.by
    if by == "auto":
        if samples.groups is not None or named:
            by = "group"
        elif samples.rate is not None or window is not None:
            by = "session" if len(np.unique(samples.sessions)) >= FEWEST_SESSIONS else "time"
        else:
            by = "row"
    if by == "group" and samples.groups is None:
        raise SplitTooSmallError(
            "a group (person or machine) for every sample", "none", "[split] by",
            "Name the column of the group in [data] group, or choose by = 'session', 'time' or 'row'",
        )  # fmt: skip
    return by


def _divide(
    samples: Samples,
    among: Indices,
    by: str,
    share: float,
    named: tuple[str, ...],
    rng: np.random.Generator,
    length: int,
    side: str,
) -> tuple[Indices, Indices]:
    """Split some of the samples into those that stay and those of the other side."""
    if by == "time":
        stay, leave = _by_time(samples, among, share, length)
    elif named and samples.groups is not None:
        known = np.unique(samples.groups)
        for name in named:
            if name not in known:
                raise UnknownNameError("group", name, [str(k) for k in known], f"[split] {side}_groups")
        leaves = np.isin(samples.groups[among], named)
        stay, leave = among[~leaves], among[leaves]
    else:
        units = _units(samples, among, by, length)
        chosen = choose(units, _strata(samples.y[among]), share, rng)
        if chosen is None:
            others = " or ".join(repr(other) for other in ("session", "time", "row") if other != by)
            none = ", set validation = 0" if side == "validation" else ""
            raise SplitTooSmallError(
                f"at least two {by}s to take {side} samples from", "one", f"[split] by = {by!r}",
                f"Record more {by}s{none}, or split by = {others}",
            )  # fmt: skip
        leaves = chosen[units]
        stay, leave = among[~leaves], among[leaves]
    if length > 1:
        stay = stay[~touching(samples, stay, leave, length)]
    if not len(stay) or not len(leave):
        empty = "training" if not len(stay) else side
        raise SplitTooSmallError(
            f"{empty} samples", f"none of {len(among)} left", f"[split] by = {by!r}, {side} = {share:g}",
            "Change the share, record more, or split by another rule",
        )  # fmt: skip
    return stay, leave


def _units(samples: Samples, among: Indices, by: str, length: int) -> Indices:
    """Return the number of the unit (0..u-1) that each sample belongs to."""
    if by == "group" and samples.groups is not None:
        return np.unique(samples.groups[among], return_inverse=True)[1].astype(np.int64)
    if by == "session":
        return np.unique(samples.sessions[among], return_inverse=True)[1].astype(np.int64)
    if length == 1:
        return np.arange(len(among), dtype=np.int64)
    session = np.unique(samples.sessions[among], return_inverse=True)[1]
    starts = samples.starts[among]
    order = np.lexsort((starts, session))
    near = (session[order][1:] == session[order][:-1]) & (np.diff(starts[order]) < length)
    chain = np.concatenate(([0], np.cumsum(~near)))
    first = np.flatnonzero(np.concatenate(([True], ~near)))
    within = np.arange(len(among)) - first[chain]
    new = np.concatenate(([True], ~near)) | (within % _CHUNK == 0)
    units = np.empty(len(among), dtype=np.int64)
    units[order] = np.cumsum(new) - 1
    return units


def _by_time(samples: Samples, among: Indices, share: float, length: int) -> tuple[Indices, Indices]:
    """Return the last share of each session leaves; a session too short to give any stays whole."""
    session = np.unique(samples.sessions[among], return_inverse=True)[1]
    order = among[np.lexsort((samples.starts[among], session))]
    session = np.unique(samples.sessions[order], return_inverse=True)[1]
    sizes = np.bincount(session)
    rank = np.arange(len(order)) - np.concatenate(([0], np.cumsum(sizes)[:-1]))[session]
    leaves = rank >= (sizes - np.round(share * sizes).astype(np.int64))[session]
    return order[~leaves], order[leaves]


def touching(samples: Samples, indices: Indices, others: Indices, length: int) -> NDArray[np.bool_]:
    """Which of `indices` samples share a row with one of `others`: same session, starts nearer than `length`.

    Args:
        samples: all samples.
        indices: indices that are judged.
        others: indices they are held against.
        length: rows in a window, 1 for single rows.

    Returns:
        Shape (len(these),).
    """
    if not len(indices) or not len(others):
        return np.zeros(len(indices), dtype=np.bool_)
    session = coded(samples.sessions)[1].astype(np.int64)
    # One number line for all sessions: two of them are further apart than any window is long.
    room = int(samples.starts.max()) + 2 * length
    line = session * room + samples.starts
    sorted_others = np.sort(line[others])
    right = np.searchsorted(sorted_others, line[indices])
    after = sorted_others[np.minimum(right, len(others) - 1)] - line[indices]
    before = line[indices] - sorted_others[np.maximum(right - 1, 0)]
    return np.asarray((np.abs(after) < length) | (np.abs(before) < length))


def _strata(y: Any) -> Indices:  # noqa: ANN401 - text or float64
    """Return class of each sample; amounts are put into four bins of equal counts."""
    values = np.asarray(y)
    if values.dtype.kind == "f" and len(np.unique(values)) > 20:
        return np.searchsorted(np.quantile(values, [0.25, 0.5, 0.75]), values).astype(np.int64)
    codes = coded(values)[1] if values.dtype.kind == "U" else np.unique(values, return_inverse=True)[1]
    return codes.astype(np.int64)


def _require_classes(y: Any, result: Split) -> None:  # noqa: ANN401 - text or float64
    """Refuse a split whose test or validation has a class that training does not have."""
    values = np.asarray(y)
    if values.dtype.kind != "U":
        return
    trained = counted(values[result.train])[0]
    for side in ("test", "validation"):
        only = np.setdiff1d(counted(values[getattr(result, side)])[0], trained)
        if len(only):
            raise SplitMissesClassError(
                f"every class of the {side} samples also in training",
                f"{', '.join(repr(str(c)) for c in only)} outside training only",
                f"[split] by = {result.by!r}",
                "Record that class in more groups or sessions, change the seed or the shares, or split by another rule",
            )


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
            numbers[part] = mix_words(clean.view(np.uint32))
            continue
        own = b"".join(hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in clean)
        numbers[part] = np.frombuffer(own, np.uint64)
    return numbers


def mix_words(words: NDArray[np.uint32]) -> NDArray[np.uint64]:
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
