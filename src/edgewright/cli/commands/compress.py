"""`edgewright compress`: smaller forms of a run's network side by side, and the one that is worth it packaged."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.interrupt import loading

if TYPE_CHECKING:
    from edgewright.workflows.compression.subject import Wanted


@dataclass(frozen=True, kw_only=True)
class CompressOptions:
    """Options of the command."""

    source: Path = argument(metavar="RUN|MODEL.onnx")
    data: str | None = option(metavar="PATH", help="File or folder of samples; a run already knows its data.")
    target: str = option(help="Column to predict, for an imported model.")
    group: str = option(help="Column with the person or machine, for an imported model.")
    int8: bool = option(help="Quantise after training, calibrated on training samples.")
    qat: bool = option(help="Quantise with further training that simulates int8 rounding.")
    prune: tuple[str, ...] = option(
        metavar="KIND:SHARE",
        help=(
            "structured:0.5 removes units until half the multiply-accumulates are gone; magnitude:0.8 sets 80 % of the "
            "weights to zero, which only makes the compressed file smaller. May be repeated."
        ),
    )
    distil: str = option(metavar="TEACHER", help="Also learn from a larger run, a package or any ONNX model.")
    max_drop: str | None = option(
        metavar="0.5%", help="Largest acceptable loss of accuracy; compression.max_drop of the run by default."
    )
    device: str = option(metavar="PROFILE", help="Device whose budget applies; the run's own device by default.")
    keep: str = option(metavar="FORM", help="Package this form instead of the smallest within the limit.")
    epochs: int | None = option(type=click.IntRange(min=1), help="Epochs to train a form; those of the run by default.")
    out: Path | None = option(help="Folder to write. [default: runs/NAME-compressed]")
    force: bool = option(help="Replace the folder instead of using the next free number.")
    resume: bool = option(help="Go on with the compression that was stopped while it trained.")


@declare(example="runs/activity --int8 --qat --prune structured:0.5 --max-drop 0.5%")
def command(options: CompressOptions) -> Result:
    """Make smaller forms of RUN (a run folder) or of MODEL.onnx and compare them.

    The network of the run and each one that you ask for (pruned, distilled) is measured as float and, with --int8 or
    --qat, as int8. The validation samples choose the form: the smallest file within --max-drop, or the one that --keep
    names. The test samples then evaluate all forms once. The folder holds every form, compress.json, and the package of
    the chosen form. Exits with 1 if the chosen form loses more than --max-drop or does not fit the device.

    An imported model needs --data and --target, and supports --int8 only.
    """
    with loading():
        from edgewright.cli.listeners import refusal, says_what_is_kept, shown
        from edgewright.trace.views.reports import compress_blocks
        from edgewright.workflows.compression.workflow import compress

    name = options.source.resolve().name.removesuffix(".onnx")
    out = options.out or Path("runs") / f"{name}-compressed"
    with says_what_is_kept(out.parent, out.name):
        done = compress(
            options.source, _wanted(options), out=out, data=options.data, target=options.target, group=options.group,
            force=options.force, resume=options.resume, listener=shown(),
        )  # fmt: skip
    package = "" if done.record.refused else ", package"
    files = f"{click.format_filename(done.folder)}: every form, compress.json{package}"
    text = [*compress_blocks(done.record), files]
    return Result(done.record, text, failure=refusal(done.record.refused, done.folder))


def _wanted(options: CompressOptions) -> Wanted:
    """Return the forms that the options ask for.

    Raises:
        InputError: a pruning or a loss that cannot be read.
    """
    from edgewright.workflows.compression.subject import Wanted, read_drop, read_pruning

    same = ("int8", "qat", "distil", "device", "keep", "epochs")
    return Wanted(
        prune=tuple(dict.fromkeys(read_pruning(text) for text in options.prune)),
        max_drop=None if options.max_drop is None else read_drop(options.max_drop),
        **{name: getattr(options, name) for name in same},
    )
