"""`edgewright run`: a pipeline from its data to its package."""

from __future__ import annotations

from pathlib import Path

from edgewright.cli.interrupt import loading
from edgewright.cli.options import argument, declare, option


@declare("run", epilog="Example: edgewright run activity --set training.epochs=30 --out runs")
def command(
    pipeline: str = argument(),
    data: str | None = option(metavar="PATH", help="File or folder to read rows from, instead of [data] path."),
    changes: tuple[str, ...] = option(
        "--set", metavar="A.B=V", help="Change one key of the pipeline; may be repeated."
    ),
    out: Path = option(default=Path("runs"), help="Folder for runs."),
    force: bool = option(help="Replace the run folder instead of using the next free number."),
    as_json: bool = option("--json", help="Print the record as JSON instead of the trace."),
) -> None:
    """Run PIPELINE (activity, latency, scalability, another shipped name, or a TOML file).

    Prints the trace while it runs and writes a run folder: trace.json, the fitted pipeline, model.onnx, model.int8.onnx
    and the package.
    """
    with loading():
        from edgewright.cli.listeners import run_and_show

    run_and_show(pipeline, data=data, changes=changes, out=out, force=force, as_json=as_json)
