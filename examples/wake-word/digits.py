"""Spoken digits."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from edgewright.core.errors import InputError
from edgewright.core.input.riff import read_wav
from edgewright.core.records.data import Column, DataSet, Recording
from edgewright.data import set_files as files
from edgewright.data.contract import Source, SourceConfig
from edgewright.data.sources.wav import wav_files

_NAME = re.compile(r"^(\d)_([a-z]+)_(\d+)\.wav$")
_RATE = 8000


class FsddConfig(SourceConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Free spoken digits.

    Attributes:
        part: 'train' (indices from 5), 'test' (0 to 4) or 'both', the official parts.
    """

    part: Literal["train", "test", "both"] = "both"


def _load_fsdd(config: FsddConfig, folder: Path) -> DataSet:
    """Free Spoken Digit Dataset: digits 0 to 9 in English by six speakers, 8 kHz.

    Layout: `recordings/{digit}_{speaker}_{index}.wav`, or the same files in `recordings.zip`.
    """
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


SOURCES: dict[str, Source[Any]] = {
    "fsdd": files.folder_source(
        _load_fsdd,
        FsddConfig,
        origin="https://github.com/Jakobovski/free-spoken-digit-dataset",
        licence="CC BY-SA 4.0 (share alike)",
        citation="Z. Jackson et al.: Free Spoken Digit Dataset. Zenodo 61622039.",
        whole=True,
    ),
}
