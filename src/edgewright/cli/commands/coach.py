"""Teach pronunciation: train a small int8 network that hears phones, and read sentences to it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgewright.cli.command import Result, argument, declare, option, print_ahead, wants_json
from edgewright.cli.interrupt import loading
from edgewright.cli.options import FILE, refuse_existing
from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    from edgewright.schema.coach import CoachScore, WordVerdict

EXAMPLE = 'listen english.coach "we call it bear" --wav bear.wav'


@declare(example="recordings --out english.coach")
def train(
    *,
    recordings: Path = argument(metavar="RECORDINGS"),
    out: Path = option(required=True, help="FILE.coach."),
    sentences: int = option(type=click.IntRange(1, 100_000), default=1200, help="Synthetic sentences by espeak-ng."),
    hold_out: float = option(
        type=click.FloatRange(0.05, 0.9), default=0.3, help="Share of the speakers to hold out for `coach score`."
    ),
    epochs: str = option(
        default="6,12,3", metavar="A,B,C", help="Epochs on synthetic speech, on all speech, and with int8 rounding."
    ),
    seed: int = option(type=click.IntRange(0), default=0, help="Random seed."),
    force: bool = option(help="Replace the file."),
) -> Result:
    """Train a coach on RECORDINGS: a folder with `text`, `utt2spk`, `lexicon.txt` and WAV files.

    `text` has a name and a sentence a line; NAME.wav is its sound. Sentences without sound are spoken by espeak-ng.
    `utt2spk` names the speaker of each sentence; `lexicon.txt` has the phones of each word, as the CMU dictionary does.
    """
    refuse_existing(out, force)
    parts = epochs.split(",")
    if len(parts) != 3 or not all(part.isdecimal() and 0 < int(part) <= 1000 for part in parts):
        raise InputError("three numbers of epochs, such as 6,12,3", repr(epochs), "--epochs")
    with loading():
        from edgewright.training.backend import prepare

        prepare()

        from edgewright.language.pronunciation.coach import write_coach
        from edgewright.language.pronunciation.takes import read_corpus
        from edgewright.language.pronunciation.training import CoachRequest, train_coach
        from edgewright.pipeline.cost.duration_estimate import told_by_first
        from edgewright.schema.trace import EpochRecord

    first, second, third = map(int, parts)
    request = CoachRequest(
        name=out.name.split(".")[0] or "coach", sentences=sentences, hold_out=hold_out, epochs=(first, second, third),
        seed=seed,
    )  # fmt: skip

    step = told_by_first(lambda _: None, print_ahead, "Training", first + second + third, skipped=1)

    def show(row: EpochRecord) -> None:
        step(1)
        click.echo(f"{row.epoch:>5}  {row.loss:8.3f}")

    if not wants_json():
        click.echo("epoch      loss")
    network = train_coach(read_corpus(recordings), request, None if wants_json() else show).file
    size = write_coach(out, network)
    spec, learnt = network.spec, network.spec.learnt
    return Result(
        {"file": str(out), "bytes": size, "network_bytes": network.network_bytes, "spec": spec},
        [
            f"{len(learnt.trained)} speakers and {learnt.sentences:,} synthetic sentences train, "
            f"{len(learnt.limits)} speakers choose the limits, {len(learnt.held_out)} are held out",
            f"{spec.parameters:,} parameters, {network.network_bytes:,} bytes in int8, {spec.macs:,} "
            f"multiply-accumulates every 20 ms",
            f"wrote {click.format_filename(str(out))}, {size:,} bytes",
            f"next: edgewright coach score {click.format_filename(str(out))} RECORDINGS",
        ],
    )


@declare(example="english.coach recordings")
def score(
    *,
    coach: Path = argument(metavar="COACH"),
    recordings: Path = argument(metavar="RECORDINGS"),
    seed: int = option(type=click.IntRange(0), default=0, help="Seed of the changed prompts."),
) -> Result:
    """Measure COACH on those of RECORDINGS whose speakers it has never heard.

    Mistakes are made through the dictionary: the prompt of a recording gets another phone, or another word, than the
    speaker read. Mistakes that the speakers made themselves count as right, so that the figures are too low for them.
    """
    with loading():
        from edgewright.language.pronunciation.coach import read_coach
        from edgewright.language.pronunciation.evaluation import score_coach, unheard
        from edgewright.language.pronunciation.takes import read_corpus

    network, corpus = read_coach(coach), read_corpus(recordings)
    score = score_coach(network, unheard(network, corpus.takes), corpus.lexicon, seed)
    return Result(score, _score_print(score))


def _score_print(score: CoachScore) -> Iterator[str]:
    yield (f"{score.recordings} recordings of {score.speakers} speakers never heard, {score.phones:,} phones of "
               f"changed prompts; 95 % intervals by speaker")  # fmt: skip
    for title, name in TITLES.items():
        interval = getattr(score, name)
        yield f"  {title:<58} {interval.value:.3f} ({interval.low:.3f} to {interval.high:.3f})"
    yield (f"  int8 network {score.network_bytes:,} bytes; a verdict comes {score.verdict_ms:.0f} ms after a word "
               f"ends (90 % within {score.late_verdict_ms:.0f} ms)")  # fmt: skip


TITLES = {
    "area under the ROC curve, phones": "phone",
    "area, phones in place of easily confused ones": "confusable",
    "area, words with one phone changed": "word",
    "area, words in place of other words": "other_word",
    "other sentences recognised": "other_sentence",
    "right sentences taken for others": "own_sentence",
    "changed phones found": "recall",
    "right phones told as mistakes": "false_alarms",
    "phone that was said is the one named, of confused ones": "named",
}


# Seconds of a microphone that are read at once, and after which a reading ends.
_WAIT_S, _LONGEST_S = 0.05, 60.0


@declare(example='english.coach "we call it bear" --wav bear.wav')
def listen(
    *,
    coach: Path = argument(metavar="COACH"),
    text: str = argument(metavar="SENTENCE"),
    wav: Path = option(type=FILE, help="Sound file. [default: the microphone]"),
    device: str = option(default="default", help="Microphone, as ALSA names it."),
    lexicon: Path = option(type=FILE, help="Phones of words, as the CMU dictionary has them; others by espeak-ng."),
    log: Path = option(metavar="FOLDER", help="Keep the recording and the verdicts in this folder."),
) -> Result:
    """Judge how SENTENCE is read, word by word, while it is read.

    A phone that sounds like another one is named with it, and with what to do to say it. Nothing leaves this machine.
    """
    with loading():
        import numpy as np

        from edgewright.language.pronunciation.coach import read_coach
        from edgewright.language.pronunciation.log import keep
        from edgewright.language.pronunciation.reading import Reader, sound_of
        from edgewright.language.pronunciation.takes import sentence
        from edgewright.schema.coach import Reading

    network = read_coach(coach)
    words, phones = sentence(text, lexicon)
    reader = Reader(network, words, phones)
    verdicts: list[WordVerdict] = []
    sounds = []
    for sound in sound_of(wav, device, _WAIT_S):
        sounds.append(sound)
        now = reader.push(sound)
        verdicts += now
        if not wants_json():
            _listen_print(now)
        if reader.over or sum(map(len, sounds)) > _LONGEST_S * 16_000:
            break
    left = reader.finish()
    verdicts += left
    if not wants_json():
        _listen_print(left)
    reader.check(str(wav or device))
    reading = Reading(text=" ".join(words), words=tuple(verdicts))
    if log is not None:
        reading = keep(log, reading, np.concatenate(sounds), datetime.now().astimezone())

    def summary() -> Iterator[str]:
        right = sum(word.right for word in verdicts)
        yield f"{right} of {len(words)} words without a mistake"

    return Result(reading, summary())


def _listen_print(words: list[WordVerdict]) -> None:
    for word in words:
        phones = " ".join(
            click.style(phone.phone, fg="red" if phone.instead else "green", bold=bool(phone.instead))
            for phone in word.phones
        )
        mistakes = [f"{phone.phone} sounds like {phone.instead}" for phone in word.phones if phone.instead]
        if not mistakes and not word.right:
            mistakes = ["unclear"]
        click.echo(f"{word.begin_s:6.2f} s  {word.word.lower():<14} {phones}  {'; '.join(mistakes)}".rstrip())
        for phone in word.phones:
            if phone.advice:
                click.echo(f"          {phone.advice}")


@declare(example="my-log")
def progress(
    *,
    log: Path = argument(metavar="FOLDER"),
) -> Result:
    """Print the days of a log that `coach listen --log` keeps: words without a mistake, and the phones to practise."""
    with loading():
        from edgewright.language.pronunciation.log import days, readings

    practised = days(readings(log))

    def text() -> Iterator[str]:
        yield "day         sentences  words  right  to practise"
        for day in practised:
            often = ", ".join(f"{phone} (like {instead}, {count})" for phone, instead, count in day.mistakes)
            yield f"{day.day}  {day.readings:>9}  {day.words:>5}  {100 * day.right:>3.0f} %  {often}".rstrip()
        yield from filter(None, practised[-1].advice if practised else ())

    return Result(practised, text())
