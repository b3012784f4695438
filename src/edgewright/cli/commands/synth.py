"""Generate synthetic signals, sentences and speech, and measure their utility.

They are always marked, and no model is tested on them.
"""

from __future__ import annotations

import csv
import io
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.interrupt import loading
from edgewright.cli.options import FILE, Columns, refuse_existing, settings_of
from edgewright.cli.text import wrote
from edgewright.core.formatting import plural
from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    from edgewright.schema.data import DataSet

EXAMPLE = "utility a.csv --target label --group person --time t --method jitter --window 9"


@dataclass(frozen=True, kw_only=True)
class MethodOptions(Columns):
    """Options of commands that change recordings."""

    data: str = argument()
    method: str = option(required=True, help="Method, such as rotation, noise or time_warp; an unknown name lists all.")
    settings: tuple[str, ...] = option(
        "--set", metavar="KEY=VALUE", help="Setting of the method, such as degrees=30; may be repeated."
    )
    copies: int = option(type=click.IntRange(1, 100), default=1, help="Copies of each recording.")
    seed: int = option(type=click.IntRange(0), default=0, help="Random seed.")

    def read(self) -> DataSet:
        """Read the data set.

        Raises:
            InputError: the data cannot be read.
        """
        from edgewright.data.load import load_data
        from edgewright.data.table_proposal import propose_table

        named = self.table()
        kind = str(named.pop("kind", ""))
        proposed = propose_table(self.data, named, kind)
        if proposed.sentence:
            click.echo(proposed.sentence, err=True)
        return load_data(proposed.table, seed=0, where="synth")


@dataclass(frozen=True, kw_only=True)
class SignalOptions(MethodOptions):
    """Options of the command."""

    window: int = option(type=click.IntRange(0), default=0, help="Rows in a window, for `generate`.")
    out: Path = option(required=True, type=FILE, help="FILE.parquet or FILE.csv.")
    measured: bool = option(help="Also write the measured rows, before the synthetic ones.")
    force: bool = option(help="Replace the file.")


@declare(
    example="walk.csv --target activity --group person --time t --method rotation --set degrees=30 --out turned.parquet"
)
def signals(options: SignalOptions) -> Result:
    """Generate synthetic signals from DATA (a file, or a folder with --kind of a public set).

    Sessions of synthetic rows begin with `synthetic/`: set `session` to that column in [data] when a pipeline reads
    them. A split then never tests on them, and trains only on those derived from training people.
    """
    out, method = options.out, options.method
    refuse_existing(out, options.force)
    with loading():
        from edgewright.data.table_file import check_table_file, write_table_file
        from edgewright.language.synthesis.recordings import synthetic, with_session

    check_table_file(out)
    whole = options.read()
    synthetic_data = synthetic(
        whole, method, settings_of(options.settings), copies=options.copies, seed=options.seed, window=options.window
    )
    every = synthetic_data.recordings
    if options.measured:
        # In a table of both kinds every row names its session.
        every = tuple(with_session(recording) for recording in (*whole.recordings, *every))
    write_table_file(msgspec.structs.replace(synthetic_data, recordings=every), out)
    rows, count = sum(len(recording.values) for recording in synthetic_data.recordings), len(synthetic_data.recordings)
    record = {
        "file": str(out), "method": method, "recordings": count, "rows": rows, "origin": synthetic_data.origin
    }  # fmt: skip
    ways = f"{plural(count, 'recording')} by {method}"
    return Result(
        record,
        [
            f"Simulated: {rows:,} synthetic rows in {ways}; sessions begin with synthetic/", wrote(out),
            f"[data]  {_reading(synthetic_data)}",
        ],
        compact=True,
    )  # fmt: skip


def _reading(data: DataSet) -> str:
    """Return what a pipeline's [data] says to read the file as what it is."""
    recording = data.recordings[0]
    parts = {
        "target": data.target_name or "target" if recording.target is not None else "",
        "group": data.group_name or "group" if recording.groups is not None else "",
        "session": "session",
        "time": "time" if recording.time is not None else "",
    }
    named = "; ".join(f'{key} = "{name}"' for key, name in parts.items() if name)
    return f'{named}; ignore = ["recording"]'


_FOLDER = click.Path(path_type=Path, file_okay=False)


