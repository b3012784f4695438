"""`edgewright demo`: real wrist recordings to a package and one offline prediction."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.cli.interrupt import loading


@click.command("demo", epilog="Example: edgewright demo --out runs")
@click.option(
    "--data", "data", metavar="PATH", help="Folder with BasicMotions_TRAIN.ts, instead of the sktime wheel's."
)
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Folder of runs.")
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON instead of the trace.")
def command(data: str | None, out: Path, as_json: bool) -> None:
    """Take real recordings of a watch from windows to a package, and predict offline.

    BasicMotions (standing, running, walking, badminton) comes with the sktime wheel: pip install 'edgewright[demo]'.
    """
    with loading():
        from edgewright.cli.listeners import run_and_show

    run_and_show("demo", data=data, changes=(), out=out, force=False, as_json=as_json)
