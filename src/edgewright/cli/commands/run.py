"""`edgewright run`: a pipeline from its data to its package."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.cli.interrupt import loading


@click.command(
    "run",
    epilog="Example: edgewright run activity --set training.epochs=30 --out runs",
)
@click.argument("pipeline")
@click.option("--data", "data", metavar="PATH", help="File or folder to take rows from, instead of [data] path.")
@click.option(
    "--set", "changes", multiple=True, metavar="A.B=V", help="Change one key of the pipeline; may be repeated."
)
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Folder of runs.")
@click.option("--force", is_flag=True, help="Replace the run folder of that name instead of making the next number.")
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON instead of the trace.")
def command(pipeline: str, data: str | None, changes: tuple[str, ...], out: Path, force: bool, as_json: bool) -> None:
    """Run PIPELINE (activity, latency, scalability, another shipped name, or a TOML file).

    Prints the trace as it goes and leaves a run folder: trace.json, the fitted pipeline, model.onnx,
    model.int8.onnx and the package.
    """
    with loading():
        from edgewright.cli.listeners import run_and_show

    run_and_show(pipeline, data=data, changes=changes, out=out, force=force, as_json=as_json)