@declare(example="stop go --voice en-us --copies 5 --out prompts")
def speech(
    *,
    words: tuple[str, ...] = argument(nargs=-1, required=True),
    out: Path = option(required=True, type=_FOLDER, help="A new folder."),
    voices: tuple[str, ...] = option(
        "--voice", help="Voice of espeak-ng; may be repeated. [default: eight English voices]"
    ),
    copies: int = option(type=click.IntRange(1, 1000), default=3, help="Copies of each word in each voice."),
    speakers: int | None = option(
        type=click.IntRange(1), help="Draw so many speakers: a voice with a variant of espeak-ng each."
    ),
    rate: int | None = option(
        type=click.IntRange(4000, 192_000), help="Hz of the files.  [default: that of espeak-ng]"
    ),
    recorded: bool = option(help="Record each prompt with another microphone and noise, half of them in a room."),
    seed: int = option(type=click.IntRange(0), default=0, help="Seed of the random number generators."),
) -> Result:
    """Synthesise WORDS in several voices, at random speeds and pitches, as WAV files.

    `labels.csv` in the folder has the word, the voice and, as the session, the mark that the file is synthetic.
    """
    from edgewright.language.synthesis.speech import VOICES, speak

    if out.exists():
        raise InputError("a new folder", "an existing one", str(out))
    if not out.parent.is_dir():
        raise InputError("a folder in an existing one", "no such folder", str(out.parent))
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        recordings = speak(
            list(words),
            voices or VOICES,
            copies,
            seed,
            folder,
            speakers=speakers or 0,
            rate=rate or 0,
            recorded=recorded,
        )
        table = io.StringIO(newline="")
        writer = csv.writer(table)
        writer.writerow(("file", "label", "group", "session"))
        for recording in recordings.recordings:
            groups = "" if recording.groups is None else str(recording.groups[0])
            label = str(recording.target[0])
            writer.writerow((recording.name.rpartition("/")[2] + ".wav", label, groups, recording.name))
        (folder / "labels.csv").write_text(table.getvalue(), encoding="utf-8")
        folder.chmod(0o755)
        folder.rename(out)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    record = {"folder": str(out), "files": len(recordings.recordings), "rate": recordings.rate}
    wrote = f"Simulated: wrote {len(recordings.recordings)} synthetic prompts to {out}"
    return Result(record, [wrote], compact=True)


@declare(example="grammar.toml --count 200 --out more.csv")
def utterances(
    *,
    grammar: Path = argument(),
    out: Path = option(required=True, type=FILE, help="FILE.csv"),
    count: int = option(type=click.IntRange(1, 100_000), default=100, help="Sentences per intent."),
    seed: int = option(type=click.IntRange(0), default=0, help="Random seed."),
    force: bool = option(help="Replace the file."),
) -> Result:
    """Generate sentences from the templates, rules and paraphrases of GRAMMAR, with marked slots.

    The column `provenance` has `synthetic/grammar` for every sentence.
    """
    from edgewright.core.files import write_atomic
    from edgewright.language.synthesis.grammar import METHOD, read_grammar, sentences

    refuse_existing(out, force)
    if out.suffix != ".csv":
        raise InputError("a name that ends in .csv", out.name, "--out")
    utterances, findings = sentences(read_grammar(grammar), count, seed, grammar.name)
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    writer.writerow(("text", "intent", "provenance"))
    for utterance in utterances:
        text, last, parts = utterance.text, 0, []
        for slot in utterance.slots:
            parts += [text[last : slot.begin], f"[{slot.text}]({slot.name})"]
            last = slot.end
        writer.writerow(("".join([*parts, text[last:]]), utterance.intent, METHOD))
    write_atomic(out, table.getvalue().encode())
    record = {"file": str(out), "sentences": len(utterances), "findings": findings}
    wrote = f"Simulated: wrote {len(utterances):,} synthetic sentences to {out}"
    return Result(record, [wrote, *(f"note: {finding}" for finding in findings)], compact=True)


@dataclass(frozen=True, kw_only=True)
class UtilityOptions(MethodOptions):
    """Options of the command."""

    window: int = option(type=click.IntRange(8), required=True, help="Rows in a window.")
    every: int = option(type=click.IntRange(1), default=1, help="Take every n-th window.")
    people: int = option(type=click.IntRange(0), default=0, help="Training people in each fold; 0 uses all others.")
    folds: int = option(type=click.IntRange(2, 100), default=5, help="Number of folds of people.")


@declare(example="a.csv --target label --group person --time t --method jitter --window 9")
def utility(options: UtilityOptions) -> Result:
    """Train with and without synthetic windows of DATA and test both on real, held-out people.

    The interval resamples whole people. The exit code does not depend on the result.
    """
    with loading():
        from edgewright.language.synthesis.utility_test import measure_utility, windows_of

    people, method = options.people, options.method
    utility = measure_utility(
        windows_of(options.read(), options.window, options.every), method, settings_of(options.settings),
        copies=options.copies, people=people, folds=options.folds, seed=options.seed,
    )  # fmt: skip
    trained = f"{people} people" if people else "all others"
    real = f"{utility.windows:,} real windows of {utility.people} people"
    lines = [f"Simulated copies added to {real}, {utility.folds} folds, trained on {trained}"]
    for name, figure in (("without", utility.without), (f"with {method}", utility.with_synthetic)):
        interval = f"{100 * figure.low:.1f} to {100 * figure.high:.1f}"
        lines.append(f"  {name:<16} {100 * figure.value:5.1f} % right ({interval})")
    gain = utility.gain
    clear = "a gain" if gain.low > 0 else "does harm" if gain.high < 0 else "not significant"
    interval = f"{100 * gain.low:+.1f} to {100 * gain.high:+.1f}"
    return Result(utility, [*lines, f"  {'difference':<16} {100 * gain.value:+5.1f} points ({interval}): {clear}"])
