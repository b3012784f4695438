"""`edgewright coach listen`: somebody reads a sentence, and each word is judged as soon as it is over."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgewright.cli.interrupt import loading
from edgewright.cli.options import FILE, argument, declare, option
from edgewright.cli.output import print_json
from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    from edgewright.schema.coach import WordVerdict

# Seconds of a microphone that are read at once, and after which a reading ends.
_WAIT_S, _LONGEST_S = 0.05, 60.0


@declare("listen", epilog='Example: edgewright coach listen english.coach "we call it bear" --wav bear.wav')
def command(
    *,
    coach: Path = argument(metavar="COACH"),
    text: str = argument(metavar="SENTENCE"),
    wav: Path = option(type=FILE, help="Sound file. [default: the microphone]"),
    device: str = option(default="default", help="Microphone, as ALSA names it."),
    lexicon: Path = option(type=FILE, help="Phones of words, as the CMU dictionary has them; others by espeak-ng."),
    log: Path = option(metavar="FOLDER", help="Keep the recording and the verdicts in this folder."),
    as_json: bool = option("--json", help="Print the verdicts as JSON."),
) -> None:
    """Judge how SENTENCE is read, word by word, while it is read.

    A phone that sounds like another one is named with it. Nothing leaves this machine.
    """
    with loading():
        import numpy as np

        from edgewright.language.pronunciation.coach import read_coach
        from edgewright.language.pronunciation.log import keep
        from edgewright.language.pronunciation.prompts import sentence
        from edgewright.language.pronunciation.reading import Reader, sound_of
        from edgewright.schema.coach import Reading

    made = read_coach(coach)
    words, said = sentence(text, lexicon)
    reader = Reader(made, words, said)
    verdicts: list[WordVerdict] = []
    sounds = []
    for sound in sound_of(wav, device, _WAIT_S):
        sounds.append(sound)
        now = reader.push(sound)
        verdicts += now
        if not as_json:
            _print(now)
        if reader.over or sum(map(len, sounds)) > _LONGEST_S * 16_000:
            break
    left = reader.finish()
    verdicts += left
    if not as_json:
        _print(left)
    if len(verdicts) < len(words):
        raise InputError(f"a reading of all {len(words)} words", f"{len(verdicts)} of them", str(wav or device),
                         "Read the whole sentence, a little slower")  # fmt: skip
    reading = Reading(text=" ".join(words), words=tuple(verdicts))
    if log is not None:
        reading = keep(log, reading, np.concatenate(sounds), datetime.now().astimezone())
    if as_json:
        print_json(reading)
        return
    right = sum(word.right for word in verdicts)
    click.echo(f"{right} of {len(words)} words without a mistake")


def _print(words: list[WordVerdict]) -> None:
    for word in words:
        phones = " ".join(
            click.style(phone.phone, fg="red" if phone.instead else "green", bold=bool(phone.instead))
            for phone in word.phones
        )
        told = [f"{phone.phone} sounds like {phone.instead}" for phone in word.phones if phone.instead]
        if not told and not word.right:
            told = ["unclear"]
        click.echo(f"{word.begin_s:6.2f} s  {word.word.lower():<14} {phones}  {'; '.join(told)}".rstrip())
