"""Free Spoken Digit Dataset: digits 0 to 9 in English by six speakers, 8 kHz.

Layout: `recordings/{digit}_{speaker}_{index}.wav`, or the same files in `recordings.zip`.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Literal

from edgewright.core.riff import read_wav
from edgewright.data.contract import Documented, PublicSet, SourceConfig
from edgewright.data.sets import _files as files
from edgewright.data.sources.wav import wav_files
from edgewright.schema.data import Column, DataSet, Recording
from edgewright.schema.errors import InputError

_NAME = re.compile(r"^(\d)_([a-z]+)_(\d+)\.wav$")
_RATE = 8000


class Config(SourceConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Free spoken digits.

    Attributes:
        part: 'train' (indices from 5), 'test' (0 to 4) or 'both', the official parts.
    """

    part: Literal["train", "test", "both"] = "both"


def _load(config: Config, folder: Path) -> DataSet:
    recordings = []
    for name, raw in wav_files(folder):
        match = _NAME.match(PurePosixPath(name).name)
        if match is None:
            continue
        digit, speaker, index = match.groups()
        if config.part != "both" and (int(index) < 5) != (config.part == "test"):
            continue
        sound = read_wav(raw, name)
        if sound.rate != _RATE or sound.values.shape[1] != 1:
            raise InputError(f"one channel at {_RATE} Hz", f"{sound.values.shape[1]} at {sound.rate} Hz", name)
        rows = len(sound.values)
        recordings.append(
            Recording(
                name=f"{digit}_{speaker}_{index}",
                values=sound.values,
                target=files.same(digit, rows),
                groups=files.same(speaker, rows),
            )
        )
    if not recordings:
        of = "" if config.part == "both" else f" of the part {config.part!r}"
        wanted = "files {digit}_{speaker}_{index}.wav" + of
        raise InputError(wanted, "none", str(folder), "Is it the folder of this set?")
    return DataSet(
        name="fsdd",
        columns=(Column(name="sound", unit="1", minimum=-1.0, maximum=1.0),),
        recordings=tuple(recordings),
        rate=float(_RATE),
        target_name="digit",
        group_name="speaker",
    )


SET = PublicSet(
    title="Free Spoken Digit Dataset",
    homepage="https://github.com/Jakobovski/free-spoken-digit-dataset",
    url="https://github.com/Jakobovski/free-spoken-digit-dataset/archive/HEAD.zip",
    check="3,000 recordings at 8 kHz",
    licence="CC BY-SA 4.0 (share alike)",
    citation="Z. Jackson et al.: Free Spoken Digit Dataset. Zenodo 61622039.",
    task="spoken digits: 10 classes, split by speaker",
    config=Config,
    loader=_load,
    folder="fsdd",
    documented=(
        Documented("whole set", recordings=3_000),
        Documented("plain copy, the official training part", recordings=2_700),
    ),
    whole=True,
)
