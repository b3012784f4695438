"""Prompts for keywords by `espeak-ng`, where that program is installed: several voices, speeds and pitches of each."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np

from edgewright.core.riff import read_wav
from edgewright.data.synthetic import marked
from edgewright.schema.data import Column, DataSet, Recording
from edgewright.schema.errors import InputError

PROGRAM = "espeak-ng"
VOICES = ("en-gb", "en-us", "en-gb-scotland", "en-gb-x-rp", "en-029")
"""Of espeak-ng; `espeak-ng --voices` lists those that are installed."""
_SECONDS = 30.0
_VOICE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]{0,59}")
# Of full scale; espeak-ng writes a file of zeros for signs that it does not say.
_HEARD = 1e-3


def speak(words: list[str], voices: tuple[str, ...], copies: int, seed: int, folder: Path) -> DataSet:
    """Each word in each voice, so many times, at another speed and pitch.

    Args:
        words: what is said, and the label.
        voices: names of espeak-ng's.
        copies: of a word in a voice.
        seed: of speeds (120 to 220 words a minute) and pitches (20 to 80 of 99).
        folder: where the files `WORD_VOICE_NUMBER.wav` go; it is there already.

    Raises:
        InputError: espeak-ng is not installed, refuses a voice or says nothing, a word is empty or given twice.
    """
    _check(words, voices)
    program = shutil.which(PROGRAM)
    if program is None:
        raise InputError(f"the program {PROGRAM}", "none on the PATH", "synth speech",
                         "Install it (Debian: apt install espeak-ng), or record the words")  # fmt: skip
    rng = np.random.default_rng(seed)
    made: list[Recording] = []
    rate = 0
    for word in words:
        for voice in voices:
            for number in range(1, copies + 1):
                name = f"{_plain(word)}_{voice}_{number}"
                speed, pitch = int(rng.integers(120, 221)), int(rng.integers(20, 81))
                file = folder / f"{name}.wav"
                # -z: without the pause that ends a sentence, which is longer than most words.
                settings = ("-z", "-b", "1", "-v", voice, "-s", str(speed), "-p", str(pitch), "-w", str(file))
                _say(program, voice, [*settings, "--", word])
                sound = read_wav(file.read_bytes(), file.name)
                if np.abs(sound.values).max() < _HEARD:
                    raise InputError("words that can be spoken", f"silence for {word!r}", f"{PROGRAM} {voice}",
                                     "Spell it as it sounds")  # fmt: skip
                if rate and sound.rate != rate:
                    raise InputError(f"sound at {rate} Hz", f"{sound.rate} Hz", file.name)
                rate = sound.rate
                rows = len(sound.values)
                made.append(Recording(
                    name=marked("speech", number, name), values=sound.values[:, :1],
                    target=np.broadcast_to(np.array(word), rows),
                    groups=np.broadcast_to(np.array(f"{PROGRAM} {voice}"), rows),
                ))  # fmt: skip
    return DataSet(name="speech", columns=(Column(name="sound", unit="1"),), recordings=tuple(made), rate=float(rate),
                   target_name="word", group_name="voice", origin=f"synthetic (speech) by {PROGRAM}")  # fmt: skip


def _check(words: list[str], voices: tuple[str, ...]) -> None:
    """Refuse what would be no prompt, or overwrite another one."""
    if not words or not voices:
        raise InputError("words to say, and voices", "none", "synth speech")
    seen: dict[str, str] = {}
    for word in words:
        if not _plain(word) or word.startswith("-") or "/" in word or not word.isprintable() or len(word) > 60:
            raise InputError("words to say", repr(word[:60]), "synth speech")
        other = seen.setdefault(_plain(word), word)
        if other != word or words.count(word) > 1:
            raise InputError("different words", f"{other!r} and {word!r}", "synth speech", "Repeat it with --copies")
    for voice in voices:
        if not _VOICE.fullmatch(voice) or voices.count(voice) > 1:
            raise InputError(
                "names of voices, each once", repr(voice[:60]), "--voice", f"List them with {PROGRAM} --voices"
            )


def _plain(word: str) -> str:
    """Return its letters and digits, for the name of a file."""
    return "-".join(re.findall(r"\w+", word))


def _say(program: str, voice: str, arguments: list[str]) -> None:
    try:
        done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise InputError(f"a prompt within {_SECONDS:g} s", "none", PROGRAM) from None
    if done.returncode:
        message = " ".join(done.stderr.split())[:300] or f"exit code {done.returncode}"
        raise InputError("a prompt", message, f"{PROGRAM} {voice}", f"List installed voices with {PROGRAM} --voices")
