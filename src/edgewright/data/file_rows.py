"""Rows that stay in their files: workers of a cluster read the files of a folder, and the client what is beside values.

In a block `read_by_workers` a source has each file of a folder read by a task, which gives back its texts, and of its
values a hash. Who needs values reads the file again: a worker, or this process where a command computes here.
"""

from __future__ import annotations

import hashlib
import socket
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.cluster.mapping import each, is_spread
from edgewright.data.contract import SourceConfig
from edgewright.data.remote import address_of, reached
from edgewright.schema.data import Floats
from edgewright.schema.errors import DataWarning, InputError

# (path, configuration, name) -> the table of a file, alone or before what else its source says of it.
Read = Callable[[Path, Any, str], Any]
_BY_WORKERS: ContextVar[bool] = ContextVar("by_workers", default=False)
# Values of the files that this process read last, by their hash.
_KEPT: dict[bytes, Floats] = {}
_MAX_KEPT = 2
# Of many small files several travel together.
_MOST_BATCHES = 256
_DO = "Give every machine the same files at that path, or an address such as s3://bucket/folder; or omit --cluster"


@contextmanager
def read_by_workers() -> Iterator[None]:
    """Have workers read the files of folders in a block; without a cluster this process reads them."""
    token = _BY_WORKERS.set(is_spread())
    try:
        yield
    finally:
        _BY_WORKERS.reset(token)


def are_spread(files: Sequence[Path]) -> bool:
    """Return whether workers read these files."""
    return _BY_WORKERS.get() and len(files) > 1


def read_spread(read: Read, files: Sequence[tuple[Path, str]], config: SourceConfig) -> list[Any]:
    """Return what a source reads of some files, each a task; values stay in the files.

    Args:
        read: function of a source.
        files: paths, and their names for messages.
        config: which column plays which part.

    Raises:
        InputError: as `read`, or a worker does not see a file.
    """
    results = []
    tasks = ((*address_of(path), name) for path, name in files)
    for result, texts, messages in each(_facts, (read, config), tasks, chunk=1 + len(files) // _MOST_BATCHES):
        table, *more = result
        for message in messages:
            warnings.warn(message, DataWarning, 2)
        table = replace(table, text={column: _unpacked(*cells) for column, cells in texts.items()})
        results.append((table, *more) if more else table)
    return results


def _facts(
    shared: tuple[Read, SourceConfig], task: tuple[str, str, str]
) -> tuple[tuple[Any, ...], dict[str, tuple[str, bytes]], list[str]]:
    """Read a file; return its table without values and texts, the texts packed, and the warnings of its source."""
    file = FileValues(*shared, *task)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DataWarning)
        table, *more = file.read_whole()
    file = replace(file, digest=_digest(table.values))
    _keep(file.digest, table.values)
    rows, texts = FileRows.of(file, table.values), {column: _packed(cells) for column, cells in table.text.items()}
    messages = [str(warning.message) for warning in caught if issubclass(warning.category, DataWarning)]
    return (replace(table, values=rows, text={}), *more), texts, messages


def _packed(cells: NDArray[Any]) -> tuple[str, bytes]:
    return cells.dtype.str, zlib.compress(cells.tobytes(), 1)


def _unpacked(dtype: str, packed: bytes) -> NDArray[Any]:
    return np.frombuffer(bytearray(zlib.decompress(packed)), dtype)


def _digest(values: Floats) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(values).tobytes(), digest_size=16).digest()


def _keep(digest: bytes, values: Floats) -> None:
    _KEPT.pop(digest, None)
    _KEPT[digest] = values
    while len(_KEPT) > _MAX_KEPT:
        del _KEPT[next(iter(_KEPT))]


@dataclass(frozen=True)
class FileValues:
    """The values of a file.

    Attributes:
        read, config: what reads it.
        address, inside: see `address_of`.
        name: of the recording.
        digest: of the values; empty before they were read.
        then: functions of rows, shape (n, columns), that are applied to what was read.
    """

    read: Read
    config: SourceConfig
    address: str
    inside: str
    name: str
    digest: bytes = b""
    then: tuple[Callable[[Floats], Floats], ...] = ()

    def read_whole(self) -> tuple[Any, ...]:
        """Return the table of the file, and what else its source says.

        Raises:
            InputError: as the source, or there is no such file here.
        """
        path = reached(self.address, self.inside)
        if not path.exists():
            raise InputError("the file on every worker", "no such file", f"{path} on {socket.gethostname()}", _DO)
        result = self.read(path, self.config, self.name)
        return result if isinstance(result, tuple) else (result,)

    def rows(self, start: int, end: int) -> Floats:
        """Return the rows from `start` to `end`.

        Raises:
            InputError: as `read_whole`, or the file is another one than before.
        """
        if self.digest not in _KEPT:
            values = self.read_whole()[0].values
            if _digest(values) != self.digest:
                where = f"{reached(self.address, self.inside)} on {socket.gethostname()}"
                raise InputError("the rows that were read first", "others", where, f"Let nobody write it. {_DO}")
            _keep(self.digest, values)
        values = _KEPT[self.digest][start:end]
        for function in self.then:
            values = function(values)
        return values


