"""Generate synthetic signals, pictures, sentences and speech where they help on real people left out.

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
from edgewright.cli.options import FILE, Columns, listed, refuse_existing, settings_of
from edgewright.cli.text import wrote
from edgewright.core.formatting import plural
from edgewright.schema.errors import CHECK_SAID_NO, InputError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgewright.language.synthesis.judgement import Learner, Measured, Utility
    from edgewright.language.synthesis.learners import Makes
    from edgewright.schema.data import DataSet
    from edgewright.schema.language import Utterance

EXAMPLE = "utility a.csv --target label --group person --time t --method jitter --window 9"


_WINDOW_S, _FEWEST_ROWS = 2.0, 16


@dataclass(frozen=True, kw_only=True)
class JudgeOptions(Columns):
    """Options of commands that judge synthetic data on real groups left out."""

    folds: int = option(type=click.IntRange(2, 100), default=5, help="Parts of the groups; each is tested on once.")
    people: int = option(type=click.IntRange(0), default=0, help="Training groups in each fold; 0 uses all others.")
    hold_out: str = option(metavar="A,B", help="Groups of your test part; they neither judge nor train.")
    every: int = option(type=click.IntRange(1), default=1, help="Judge on every n-th sample.")
    copies: tuple[int, ...] = option(
        type=click.IntRange(1, 100), help="Copies; up to three amounts are compared, the best is written.  [default: 1]"
    )
    seed: int = option(type=click.IntRange(0), default=0, help="Random seed.")

    def load(self, path: str, **named: object) -> DataSet:
        """Read a data set.

        Raises:
            InputError: the data cannot be read.
        """
        from edgewright.data.load import load_data
        from edgewright.data.table_proposal import propose_table

        columns = {**self.table(), **{key: value for key, value in named.items() if value}}
        kind = str(columns.pop("kind", ""))
        proposed = propose_table(path, columns, kind)
        if proposed.sentence:
            click.echo(proposed.sentence, err=True)
        return load_data(proposed.table, seed=0, where="synth")

    def judge(self, real: Measured, makes: Makes, learner: Learner, method: str, settings: dict[str, object],
              amounts: tuple[int, ...] = ()) -> Utility:  # fmt: skip
        """Measure the gain on real samples; arguments as of `judgement.judge`."""
        from edgewright.language.synthesis.judgement import judge

        return judge(
            real, method, settings, makes, learner, amounts=amounts or self.copies or (1,), people=self.people,
            folds=self.folds, seed=self.seed,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class MethodOptions(JudgeOptions):
    """Options of commands that change recordings or pictures."""

    data: str = argument()
    method: str = option(required=True, help="Method, such as rotation, noise or time_warp; an unknown name lists all.")
    settings: tuple[str, ...] = option(
        "--set", metavar="KEY=VALUE", help="Setting of the method, such as degrees=30; may be repeated."
    )


@dataclass(frozen=True, kw_only=True)
class WindowOptions(MethodOptions):
    """Options of commands that change recordings."""

    window: int | None = option(
        type=click.IntRange(8), help="Rows in a window.  [default: those of two seconds at most]"
    )

    def rows(self, whole: DataSet) -> int:
        """Return the rows of a window: of two seconds, or of the median stretch of one label if that is shorter."""
        from edgewright.language.synthesis.recordings import stretches

        lengths = sorted(end - begin for recording in whole.recordings for begin, end in stretches(recording))
        usual = lengths[len(lengths) // 2]
        return self.window or max(_FEWEST_ROWS, min(usual, round(_WINDOW_S * (whole.rate or 0))))

    def measure(self, whole: DataSet) -> Utility:
        """Judge the method on windows of the data."""
        from edgewright.language.synthesis.learners import answer_windows, measured_windows, signal_copies, windows_of

        samples = windows_of(whole, self.rows(whole), self.every)
        real = measured_windows(samples).without(listed(self.hold_out))
        settings, rate = settings_of(self.settings), float(samples.rate or 0)
        names = [column.name for column in samples.columns]
        makes = signal_copies(real, self.method, settings, rate, names, self.seed)
        return self.judge(real, makes, answer_windows(rate), self.method, settings)


@dataclass(frozen=True, kw_only=True)
class SignalOptions(WindowOptions):
    """Options of the command."""

    out: Path = option(required=True, type=FILE, help="FILE.parquet or FILE.csv.")
    measured: bool = option(help="Also write the measured rows, before the synthetic ones.")
    force: bool = option(help="Replace the file, and write data that did not help.")


def _refused(utility: Utility) -> Result:
    """Return the result of a judgement that nothing is written by."""
    from edgewright.language.synthesis.judgement import Judgement, verdict

    lines = [*verdict(utility), "nothing was written; --force writes it, and records that it did not help"]
    return Result({"file": None, "judgement": Judgement.of(utility)}, lines, code=CHECK_SAID_NO, compact=True)


def _verdict(utility: Utility | None, reason: str = "") -> list[str]:
    """Return the lines of a judgement whose data are written; without one, the reason."""
    from edgewright.language.synthesis.judgement import verdict

    if utility is None:
        return [f"not judged: {reason}"]
    return [*verdict(utility), *([] if utility.helps else ["written by --force, which the record beside it says"])]


def _refuse_hold_out(hold_out: str, real: str | Path | None) -> None:
    if hold_out and not real:
        raise InputError("--hold-out with --real", "--hold-out alone", "synth",
                         "Nothing is made of real data; --real names what judges")  # fmt: skip


def _measured(measure: Callable[[], Utility], force: bool) -> tuple[Utility | None, str]:
    """Return what was measured; by force None, and why the data cannot judge.

    Raises:
        InputError: the data cannot judge, without force.
    """
    try:
        return measure(), ""
    except UnknownNameError:
        raise
    except InputError as error:
        if not force:
            raise
        return None, str(error)


@declare(
    example="walk.csv --target activity --group person --time t --method rotation --set degrees=30 --out turned.parquet"
)
def signals(options: SignalOptions) -> Result:
    """Generate synthetic signals from DATA (a file, or a folder with --kind of a public set) where they help.

    The same model is trained with and without them and tested on real people left out. Unless the whole interval of
    the gain lies above zero, nothing is written and the exit code is 1; --force writes it. FILE.judgement.json has the
    measurement. Sessions of synthetic rows begin with `synthetic/`: set `session` to that column in [data] when a
    pipeline reads them. A split then never tests on them, and trains only on those derived from training people.
    """
    out, method = options.out, options.method
    refuse_existing(out, options.force)
    with loading():
        from edgewright.data.table_file import check_table_file, write_table_file
        from edgewright.language.synthesis.judgement import Judgement
        from edgewright.language.synthesis.recordings import of_others, synthetic, with_session

    check_table_file(out)
    whole = options.load(options.data)
    utility, reason = _measured(lambda: options.measure(whole), options.force)
    if utility is not None and not utility.helps and not options.force:
        return _refused(utility)
    copies = utility.amount if utility is not None else max(options.copies, default=1)
    sources = of_others(whole, listed(options.hold_out))
    synthetic_data = synthetic(
        sources, method, settings_of(options.settings), copies=copies, seed=options.seed, window=options.rows(whole)
    )
    every = synthetic_data.recordings
    if options.measured:
        # In a table of both kinds every row names its session.
        every = tuple(with_session(recording) for recording in (*whole.recordings, *every))
    judgement = Judgement.of(utility, forced=options.force)
    write_table_file(msgspec.structs.replace(synthetic_data, recordings=every), out)
    judgement.write(out)
    rows, count = sum(len(recording.values) for recording in synthetic_data.recordings), len(synthetic_data.recordings)
    record = {
        "file": str(out), "method": method, "recordings": count, "rows": rows, "origin": synthetic_data.origin,
        "judgement": judgement,
    }  # fmt: skip
    ways = f"{plural(count, 'recording')} by {method}"
    return Result(
        record,
        [
            f"Simulated: {rows:,} synthetic rows in {ways}; sessions begin with synthetic/",
            *_verdict(utility, reason), wrote(out),
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
_COPIES = 3
_UNJUDGED = "--real names what people said, and measures the gain on people left out"


@dataclass(frozen=True, kw_only=True)
class SpeechOptions(JudgeOptions):
    """Options of the command."""

    words: tuple[str, ...] = argument(nargs=-1, required=True)
    out: Path = option(required=True, type=_FOLDER, help="A new folder.")
    real: str = option(metavar="DATA", help="Recordings of people who say these words: they judge the gain.")
    pattern: str = option(help="Parts of WAV names of DATA: {label}_{speaker}_{index}.")
    voices: tuple[str, ...] = option(
        "--voice", help="Voice of espeak-ng; may be repeated. [default: eight English voices]"
    )
    copies: tuple[int, ...] = option(
        type=click.IntRange(1, 1000),
        help="Copies of each word in each voice; with --real up to three amounts are compared.  [default: 3]",
    )
    speakers: int | None = option(
        type=click.IntRange(1), help="Draw so many speakers: a voice with a variant of espeak-ng each."
    )
    rate: int | None = option(
        type=click.IntRange(4000, 192_000), help="Hz of the files.  [default: that of DATA, else of espeak-ng]"
    )
    recorded: bool = option(help="Record each prompt with another microphone and noise, half of them in a room.")
    force: bool = option(help="Write prompts that did not help.")

    def measure(self, whole: DataSet, spoken: DataSet) -> Utility:
        """Judge spoken words on windows of a second of what people said."""
        from edgewright.language.synthesis.learners import answer_windows, measured_windows, spoken_chunks, windows_of

        unknown = sorted(set(self.words) - {str(label) for r in whole.recordings for label in set(map(str, r.target))})
        if unknown:
            raise InputError("words that --real has as labels", repr(unknown[0]), "synth speech")
        rate = float(whole.rate or 0)
        samples = windows_of(whole, round(rate), self.every)
        real = measured_windows(samples, "speaker").without(listed(self.hold_out))
        amounts = self.copies or (_COPIES,)
        chunks = spoken_chunks(spoken, round(rate), max(amounts))
        return self.judge(real, lambda rows, amount: chunks[:amount], answer_windows(rate), "speech", {}, amounts)


@declare(example="stop go --real recordings --pattern {label}_{speaker}_{index} --copies 5 --out prompts")
def speech(options: SpeechOptions) -> Result:
    """Synthesise WORDS in several voices, at random speeds and pitches, as WAV files.

    With --real, a model is trained with and without them and tested on real speakers left out; unless the whole
    interval of the gain lies above zero, nothing is written and the exit code is 1. OUT.judgement.json has the
    measurement. `labels.csv` in the folder has the word, the voice and, as the session, the mark that the file is
    synthetic.
    """
    from edgewright.language.synthesis.judgement import Judgement
    from edgewright.language.synthesis.speech import VOICES, speak

    out, utility = options.out, None
    if out.exists():
        raise InputError("a new folder", "an existing one", str(out))
    if not out.parent.is_dir():
        raise InputError("a folder in an existing one", "no such folder", str(out.parent))
    _refuse_hold_out(options.hold_out, options.real)
    if len(options.copies) > 1 and not options.real:
        raise InputError("one number of copies, or --real to choose by", str(len(options.copies)), "--copies")
    whole = options.load(options.real, pattern=options.pattern) if options.real else None
    rate = options.rate or (round(whole.rate or 0) if whole is not None else 0)
    if whole is not None and whole.rate != rate:
        raise InputError(f"the rate of the recordings, {whole.rate or 0:g} Hz", f"{rate} Hz", "--rate")
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        recordings = speak(
            list(options.words),
            options.voices or VOICES,
            max(options.copies or (_COPIES,)),
            options.seed,
            folder,
            speakers=options.speakers or 0,
            rate=rate,
            recorded=options.recorded,
        )
        kept = recordings.recordings
        if whole is not None:
            utility = options.measure(whole, recordings)
            if not utility.helps and not options.force:
                shutil.rmtree(folder)
                return _refused(utility)
            kept = tuple(r for r in kept if int(r.name.split("/")[2]) <= utility.amount)
        table = io.StringIO(newline="")
        writer = csv.writer(table)
        writer.writerow(("file", "label", "group", "session"))
        files = set()
        for recording in kept:
            groups = "" if recording.groups is None else str(recording.groups[0])
            files.add(recording.name.rpartition("/")[2] + ".wav")
            writer.writerow((recording.name.rpartition("/")[2] + ".wav", recording.target[0], groups, recording.name))
        for file in folder.iterdir():
            if file.name not in files:
                file.unlink()
        (folder / "labels.csv").write_text(table.getvalue(), encoding="utf-8")
        folder.chmod(0o755)
        judgement = Judgement.of(utility, forced=options.force)
        folder.rename(out)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    judgement.write(out)
    record = {"folder": str(out), "files": len(kept), "rate": recordings.rate, "judgement": judgement}
    wrote = f"Simulated: wrote {len(kept)} synthetic prompts to {out}"
    return Result(record, [wrote, *_verdict(utility, _UNJUDGED)], compact=True)


@dataclass(frozen=True, kw_only=True)
class UtteranceOptions:
    """Options of the command."""

    grammar: Path = argument()
    out: Path = option(required=True, type=FILE, help="FILE.csv")
    real: Path | None = option(
        metavar="FILE", help="Sentences that people said, with their intents: they judge the gain."
    )
    count: int = option(type=click.IntRange(1, 100_000), default=100, help="Sentences per intent.")
    folds: int = option(type=click.IntRange(2, 100), default=5, help="Parts of the authors; each is tested on once.")
    hold_out: str = option(metavar="A,B", help="Authors of your test part; they neither judge nor train.")
    seed: int = option(type=click.IntRange(0), default=0, help="Random seed.")
    force: bool = option(help="Replace the file, and write sentences that did not help.")

    def measure(self, entries: list[Utterance], real: Path) -> Utility:
        """Judge sentences of a grammar on those of people."""
        from edgewright.language.synthesis.judgement import judge
        from edgewright.language.synthesis.learners import (
            answer_sentences,
            measured_sentences,
            sentence_chunk,
            sentence_copies,
        )
        from edgewright.language.utterances.read import read

        people = measured_sentences(read(real).utterances).without(listed(self.hold_out))
        chunk = sentence_chunk(entries, set(people.y.tolist()))
        makes = sentence_copies(people, chunk)
        return judge(people, "grammar", {}, makes, answer_sentences, folds=self.folds, seed=self.seed)


@declare(example="grammar.toml --real said.csv --count 200 --out more.csv")
def utterances(options: UtteranceOptions) -> Result:
    """Generate sentences from the templates, rules and paraphrases of GRAMMAR, with marked slots.

    With --real, a model is trained with and without them and tested on real sentences left out: of whole authors where
    FILE has a column `author`, else each sentence by itself. Unless the whole interval of the gain lies above zero,
    nothing is written and the exit code is 1. FILE.judgement.json has the measurement. The column `provenance` has
    `synthetic/grammar` for every sentence.
    """
    from edgewright.core.files import write_atomic
    from edgewright.language.synthesis.grammar import METHOD, read_grammar, sentences
    from edgewright.language.synthesis.judgement import Judgement

    out, utility = options.out, None
    _refuse_hold_out(options.hold_out, options.real)
    refuse_existing(out, options.force)
    if out.suffix != ".csv":
        raise InputError("a name that ends in .csv", out.name, "--out")
    grammar = options.grammar
    utterances, findings = sentences(read_grammar(grammar), options.count, options.seed, grammar.name)
    if options.real is not None:
        utility = options.measure(utterances, options.real)
        if not utility.helps and not options.force:
            return _refused(utility)
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    writer.writerow(("text", "intent", "provenance"))
    for utterance in utterances:
        text, last, parts = utterance.text, 0, []
        for slot in utterance.slots:
            parts += [text[last : slot.begin], f"[{slot.text}]({slot.name})"]
            last = slot.end
        writer.writerow(("".join([*parts, text[last:]]), utterance.intent, METHOD))
    judgement = Judgement.of(utility, forced=options.force)
    write_atomic(out, table.getvalue().encode())
    judgement.write(out)
    record = {"file": str(out), "sentences": len(utterances), "findings": findings, "judgement": judgement}
    wrote = f"Simulated: wrote {len(utterances):,} synthetic sentences to {out}"
    return Result(
        record, [wrote, *_verdict(utility, _UNJUDGED), *(f"note: {finding}" for finding in findings)], compact=True
    )


@dataclass(frozen=True, kw_only=True)
class PictureOptions(MethodOptions):
    """Options of the command."""

    out: Path = option(required=True, type=_FOLDER, help="A new folder.")
    pattern: str = option(help="Parts of file names: {label}_{group}_{index}.")
    side: int = option(type=click.IntRange(8, 1024), default=96, help="Pixels of a side.")
    force: bool = option(help="Write pictures that did not help.")


@declare(example="photos --method crop --set area=0.6 --copies 2 --out more")
def pictures(options: PictureOptions) -> Result:
    """Generate changed pictures from DATA (a folder of pictures) where they help: crop, flip or colour.

    The same model is trained with and without them and tested on real groups left out; without groups each picture is
    one. Unless the whole interval of the gain lies above zero, nothing is written and the exit code is 1.
    OUT.judgement.json has the measurement. Names of synthetic pictures begin with `synthetic/`: move that folder into
    DATA, and a split by session or group never tests on them.
    """
    with loading():
        from edgewright.language.synthesis.judgement import Judgement
        from edgewright.language.synthesis.learners import answer_pictures, picture_copies
        from edgewright.language.synthesis.pictures import measured_pictures, write_pictures

    out, method, settings = options.out, options.method, settings_of(options.settings)
    if out.exists():
        raise InputError("a new folder", "an existing one", str(out))
    if not out.parent.is_dir():
        raise InputError("a folder in an existing one", "no such folder", str(out.parent))
    if "/" in options.pattern:
        raise InputError("a pattern of file names alone", options.pattern, "--pattern",
                         "Synthetic pictures lie in folders of their own, which it would not match")  # fmt: skip
    size = {"height": options.side, "width": options.side}
    whole = options.load(options.data, kind=options.kind or "pictures", pattern=options.pattern, **size)
    real, names = measured_pictures(whole)
    kept = real.without(listed(options.hold_out))
    judges = kept.every(options.every)
    makes = picture_copies(judges, method, settings, options.seed)
    utility, reason = _measured(lambda: options.judge(judges, makes, answer_pictures, method, settings), options.force)
    if utility is not None and not utility.helps and not options.force:
        return _refused(utility)
    copies = utility.amount if utility is not None else max(options.copies, default=1)
    judgement = Judgement.of(utility, forced=options.force)
    sources = [name for name, group in zip(names, real.groups, strict=True) if group not in listed(options.hold_out)]
    count = write_pictures(kept, sources, method, settings, copies, options.seed, out)
    judgement.write(out)
    record = {"folder": str(out), "files": count, "judgement": judgement}
    return Result(
        record, [f"Simulated: wrote {count} synthetic pictures to {out}", *_verdict(utility, reason)], compact=True
    )


@declare(example="a.csv --target label --group person --time t --method jitter --window 9")
def utility(options: WindowOptions) -> Result:
    """Judge synthetic windows of DATA as `synth signals` does, and write nothing.

    The exit code does not depend on the result.
    """
    with loading():
        from edgewright.language.synthesis.judgement import verdict

    measured = options.measure(options.load(options.data))
    return Result(measured, verdict(measured))
