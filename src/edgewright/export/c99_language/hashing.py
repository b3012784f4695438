"""UTF-8, normalising and hashing of `nlp/utterance` as C99: the same code points, the same rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewright.export.c99_code.parts import filled, parts
from edgewright.export.c99_code.text import entries
from edgewright.export.c99_language.letters import wrapped
from edgewright.nlp.utterance.hashing import MIX_A, MIX_B, MULTIPLIER, SEED, WORDS
from edgewright.nlp.utterance.normalise import APOSTROPHE, LONGEST, SPACE, table

C = parts(__file__, "hashing.c")
ROOT = C["root"]


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
        "characters": "".join(filled(C["characters"], n=n, seed=f"{SEED * n & mask:X}") for n in characters),
        "words": "".join(filled(C["words"], n=n, seed=f"{SEED * (n + WORDS) & mask:X}", space=SPACE) for n in words),
    }
    numbers = {"mix_a": f"{MIX_A:X}", "mix_b": f"{MIX_B:X}", "multiplier": f"{MULTIPLIER:X}", "rows": rows}
    before = "\n\n".join([C["decode"], filled(C["fold"], **words_text), filled(C["normalise"], **words_text)])
    return [before, filled(C["rows"], **numbers, **runs)]


def longest() -> int:
    """Code points of an utterance at most."""
    return LONGEST


def _pairs() -> list[tuple[int, int]]:
    return sorted((code, ord(value)) for code, value in table().items() if code >= 0x80 and value and value != " ")


def _ranges(codes: list[int]) -> list[int]:
    """Begin and end of runs, the ends not included."""
    made: list[int] = []
    for code in sorted(codes):
        if made and made[-1] == code:
            made[-1] = code + 1
        else:
            made += [code, code + 1]
    return made
