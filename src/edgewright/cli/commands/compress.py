"""`edgewright compress`: smaller forms of a run's network side by side, and the one that is worth it packaged."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

    from edgewright.schema.compress import CompressRecord
    from edgewright.workflows.compression.options import Wanted


@click.command(
    "compress",
    epilog="Example: edgewright compress runs/activity --int8 --qat --prune structured:0.5 --max-drop 0.5%",
)
@click.argument("source", metavar="RUN|MODEL.onnx", type=click.Path(path_type=Path))
@click.option("--data", metavar="PATH", help="File or folder of samples; a run knows its own.")
@click.option("--target", default="", help="Column that is predicted; of a model from elsewhere.")
@click.option("--group", default="", help="Column with the person or machine; of a model from elsewhere.")
@click.option("--int8", is_flag=True, help="Int8 after training, calibrated on training samples.")
@click.option("--qat", is_flag=True, help="Int8 whose network is trained further with its rounding.")
@click.option(
    "--prune",
    multiple=True,
    metavar="KIND:SHARE",
    help="structured:0.5 leaves out units until half the multiply-accumulates are gone; magnitude:0.8 sets 80 % of "
    "the weights to zero, which saves compressed bytes only. May be repeated.",
)
@click.option(
    "--distil", default="", metavar="TEACHER", help="Learn from a larger run, a package or any ONNX model as well."
)
@click.option(
    "--max-drop", metavar="0.5%", help="Largest loss of accuracy; the run's compression.max_drop if left out."
)
@click.option("--device", default="", metavar="PROFILE", help="Budget to hold; the run's own device if left out.")
@click.option(
    "--keep",
    default="",
    metavar="FORM",
    help="Package this form of the table instead of the smallest within the limit.",
)
@click.option("--epochs", type=click.IntRange(min=1), help="Passes of training a form; those of the run if left out.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write. [default: runs/NAME-compressed]")
@click.option("--force", is_flag=True, help="Replace that folder instead of making the next number.")
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON instead of the table.")
def command(
    source: Path,
    data: str | None,
    target: str,
    group: str,
    out: Path | None,
    force: bool,
    as_json: bool,
    **options: Any,  # noqa: ANN401 - click's options
) -> None:
    """Make smaller forms of RUN (a run folder) or of MODEL.onnx, and compare them.

    Every network that is asked for (the run's own, pruned, distilled) is shown as float, and as int8 where --int8 or
    --qat is given. A form is chosen on the validation samples: the smallest file within --max-drop, or the one that
    --keep names. All are then judged once on the test samples. The folder holds every form, compress.json, and the
    package of the chosen form. Exit code 1 where it loses more than --max-drop or does not fit the device.

    A model from elsewhere needs --data and --target, and takes --int8 only.
    """
    from edgewright.cli.interrupt import loading

    with loading():
        import msgspec

        from edgewright.cli.show import Quiet, Shown, Terminal
        from edgewright.schema.errors import CheckFailedError
        from edgewright.workflows.compression.workflow import compress

    wanted = _wanted(**options)
    console = Terminal()
    name = source.resolve().name.removesuffix(".onnx")
    done = compress(
        source,
        wanted,
        out=out or Path("runs") / f"{name}-compressed",
        data=data,
        target=target,
        group=group,
        force=force,
        listener=Quiet() if as_json else Shown(console),
    )
    if as_json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(done.record), indent=1) + b"\n")
        sys.stdout.buffer.flush()
    else:
        _print(console, done.record, done.folder)
    if done.record.refused:
        raise CheckFailedError(done.record.refused, do=f"See {click.format_filename(done.folder)}")


def _wanted(*, prune: tuple[str, ...], max_drop: str | None, **rest: Any) -> Wanted:  # noqa: ANN401 - click's options
    """What the options ask for.

    Raises:
        InputError: a pruning or a loss that cannot be read.
    """
    from edgewright.workflows.compression.options import Wanted, read_drop, read_pruning

    return Wanted(
        prune=tuple(dict.fromkeys(read_pruning(text) for text in prune)),
        max_drop=None if max_drop is None else read_drop(max_drop),
        **rest,
    )


def _print(console: Console, record: CompressRecord, folder: Path) -> None:
    """The table, what was chosen, and what a reader must know."""
    from edgewright.trace.compress_view import compress_parts
    from edgewright.trace.page import page_of, print_parts

    page = page_of(console)
    print_parts(compress_parts(record, page), console, page)
    click.echo(f"{click.format_filename(folder)}: every form, compress.json" + ("" if record.refused else ", package"))


COMMAND = command
