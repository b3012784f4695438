"""What the commands take alike: clean signals, noise, and a range of decibels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click
import msgspec

from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    from edgewright.schema.data import DataSet

_DATA = (
    click.option("--kind", default="", help="Source or public set of CLEAN; judged by the path when left out."),
    click.option("--group", default="", help="Column with the person or machine of a row."),
    click.option("--session", default="", help="Column with the session of a row."),
    click.option("--time", default="", help="Column with the time of a row."),
    click.option("--ignore", multiple=True, metavar="COLUMN", help="Column that is no measurement; may be repeated."),
    click.option("--pattern", default="", metavar="TEXT", help="Parts of WAV names: {label}_{speaker}_{index}."),
    click.option("--columns", default="", metavar="A,B", help="Channels that are taken. [default: all]"),
)


def data_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how CLEAN is read."""
    for option in reversed(_DATA):
        function = option(function)
    return function


def read_clean(place: str, named: Mapping[str, object]) -> DataSet:
    """Clean signals at a path; `named` are the options by name.

    Raises:
        InputError: as `data.load.load_data`, or for columns that are not there.
    """
    import numpy as np

    from edgewright.data.load import guess, load_data

    kind, columns = str(named["kind"]), str(named["columns"])
    table: dict[str, object] = {"kind": kind, "path": place} if kind else guess(place)
    keys = {key: list(value) if isinstance(value, tuple) else value for key, value in named.items() if value}
    table |= {key: value for key, value in keys.items() if key not in ("kind", "columns")}
    data = load_data(table, seed=0, where="denoise")
    if not columns:
        return data
    names = [column.name for column in data.columns]
    wanted = [name.strip() for name in columns.split(",")]
    absent = [name for name in wanted if name not in names]
    if absent:
        raise InputError(f"columns of {', '.join(names[:12])}", ", ".join(absent), "--columns")
    places = [names.index(name) for name in wanted]
    return msgspec.structs.replace(
        data, columns=tuple(data.columns[i] for i in places),
        recordings=tuple(
            msgspec.structs.replace(recording, values=np.ascontiguousarray(recording.values[:, places]))
            for recording in data.recordings
        ),
    )  # fmt: skip


def decibels(text: str) -> tuple[float, float]:
    """`0:20` as two numbers, `10` as twice the same.

    Raises:
        InputError: for anything else.
    """
    low, _, high = text.partition(":")
    try:
        return float(low), float(high or low)
    except ValueError:
        raise InputError("decibels, as 10 or 0:20", repr(text), "--snr") from None
