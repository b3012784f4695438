"""Synthetic recordings beside measured ones: stretches of one label are changed, or windows drawn from a model."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import msgspec
import numpy as np

from edgewright.data.synthetic import fitted_on, is_synthetic, marked
from edgewright.data.targets import as_text
from edgewright.language.synthesis.methods import Method, MethodConfig, Windows, method_of
from edgewright.schema.data import DataSet, Recording
from edgewright.schema.errors import InputError

SHORTEST = 8
"""Rows of a stretch at least; shorter ones are left as they are."""


def synthetic(
    data: DataSet, name: str, options: Mapping[str, object], *, copies: int, seed: int, window: int
) -> DataSet:
    """Return recordings that a method made, without the measured ones; each says so in its name and its sessions.

    Args:
        data: measured recordings.
        name: name of the method.
        options: of the method.
        copies: of each recording, or of each window.
        seed: of all that is drawn.
        window: rows in a window, for a method that is fitted.

    Raises:
        UnknownNameError: as `method_of`.
        InputError: as `method_of`, for data without a rate or labels, data that is synthetic itself, or no stretch that
            is long enough.
    """
    method, config = method_of(name, options)
    if not data.rate:
        raise InputError("recordings with a rate", "a table of rows", data.name, "Set the column of time")
    for recording in data.recordings:
        if is_synthetic(np.array([recording.name]) if recording.sessions is None else recording.sessions).any():
            raise InputError("measured recordings", "synthetic ones", recording.name, "Use measured recordings")
    recordings: list[Recording] = []
    for number in range(1, copies + 1):
        rng = np.random.default_rng([seed, number])
        make = _generated(data, method, config, rng, window) if method.fitted else _copied(data, method, config, rng)
        recordings += [_marked(recording, name, number) for recording in make]
    if not recordings:
        raise InputError(f"a stretch of one label and at least {max(SHORTEST, window)} rows", "none", data.name)
    return msgspec.structs.replace(
        data,
        name=f"{data.name} {name}",
        recordings=tuple(recordings),
        origin=f"synthetic ({name}) of {data.origin or data.name}",
    )


def of_others(data: DataSet, groups: Collection[str]) -> DataSet:
    """Return the rows of all other groups: nothing is made of those that a test part holds.

    Raises:
        InputError: for a group that no row is of.
    """
    if not groups:
        return data
    kept, known = [], set[str]()
    for recording in data.recordings:
        names = recording.name if recording.groups is None else as_text(recording.groups)
        known |= set(np.unique(names).tolist())
        rows = np.broadcast_to(~np.isin(names, list(groups)), len(recording.values))
        parts = {
            name: values[rows]
            for name in ("values", "target", "groups", "sessions", "time")
            if (values := getattr(recording, name)) is not None
        }
        kept += [msgspec.structs.replace(recording, **parts)] if rows.any() else []
    if unknown := sorted(set(groups) - known):
        raise InputError(f"groups of the data, such as {', '.join(sorted(known)[:8])}", unknown[0], "--hold-out")
    return msgspec.structs.replace(data, recordings=tuple(kept))


def stretches(recording: Recording) -> list[tuple[int, int]]:
    """Begin and end of stretches of one label, session and person."""
    changes = np.zeros(len(recording.values), bool)
    changes[0] = True
    for names in (recording.target, recording.groups, recording.sessions):
        if names is not None:
            changes[1:] |= as_text(names)[1:] != as_text(names)[:-1]
    begins = np.flatnonzero(changes).tolist()
    return list(zip(begins, [*begins[1:], len(changes)], strict=True))


def with_session(recording: Recording) -> Recording:
    """Return a recording without sessions is one: it gets its name for its session."""
    if recording.sessions is not None:
        return recording
    sessions = np.broadcast_to(np.array(recording.name), len(recording.values))
    return msgspec.structs.replace(recording, sessions=sessions)


def _copied(data: DataSet, method: Method[Any], config: MethodConfig, rng: np.random.Generator) -> Iterator[Recording]:
    names = tuple(column.name for column in data.columns)
    for recording in data.recordings:
        values, changed = recording.values.copy(), False
        for begin, end in stretches(recording):
            if end - begin < SHORTEST:
                continue
            part = Windows(x=recording.values[None, begin:end].transpose(0, 2, 1), y=np.array([""]),
                           rate=float(data.rate or 0.0), columns=names)  # fmt: skip
            values[begin:end] = method.apply(config, part, rng)[0].T
            changed = True
        if changed:
            yield msgspec.structs.replace(recording, values=values)


def _generated(
    data: DataSet, method: Method[Any], config: MethodConfig, rng: np.random.Generator, window: int
) -> Iterator[Recording]:
    if window < SHORTEST:
        raise InputError(f"a window of at least {SHORTEST} rows", str(window), "--window",
                         "Set the length of the windows")  # fmt: skip
    x, y, people = [], [], set()
    for recording in data.recordings:
        if recording.target is None:
            continue
        labels = as_text(recording.target)
        for begin, end in stretches(recording):
            for at in range(begin, end - window + 1, window):
                if labels[at]:
                    x.append(recording.values[at : at + window].T)
                    y.append(str(labels[at]))
        people |= set(map(str, np.unique(recording.groups))) if recording.groups is not None else {recording.name}
    if not x:
        return
    names = tuple(column.name for column in data.columns)
    part = Windows(x=np.stack(x), y=np.array(y), rate=float(data.rate or 0.0), columns=names)
    new = method.apply(config, part, rng)
    known = all(recording.groups is not None for recording in data.recordings)
    for number in range(len(new)):
        yield Recording(
            name=f"{number + 1}/{fitted_on(people)}", values=np.ascontiguousarray(new[number].T),
            target=np.broadcast_to(np.array(y[number]), window),
            groups=np.broadcast_to(np.array("synthetic"), window) if known else None,
            time=np.arange(window) / float(data.rate or 1.0),
        )  # fmt: skip


def _marked(recording: Recording, name: str, number: int) -> Recording:
    """With a name and sessions that say how it was made."""
    location, _, of = recording.name.rpartition("/") if "/of=" in recording.name else ("", "", recording.name)
    mark = marked(name, number, of)
    if recording.sessions is None:
        sessions = np.broadcast_to(np.array(mark), len(recording.values))
    else:
        kinds, index = np.unique(recording.sessions, return_inverse=True)
        sessions = np.array([marked(name, number, str(kind)) for kind in kinds])[index]
    return msgspec.structs.replace(recording, name=f"{mark}#{location}" if location else mark, sessions=sessions)
