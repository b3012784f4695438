"""Meaning of the parts of file names: `0_george_12.wav` is {label}_{group}_{index}."""

from __future__ import annotations

import re
from collections.abc import Sequence

from edgewright.data.labels import name_in

# A label or a person names two files or more, and at most so many different ones are classes.
_FILES, _MOST_LABELS = 2, 50


def guess_pattern(files: Sequence[str]) -> tuple[str, dict[str, int]]:
    """Guess what the parts between '_' or '-' in file names mean.

    The part with the most different values counts the files (`index`); of the others the first with several values is
    the label and the second the person. Files below folders are labelled by their folder and need no pattern.

    Args:
        files: paths below the folder that is read, with '/'.

    Returns:
        The pattern, empty where names say nothing, and the number of values of each part.
    """
    stems = [name_in(file) for file in files]
    if len(stems) < _FILES * 2 or any("/" in file for file in files):
        return "", {}
    mark = next((m for m in "_-" if len({len(stem.split(m)) for stem in stems}) == 1 and m in stems[0]), "")
    if not mark:
        return "", {}
    parts = list(zip(*(stem.split(mark) for stem in stems), strict=True))
    values = [len(set(part)) for part in parts]
    changing = [place for place, count in enumerate(values) if count > 1]
    numbers = [place for place in changing if all(re.fullmatch(r"\d+", text) for text in parts[place])]
    index = max(numbers or changing[-1:], key=lambda place: values[place], default=None)
    named = [p for p in changing if p != index and values[p] <= min(_MOST_LABELS, len(stems) // _FILES)]
    if not named:
        return "", {}
    meaning = dict(zip(named, ("label", "group"), strict=False))
    if index is not None:
        meaning[index] = "index"
    others = {place: f"part{place}" for place in changing if place not in meaning}
    meaning |= others
    pattern = mark.join("{" + meaning[p] + "}" if p in meaning else parts[p][0] for p in range(len(parts)))
    return pattern, {meaning[p]: values[p] for p in sorted(meaning)}
