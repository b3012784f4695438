"""Prompts for keywords by `espeak-ng`: many voices, speeds, pitches and recordings, placed in windows and streams."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgewright.core.input.riff import Sound, read_wav, wav_bytes
from edgewright.data.noises.spectral import coloured
from edgewright.data.synthetic import marked
from edgewright.language.synthesis.methods import Windows
from edgewright.language.synthesis.methods.sound import MicrophoneConfig, RoomConfig, apply_microphone, apply_room
from edgewright.schema.data import Column, DataSet, Floats, Recording
from edgewright.schema.errors import InputError

PROGRAM = "espeak-ng"
VOICES = (
    "en-gb", "en-us", "en-gb-scotland", "en-gb-x-rp", "en-029", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-us-nyc",
)  # fmt: skip
"""Of espeak-ng; `espeak-ng --voices` lists those that are installed."""
# Voices of espeak-ng that change another one: other formants, pitch and source, no whispers, robots or effects.
_VARIANTS = (
    *(f"m{n}" for n in range(1, 9)), *(f"f{n}" for n in range(1, 6)), "klatt", "klatt2", "klatt3", "klatt4", "Alex",
    "Alicia", "Andrea", "Andy", "Annie", "Denis", "Diogo", "Gene", "Henrique", "Hugo", "Jacky", "Lee", "Marco", "Mario",
    "Michael", "Mike", "Nguyen", "Steph", "adam", "anika", "antonio", "aunty", "belinda", "benjamin", "boris", "caleb",
    "david", "ed", "edward", "gustave", "iven", "john", "kaukovalta", "linda", "marcelo", "max", "michel", "miguel",
    "norbert", "pablo", "paul", "pedro", "quincy", "rob", "robert", "sandro", "shelby", "travis", "victor", "zac",
)  # fmt: skip
# Share of recordings that are made in a room that is heard, and of those that end with the word.
_ROOMS, _TRIMMED = 0.5, 0.8
RECORDED_SNR = (8.0, 45.0)
"""Decibels from a word down to the noise of a recording."""
_SECONDS = 30.0
# A window's pause is a multiple of this part of it, so that its length has small factors where the window's has.
_STEPS = 20
_VOICE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]{0,59}")
# Of full scale; espeak-ng writes a file of zeros for signs that it does not say.
_AUDIBLE = 1e-3


def speak(
    words: list[str],
    voices: tuple[str, ...],
    copies: int,
    seed: int,
    folder: Path,
    *,
    speakers: int = 0,
    rate: int = 0,
    recorded: bool = False,
) -> DataSet:
    """Each word in each voice, so many times, at another speed and pitch.

    Args:
        words: what is said, and the label.
        voices: names of espeak-ng's.
        copies: of a word in a voice.
        seed: seed of the random choices: speeds (120 to 220 words a minute), pitches (20 to 80 of 99), speakers and
            recordings.
        folder: where the files `WORD_VOICE_NUMBER.wav` go; it is there already.
        speakers: so many of the voices with variants of espeak-ng are drawn in place of the voices themselves; 0 for
            none.
        rate: Hz of the files; 0 keeps espeak-ng's.
        recorded: through a microphone each, with noise 8 to 45 dB below the word, half of them in a room.

    Raises:
        InputError: espeak-ng is not installed, refuses a voice or says nothing, a word is empty or given twice, more
            speakers than there are.
    """
    _check(words, voices)
    program = _program()
    rng = np.random.default_rng(seed)
    voices = speakers_of(voices, speakers, rng) if speakers else voices
    recordings: list[Recording] = []
    program_rate = 0
    for word, voice, number in product(words, voices, range(1, copies + 1)):
        name = f"{_plain(word)}_{voice}_{number}"
        file = folder / f"{name}.wav"
        sound = _read_aloud(program, word, voice, file, rng)
        if np.abs(sound.values).max() < _AUDIBLE:
            raise InputError("words that can be spoken", f"silence for {word!r}", f"{PROGRAM} {voice}",
                             "Spell it as it sounds")  # fmt: skip
        if program_rate and sound.rate != program_rate:
            raise InputError(f"sound at {program_rate} Hz", f"{sound.rate} Hz", file.name)
        program_rate = sound.rate
        values = sound.values[:, 0]
        if rate or recorded:
            values = resampled(values, sound.rate, rate or sound.rate)
            values = recorded_sound(values, rate or sound.rate, rng) if recorded else values
            file.write_bytes(wav_bytes(values[:, None], rate or sound.rate))
        rows = len(values)
        recordings.append(Recording(
            name=marked("speech", number, name), values=values[:, None],
            target=np.broadcast_to(np.array(word), rows),
            groups=np.broadcast_to(np.array(f"{PROGRAM} {voice}"), rows),
        ))  # fmt: skip
    return DataSet(name="speech", columns=(Column(name="sound", unit="1"),), recordings=tuple(recordings),
                   rate=float(rate or program_rate), target_name="word", group_name="voice",
                   origin=f"synthetic (speech) by {PROGRAM}")  # fmt: skip


def speakers_of(voices: tuple[str, ...], count: int, rng: np.random.Generator) -> tuple[str, ...]:
    """Return so many different voices, each with a variant."""
    every = [f"{voice}+{variant}" for voice in voices for variant in _VARIANTS]
    if count > len(every):
        raise InputError(f"at most {len(every)} speakers of these voices", str(count), "--speakers",
                         "Name more voices with --voice, or repeat words with --copies")  # fmt: skip
    return tuple(every[index] for index in rng.permutation(len(every))[:count])


def resampled(sound: Floats, before: int, after: int) -> Floats:
    """Return a sound at another rate, without the frequencies that it cannot hold; silence surrounds it."""
    if before == after:
        return sound
    # A second of silence, or more: samples before and after it are whole numbers then.
    seconds = len(sound) // before + 2
    spectrum = np.fft.rfft(sound, seconds * before)[: seconds * min(before, after) // 2]
    wave = np.fft.irfft(spectrum, seconds * after) * (after / before)
    return np.asarray(wave[: len(sound) * after // before], np.float32)


def recorded_sound(sound: Floats, rate: int, rng: np.random.Generator, *, step: int = 1) -> Floats:
    """Return a sound as somebody recorded it, at half of full scale.

    Args:
        sound: samples.
        rate: Hz.
        rng: of room, microphone, noise and the pause behind the sound.
        step: the pause is lengthened to a multiple of so many samples: spectra of some lengths take ten times as long.
    """
    power = float(np.mean(sound**2))
    pause = 0.0 if rng.random() < _TRIMMED else float(rng.uniform(0.1, 0.5))
    if rng.random() < _ROOMS:
        seconds = float(rng.uniform(0.05, 0.4))
        x = _longer(sound, step * -(-round(max(seconds, pause) * rate) // step))
        config = RoomConfig(seconds=seconds, direct=float(rng.uniform(-5.0, 15.0)), delay=0.0)
        x = apply_room(config, _window(x, rate), rng)
    else:
        x = _longer(sound, step * -(-round(pause * rate) // step))
    x = apply_microphone(MicrophoneConfig(), _window(x, rate), rng)[0, 0]
    loud = np.sqrt(power / max(float(np.mean(x[: len(sound)] ** 2)), 1e-20))
    x = loud * x + hiss(len(x), power, RECORDED_SNR, rng)
    return np.asarray(0.5 * x / np.abs(x).max(), np.float32)


def hiss(samples: int, power: float, snr: tuple[float, float], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return noise between white and brown, so many decibels below a power; from least to most of `snr`."""
    noise = coloured(rng.standard_normal(samples), float(rng.uniform(0.0, 2.0)))
    return np.asarray(noise * np.sqrt(power) * 10.0 ** (-rng.uniform(*snr) / 20.0) / noise.std(), np.float64)


