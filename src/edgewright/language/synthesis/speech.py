"""Prompts for keywords by `espeak-ng`, where that program is installed: several voices, speeds and pitches of each."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np

from edgewright.data.synthetic import marked
from edgewright.runtime.riff import read_wav
from edgewright.schema.data import Column, DataSet, Recording
from edgewright.schema.errors import InputError

PROGRAM = "espeak-ng"
VOICES = ("en-gb", "en-us", "en-gb-scotland", "en-gb-x-rp", "en-029")
"""Of espeak-ng; `espeak-ng --voices` lists those that are installed."""
_SECONDS = 30.0


def speak(words: list[str], voices: tuple[str, ...], copies: int, seed: int, folder: Path) -> DataSet:
    """Each word in each voice, so many times, at another speed and pitch.

    Args:
        words: what is said, and the label.
        voices: names of espeak-ng's.
        copies: of a word in a voice.
        seed: of speeds (120 to 220 words a minute) and pitches (20 to 80 of 99).
        folder: where the files `WORD_VOICE_NUMBER.wav` go; it is there already.

    Raises:
        InputError: espeak-ng is not installed, refuses a voice, or a word is empty.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise InputError(f"the program {PROGRAM}", "none on the PATH", "synth speech",
                         "Install it (Debian: apt install espeak-ng), or record the words")  # fmt: skip
    rng = np.random.default_rng(seed)
    made: list[Recording] = []
    rate = 0
    for word in words:
        if not word.strip() or word.startswith("-") or "/" in word:
            raise InputError("words to say", repr(word), "synth speech")
        for voice in voices:
            for number in range(1, copies + 1):
                name = f"{'-'.join(word.split())}_{voice}_{number}"
                speed, pitch = int(rng.integers(120, 221)), int(rng.integers(20, 81))
                file = folder / f"{name}.wav"
                _say(
                    program, [*("-v", voice), *("-s", str(speed)), *("-p", str(pitch)), *("-w", str(file)), "--", word]
                )
                sound = read_wav(file.read_bytes(), file.name)
                if rate and sound.rate != rate:
                    raise InputError(f"sound at {rate} Hz", f"{sound.rate} Hz", file.name)
                rate = sound.rate
                rows = len(sound.values)
                made.append(Recording(
                    name=marked("speech", number, name), values=sound.values[:, :1],
                    target=np.broadcast_to(np.array(word), rows),
                    groups=np.broadcast_to(np.array(f"{PROGRAM} {voice}"), rows),
                ))  # fmt: skip
    if not made:
        raise InputError("words to say", "none", "synth speech")
    return DataSet(name="speech", columns=(Column(name="sound", unit="1"),), recordings=tuple(made), rate=float(rate),
                   target_name="word", group_name="voice", origin=f"synthetic (speech) by {PROGRAM}")  # fmt: skip


def _say(program: str, arguments: list[str]) -> None:
    try:
        done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise InputError(f"a prompt within {_SECONDS:g} s", "none", PROGRAM) from None
    if done.returncode:
        raise InputError("a prompt", done.stderr.strip() or f"exit code {done.returncode}", f"{PROGRAM} {arguments[1]}")
