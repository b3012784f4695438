"""What a person hands over to be predicted, as samples of the shape the model takes."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from edgewright.core.clocks.reader import parts_of, text_of
from edgewright.core.csv.header import column_name, one_hot, text_inputs
from edgewright.core.csv.rows import Rows
from edgewright.core.errors import ColumnMissingError, CsvNumberError, SampleShapeError, TimeFormatError, error_line
from edgewright.core.input.recordings import columns_of, names_of, windows_of
from edgewright.core.records.data import Column, Floats, Labels
from edgewright.core.records.package import Manifest

# Share of a step by which float32 may round times.
_LOST = 0.5


@runtime_checkable
class Frame(Protocol):
    """What frames of Polars and pandas have in common, so that neither is needed here."""

    @property
    def columns(self) -> Any: ...  # noqa: ANN401, D102 - a list of names or an index

    def to_numpy(self) -> Any: ...  # noqa: ANN401, D102

    def __getitem__(self, name: str) -> Any: ...  # noqa: ANN401


def to_samples(X: Any, manifest: Manifest) -> Floats:  # noqa: ANN401 - arrays, lists, frames and rows
    """Return samples of shape (n, *manifest.shape), float32; what is not finite is missing.

    Args:
        X: an array or nested list of samples, one sample alone, or something with named columns: rows of a CSV file,
            a frame of Polars or pandas, a dictionary. Named columns are taken by name, whatever their order, and cut
            into windows when the model takes windows. A column `Type=H` may come as the text column `Type`.
        manifest: of the package.

    Raises:
        InputError: for another shape, a missing column, rows at another rate, or a text that the model does not know.
    """
    named = _named(X, manifest)
    if named is None:
        samples = _shaped(_float32(X, "the samples"), manifest.shape)
    elif manifest.window is None:
        samples = named
    else:
        file = X if isinstance(X, Rows) else None
        samples = windows_of(named, columns_of(manifest), manifest.window, _cells(X, manifest), file)[0]
        if not len(samples):
            raise manifest.window.too_few(f"{len(named)} rows")
    return np.ascontiguousarray(samples)


def _named(X: Any, manifest: Manifest) -> Floats | None:  # noqa: ANN401
    """Return the rows of something with named columns, shape (rows, columns); None for anything else."""
    names = [column.name for column in manifest.columns]
    if isinstance(X, Rows):
        return rows_of(X, manifest.columns)
    if isinstance(X, Mapping):
        columns = _by_name(list(X), lambda name: X[name], names)
    elif isinstance(X, Frame):
        there = list(X.columns)
        used = {*names, *text_inputs(names, there), *names_of(manifest)}
        refuse_repeated([name for name in there if name in used])
        columns = _by_name(there, lambda name: X[name].to_numpy(), names)
    else:
        return None
    if len({column.shape for column in columns}) > 1 or columns[0].ndim != 1:
        raise ColumnMissingError("columns of one length", ", ".join(str(column.shape) for column in columns))
    return np.stack(columns, 1)


def _cells(X: Any, manifest: Manifest) -> dict[str, Labels]:  # noqa: ANN401
    """Return the columns that say which rows belong together, as text; those that there are."""
    if isinstance(X, Rows):
        numbers = {name: X.values[:, X.names.index(name)] for name in X.names if name in names_of(manifest)}
        _refuse_rounded(numbers, columns_of(manifest).time)
        return {**{name: column.astype(np.str_) for name, column in (numbers | X.wide).items()}, **X.text}
    there = list(X) if isinstance(X, Mapping) else list(X.columns)
    wanted = [name for name in names_of(manifest) if name in there or parts_of(name, there)]
    columns = {
        part: X[part] if isinstance(X, Mapping) else X[part].to_numpy()
        for name in wanted
        for part in parts_of(name, there) or (name,)
    }
    _refuse_rounded(columns, columns_of(manifest).time)
    texts = {part: np.array([str(cell) for cell in _objects(cells)], np.str_) for part, cells in columns.items()}
    return {name: text_of(name, texts, texts.__getitem__) for name in wanted}


def _objects(cells: Any) -> NDArray[Any]:  # noqa: ANN401
    """Return cells as objects, dates with their text: those of nanoseconds become whole numbers otherwise."""
    column = np.asarray(cells)
    return np.asarray(column.astype("datetime64[us]") if column.dtype.kind == "M" else cells, object)


def _refuse_rounded(columns: Mapping[str, Any], time: str) -> None:
    """Refuse times in float32 that lost their steps: no gap shows in them.

    Raises:
        InputError: naming the column.
    """
    times = np.asarray(columns.get(time, ()))
    if times.dtype != np.float32 or not np.isfinite(times).any():
        return
    steps = np.diff(times[np.isfinite(times)].astype(np.float64))
    spacing = float(np.spacing(np.nanmax(np.abs(times))))
    if spacing > _LOST * (float(np.median(steps[steps > 0])) if (steps > 0).any() else 1.0):
        do = f"Read the column as times, read_csv(..., time_columns=[{time!r}]), or give float64"
        raise TimeFormatError(
            "times that tell rows apart", f"float32, which is {spacing:g} apart", f"column {time}", do
        )


def _by_name(there: list[Any], column: Callable[[str], Any], names: list[str]) -> list[Floats]:
    """Return the wanted columns of a table, shape (rows,) each; those of text as numbers."""
    columns: dict[str, Floats] = {}
    for text, values in text_inputs(names, there).items():
        coded = one_hot(_texts(column(text), values), values, lambda row, text=text: f"column {text}, row {row + 1}")  # type: ignore[misc]
        columns |= {column_name(text, value): coded[:, index] for index, value in enumerate(values)}
    require_columns([*there, *columns], names)
    return [
        columns[name] if name in columns else np.atleast_1d(_float32(column(name), f"column {name}")) for name in names
    ]


def _texts(column: Any, values: Sequence[str]) -> Labels:  # noqa: ANN401
    """Return cells as text; nothing where there is none, and true and false as the values spell them."""
    cells = np.atleast_1d(np.asarray(column, object))
    if cells.ndim != 1:
        raise ColumnMissingError("columns of one length", f"shape {cells.shape}")
    spelled = {value.lower(): value for value in values}
    texts = ["" if cell is None or str(cell) == "<NA>" else str(cell) for cell in cells.tolist()]
    if all(text in ("True", "False", "") for text in texts):
        texts = [spelled.get(text.lower(), text) for text in texts]
    return np.array(texts, np.str_)


def rows_of(rows: Rows, columns: Sequence[Column]) -> Floats:
    """Return the columns of a model in its order.

    Raises:
        InputError: one is not there, or has another unit than in the training.
    """
    names = [column.name for column in columns]
    require_columns(rows.names, names, rows.name)
    rows.header.refuse_units(columns, rows.name)
    return rows.values[:, [rows.names.index(name) for name in names]]


def require_columns(there: Any, names: list[str], where: str = "") -> None:  # noqa: ANN401 - a collection of names
    """Refuse a table that lacks some of these columns; `where` it is, for messages.

    Raises:
        InputError: naming them.
    """
    missing = [name for name in names if name not in there]
    if missing:
        have = ", ".join(map(str, there)) or "none"
        raise ColumnMissingError(f"the columns {', '.join(names)}", have, where, f"Add {', '.join(missing)}")


def refuse_repeated(names: Iterable[Any], where: str = "") -> None:
    """Refuse columns of which several have one name; `where` they are, for messages.

    Raises:
        InputError: naming them.
    """
    repeated = [f"{name!r} {count} times" for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise ColumnMissingError(
            "columns with different names", ", ".join(repeated), where, "Rename or drop the others"
        )


def _float32(values: Any, where: str) -> Floats:  # noqa: ANN401
    if isinstance(values, np.ndarray) and values.dtype == np.float32:
        return values
    try:
        wide: NDArray[np.float64] = np.asarray(values, np.float64)
    except (ValueError, TypeError) as error:
        raise CsvNumberError("numbers", error_line(error, 120), where) from None
    with np.errstate(over="ignore"):
        return wide.astype(np.float32)


def _shaped(x: Floats, shape: tuple[int, ...]) -> Floats:
    if x.shape == shape:
        return x[np.newaxis]
    if x.shape[1:] != shape or x.ndim != len(shape) + 1:
        expected = ", ".join(map(str, shape))
        do = ""
        if x.ndim >= 2 and len(shape) == 2 and x.shape[-2:] == shape[::-1]:
            do = "Transpose it: a window is (channels, samples)"
        raise SampleShapeError(f"samples of shape (n, {expected}) or one of ({expected},)", f"shape {x.shape}", do=do)
    return x


def without_sentinels(values: Floats, columns: Sequence[Column]) -> Floats:
    """Return values in which the sentinels of each column are NaN; the same array where there are none.

    Args:
        values: shape (n, columns) or (n, channels, samples).
        columns: of `values`; `missing_values` holds the sentinels of each.
    """
    marked = values
    for index, column in enumerate(columns):
        if not column.missing_values:
            continue
        absent = np.isin(values[:, index], np.array(column.missing_values, np.float32))
        if absent.any():
            marked = values.copy() if marked is values else marked
            marked[:, index][absent] = np.nan
    return marked


# Key of the model's metadata: a JSON list with [name, smallest, largest] of each column, null where not declared.
METADATA = "edgewright.ranges"
Ranges = tuple[tuple[str, float | None, float | None], ...]


def ranges_text(columns: Sequence[Column]) -> str:
    """Return the metadata of columns; empty where none declares a range."""
    if all(column.minimum is None and column.maximum is None for column in columns):
        return ""
    table = [[column.name, column.minimum, column.maximum] for column in columns]
    return json.dumps(table, ensure_ascii=False, separators=(",", ":"))


def read_ranges(metadata: dict[str, str]) -> Ranges:
    """Return the declared ranges of a model, a column each; nothing where none is declared.

    Raises:
        InputError: for metadata of another form.
    """
    text = metadata.get(METADATA, "")
    if not text:
        return ()
    try:
        table = json.loads(text)
        ranges = tuple((str(name), _limit(low), _limit(high)) for name, low, high in table)
    except (ValueError, TypeError, RecursionError):
        raise SampleShapeError("a list of [name, smallest, largest]", repr(text[:40]), f"metadata {METADATA}") from None
    return ranges


def outside(samples: NDArray[np.float32], ranges: Ranges) -> NDArray[np.bool_]:
    """Which columns of which samples hold a value outside their range; a missing value (not finite) is not outside.

    Args:
        samples: shape (n, columns) or (n, channels, samples).
        ranges: as `read_ranges` gives them.

    Returns:
        Shape (n, columns).
    """
    if not ranges:
        return np.zeros((len(samples), 0), np.bool_)
    shape = (1, len(ranges), *(1,) * (samples.ndim - 2))
    low = np.array([-np.inf if low is None else low for _, low, _ in ranges], np.float32).reshape(shape)
    high = np.array([np.inf if high is None else high for _, _, high in ranges], np.float32).reshape(shape)
    flags: NDArray[np.bool_] = np.any(
        ((samples < low) | (samples > high)) & np.isfinite(samples), axis=tuple(range(2, samples.ndim))
    )
    return flags


def flagged(samples: NDArray[np.float32], ranges: Ranges) -> NDArray[np.int64]:
    """1 for a sample with a value outside a declared range, 0 for others, shape (n,)."""
    return np.asarray(outside(samples, ranges).any(axis=1), np.int64)


def _limit(value: float | None) -> float | None:
    if value is None:
        return None
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("a limit that is no number")
    return number


# Key of a model's metadata: the largest share of missing values at which there is an answer, as text.
MISSING_METADATA = "edgewright.missing"
# Share of a row's columns, and of a channel's readings in a window, that may be missing. Of a window: see ADR 52.
ROW_LIMIT, WINDOW_LIMIT = 0.5, 0.25


def needed(limit: float, size: int) -> int:
    """How many of so many values must be there: at least 1, so that a sample without information has no answer.

    Args:
        limit: largest share that may be missing.
        size: columns of a row, or readings of a channel in a window.
    """
    # A limit of 0.1 of 10 values is one value, whatever float64 makes of the product.
    return max(1, size - math.floor(limit * size + 1e-9))


def shares(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the share of missing values, shape (n,), of each row, or of the channel of a window that misses most.

    Args:
        samples: shape (n, columns) or (n, channels, samples); what is not finite is missing.
    """
    with np.errstate(all="ignore"):
        # A sum is not finite where a value is: one pass in the common case.
        if np.isfinite(samples.sum(dtype=np.float64)):
            return np.zeros(len(samples), np.float32)
    absent = (~np.isfinite(samples)).reshape(len(samples), -1, samples.shape[-1])
    return np.asarray(absent.mean(axis=2).max(axis=1, initial=0.0), np.float32)


def unanswered(samples: NDArray[np.float32], limit: float) -> NDArray[np.bool_]:
    """Return samples with too many missing values for an answer, shape (n,).

    Args:
        samples: as `shares` takes them.
        limit: largest share that may be missing.
    """
    size = samples.shape[-1]
    return np.asarray(np.round(shares(samples) * np.float32(size)) > size - needed(limit, size))


def read_limit(metadata: dict[str, str]) -> float | None:
    """Return the limit that a model's metadata states; None where there is none.

    Raises:
        InputError: for metadata of another form.
    """
    text = metadata.get(MISSING_METADATA, "")
    if not text:
        return None
    try:
        limit = float(text)
    except ValueError:
        limit = math.nan
    if not 0.0 <= limit <= 1.0:
        raise SampleShapeError("a share from 0 to 1", repr(text[:40]), f"metadata {MISSING_METADATA}")
    return limit
