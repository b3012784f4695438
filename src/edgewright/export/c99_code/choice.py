"""Code for several cores in one file: the compiler takes what is written for its own by its macros."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence

# Core -> what its compiler says of itself. Vectors come first: a core that has them has two multipliers, too.
CONDITIONS = {
    "cortex-m55": "defined(__ARM_FEATURE_MVE) && (__ARM_FEATURE_MVE & 1)",
    "cortex-m4": "defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP",
    # Clang 14 does not say that V contains Zve32x.
    "riscv32v": "(defined(__riscv_zve32x) || defined(__riscv_v)) && __riscv_xlen == 32",
}
Region = tuple[int, int]


def joined(portable: str, variants: Mapping[str, str], name: str) -> str:
    """Return one text that holds portable code, and that of other cores where it differs.

    Args:
        portable: of the file.
        variants: core, of `CONDITIONS` -> its text of the same file.
        name: prefix of macros; code compiled with NAME_PORTABLE takes the portable text.
    """
    base = _blocks(portable)
    others = {core: _blocks(text) for core, text in variants.items() if text != portable}
    matches = {
        core: difflib.SequenceMatcher(None, base, blocks, autojunk=False).get_opcodes()
        for core, blocks in others.items()
    }
    regions = _merged([(a, b) for codes in matches.values() for tag, a, b, _, _ in codes if tag != "equal"])
    parts, at = list[str](), 0
    for first, last in regions:
        parts += base[at:first]
        texts: dict[str, list[str]] = {}
        for core, blocks in others.items():
            begin, end = (
                _other_index(matches[core], index, upper=upper) for index, upper in ((first, False), (last, True))
            )
            texts.setdefault("\n\n".join(blocks[begin:end]), []).append(f"({CONDITIONS[core]})")
        for number, (text, conditions) in enumerate(texts.items()):
            guard = f"!defined({name.upper()}_PORTABLE) && ({' || '.join(conditions)})"
            parts.append(f"#{'elif' if number else 'if'} {guard}\n{text}")
        portable_text = "\n\n".join(base[first:last])
        parts.append(f"#else\n{portable_text}\n#endif")
        at = last
    return "\n\n".join([*parts, *base[at:]])


def _blocks(text: str) -> list[str]:
    """Return a text at its empty lines, a comment in one piece."""
    return re.split(r"\n\n(?=\S|\Z)", text)


def _merged(regions: Sequence[Region]) -> list[Region]:
    result: list[Region] = []
    for first, last in sorted(regions):
        if result and first <= result[-1][1]:
            result[-1] = result[-1][0], max(last, result[-1][1])
        else:
            result.append((first, last))
    return result


def _other_index(codes: Sequence[tuple[str, int, int, int, int]], index: int, *, upper: bool) -> int:
    """Return where the other text goes on at a place of the base that no difference contains."""
    places = [
        c if index == a else d if index == b else c + index - a
        for tag, a, b, c, d in codes
        if a <= index <= b and (tag == "equal" or index in (a, b))
    ]
    return (max if upper else min)(places, default=0)
