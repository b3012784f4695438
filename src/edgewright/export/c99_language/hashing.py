"""UTF-8, normalising, hashing, classes of characters and tokens of `nlp/utterance` as C99: the same code points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewright.export.c99_code.parts import filled, parts
from edgewright.export.c99_code.text import entries
from edgewright.nlp.utterance.normalise import (
    APOSTROPHE,
    APOSTROPHES,
    LONGEST,
    SIGNS,
    SPACE,
    SPACES,
    Ranges,
    small_letters,
    table,
)
from edgewright.nlp.utterance.student import MIX_A, MIX_B, MULTIPLIER, SEED, WORDS

HASHING = parts(__file__, "hashing.c")
ROOT = HASHING["root"]


def tables() -> str:
    """Write the tables of normalization beyond ASCII: dropped and separating ranges, folded pairs."""
    rules = {code: value for code, value in table().items() if code >= 0x80}
    dropped = _ranges([code for code, value in rules.items() if value is None])
    separating = _ranges([code for code, value in rules.items() if value == " "])
    pairs = _pairs()
    lines = wrapped([f"{{{code}, {value}}}" for code, value in pairs])
    return "\n".join([
        f"static const uint16_t @_dropped[{len(dropped)}] = {{\n{entries(np.array(dropped, np.uint16))}\n}};",
        f"static const uint16_t @_separating[{len(separating)}] = {{\n{entries(np.array(separating, np.uint16))}\n}};",
        f"static const uint16_t @_folded[{len(pairs)}][2] = {{\n{lines}\n}};",
    ])  # fmt: skip


def functions(rows: int, characters: Sequence[int], words: Sequence[int]) -> list[str]:
    """Write decoding, normalizing and hashing; `@_add(context, row)` is expected between `@_normalise` and them.

    Args:
        rows: of the table.
        characters: sizes of the n-grams of characters.
        words: sizes of the n-grams of words.

    Returns:
        Blocks of C: what comes before `@_add`, and what comes after it.
    """
    mask = 0xFFFFFFFF
    words_text = {"space": SPACE, "apostrophe": APOSTROPHE, "pairs": len(_pairs())}
    runs = {
        "characters": "".join(filled(HASHING["characters"], n=n, seed=f"{SEED * n & mask:X}") for n in characters),
        "words": "".join(
            filled(HASHING["words"], n=n, seed=f"{SEED * (n + WORDS) & mask:X}", space=SPACE) for n in words
        ),
    }
    numbers = {"mix_a": f"{MIX_A:X}", "mix_b": f"{MIX_B:X}", "multiplier": f"{MULTIPLIER:X}", "rows": rows}
    before = "\n\n".join(
        [HASHING["decode"], filled(HASHING["fold"], **words_text), filled(HASHING["normalise"], **words_text)]
    )
    return [before, filled(HASHING["rows"], **numbers, **runs)]


def longest() -> int:
    """Code points of an utterance at most."""
    return LONGEST


def _pairs() -> list[tuple[int, int]]:
    return sorted((code, ord(value)) for code, value in table().items() if code >= 0x80 and value and value != " ")


def _ranges(codes: list[int]) -> list[int]:
    """Begin and end of runs, the ends not included."""
    borders: list[int] = []
    for code in sorted(codes):
        if borders and borders[-1] == code:
            borders[-1] = code + 1
        else:
            borders += [code, code + 1]
    return borders


def wrapped(cells: Sequence[str]) -> str:
    """Return cells such as `{1, 2}`, separated by commas, in lines of at most 118 characters."""
    lines, line = [], "   "
    for number, cell in enumerate(cells):
        word = f" {cell}" + ("," if number + 1 < len(cells) else "")
        if len(line) + len(word) > 118:
            lines.append(line)
            line = "   "
        line += word
    return "\n".join([*lines, line])


# A run of capitals: the first, how many, how far apart, and what is added to get the small letter.
Run = tuple[int, int, int, int]
LETTERS = parts(__file__, "letters.c")


def letters(*, tokens: bool, small: bool) -> list[str]:
    """Return blocks of C; the functions of `hashing` are expected before them.

    Args:
        tokens: whether tokens are wanted: by a tagger or gazetteers.
        small: whether small letters are: by a tagger.
    """
    ranges = {
        "spaces": _pairs_of_codes(SPACES),
        "signs": _pairs_of_codes(tuple(pair for pair in SIGNS if pair[1] > 0x80)),
    }
    blocks = [filled(LETTERS["classes"], **ranges)]
    if tokens:
        joins = " || ".join(f"context->codes[last] == 0x{code:02X}u" for code in APOSTROPHES)
        blocks.append(filled(LETTERS["tokens"], joins=joins))
    if small:
        runs = capitals()
        cells = wrapped([f"{{{a}, {n}, {s}, {d}}}" for a, n, s, d in runs])
        blocks.append(filled(LETTERS["small"], count=len(runs), runs=cells))
    return blocks


def capitals() -> list[Run]:
    """Return the small letters as runs, sorted by their first capital; a code point counts in its first run only."""
    pairs = sorted(small_letters().items())
    runs: list[Run] = []
    while pairs:
        first, small = pairs[0]
        best: list[int] = []
        for step in (1, 2):
            run = [first]
            known = dict(pairs)
            while known.get(run[-1] + step) == run[-1] + step + small - first:
                run.append(run[-1] + step)
            best = max(best, run, key=len)
        runs.append((first, len(best), best[1] - first if len(best) > 1 else 1, small - first))
        used = set(best)
        pairs = [pair for pair in pairs if pair[0] not in used]
    return runs


def _pairs_of_codes(ranges: Ranges) -> str:
    return wrapped([f"{{0x{first:X}u, 0x{end:X}u}}" for first, end in ranges])
