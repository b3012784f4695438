"""Numbers in digits and words, durations, times of day and dates of `nlp/utterance/values` as C99."""

from __future__ import annotations

from edgewright.export.c99_code.parts import filled, parts
from edgewright.nlp.utterance.values import DAYS, LARGE, MOST_SECONDS, SMALL, UNITS


def rules() -> str:
    """Return a block of C; `@_slot` and the functions of `letters` are expected before them."""
    words = {
        "numbers": _table({**SMALL, **LARGE}), "units": _table(UNITS),
        "days": ", ".join(f'"{day}"' for day in DAYS), "most": f"{MOST_SECONDS}.0",
    }  # fmt: skip
    return filled(parts(__file__, "rules.c")["rules"], **words)


def _table(words: dict[str, int]) -> str:
    return ",\n".join(f'    {{"{word}", {value}}}' for word, value in words.items())
