"""`edgewright demo`: real wrist recordings to a package and one offline prediction."""

from __future__ import annotations

from pathlib import Path

from edgewright.cli.interrupt import loading
from edgewright.cli.options import declare, option


@declare("demo", epilog="Example: edgewright demo --out runs")
def command(
    data: str | None = option(
        metavar="PATH", help="Folder with BasicMotions_TRAIN.ts instead of the one in the sktime wheel."
    ),
    out: Path = option(default=Path("runs"), help="Folder for runs."),
    as_json: bool = option("--json", help="Print the record as JSON instead of the trace."),
) -> None:
    """Train on real recordings of a watch, package the model, and predict offline.

    BasicMotions (standing, running, walking, badminton) comes with the sktime wheel: pip install 'edgewright[demo]'.
    """
    with loading():
        from edgewright.cli.listeners import run_and_show

    run_and_show("demo", data=data, changes=(), out=out, force=False, as_json=as_json)
