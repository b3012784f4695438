"""`edgewright coach listen`: somebody reads a sentence, and each word is judged as soon as it is over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgewright.cli.command import Result, argument, declare, option, wants_json
from edgewright.cli.interrupt import loading
from edgewright.cli.options import FILE
from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    from edgewright.schema.coach import WordVerdict

# Seconds of a microphone that are read at once, and after which a reading ends.
_WAIT_S, _LONGEST_S = 0.05, 60.0


@declare(example='english.coach "we call it bear" --wav bear.wav')
def command(
    *,
    coach: Path = argument(metavar="COACH"),
    text: str = argument(metavar="SENTENCE"),
    wav: Path = option(type=FILE, help="Sound file. [default: the microphone]"),
    device: str = option(default="default", help="Microphone, as ALSA names it."),
    lexicon: Path = option(type=FILE, help="Phones of words, as the CMU dictionary has them; others by espeak-ng."),
    log: Path = option(metavar="FOLDER", help="Keep the recording and the verdicts in this folder."),
) -> Result:
    """Judge how SENTENCE is read, word by word, while it is read.

    A phone that sounds like another one is named with it. Nothing leaves this machine.
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
            _print(now)
        if reader.over or sum(map(len, sounds)) > _LONGEST_S * 16_000:
            break
    left = reader.finish()
    verdicts += left
    if not wants_json():
        _print(left)
    if len(verdicts) < len(words):
        raise InputError(f"a reading of all {len(words)} words", f"{len(verdicts)} of them", str(wav or device),
                         "Read the whole sentence, a little slower")  # fmt: skip
    reading = Reading(text=" ".join(words), words=tuple(verdicts))
    if log is not None:
        reading = keep(log, reading, np.concatenate(sounds), datetime.now().astimezone())

    def summary() -> Iterator[str]:
        right = sum(word.right for word in verdicts)
        yield f"{right} of {len(words)} words without a mistake"

    return Result(reading, summary())


def _print(words: list[WordVerdict]) -> None:
    for word in words:
        phones = " ".join(
            click.style(phone.phone, fg="red" if phone.instead else "green", bold=bool(phone.instead))
            for phone in word.phones
        )
        mistakes = [f"{phone.phone} sounds like {phone.instead}" for phone in word.phones if phone.instead]
        if not mistakes and not word.right:
            mistakes = ["unclear"]
        click.echo(f"{word.begin_s:6.2f} s  {word.word.lower():<14} {phones}  {'; '.join(mistakes)}".rstrip())
