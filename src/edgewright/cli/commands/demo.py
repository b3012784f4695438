"""`edgewright demo`: real wrist recordings to a package and one offline prediction."""

from __future__ import annotations

from pathlib import Path

from edgewright.cli.command import Result, declare, option
from edgewright.cli.interrupt import loading
from edgewright.cli.options import VERBOSE


@declare(example="--out runs")
def command(
    data: str | None = option(
        metavar="PATH", help="Folder with BasicMotions_TRAIN.ts instead of the one in the sktime wheel."
    ),
    out: Path = option(default=Path("runs"), help="Folder for runs."),
    verbose: bool = option(help=VERBOSE),
) -> Result:
    """Train on real recordings of a watch, package the model, and predict offline.

    BasicMotions (standing, running, walking, badminton) comes with the sktime wheel: pip install 'edgewright[demo]'.
    """
    with loading():
        from edgewright.cli.listeners import run_and_show

    return run_and_show("demo", data=data, changes=(), out=out, force=False, verbose=verbose)