def _longer(sound: Floats, samples: int) -> Floats:
    """Return a window of one channel with silence after the sound."""
    return np.pad(sound, (0, samples))[None, None, :]


def _window(x: Floats, rate: int) -> Windows:
    return Windows(x=x, y=np.array([""]), rate=float(rate), columns=("sound",))


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


def read_aloud(text: str, voice: str, rate: int, rng: np.random.Generator) -> Floats:
    """Return what a voice of espeak-ng reads, at a speed and a pitch of its own.

    Args:
        text: in the voice's language.
        voice: name of espeak-ng's.
        rate: Hz of the sound.
        rng: of speed and pitch.
    """
    with tempfile.TemporaryDirectory() as folder:
        sound = _read_aloud(_program(), text, voice, Path(folder) / "text.wav", rng)
    return resampled(sound.values[:, 0], sound.rate, rate)


def _program() -> str:
    """Return the path of espeak-ng.

    Raises:
        InputError: it is not installed.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise InputError(f"the program {PROGRAM}", "none on the PATH", "synth speech",
                         "Install it (Debian: apt install espeak-ng), or record the words")  # fmt: skip
    return program


def _read_aloud(program: str, text: str, voice: str, file: Path, rng: np.random.Generator) -> Sound:
    """Write and return what a voice of espeak-ng reads."""
    speed, pitch = int(rng.integers(120, 221)), int(rng.integers(20, 81))
    # -z: without the pause that ends a sentence, which is longer than most words.
    settings = ("-z", "-b", "1", "-v", voice, "-s", str(speed), "-p", str(pitch), "-w", str(file))
    _say(program, voice, [*settings, "--", text])
    return read_wav(file.read_bytes(), file.name)


def _say(program: str, voice: str, arguments: list[str]) -> None:
    try:
        done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise InputError(f"a prompt within {_SECONDS:g} s", "none", PROGRAM) from None
    if done.returncode:
        message = " ".join(done.stderr.split())[:300] or f"exit code {done.returncode}"
        raise InputError("a prompt", message, f"{PROGRAM} {voice}", f"List installed voices with {PROGRAM} --voices")


Range = tuple[float, float]

# Decibels from a word down to the noise around it in streams, which are recorded in quiet places.
STREAM_SNR = (20.0, 40.0)
# Tempo and level of a copy of somebody's own recording.
_TEMPO, _LEVEL_DB = (0.85, 1.18), (-12.0, 6.0)
# Of the loudest frame: what is quieter at the ends of a recording is no word.
_QUIET, _FRAME_S, _MARGIN_S = 0.1, 0.01, 0.05


def window_of(sound: Floats, samples: int, rng: np.random.Generator, *, whole: bool) -> Floats:
    """Return silence of so many samples with a sound anywhere in it; without `whole` up to half of it is cut off."""
    spare = samples - len(sound)
    slack = 0 if whole else min(samples, len(sound)) // 2
    start = int(rng.integers(min(0, spare) - slack, max(0, spare) + slack + 1))
    window = np.zeros(samples, np.float32)
    first, last = max(0, start), min(samples, start + len(sound))
    window[first:last] = sound[first - start : last - start]
    return window


def recorded_window(sound: Floats, samples: int, rate: int, rng: np.random.Generator, *, whole: bool) -> Floats:
    """Return a window with a sound as somebody recorded it: through a microphone, half of them in a room."""
    window = window_of(sound, samples, rng, whole=whole)
    return recorded_sound(window, rate, rng, step=max(1, samples // _STEPS))[:samples]


def noisy_window(
    sound: Floats, samples: int, rng: np.random.Generator, *, whole: bool, snr: Range = RECORDED_SNR
) -> Floats:
    """Return a window with a sound that was recorded already, and further noise so many decibels below it."""
    return with_noise(window_of(sound, samples, rng, whole=whole), _power(sound), snr, rng)


def noise_window(samples: int, rng: np.random.Generator) -> Floats:
    """Return a window in which nobody speaks."""
    return with_noise(np.zeros(samples, np.float32), 10.0 ** rng.uniform(-4.0, -2.0), (10.0, 30.0), rng)


def stream_of(
    sounds: Sequence[Floats], pauses: Range, rate: int, rng: np.random.Generator
) -> tuple[Floats, list[tuple[int, int]]]:
    """Return sounds one after the other, with noise in the pauses and behind them.

    Args:
        sounds: in order.
        pauses: shortest and longest between two of them, seconds; the longest begins and ends the stream.
        rate: samples a second.
        rng: of pauses and noise.

    Returns:
        The stream, and the first sample of each sound and the one behind its last.
    """
    longest = np.zeros(round(pauses[1] * rate), np.float32)
    parts, places, at = [longest], [], len(longest)
    for number, sound in enumerate(sounds):
        if number:
            pause = np.zeros(round(rng.uniform(*pauses) * rate), np.float32)
            parts.append(pause)
            at += len(pause)
        parts.append(sound)
        places.append((at, at + len(sound)))
        at += len(sound)
    power = _power(np.concatenate(sounds))
    return with_noise(np.concatenate([*parts, longest]), power, STREAM_SNR, rng), places


def copy_of(sound: Floats, rng: np.random.Generator) -> Floats:
    """Return somebody's recording slower or faster, and louder or quieter."""
    tempo = rng.uniform(*_TEMPO)
    at = np.arange(round(len(sound) / tempo)) * tempo
    gain = 10.0 ** (rng.uniform(*_LEVEL_DB) / 20.0)
    return np.asarray(np.clip(gain * np.interp(at, np.arange(len(sound)), sound), -1.0, 1.0), np.float32)


def trimmed(sound: Floats, rate: int) -> Floats:
    """Return a recording without the quiet before and after its word."""
    frame = max(1, round(_FRAME_S * rate))
    count = len(sound) // frame
    if not count:
        return sound
    level = np.sqrt(np.square(sound[: count * frame].reshape(count, frame)).mean(axis=1))
    loud = np.flatnonzero(level > _QUIET * level.max())
    if not len(loud):
        return sound
    margin = round(_MARGIN_S * rate)
    return sound[max(0, loud[0] * frame - margin) : (loud[-1] + 1) * frame + margin]


def with_noise(sound: Floats, power: float, snr: Range, rng: np.random.Generator) -> Floats:
    """Return a sound with noise so many decibels below a power."""
    # Of a length without large factors: spectra of others take up to ten times as long.
    step = 1 << max(0, len(sound).bit_length() - 5)
    noise = hiss(-(-len(sound) // step) * step, power, snr, rng)[: len(sound)]
    return np.asarray(np.clip(sound + noise, -1.0, 1.0), np.float32)


def _power(sound: Floats) -> float:
    return float(np.mean(np.square(sound, dtype=np.float64)))
