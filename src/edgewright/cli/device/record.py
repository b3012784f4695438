"""`edgewright device record`: labelled recordings from any source, into a folder that `edgewright run` takes."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from edgewright.cli.options import listed
from edgewright.cli.output import print_json
from edgewright.schema.errors import CheckFailedError

if TYPE_CHECKING:
    from edgewright.device.recording import Recorder, SourceProbe, Take
    from edgewright.device.sources import Stream


@click.command(
    "record",
    epilog="Example: edgewright device record --source serial:/dev/ttyACM0 --label walking --person 7 --seconds 10",
)
@click.option("--source", required=True, metavar="KIND:PLACE", help="Source of the rows, as for `device run`.")
@click.option("--label", required=True, help="Activity or sound that is recorded.")
@click.option("--person", required=True, help="Person or machine; splits keep each one's recordings together.")
@click.option(
    "--seconds", type=click.FloatRange(0.0, 1e6, min_open=True), help="Duration; without it, record until Ctrl-C."
)
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=Path("recordings"), show_default=True,
    help="Folder of recordings.",
)  # fmt: skip
@click.option("--columns", default="", metavar="A,B,...", help="Channels, in order; all by default.")
@click.option(
    "--rate", type=click.FloatRange(0.0, 1e6, min_open=True), help="Rows a second, if the source does not say."
)
@click.option("--stream", default="", help="Stream to record, if the source has several.")
@click.option(
    "--count-down", "wait", type=click.IntRange(0, 60), help="Seconds before the recording begins; 3 on a terminal."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    source: str, label: str, person: str, seconds: float | None, out: Path, columns: str, rate: float | None,
    stream: str, wait: int | None, as_json: bool,
) -> None:  # fmt: skip
    """Record rows of a source under a label.

    The recording becomes the next LABEL_PERSON_NNN.csv of the folder. Its label and person go into labels.csv, and a
    first pipeline.toml is written if there is none. With --seconds, Ctrl-C discards the recording; without, Ctrl-C ends
    and keeps it. Exits with 1 if the check finds gaps, another rate or a channel that never changes; the recording is
    kept then too.
    """
    from edgewright.cli.device._live import Live, count_down
    from edgewright.device.recording import Recorder, probe_source, take
    from edgewright.device.sources import short_source

    wanted = listed(columns)
    opened = short_source(source, rate).open(wanted)
    recorder: Recorder | None = None
    try:
        heard = probe_source(opened, rate, stream_name=stream)
        recorder = Recorder(out, label=label, person=person, columns=heard.columns, rate=heard.rate)
        if getattr(opened, "live", True):
            click.echo(f"{', '.join(heard.columns)} at {heard.rate:g} Hz", err=True)
            count_down((3 if sys.stderr.isatty() else 0) if wait is None else wait, label)
            heard = _emptied(opened, heard)
        live = Live(heard.columns, heard.rate, seconds)
        # Without --seconds Ctrl-C is how a recording ends; with it, it goes on to whoever called, and nothing is kept.
        with suppress(*([KeyboardInterrupt] if seconds is None else [])):
            try:
                for packet in take(opened, recorder, heard, seconds=seconds, stream_name=stream):
                    live.show(packet, recorder.seconds)
            finally:
                live.clear()
        result = recorder.keep()
    finally:
        if recorder is not None:
            recorder.drop()
        opened.close()
    _tell(result, as_json)


def _emptied(stream: Stream, heard: SourceProbe) -> SourceProbe:
    """Leave out what came while the person got ready."""
    from edgewright.device.sources import read_unstored

    until = time.monotonic() + 1.0
    while read_unstored(stream, 0.0) and time.monotonic() < until:
        pass
    return msgspec.structs.replace(heard, packets=())


def _tell(result: Take, as_json: bool) -> None:

    if as_json:
        print_json(result)
    else:
        click.echo(f"{result.file}: {result.rows:,} rows, {result.seconds:.1f} s at {result.rate:.4g} Hz")
        for note in result.notes:
            click.echo(f"  corrected: {note}")
        for problem in result.problems:
            click.echo(f"  problem: {problem}")
        if not result.problems:
            click.echo("  no gaps, correct rate")
    if result.problems:
        raise CheckFailedError(
            f"{len(result.problems)} problem{'s' if len(result.problems) > 1 else ''} in {result.file}",
            "The file was kept: delete it and its line in labels.csv, or record again",
        )
