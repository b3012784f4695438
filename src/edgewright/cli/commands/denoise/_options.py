"""What the commands take alike: clean signals, noise, and a range of decibels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click
import msgspec

from edgewright.cli.command import option
from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    from edgewright.schema.data import DataSet


@dataclass(frozen=True, kw_only=True)
class CleanOptions:
    """Options that say how CLEAN is read."""

    kind: str = option(help="Kind of source or public set of CLEAN; detected from the path by default.")
    group: str = option(help="Column with the person or machine of a row.")
    session: str = option(help="Column with the session of a row.")
    time: str = option(help="Column with the time of a row.")
    ignore: tuple[str, ...] = option(metavar="COLUMN", help="Column that is not a measurement; may be repeated.")
    pattern: str = option(metavar="TEXT", help="Parts of WAV names: {label}_{speaker}_{index}.")
    columns: str = option(metavar="A,B", help="Channels to use. [default: all]")

    def read(self, location: str) -> DataSet:
        """Read clean signals at a path.

        Raises:
            InputError: as `data.load.load_data`, or for columns that are not there.
        """
        import numpy as np

        from edgewright.data.load import load_data
        from edgewright.data.table_proposal import propose_table

        named = {key: getattr(self, key) for key in ("group", "session", "time", "ignore", "pattern")}
        wanted = [name.strip() for name in self.columns.split(",")] if self.columns else []
        proposed = propose_table(location, named, self.kind, texts=False, kept=wanted)
        if proposed.sentence:
            click.echo(proposed.sentence, err=True)
        data = load_data(proposed.table, seed=0, where="denoise")
        if not wanted:
            return data
        names = [column.name for column in data.columns]
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
