"""`edgewright run`: a pipeline, or a person's own data, to a package."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.interrupt import loading
from edgewright.cli.options import VERBOSE, command_line
from edgewright.cli.own_data import OwnDataOptions, echo_choices, make_proposal, racing_on
from edgewright.core.errors import EdgewrightError, InputError, OptionsConflictError

if TYPE_CHECKING:
    from edgewright.core.records.config import PipelineConfig
    from edgewright.race.fold_fits import Keeper
    from edgewright.workflows.own_data.proposal import Proposal

_LEADERS = "leaders.json"


@declare(example="activity --set training.epochs=30 --out runs", spreads=True)
def command(
    options: OwnDataOptions,
    pipeline: str = argument(),
    data: str | None = option(metavar="PATH", help="File or folder to read rows from, instead of [data] path."),
    changes: tuple[str, ...] = option(
        "--set", metavar="A.B=V", help="Change one key of the pipeline; may be repeated."
    ),
    out: Path = option(default=Path("runs"), help="Folder for runs."),
    force: bool = option(help="Replace the run folder instead of using the next free number."),
    resume: bool = option(help="Go on with the run of this name that was stopped while models raced or one trained."),
    explain: str = option(
        type=click.Choice(["ladder"]),
        default=None,
        metavar="ladder",
        help="Compare the models from simple to complex with the chosen one, and print what complexity gains.",
    ),
    verbose: bool = option(help=VERBOSE),
) -> Result:
    """Run PIPELINE (activity, latency, scalability, another shipped name, a TOML file, or a file of your own).

    Prints verdict, data flow, curve and insight in at most forty lines, and writes a run folder: trace.json, its page,
    the fitted pipeline, model.onnx, model.int8.onnx and the package. For a CSV, Parquet or WAV file or a folder of
    them, the pipeline is chosen as by `edgewright init`, and a first package stands within seconds, replaced while
    better ones come in. --target, --group, --session, --time, --ignore, --decision and --device say what you know of
    the data. --need is the share of right answers below which the verdict is 'not ready'.
    """
    with loading():
        from edgewright.cli.cluster import refuse_one_training
        from edgewright.cli.listeners import run_and_show
        from edgewright.cluster.mapping import is_spread
        from edgewright.pipeline.config import is_own_data, read_config, with_changes
        from edgewright.pipeline.run_folder.journal import Journalling, Listener, journalled
        from edgewright.race.explanation import ladder_blocks
        from edgewright.race.fold_fits import raced
    if not is_own_data(pipeline):
        given = [*options.given, *(["--explain"] if explain else [])]
        if given:
            raise OptionsConflictError("a file of your own", repr(pipeline), ", ".join(given),
                             "These options are for data; change a pipeline with --set")  # fmt: skip
        if options.need is not None:
            changes = (*changes, f"need={options.need}")
        if is_spread():
            refuse_one_training(with_changes(read_config(pipeline), changes))
        return run_and_show(pipeline, data=data, changes=changes, out=out, force=force, resume=resume, verbose=verbose)
    if data is not None:
        raise OptionsConflictError(
            "one file of data", f"{pipeline!r} and --data {data!r}", "edgewright run", "Leave out --data"
        )
    request = replace(options.request(pipeline), explain=bool(explain))
    journal = Journalling(out, None, command_line())
    going_on = resume and raced(out, request.pipeline)
    with racing_on(request, out, going_on) as kept, journalled(journal, Listener()):
        packages = _Packages(changes, out, force, kept, resume)
        proposal = make_proposal(request, packages.make, journal)
        echo_choices(proposal, whole=verbose)
        config = with_changes(proposal.config, changes)
        result = run_and_show(
            pipeline, config=config, command=command_line(verbose=False), data=None, dataset=proposal.read_by(config),
            changes=(), out=out, force=force, race=proposal.race, replaces=packages.folder(config),
            resume=packages.trained(config), verbose=verbose, journal=journal,
        )  # fmt: skip
    return replace(result, text=ladder_blocks(proposal.race)) if explain and proposal.race is not None else result


class _Leaders(msgspec.Struct, frozen=True):
    """What `_Packages` keeps: hashes of the pipelines that ran, and the name of the folder."""

    pipelines: tuple[str, ...] = ()
    folder: str = ""


@dataclass
class _Packages:
    """Runs of pipelines that lead a race while it goes on: each takes the place of the one before.

    Attributes:
        changes, out, force: of the command.
        kept: what a stopped race keeps.
        resume: whether the command goes on with a stopped one.
    """

    changes: tuple[str, ...]
    out: Path
    force: bool
    kept: Keeper
    resume: bool

    def folder(self, config: PipelineConfig) -> Path | None:
        """Return the folder of the last run; None before the first, and where a run of no race or other data is there.

        Args:
            config: of a pipeline that races.
        """
        from edgewright.pipeline.run_folder.store import data_path
        from edgewright.trace.page_model import read_trace

        folder = self.out / self._leaders.folder
        try:
            trace = read_trace(folder / "trace.json")
        except InputError:
            return None
        same = trace.race is not None and trace.provenance.data_path == data_path(config.data, None)
        return folder if self._leaders.folder and same else None

    @property
    def _leaders(self) -> _Leaders:
        try:
            return msgspec.json.decode((self.kept.folder / _LEADERS).read_bytes(), type=_Leaders)
        except (OSError, msgspec.MsgspecError):
            return _Leaders()

    def trained(self, config: PipelineConfig) -> bool:
        """Return whether a run of the pipeline was stopped and is to go on."""
        from edgewright.pipeline.config import config_hash
        from edgewright.pipeline.run_folder.store import goes_on

        return self.resume and not self.kept.anew and goes_on(self.out, config.name, config_hash(config))

    def make(self, proposal: Proposal) -> str:
        """Run a pipeline that leads, and return a line that says so; empty where no package came of it."""
        from edgewright.cli.listeners import Quiet
        from edgewright.core.files import write_atomic
        from edgewright.pipeline.config import config_hash, with_changes
        from edgewright.pipeline.run import run_pipeline

        config = with_changes(proposal.config, self.changes)
        before = self.folder(config)
        if before and config_hash(config) in self._leaders.pipelines:
            return ""
        try:
            result = run_pipeline(
                config, dataset=proposal.read_by(config), out=self.out, force=self.force, listener=Quiet(),
                command=command_line(verbose=False), race=proposal.race, replaces=before, resume=self.trained(config),
                leads=True,
            )  # fmt: skip
        except EdgewrightError:  # the winner may be another, and if not, its own run says it
            return ""
        leaders = _Leaders((*self._leaders.pipelines, config_hash(config)), result.folder.name)
        write_atomic(self.kept.folder / _LEADERS, msgspec.json.encode(leaders))
        if result.package is None:
            return ""
        why = proposal.why["model"].partition(":")[0]
        line = f"{'better' if before else 'first'} package: {click.format_filename(result.package)} ({why})"
        return f"{line}. The race goes on; Ctrl-C takes its best so far"
