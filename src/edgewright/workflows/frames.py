"""Frames and arrays of a caller as files that a run reads, and the labels of a run as the caller wrote them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_array, column_or_1d

from edgewright.core.csv.text import number_forms, plain_cells
from edgewright.core.errors import InputError, RunError
from edgewright.core.files import write_atomic
from edgewright.core.input.samples import Frame, refuse_repeated
from edgewright.data.polars import pl
from edgewright.data.targets import MOST_WHOLE_CLASSES, as_text, read_target, task_of
from edgewright.graph.stage import SampleError, axes_of, column_names
from edgewright.workflows.own_data.proposal import OwnDataRequest


def at_data(request: OwnDataRequest, data: Any, out: Path, where: str) -> OwnDataRequest:  # noqa: ANN401
    """Return the request with the path of its data; a frame is written to a CSV file in `out`.

    Args:
        request: without its path.
        data: path or frame.
        out: folder of runs.
        where: for messages.

    Raises:
        InputError: the data are neither a path nor a frame.
    """
    if isinstance(data, Frame):
        name = request.name or "model"
        return replace(request, path=str(write_frame(data, out, name)), name=name)
    if not isinstance(data, str | Path):
        raise RunError("a path, or a frame of Polars or pandas", type(data).__name__, where)
    return replace(request, path=str(data))


@contextmanager
def samples_errors(samples: bool) -> Iterator[None]:
    """Raise what is wrong with samples and labels as the errors that scikit-learn's tools expect.

    Args:
        samples: whether they were given, not a file or a frame with its target.

    Raises:
        SampleError: instead of an `InputError`.
    """
    try:
        yield
    except InputError as error:
        if not samples or isinstance(error, SampleError):
            raise
        raise SampleError(error.expected, error.got, error.where, error.do) from error


def write_frame(frame: Any, out: Path, name: str) -> Path:  # noqa: ANN401 - a frame of Polars or pandas
    """Write a frame to CSV; its name has the content's hash, so no other run's data is replaced.

    Raises:
        InputError: columns of one name.
    """
    refuse_repeated(frame.columns, "the frame")
    text: str = frame.write_csv() if hasattr(frame, "write_csv") else frame.to_csv(index=False)
    content = text.encode()
    path = out / f"{name}-{hashlib.sha256(content).hexdigest()[:12]}.csv"
    out.mkdir(parents=True, exist_ok=True)
    write_atomic(path, content)
    return path


def with_readable_labels(frame: Any, target: str, known: Mapping[Any, str] | None = None) -> Any:  # noqa: ANN401
    """Return a frame whose text labels a file of it gives back; the same frame where they need no change.

    Args:
        frame: of Polars or pandas.
        target: column of the labels; a column of other values stays as it is.
        known: how labels of a model are written.
    """
    if target not in frame.columns:
        return frame
    cells = np.asarray(frame[target], dtype=object).tolist()
    written = {label: text for label, text in (known or {}).items() if isinstance(label, str) and label in cells}
    codes = label_codes(cells) | written
    if all(label == code for label, code in codes.items()):
        return frame
    return _with_column(frame, target, [codes.get(cell, cell) if isinstance(cell, str) else cell for cell in cells])


def with_readable_texts(frame: Any) -> Any:  # noqa: ANN401 - a frame of Polars or pandas
    """Return a frame each of whose columns of few texts a file of it gives back; the same where none needs a change."""
    for name in frame.columns:
        texts = {cell for cell in np.asarray(frame[name], dtype=object).tolist() if isinstance(cell, str)}
        if 0 < len(texts) <= MOST_WHOLE_CLASSES:
            frame = with_readable_labels(frame, name)
    return frame


def label_codes(cells: Iterable[Any]) -> dict[str, str]:
    """Return how labels are written that a file would not give back: as numbers, a missing word or blanks around them.

    Args:
        cells: of a column; anything but text and missing values needs no code, nor do many numbers, which are amounts.
    """
    there = [cell for cell in cells if not _is_missing(cell)]
    if not there or not all(isinstance(cell, str) for cell in there):
        return {}
    labels = np.unique(np.array(there, np.str_))
    labels = labels[labels != ""]
    forms = number_forms({"": labels.tolist()}).get("")
    read = read_target(labels if forms is None else plain_cells(labels, forms))
    if read.dtype.kind == "f":
        padded = any(re.match(r"[+-]?0\d", label) for label in labels.tolist())
        amounts = len(labels) > MOST_WHOLE_CLASSES and not padded
        classes = task_of(read) == "classification" and np.array_equal(as_text(read), labels)
        same = np.full(len(labels), amounts or classes)
    else:
        same = (read_target(labels) == labels) & [label.isprintable() for label in labels.tolist()]
    codes = {label: repr(label) for label in labels[~same].tolist()}
    # A label that is another one's code.
    return {label: repr(label) for label in labels.tolist()} if set(codes.values()) & set(labels.tolist()) else codes


def _is_missing(cell: Any) -> bool:  # noqa: ANN401 - of any column
    return cell is None or (not isinstance(cell, str) and str(cell) in {"nan", "<NA>", "NaT"})


def _with_column(frame: Any, name: str, cells: Any) -> Any:  # noqa: ANN401 - a frame of Polars or pandas
    return frame.assign(**{name: cells}) if hasattr(frame, "assign") else frame.with_columns(pl.Series(name, cells))


def samples_of(X: Any, *, missing: bool) -> Any:  # noqa: ANN401 - arrays, lists and frames
    """Return a frame whose columns all have names as it is, and anything else as an array of shape (n, columns).

    Args:
        X: samples.
        missing: whether values may be missing.

    Raises:
        SampleError: windows.
        ValueError: no table of numbers.
    """
    if column_names(X) is not None:
        return X
    if axes_of(X) > 2:
        do = "Use Pipeline(steps).fit(X, y) for windows"
        raise SampleError("a table of shape (n, columns)", f"{axes_of(X)} axes", "Model", do)
    return check_array(X, dtype=np.float64, ensure_all_finite="allow-nan" if missing else True, estimator="Model")


def array_names(count: int) -> tuple[str, ...]:
    """Return the names that so many columns of an array are given."""
    return tuple(f"x{index}" for index in range(count))


def by_name(X: NDArray[np.float64], names: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Return the columns of an array by the names that they were given.

    Raises:
        SampleError: it has another number of columns.
    """
    if X.shape[1] != len(names):
        # The words that scikit-learn's tools expect.
        got = f"X has {X.shape[1]} features, but Model is expecting {len(names)} features as input"
        raise SampleError(f"{len(names)} columns", got, "Model")
    return dict(zip(names, X.T, strict=True))


