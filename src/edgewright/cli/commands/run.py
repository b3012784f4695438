"""`edgewright run`: a pipeline, or a person's own data, to a package."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgewright.cli.interrupt import loading
from edgewright.cli.options import argument, command_line, declare, option
from edgewright.cli.own_data import OwnDataOptions, echo_choices, make_proposal
from edgewright.schema.errors import EdgewrightError, InputError

if TYPE_CHECKING:
    from edgewright.workflows.own_data.proposal import Proposal


@declare("run", epilog="Example: edgewright run activity --set training.epochs=30 --out runs")
def command(
    options: OwnDataOptions,
    pipeline: str = argument(),
    data: str | None = option(metavar="PATH", help="File or folder to read rows from, instead of [data] path."),
    changes: tuple[str, ...] = option(
        "--set", metavar="A.B=V", help="Change one key of the pipeline; may be repeated."
    ),
    out: Path = option(default=Path("runs"), help="Folder for runs."),
    force: bool = option(help="Replace the run folder instead of using the next free number."),
    resume: bool = option(help="Go on with the run of this pipeline that was stopped while it trained."),
    as_json: bool = option("--json", help="Print the record as JSON instead of the trace."),
) -> None:
    """Run PIPELINE (activity, latency, scalability, another shipped name, a TOML file, or a file of your own).

    Prints the trace while it runs and writes a run folder: trace.json, the fitted pipeline, model.onnx, model.int8.onnx
    and the package. For a CSV, Parquet or WAV file or a folder of them, the pipeline is chosen as by `edgewright init`,
    and a first package stands within seconds, replaced while better ones come in. --target, --group, --session, --time,
    --ignore, --decision and --device say what you know of the data. --need is the share of right answers below which
    the verdict is 'not ready'.
    """
    with loading():
        from edgewright.cli.listeners import run_and_show
        from edgewright.pipeline.config import with_changes
        from edgewright.workflows.own_data.files import is_own_data

    if not is_own_data(pipeline):
        if options.given:
            raise InputError("a file of your own", repr(pipeline), ", ".join(options.given),
                             "These options are for data; change a pipeline with --set")  # fmt: skip
        if options.need is not None:
            changes = (*changes, f"need={options.need}")
        run_and_show(pipeline, data=data, changes=changes, out=out, force=force, as_json=as_json, resume=resume)
        return
    if resume:
        raise InputError("a pipeline", "a file of data, whose models race again", "--resume",
                         "Ctrl-C takes the best so far. A pipeline that init makes goes on")  # fmt: skip
    if data is not None:
        raise InputError("one file of data", f"{pipeline!r} and --data {data!r}", "edgewright run", "Leave out --data")
    packages = _Packages(changes, out, force)
    proposal = make_proposal(options.request(pipeline), packages.make)
    echo_choices(proposal)
    config = with_changes(proposal.config, changes)
    run_and_show(
        pipeline, config=config, command=command_line(), data=None, changes=(), out=out, force=force, as_json=as_json,
        race=proposal.race, replaces=packages.folder,
    )  # fmt: skip


@dataclass
class _Packages:
    """Runs of pipelines that lead a race while it goes on: each takes the place of the one before.

    Attributes:
        changes, out, force: of the command.
        folder: of the last one; None before the first.
    """

    changes: tuple[str, ...]
    out: Path
    force: bool
    folder: Path | None = None

    def make(self, proposal: Proposal) -> str:
        """Run a pipeline that leads, and return a line that says so; empty where no package came of it."""
        from edgewright.cli.listeners import Quiet
        from edgewright.pipeline.config import with_changes
        from edgewright.pipeline.run import run_pipeline

        config = with_changes(proposal.config, self.changes)
        try:
            result = run_pipeline(
                config, out=self.out, force=self.force, listener=Quiet(), command=command_line(), race=proposal.race,
                replaces=self.folder,
            )  # fmt: skip
        except EdgewrightError:  # the winner may be another, and if not, its own run says it
            return ""
        first, self.folder = self.folder is None, result.folder
        if result.package is None:
            return ""
        why = proposal.why["model"].partition(":")[0]
        line = f"{'first' if first else 'better'} package: {click.format_filename(result.package)} ({why})"
        return f"{line}. The race goes on; Ctrl-C takes its best so far"