@dataclass(frozen=True)
class _Stretch:
    """Rows of a file, or windows that begin with them.

    Attributes:
        file: the file.
        first: shape (n,), numbers of these rows.
        begin, end: windows lie within these rows: copies of the first stand before them, zeros behind the last.
    """

    file: FileValues
    first: NDArray[np.int64]
    begin: int
    end: int

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel without a number for each of the rows, where these are at even steps."""
        steps, numbers = np.diff(self.first), self.first
        if len(steps) and steps[0] > 0 and (steps == steps[0]).all():
            return _at_steps, (self.file, range(int(numbers[0]), int(numbers[-1]) + 1, int(steps[0])), self.begin,
                               self.end)  # fmt: skip
        return _Stretch, (self.file, numbers, self.begin, self.end)


def _at_steps(file: FileValues, numbers: range, begin: int, end: int) -> _Stretch:
    return _Stretch(file, np.asarray(numbers, np.int64), begin, end)


@dataclass(frozen=True)
class FileRows:
    """Rows, or windows of rows, that are read when an array is made of them; as much of an array as `score` needs.

    Attributes:
        stretches: of which files, in order.
        columns: of every row.
        samples: rows in a window; 0 where each row is a sample.
        seen: which columns hold a value in the whole file of a recording.
    """

    stretches: tuple[_Stretch, ...]
    columns: int
    samples: int = 0
    seen: NDArray[np.bool_] | None = None

    dtype = np.dtype(np.float32)

    @classmethod
    def of(cls, file: FileValues, values: Floats) -> FileRows:
        """Return all rows of a file."""
        every = _Stretch(file, np.arange(len(values), dtype=np.int64), 0, len(values))
        return cls((every,), values.shape[1], seen=np.asarray(~np.isnan(values).all(axis=0)))

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns; windows, channels and samples."""
        return (len(self), self.columns, *((self.samples,) if self.samples else ()))

    @property
    def ndim(self) -> int:
        """2 for rows, 3 for windows."""
        return len(self.shape)

    @property
    def file(self) -> bytes:
        """Hash of the first file."""
        return self.stretches[0].file.digest if self.stretches else b""

    def __len__(self) -> int:
        return sum(len(stretch.first) for stretch in self.stretches)

    def __getitem__(self, which: Any) -> Any:  # noqa: ANN401 - as of an array
        """Return some of the samples, still in their files; (all rows, columns) gives rows of these columns."""
        if isinstance(which, tuple):
            rows, order = which
            if rows == slice(None) and isinstance(order, list):
                return self.through(_Ordered(tuple(order)), len(order), None if self.seen is None else self.seen[order])
            return np.asarray(self)[which]
        wanted = np.arange(len(self))[which]
        borders = np.cumsum([len(stretch.first) for stretch in self.stretches])
        parts = []
        owner = np.searchsorted(borders, wanted, side="right")
        for run in np.split(np.arange(len(wanted)), np.flatnonzero(np.diff(owner)) + 1):
            if len(run):
                index = int(owner[run[0]])
                stretch = self.stretches[index]
                before = int(borders[index]) - len(stretch.first)
                parts.append(replace(stretch, first=stretch.first[wanted[run] - before]))
        return replace(self, stretches=tuple(parts))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:  # noqa: ANN401
        """Read the samples."""
        X, at = np.empty(self.shape, np.float32), 0
        for stretch in self.stretches:
            X[at : at + len(stretch.first)] = self._read(stretch)
            at += len(stretch.first)
        return X if dtype is None else X.astype(dtype, copy=False)

    def _read(self, stretch: _Stretch) -> Floats:
        if not len(stretch.first):
            return np.empty((0, *self.shape[1:]), np.float32)
        wanted = stretch.first[:, None] + np.arange(max(1, self.samples))
        inside = np.clip(wanted, stretch.begin, stretch.end - 1)
        low = int(inside.min())
        rows: Floats = stretch.file.rows(low, int(inside.max()) + 1)[inside - low]
        rows[wanted >= stretch.end] = 0.0
        samples: Floats = rows.transpose(0, 2, 1) if self.samples else rows[:, 0]
        return samples

    def through(self, function: Callable[[Floats], Floats], columns: int, seen: Any = None) -> FileRows:  # noqa: ANN401
        """Return the rows as a function of rows gives them, which a worker can call."""
        stretches = tuple(
            replace(stretch, file=replace(stretch.file, then=(*stretch.file.then, function)))
            for stretch in self.stretches
        )
        return FileRows(stretches, columns, self.samples, seen)

    def windows(self, first: NDArray[np.int64], begin: int, end: int, samples: int) -> FileRows:
        """Return windows of the rows of one recording.

        Args:
            first: shape (n,), number of the row that each begins with.
            begin: first row of their stretch, of which copies stand before it.
            end: row behind the last, from which on there are zeros.
            samples: rows in a window.
        """
        (own,) = self.stretches
        at = int(own.first[0])
        return replace(
            self, stretches=(replace(own, first=first + at, begin=begin + at, end=end + at),), samples=samples
        )


@dataclass(frozen=True)
class _Ordered:
    """Puts columns in an order."""

    order: tuple[int, ...]

    def __call__(self, values: Floats) -> Floats:
        return values[:, list(self.order)]


def in_files(values: object) -> FileRows | None:
    """Return samples that lie in files; None for others."""
    return values if isinstance(values, FileRows) else None


def after_another(parts: Sequence[FileRows]) -> FileRows:
    """Return samples of several files as one sequence."""
    return replace(parts[0], stretches=tuple(stretch for part in parts for stretch in part.stretches), seen=None)


def seen_columns(recordings: Sequence[Any]) -> NDArray[np.bool_] | None:
    """Return which columns hold a value in recordings whose rows lie in files; None for others."""
    seen = [rows.seen for recording in recordings if (rows := in_files(recording.values)) and rows.seen is not None]
    return np.any(seen, axis=0) if len(seen) == len(recordings) else None
