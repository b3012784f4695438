"""Synthetic data to train on: sentences of a grammar, and speech."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import (
    FileTooLargeError,
    GrammarError,
    SpeechProgramError,
    SynthesisError,
    UnknownNameError,
)
from edgewright.core.input.riff import Sound, read_wav, wav_bytes
from edgewright.core.records.data import Column, DataSet, Floats, Recording
from edgewright.core.toml_tables import convert_table
from edgewright.data.noises.spectral import coloured
from edgewright.data.synthetic import marked
from edgewright.language.utterances import utterance
from edgewright.nlp.records import Utterance

METHOD = "synthetic/grammar"
_PIECE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}|\(([^()\[\]]*\|[^()\[\]]*)\)")
_LONGEST, _PENDING, _DEEPEST, _LARGEST = 300, 100_000, 12, 1 << 20
_PIECES = 10_000
Form = Annotated[str, msgspec.Meta(max_length=2_000)]
Forms = Annotated[list[Form], msgspec.Meta(min_length=1, max_length=10_000)]


class Templates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`templates` of one intent."""

    templates: Forms


class Grammar(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A grammar as it is written."""

    intents: Annotated[dict[str, Templates], msgspec.Meta(min_length=1)]
    rules: dict[str, Forms] = {}
    paraphrases: dict[str, Forms] = {}


def read_grammar(path: Path) -> Grammar:
    """Read and check a grammar.

    Raises:
        InputError: no file, no grammar, rules that use one another in a round, or too deep.
        UnknownNameError: a rule that is none.
    """
    try:
        raw = path.read_bytes()
        if len(raw) > _LARGEST:
            raise FileTooLargeError("a grammar of at most 1 MB", f"{len(raw):,} bytes", str(path))
        table = msgspec.toml.decode(raw)
    except OSError as error:
        raise GrammarError("a grammar", error.strerror or str(error), str(path)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise GrammarError("a grammar of TOML", str(error), str(path)) from None
    grammar = convert_table(table, Grammar, path.name)
    depths: dict[str, int] = {}
    for name in grammar.rules:
        _depth(grammar, name, (), path.name, depths)
    for intent, part in grammar.intents.items():
        for form in part.templates:
            _uses(grammar, form, f"{path.name} intents.{intent}")
    return grammar


def sentences(grammar: Grammar, count: int, seed: int, where: str) -> tuple[list[Utterance], list[str]]:
    """So many different sentences of each intent, fewer where the grammar has fewer.

    Returns:
        Utterances, marked as synthetic by their place, and findings.

    Raises:
        InputError: for a sentence beyond 300 characters: rules that grow one another.
    """
    rng = np.random.default_rng(seed)
    utterances: list[Utterance] = []
    findings = []
    for intent, part in grammar.intents.items():
        seen: dict[str, None] = {}
        # What is seldom new any more has been said.
        for _ in range(20 * count):
            if len(seen) == count:
                break
            form = part.templates[int(rng.integers(len(part.templates)))]
            seen.setdefault(_tidy(_paraphrased(grammar, _filled(grammar, form, rng, where), rng)))
        utterances += [utterance(text, intent, f"{METHOD} {where}") for text in seen if text]
        if len(seen) < count:
            findings.append(f"intent {intent!r}: {len(seen)} different sentences were found of {count} asked for")
    return utterances, findings


def _uses(grammar: Grammar, form: str, where: str) -> Iterator[str]:
    for match in _PIECE.finditer(form):
        if match[1] is not None and match[1] not in grammar.rules:
            raise UnknownNameError("rule", match[1], grammar.rules, where)
    return (match[1] for match in _PIECE.finditer(form) if match[1] is not None)


def _depth(grammar: Grammar, name: str, above: tuple[str, ...], where: str, depths: dict[str, int]) -> int:
    """Rules below one another, each looked at once; `depths` holds those that are known."""
    if name in above:
        raise GrammarError("rules without a cycle", " -> ".join([*above[above.index(name) :], name]), f"{where} rules")
    if name in depths:
        return depths[name]
    used = {other for form in grammar.rules[name] for other in _uses(grammar, form, f"{where} rules.{name}")}
    depths[name] = 1 + max((_depth(grammar, other, (*above, name), where, depths) for other in used), default=0)
    if depths[name] > _DEEPEST:
        raise GrammarError(f"rules at most {_DEEPEST} deep", "deeper", f"{where} rules.{name}")
    return depths[name]


def _filled(grammar: Grammar, form: str, rng: np.random.Generator, where: str) -> str:
    pieces = 0
    while (match := _PIECE.search(form)) is not None:
        forms = match[2].split("|") if match[1] is None else grammar.rules[match[1]]
        form = form[: match.start()] + forms[int(rng.integers(len(forms)))] + form[match.end() :]
        pieces += 1
        # What stands left of the first piece is as it will be. Rules may also grow one another without a word.
        if match.start() > _LONGEST or len(form) > _PENDING or pieces > _PIECES:
            break
    if len(form) > _LONGEST or pieces > _PIECES:
        raise GrammarError(f"sentences of at most {_LONGEST} characters", f"{form[:40]!r}...", where,
                         "The rules expand each other; shorten them")  # fmt: skip
    return form


def _paraphrased(grammar: Grammar, text: str, rng: np.random.Generator) -> str:
    """Each phrase that has paraphrases stays, or becomes one of them; words of a slot stay."""
    for phrase, others in grammar.paraphrases.items():
        pick = int(rng.integers(len(others) + 1))
        if pick:
            message = others[pick - 1].replace("\\", r"\\")
            text = re.sub(rf"(?<!\[)\b{re.escape(phrase)}\b(?![^\[]*\]\()", message, text)
    return text


def _tidy(text: str) -> str:
    return re.sub(r"\s+([.,!?])", r"\1", " ".join(text.split()))


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
# A microphone's response: standard deviation of each cosine along the frequencies, the k-th divided by the root of k.
_WAVES, _RESPONSE_DB = 5, 4.0
# Below a random corner the power falls by 12 dB an octave.
_MAX_CORNER_HZ = 250.0
_LN_1000 = 6.907755278982137  # amplitudes fall by 60 dB
# Share of recordings that are made in a room that is heard, and of those that end with the word.
_ROOMS, _TRIMMED = 0.5, 0.8
RECORDED_SNR = (8.0, 45.0)
"""Decibels from a word down to the noise of a recording."""
_SECONDS = 30.0
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
            raise SynthesisError("words that can be spoken", f"silence for {word!r}", f"{PROGRAM} {voice}",
                             "Spell it as it sounds")  # fmt: skip
        if program_rate and sound.rate != program_rate:
            raise SpeechProgramError(f"sound at {program_rate} Hz", f"{sound.rate} Hz", file.name)
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
        raise SpeechProgramError(f"at most {len(every)} speakers of these voices", str(count), "--speakers",
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
        x = _add_room(x, rate, seconds, float(rng.uniform(-5.0, 15.0)), rng)
    else:
        x = _longer(sound, step * -(-round(pause * rate) // step))
    x = _change_microphone(x, rate, rng)[0, 0]
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


def _change_microphone(x: Floats, rate: int, rng: np.random.Generator) -> Floats:
    """Return sounds, shape (n, 1, samples), with the frequency response of a random microphone each."""
    count, _, samples = x.shape
    hertz = np.fft.rfftfreq(samples, 1.0 / rate)
    waves = np.arange(1, _WAVES + 1)[:, None]
    sizes = _RESPONSE_DB * rng.standard_normal((count, _WAVES, 1)) / np.sqrt(waves)
    phases = rng.uniform(0.0, 2.0 * np.pi, (count, _WAVES, 1))
    response = (sizes * np.cos(np.pi * waves * hertz / hertz[-1] + phases)).sum(axis=1)
    corner = rng.uniform(0.0, _MAX_CORNER_HZ, (count, 1))
    passed = hertz**2 / np.sqrt(hertz**4 + np.maximum(corner, 1e-3) ** 4)
    gains = 10.0 ** (response / 20.0) * passed
    return np.asarray(np.fft.irfft(np.fft.rfft(x) * gains[:, None, :], samples), np.float32)


def _add_room(x: Floats, rate: int, seconds: float, direct: float, rng: np.random.Generator) -> Floats:
    """Return sounds, shape (n, 1, samples), with the reverberation of a room, as long and as loud as before.

    The tail is Polack's statistical model (J.-D. Polack, "La transmission de l'energie sonore dans les salles", 1988):
    normal noise under an exponential that falls by 60 dB in the reverberation time.

    Args:
        x: sounds.
        rate: Hz.
        seconds: reverberation time (RT60); each sound draws from half of it to one and a half.
        direct: power of the direct sound over that of the tail, in decibels.
        rng: random generator.
    """
    samples = x.shape[2]
    reverberant = np.empty_like(x)
    size = 2 * samples
    for n, sound in enumerate(x):
        response = _room_response(rate, seconds * rng.uniform(0.5, 1.5), direct, samples, rng)
        wet = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(response, size), size)[:, :samples]
        reverberant[n] = wet * np.sqrt((sound**2).mean() / max(float((wet**2).mean()), 1e-20))
    return reverberant


def _room_response(
    rate: int, seconds: float, direct: float, samples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    length = max(1, min(samples, round(seconds * rate)))
    tail = rng.standard_normal(length) * np.exp(-_LN_1000 * np.arange(length) / (seconds * rate))
    power = float((tail**2).sum())
    if power > 0.0:
        tail *= np.sqrt(10.0 ** (-direct / 10.0) / power)
    tail[0] += 1.0
    return np.asarray(tail, np.float64)


def _check(words: list[str], voices: tuple[str, ...]) -> None:
    """Refuse what would be no prompt, or overwrite another one."""
    if not words or not voices:
        raise SpeechProgramError("words to say, and voices", "none", "synth speech")
    seen: dict[str, str] = {}
    for word in words:
        if not _plain(word) or word.startswith("-") or "/" in word or not word.isprintable() or len(word) > 60:
            raise SynthesisError("words to say", repr(word[:60]), "synth speech")
        other = seen.setdefault(_plain(word), word)
        if other != word or words.count(word) > 1:
            raise SynthesisError(
                "different words", f"{other!r} and {word!r}", "synth speech", "Repeat it with --copies"
            )
    for voice in voices:
        if not _VOICE.fullmatch(voice) or voices.count(voice) > 1:
            raise SpeechProgramError(
                "names of voices, each once", repr(voice[:60]), "--voice", f"List them with {PROGRAM} --voices"
            )


def _plain(word: str) -> str:
    """Return its letters and digits, for the name of a file."""
    return "-".join(re.findall(r"\w+", word))


def _program() -> str:
    """Return the path of espeak-ng.

    Raises:
        InputError: it is not installed.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise SpeechProgramError(f"the program {PROGRAM}", "none on the PATH", "synth speech",
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
        raise SpeechProgramError(f"a prompt within {_SECONDS:g} s", "none", PROGRAM) from None
    if done.returncode:
        message = " ".join(done.stderr.split())[:300] or f"exit code {done.returncode}"
        raise SpeechProgramError(
            "a prompt", message, f"{PROGRAM} {voice}", f"List installed voices with {PROGRAM} --voices"
        )
