"""Prompts and their pronunciations, and recordings of people who read them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgewright.core.errors import InputError
from edgewright.core.records.data import Floats
from edgewright.data.set_files import find_files
from espeak import read_sentences, read_sound, say, sound_files
from phones import SILENCE, Lexicon, Words, read_lexicon
from sound import log_mel

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


def read_corpus(folder: Path, maximum: int = 0) -> Corpus:
    """Read a folder of recordings: `text`, `utt2spk`, `lexicon.txt` and WAV files by the name of their sentence.

    Args:
        folder: that has them, in any folder of it.
        maximum: recordings of one speaker; 0 for all.

    Raises:
        InputError: a file is missing, or a word of a recorded sentence has no pronunciation.
    """
    rows = read_sentences(folder)
    lexicon = read_lexicon(lexicon_file(folder))
    sounds = sound_files(folder)
    takes: list[Take] = []
    counts: Counter[str] = Counter()
    for row in rows:
        name, text, speaker = row["utterance"], row["text"], row["speaker"]
        if name in sounds and not 0 < maximum <= counts[speaker]:
            counts[speaker] += 1
            words, pronunciations = prompt_words(text, lexicon, f"{folder}, sentence {name}")
            takes.append(Take(name, speaker, words, pronunciations, log_mel(read_sound(sounds[name]))))
    if not takes:
        raise InputError("WAV files named as the sentences in `text`", "none", str(folder))
    texts = {row["utterance"]: " ".join(split_words(row["text"])) for row in rows}
    return Corpus(tuple(takes), texts, lexicon, str(folder))


def lexicon_file(folder: Path) -> Path:
    """Return the dictionary of a folder of recordings.

    Raises:
        InputError: there is none.
    """
    files = find_files(folder, _LEXICON)
    if not files:
        raise InputError(f"a dictionary {_LEXICON}", "none", str(folder), "A word and its phones a line: CAT K AE T")
    return files[0]


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
