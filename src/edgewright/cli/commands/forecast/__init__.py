"""Forecast a series: `forecast DATA` fits a forecaster (as `forecast fit DATA` does); run and score use it."""

from __future__ import annotations

import click

from edgewright.cli.folder import FolderOfCommands


class _Forecast(FolderOfCommands):
    """A group whose first word may be a file: `forecast DATA` is `forecast fit DATA`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `fit` in front of what is no command."""
        if args and args[0] not in ("--help", "-h", *self.list_commands(ctx)):
            args = ["fit", *args]
        return super().parse_args(ctx, args)


EXAMPLE = "load.csv --column kW --time time --horizon 48 --out load.forecaster"
command = _Forecast(__name__)