def joined(X: Any, y: Any, target: str) -> Any:  # noqa: ANN401 - arrays and frames
    """Return a frame of samples with their target as one more column.

    Raises:
        SampleError: there is such a column, another number of labels than of rows, or a row without a label.
    """
    labels, named = column_or_1d(y, warn=True), isinstance(X, Frame)
    if named and target in X.columns:
        raise SampleError(f"samples without the column {target}", "one of this name", "Model.fit", "Omit y")
    if labels.shape != (len(X),):
        raise SampleError(f"{len(X)} labels, one a row", f"shape {labels.shape}", "Model.fit")
    if len(X) < 2:
        raise SampleError("at least 2 samples", f"{len(X)} sample", "Model.fit")
    cells = labels.tolist()
    if missing := sum(_is_missing(cell) or cell == "" for cell in cells):
        # The words that scikit-learn's tools expect.
        got = f"Input y contains NaN, None or '' in {missing} rows"
        raise SampleError("a label for every row", got, "Model.fit", "Leave out rows without one")
    if not named:
        return pl.DataFrame({**by_name(X, array_names(X.shape[1])), target: cells})
    return _with_column(X, target, cells)


def class_values(column: Any, labels: Sequence[str]) -> tuple[bool | int | float | str, ...]:  # noqa: ANN401
    """Return the values that a caller has for the labels of a run, in their order; the labels where not all are there.

    Args:
        column: of a frame; None for a file.
        labels: of the run, text.
    """
    if column is None:
        return tuple(labels)
    known: dict[str, Any] = {}
    given = {value for value in np.asarray(column).tolist() if not _is_missing(value)}
    codes = label_codes(given)
    known |= {codes.get(value, value): value for value in given if isinstance(value, str)}
    for value in given - known.keys():
        number = str(as_text([value])[0]) if isinstance(value, int | float) else ""
        for text in (str(value), str(value).lower(), number):
            known.setdefault(text, value)
    values = tuple(known.get(label, label) for label in labels)
    kinds = {type(value) for value in values}
    return values if len(kinds) == 1 and kinds <= {bool, int, float, str} else tuple(labels)
