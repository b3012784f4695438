"""Classes of characters, small letters and tokens of `nlp/utterance/{letters,attributes}` as C99."""

from __future__ import annotations

from collections.abc import Sequence

from edgewright.export.c99_code.parts import filled, parts
from edgewright.nlp.utterance.normalise import APOSTROPHES, SIGNS, SPACES, Ranges, small_letters


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
C = parts(__file__, "letters.c")


def letters(*, tokens: bool, small: bool) -> list[str]:
    """Return blocks of C; the functions of `hashing` are expected before them.

    Args:
        tokens: whether tokens are wanted: by a tagger or gazetteers.
        small: whether small letters are: by a tagger.
    """
    ranges = {"spaces": _ranges(SPACES), "signs": _ranges(tuple(pair for pair in SIGNS if pair[1] > 0x80))}
    made = [filled(C["classes"], **ranges)]
    if tokens:
        joins = " || ".join(f"context->codes[last] == 0x{code:02X}u" for code in APOSTROPHES)
        made.append(filled(C["tokens"], joins=joins))
    if small:
        runs = capitals()
        cells = wrapped([f"{{{a}, {n}, {s}, {d}}}" for a, n, s, d in runs])
        made.append(filled(C["small"], count=len(runs), runs=cells))
    return made


def capitals() -> list[Run]:
    """Return the small letters as runs, sorted by their first capital; a code point counts in its first run only."""
    pairs = sorted(small_letters().items())
    made: list[Run] = []
    while pairs:
        first, small = pairs[0]
        best: list[int] = []
        for step in (1, 2):
            run = [first]
            known = dict(pairs)
            while known.get(run[-1] + step) == run[-1] + step + small - first:
                run.append(run[-1] + step)
            best = max(best, run, key=len)
        made.append((first, len(best), best[1] - first if len(best) > 1 else 1, small - first))
        taken = set(best)
        pairs = [pair for pair in pairs if pair[0] not in taken]
    return made


def _ranges(ranges: Ranges) -> str:
    return wrapped([f"{{0x{first:X}u, 0x{end:X}u}}" for first, end in ranges])
