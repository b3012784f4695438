"""What a learner read, day by day: a folder of this machine with `readings.jsonl` and the sound, sent nowhere."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from pathlib import Path

import msgspec

from edgewright.core.files import os_errors, write_atomic
from edgewright.core.input.riff import wav_bytes
from edgewright.language.pronunciation.speech import RATE
from edgewright.schema.coach import Day, Reading
from edgewright.schema.data import Floats
from edgewright.schema.errors import InputError, OutputError

FILE = "readings.jsonl"
_MAX_PHONES = 3


def keep(folder: Path, reading: Reading, sound: Floats, now: datetime) -> Reading:
    """Append a reading to a log and write its sound beside it; the line comes last, so that it never names no file.

    Raises:
        OutputError: the folder cannot be written.
    """
    stamp = now.strftime("%Y%m%dT%H%M%S_%f")
    kept = msgspec.structs.replace(reading, moment=now.isoformat(timespec="seconds"), recording=f"{stamp}.wav")
    with os_errors(OutputError, "a log of readings", folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / kept.recording, wav_bytes(sound[:, None], RATE))
        with (folder / FILE).open("ab") as file:
            file.write(msgspec.json.encode(kept) + b"\n")
    return kept


def readings(folder: Path) -> list[Reading]:
    """Return all readings of a log; a last line that a power cut left unfinished is passed over.

    Raises:
        InputError: no log, or a line that is none.
    """
    path = folder / FILE
    with os_errors(InputError, "the log of a learner", path):
        lines = path.read_bytes().split(b"\n")
    entries = []
    for number, line in enumerate(lines[:-1], 1):
        try:
            entries.append(msgspec.json.decode(line, type=Reading))
        except msgspec.DecodeError as error:
            raise InputError("a reading", str(error), f"{path} line {number}", "Remove the line") from None
    return entries


def days(kept: list[Reading]) -> list[Day]:
    """Return a log by day, in order."""
    by_day: dict[str, list[Reading]] = {}
    for reading in kept:
        by_day.setdefault(reading.moment[:10], []).append(reading)
    return [_day(day, own) for day, own in sorted(by_day.items())]


def _day(day: str, own: list[Reading]) -> Day:
    words = [word for reading in own for word in reading.words]
    wrong = [phone for word in words for phone in word.phones if phone.instead]
    often = Counter(phone.phone for phone in wrong).most_common(_MAX_PHONES)
    mistakes = tuple(
        (phone, Counter(other.instead for other in wrong if other.phone == phone).most_common(1)[0][0], count)
        for phone, count in often
    )
    advice = {(phone.phone, phone.instead): phone.advice for phone in wrong}
    return Day(
        day=day, readings=len(own), words=len(words), right=sum(word.right for word in words) / max(1, len(words)),
        mistakes=mistakes, advice=tuple(advice[phone, instead] for phone, instead, _ in mistakes),
    )  # fmt: skip
