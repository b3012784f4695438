"""What a person hands over to be predicted, as samples of the shape the model takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from edgewright.core.clocks.texts import parts_of, text_of
from edgewright.core.csv.categories import column_name, one_hot, text_inputs
from edgewright.core.csv.rows import Rows
from edgewright.core.input.recordings import columns_of, names_of, windows_of
from edgewright.schema.data import Column, Floats, Labels
from edgewright.schema.errors import InputError
from edgewright.schema.package import Manifest

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
        raise InputError("columns of one length", ", ".join(str(column.shape) for column in columns))
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
        raise InputError("times that tell rows apart", f"float32, which is {spacing:g} apart", f"column {time}", do)


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
        raise InputError("columns of one length", f"shape {cells.shape}")
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
        raise InputError(f"the columns {', '.join(names)}", have, where, f"Add {', '.join(missing)}")


def refuse_repeated(names: Iterable[Any], where: str = "") -> None:
    """Refuse columns of which several have one name; `where` they are, for messages.

    Raises:
        InputError: naming them.
    """
    repeated = [f"{name!r} {count} times" for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise InputError("columns with different names", ", ".join(repeated), where, "Rename or drop the others")


def _float32(values: Any, where: str) -> Floats:  # noqa: ANN401
    if isinstance(values, np.ndarray) and values.dtype == np.float32:
        return values
    try:
        wide: NDArray[np.float64] = np.asarray(values, np.float64)
    except (ValueError, TypeError) as error:
        raise InputError("numbers", " ".join(str(error).split())[:120], where) from None
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
        raise InputError(f"samples of shape (n, {expected}) or one of ({expected},)", f"shape {x.shape}", do=do)
    return x
