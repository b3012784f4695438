"""Prompts and their pronunciations, and recordings of people who read them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgewright.core.input.riff import read_wav
from edgewright.data.sets._files import find_files
from edgewright.data.sets.texts import read_sentences
from edgewright.language.pronunciation.phones import SILENCE, Lexicon, Words, read_lexicon
from edgewright.language.pronunciation.sound import log_mel
from edgewright.language.pronunciation.speech import RATE, say
from edgewright.language.synthesis.speech import resampled
from edgewright.schema.data import Floats
from edgewright.schema.errors import InputError

_LEXICON = "lexicon.txt"


@dataclass(frozen=True)
class Take:
    """A sentence that somebody read.

    Attributes:
        name: name of the recording.
        speaker: who read it.
        words: that were to be read.
        pronunciations: of each word.
        frames: log-mel frames, shape (frames, bands).
    """

    name: str
    speaker: str
    words: tuple[str, ...]
    pronunciations: Words
    frames: Floats

    @property
    def text(self) -> str:
        """The sentence."""
        return " ".join(self.words)


@dataclass(frozen=True)
class Corpus:
    """Sentences with and without sound.

    Attributes:
        takes: read sentences.
        texts: every sentence, by the name of its recording; those without sound are prompts for synthetic speech.
        lexicon: pronunciations.
        origin: folder that was read.
    """

    takes: tuple[Take, ...]
    texts: dict[str, str]
    lexicon: Lexicon
    origin: str = ""


def prompt_words(text: str, lexicon: Lexicon, where: str) -> tuple[tuple[str, ...], Words]:
    """Return the words of a sentence and their pronunciations.

    Raises:
        InputError: no word, or one that the dictionary does not have.
    """
    words = split_words(text)
    missing = [word for word in words if word not in lexicon]
    if missing or not words:
        raise InputError("words of the dictionary", repr(" ".join(missing[:5]) or text), where,
                         "Add a line with its phones to lexicon.txt")  # fmt: skip
    return words, tuple(lexicon[word] for word in words)


def split_words(text: str) -> tuple[str, ...]:
    """Return the words of a sentence as a dictionary has them: capitals, without signs around them."""
    return tuple(word for part in text.upper().split() if (word := part.strip('.,;:!?"()')))


def read_sound(path: Path) -> Floats:
    """Return the sound of a WAV file at 16 kHz, its channels averaged: shape (samples,).

    Raises:
        InputError: no such file, or none of this format.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError("a WAV file", error.strerror or str(error), str(path)) from None
    return sound_at_rate(data, str(path))


def sound_at_rate(data: bytes, where: str, rate: int = RATE) -> Floats:
    """Return the sound of the bytes of a WAV file at a rate, here 16 kHz, its channels averaged: shape (samples,).

    Raises:
        InputError: they are none.
    """
    sound = read_wav(data, where)
    return resampled(np.asarray(sound.values.mean(axis=1), np.float32), sound.rate, rate)


def read_corpus(folder: Path, maximum: int = 0) -> Corpus:
    """Read a folder of recordings: `text`, `utt2spk`, `lexicon.txt` and WAV files by the name of their sentence.

    Args:
        folder: that has them, in any folder of it.
        maximum: recordings of one speaker; 0 for all.

    Raises:
        InputError: a file is missing, or a word of a recorded sentence has no pronunciation.
    """
    rows = read_sentences(folder).rows
    lexicon = read_lexicon(lexicon_file(folder))
    sounds = sound_files(folder)
    takes: list[Take] = []
    counts: Counter[str] = Counter()
    for _, name, text, speaker, *_ in rows:
        if name in sounds and not 0 < maximum <= counts[speaker]:
            counts[speaker] += 1
            words, pronunciations = prompt_words(text, lexicon, f"{folder}, sentence {name}")
            takes.append(Take(name, speaker, words, pronunciations, log_mel(read_sound(sounds[name]))))
    if not takes:
        raise InputError("WAV files named as the sentences in `text`", "none", str(folder))
    return Corpus(tuple(takes), {name: " ".join(split_words(text)) for _, name, text, *_ in rows}, lexicon, str(folder))


def lexicon_file(folder: Path) -> Path:
    """Return the dictionary of a folder of recordings.

    Raises:
        InputError: there is none.
    """
    files = find_files(folder, _LEXICON)
    if not files:
        raise InputError(f"a dictionary {_LEXICON}", "none", str(folder), "A word and its phones a line: CAT K AE T")
    return files[0]


def sound_files(folder: Path) -> dict[str, Path]:
    """Return the WAV files of a folder of recordings, by the name of their sentence."""
    return {path.stem: path for path in find_files(folder, "*.wav", "*.WAV")}


def held_out(takes: Sequence[Take], share: float, seed: int) -> tuple[list[Take], list[Take]]:
    """Return takes of the speakers that train, and of those that judge."""
    speakers = sorted({take.speaker for take in takes})
    if len(speakers) < 4:
        raise InputError("recordings of at least four speakers", str(len(speakers)), "the recordings")
    order = np.random.default_rng([seed, 11]).permutation(len(speakers))
    judges = {speakers[index] for index in order[: max(1, round(share * len(speakers)))]}
    return [t for t in takes if t.speaker not in judges], [t for t in takes if t.speaker in judges]


_VOICE = "en-us"


def sentence(text: str, lexicon: Path | None = None) -> tuple[tuple[str, ...], Words]:
    """Return the words of a sentence and their pronunciations.

    Raises:
        InputError: no word, or one that neither the dictionary nor espeak-ng can say.
    """
    words = split_words(text)
    known = read_lexicon(lexicon) if lexicon is not None else {}
    if not words:
        raise InputError("a sentence", repr(text), "the prompt")
    return words, tuple(known[word] if word in known else (_spoken(word),) for word in words)


def _spoken(word: str) -> tuple[int, ...]:
    phones = tuple(phone for phone in say(word.lower(), _VOICE).phones if phone != SILENCE)
    if not phones:
        raise InputError("words that can be spoken", repr(word), "the prompt", "Spell it as it sounds")
    return phones
