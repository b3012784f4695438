"""Options of `synth signals` and `synth utility`: data, and a method with its settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from edgewright.cli.command import argument, option
from edgewright.cli.options import Columns

if TYPE_CHECKING:
    from edgewright.schema.data import DataSet


@dataclass(frozen=True, kw_only=True)
class MethodOptions(Columns):
    """Options of commands that change recordings."""

    data: str = argument()
    method: str = option(required=True, help="Method, such as rotation, noise or time_warp; an unknown name lists all.")
    settings: tuple[str, ...] = option(
        "--set", metavar="KEY=VALUE", help="Setting of the method, such as degrees=30; may be repeated."
    )
    copies: int = option(type=click.IntRange(1, 100), default=1, help="Copies of each recording.")
    seed: int = option(type=click.IntRange(0), default=0, help="Random seed.")

    def read(self) -> DataSet:
        """Read the data set.

        Raises:
            InputError: the data cannot be read.
        """
        from edgewright.data.load import load_data
        from edgewright.data.table_proposal import propose_table

        named = self.table()
        kind = str(named.pop("kind", ""))
        proposed = propose_table(self.data, named, kind)
        if proposed.sentence:
            click.echo(proposed.sentence, err=True)
        return load_data(proposed.table, seed=0, where="synth")
