"""Files with a vector for each word: text of GloVe, text and binary of word2vec."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace

from edgewright.core.files import os_errors
from edgewright.language.embedding.safetensors import write_safetensors
from edgewright.schema.errors import InputError

# Such files are sorted by frequency; 400,000 words, as many as the smaller GloVe files hold, take 480 MB at width 300.
MAX_WORDS = 400_000
_LONGEST_LINE = 1 << 16
_UNKNOWN = "[UNK]"
_DO = "Fetch the file again; it is damaged or incomplete"
# Weight a / (a + p(word)) with a = 1e-3: Arora, Liang and Ma, A Simple but Tough-to-Beat Baseline, 2017. The share p of
# a word follows from its rank by Zipf's law.
_RARE = 1e-3


class WordFile(NamedTuple):
    """What the first lines of a file say: vectors of `width`, for how many words (0: not said), and if in binary."""

    width: int
    words: int
    binary: bool


def look_at_words(path: Path) -> WordFile | None:
    """Return the layout of a file of word vectors; None for other files.

    Raises:
        InputError: the file cannot be read.
    """
    with os_errors(InputError, "a file of word vectors", path), path.open("rb") as file:
        first, second = file.readline(_LONGEST_LINE), file.readline(_LONGEST_LINE)
    parts = first.split()
    if len(parts) == 2 and all(part.isdigit() and len(part) < 10 for part in parts):
        count, width = map(int, parts)
        if not (count > 0 and 2 <= width <= 1 << 14):
            return None
        return WordFile(width, count, binary=_numbers(second.rstrip().rsplit(b" ", width)[1:]) is None)
    width = len(parts) - 1
    same = width == len(second.split()) - 1 and _numbers(parts[1:]) is not None
    return WordFile(width, 0, binary=False) if width >= 8 and same else None


def write_word_vectors(path: Path, folder: Path) -> None:
    """Write a file of word vectors as static embeddings: `tokenizer.json` and `model.safetensors`.

    Frequent words get a small weight. At most the first 400,000 words are kept.

    Raises:
        InputError: another file, or a line without a vector.
        OutputError: the folder cannot be written.
    """
    layout = look_at_words(path)
    if layout is None:
        raise InputError("a file of word vectors (GloVe or word2vec)", "another file", str(path))
    words: dict[str, int] = {_UNKNOWN: 0}
    vectors = [np.zeros(layout.width, np.float32)]
    with os_errors(InputError, "a file of word vectors", path), path.open("rb") as file:
        for word, vector in (_binary if layout.binary else _text)(file, layout, str(path)):
            if word not in words:
                words[word] = len(vectors)
                vectors.append(vector)
            if len(vectors) > MAX_WORDS:
                break
    table = np.stack(vectors)
    if len(words) < 3 or not np.isfinite(table).all():
        got = f"{len(words) - 1}" if len(words) < 3 else "values that are not finite"
        raise InputError("vectors of at least two words", got, str(path))
    ranks = np.arange(1, len(words))
    shares = 1.0 / (ranks * np.sum(1.0 / ranks))
    table[1:] *= (_RARE / (_RARE + shares))[:, None]
    tokenizer = Tokenizer(WordLevel(words, unk_token=_UNKNOWN))
    tokenizer.pre_tokenizer = Whitespace()
    if not any(word != word.lower() for word in list(words)[1:10_000]):
        tokenizer.normalizer = Lowercase()
    write_safetensors(folder / "model.safetensors", {"embeddings": table})
    tokenizer.save(str(folder / "tokenizer.json"))


def _text(file: IO[bytes], layout: WordFile, where: str) -> Iterator[tuple[str, NDArray[np.float32]]]:
    if layout.words:
        file.readline(_LONGEST_LINE)
    number = 1 if layout.words else 0
    while line := file.readline(_LONGEST_LINE):
        number += 1
        # Words of GloVe may have spaces in them.
        parts = line.rstrip().rsplit(b" ", layout.width)
        values = _numbers(parts[1:])
        if values is None or len(values) != layout.width:
            raise InputError(f"a word and {layout.width} numbers", repr(line[:40].decode("utf-8", "replace")),
                             f"{where} line {number}", _DO)  # fmt: skip
        yield parts[0].decode("utf-8", "replace"), values
    if number - 1 < layout.words:
        raise _too_few(number - 1, layout, where)


def _binary(file: IO[bytes], layout: WordFile, where: str) -> Iterator[tuple[str, NDArray[np.float32]]]:
    begin, size = len(file.readline(_LONGEST_LINE)), 4 * layout.width
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for number in range(1, layout.words + 1):
            space = content.find(b" ", begin, begin + _LONGEST_LINE)
            if space < 0 or space + 1 + size > len(content):
                raise _too_few(number - 1, layout, where)
            word = content[begin:space].lstrip(b"\n").decode("utf-8", "replace")
            yield word, np.frombuffer(content[space + 1 : space + 1 + size], "<f4").astype(np.float32)
            begin = space + 1 + size


def _too_few(words: int, layout: WordFile, where: str) -> InputError:
    return InputError(f"{layout.words:,} words", f"{words:,}", where, _DO)


def _numbers(parts: list[bytes]) -> NDArray[np.float32] | None:
    try:
        return np.array([float(part) for part in parts], np.float32) if parts else None
    except ValueError:
        return None
