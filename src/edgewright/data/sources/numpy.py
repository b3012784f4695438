"""NumPy arrays: an .npz with X, y and groups, or .npy files; never a pickle."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from edgewright.core.array_files import is_archive, npz_names, read_npy, read_npz
from edgewright.core.csv.formats import decoded
from edgewright.core.errors import ArrayFileError, UnknownNameError
from edgewright.core.records.data import DataSet, Recording
from edgewright.data.contract import SchemaConfig, Source, need_path
from edgewright.data.tabular import TableConfig, data_set, known_columns, refuse_infinite
from edgewright.data.targets import as_text


class NumpyConfig(SchemaConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Configuration of arrays.

    Attributes:
        x: key of the values in the .npz: shape (rows, columns), or (windows, channels, samples) where every window is
            a recording. An .npy file holds the values itself.
        y: key of the target, shape (rows,) or (windows,); for an .npy file the path of another .npy file.
        groups: key (or .npy path) of the person or machine of each row or window.
        sessions: key (or .npy path) of the session of each row or window.
        layout: order of the last two axes of windows; 'auto' takes the shorter one for the channels.
        columns: names of the columns or channels; x0, x1, ... when left out.
    """

    x: str = "X"
    y: str = "y"
    groups: str = "groups"
    sessions: str = "sessions"
    layout: Literal["auto", "channels-first", "samples-first"] = "auto"
    columns: tuple[str, ...] = ()


def load(config: NumpyConfig, seed: int) -> DataSet:
    """Read the arrays; the seed is not used."""
    path = need_path(config.path, "a .npz or .npy file", Path.is_file)
    arrays = {
        key: decoded(array, f"{path.name} {key}") if array.dtype.kind == "S" else array
        for key, array in _arrays(path, config).items()
    }
    values = _numbers(arrays[config.x], f"{path.name} {config.x}")
    for key, array in arrays.items():
        if key != config.x and array.shape != (len(values),):
            raise ArrayFileError(
                f"shape ({len(values)},), one for each row of X", f"{array.shape}", f"{path.name} {key}"
            )
    windows = values.ndim == 3
    if windows and (
        config.layout == "channels-first" or (config.layout == "auto" and values.shape[1] <= values.shape[2])
    ):
        values = values.transpose(0, 2, 1)
    names = config.columns or tuple(f"x{i}" for i in range(values.shape[-1]))
    if len(names) != values.shape[-1]:
        raise ArrayFileError(f"{values.shape[-1]} names", f"{len(names)}", "columns")
    known_columns(names, units=config.units, ranges=config.ranges)
    refuse_infinite(values.reshape(-1, values.shape[-1]), names, lambda row: f"{path.name} row {row}")
    target = _target(arrays.get(config.y))
    groups, sessions = (as_text(arrays[k]) if k in arrays else None for k in (config.groups, config.sessions))
    if windows:
        recordings = [
            Recording(
                name=f"{path.stem}[{i}]",
                values=np.ascontiguousarray(window),
                target=None if target is None else np.broadcast_to(target[i], len(window)),
                groups=None if groups is None else np.broadcast_to(groups[i], len(window)),
                sessions=None if sessions is None else np.broadcast_to(sessions[i], len(window)),
            )
            for i, window in enumerate(values)
        ]
    else:
        recordings = [Recording(name=path.stem, values=values, target=target, groups=groups, sessions=sessions)]
    table = TableConfig(path=config.path, units=config.units, ranges=config.ranges, rate=config.rate)
    return data_set(
        recordings, names, table, name=str(path),
        target_name="" if target is None else config.y, group_name="" if groups is None else config.groups,
    )  # fmt: skip


def _arrays(path: Path, config: NumpyConfig) -> dict[str, Any]:
    """Return the arrays that are there, by their configured key."""
    wanted = (config.x, config.y, config.groups, config.sessions)
    try:
        if (path.suffix == ".npz") is not is_archive(path):
            got = f"the other kind of file, called {path.suffix}"
            raise ArrayFileError(
                "arrays of numbers or text: several in an .npz file, one in an .npy file", got, str(path)
            )
        if path.suffix == ".npy":
            others = {key: path.parent / key for key in wanted[1:] if (path.parent / key).is_file()}
            return {key: read_npy(file, str(file)) for key, file in {config.x: path, **others}.items()}
        names = npz_names(path, str(path))
        if config.x not in names:
            raise UnknownNameError("array", config.x, names, str(path))
        defaults = NumpyConfig()
        for key in ("y", "groups", "sessions"):
            chosen = getattr(config, key)
            if chosen != getattr(defaults, key) and chosen and chosen not in names:
                raise UnknownNameError("array", chosen, names, str(path))
        return read_npz(path, str(path), wanted)
    except OSError as error:
        raise ArrayFileError("a file of arrays", error.strerror or str(error), str(path)) from error


def _numbers(array: Any, where: str) -> Any:  # noqa: ANN401 - any array
    """Return the values as float32 of shape (rows, columns) or (windows, a, b)."""
    if array.dtype.kind not in "fiub":
        raise ArrayFileError("numbers", f"an array of type {array.dtype}", where)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim not in (2, 3) or not array.size:
        raise ArrayFileError("shape (rows, columns) or (windows, channels, samples)", f"{array.shape}", where)
    with np.errstate(over="ignore"):
        return np.asarray(array, dtype=np.float32)


def _target(array: Any) -> Any:  # noqa: ANN401 - text or numbers
    """Return text labels, or float64; true and false become text."""
    if array is None:
        return None
    return array.astype(np.float64) if array.dtype.kind in "fiu" else as_text(array)


SOURCE = Source(config=NumpyConfig, load=load)
