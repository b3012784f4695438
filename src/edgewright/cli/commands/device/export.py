"""`edgewright device export`: events or named raw columns of a store as a file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgewright.cli.command import Result, declare, option
from edgewright.cli.commands.device._store import Moment
from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    from edgewright.device.store.database import Database

_ALL = 1 << 60


@declare(example="--store DIR --rows --column ax --column ay --out rows.csv")
def command(
    store: Path = option(required=True, metavar="DIR", help="Folder of the store."),
    out: Path = option(required=True, help="Output file: .csv or .jsonl."),
    raw: bool = option("--rows", help="Export raw rows instead of events; name their columns."),
    columns: tuple[str, ...] = option("--column", metavar="NAME", help="Column to export; may be repeated."),
    detail: tuple[str, ...] = option(metavar="NAME", help="Key of events' detail to export; may be repeated."),
    stream: str | None = option(help="Only this stream."),
    since: float | None = option(type=Moment(), help="Start: 2026-11-20T13:00, or 12h, 7d ago."),
    until: float | None = option(type=Moment(), help="End, in the same form."),
    key: Path | None = option(help="File with the key of encrypted columns."),
    force: bool = option(help="Overwrite the file."),
) -> Result:
    """Export events, or raw rows, of a store to a file.

    Only what you name leaves the store: of raw rows the columns given by --column; of events their own fields and the
    keys of their detail given by --detail.
    """
    from edgewright.device.store import reader

    if out.suffix not in {".csv", ".jsonl"}:
        raise InputError("a file that ends in .csv or .jsonl", repr(out.name), "--out")
    if out.exists() and not force:
        raise InputError("a new file", str(out), "--out", "Choose another, or add --force")
    count = reader.read(store, lambda database: _write(
        out, _lines(database, store, out.suffix[1:], raw, columns, detail, stream, since, until, key)
    ))  # fmt: skip
    count -= out.suffix == ".csv"
    none = "" if count else ": the store has none for this stream and time"
    return Result(
        {"file": str(out), "lines": count, "bytes": out.stat().st_size},
        [f"{count:,} {'rows' if raw else 'events'} in {click.format_filename(out)}{none}"],
        compact=True,
    )


def _lines(
    database: Database, folder: Path, form: str, raw: bool, columns: tuple[str, ...], detail: tuple[str, ...],
    stream: str | None, since: float | None, until: float | None, key: Path | None,
) -> Iterator[bytes]:  # fmt: skip
    from edgewright.device.store import entries, reader
    from edgewright.device.store.identity import Identity

    identity = Identity.open(folder, writable=False)
    device = identity.device
    identity.close()
    kind: reader.Form = "csv" if form == "csv" else "jsonl"
    if raw:
        secret = entries.read_key(key) if key else None
        # Without any row nobody knows which columns there are, and a file without rows would look like an answer.
        if columns and not reader.rows_kept(database):
            raise InputError("a store that keeps raw rows", "none", str(folder),
                             "Keep them with [agent] keep = \"alarm\" or \"all\" in device.toml")  # fmt: skip
        rows = reader.rows(database, device, stream, since, until, _ALL, secret)
        return reader.row_lines(device, rows, kind, columns)
    events = reader.events(database, stream=stream, since=since, until=until, limit=_ALL, newest=False)
    return reader.event_lines(device, events, kind, detail, columns or reader.EVENT_COLUMNS)


def _write(out: Path, lines: Iterator[bytes]) -> int:
    """Return lines written, whole or not at all."""
    count, temporary = 0, ""
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{out.name}.", dir=out.parent)
        with os.fdopen(handle, "wb") as file:
            for line in lines:
                file.write(line)
                count += 1
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(out)
    except BaseException:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise
    return count
