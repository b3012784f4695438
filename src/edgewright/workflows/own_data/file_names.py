"""Meaning of the parts of file names: `0_george_12.wav` is {label}_{group}_{index}."""

from __future__ import annotations

import re
from collections.abc import Sequence

from edgewright.data.labels import name_in
from edgewright.workflows.own_data.columns import GROUPS, SESSIONS

# Words before a number that names a person or machine, and a recording, as in the names of columns: `exp01_user03`.
_PERSONS = {*GROUPS, "subj", "sub"}
_RECORDINGS = {*SESSIONS, "exp", "sess", "rec"}
_NUMBERED = re.compile(r"([A-Za-z]+)\d+")

# A label or a person names two files or more, and at most so many different ones are classes.
_FILES, _MOST_LABELS = 2, 50


def guess_pattern(files: Sequence[str]) -> tuple[str, dict[str, int]]:
    """Guess what the parts between '_' or '-' in file names mean.

    The part with the most different values counts the files (`index`); of the others the first with several values is
    the label and the second the person. Numbers behind a word that means a person (`user03`) are persons. Files below
    folders are labelled by their folder and need no pattern.

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
    heads = [_head(part) for part in parts]
    person = next((place for place in changing if heads[place].lower() in _PERSONS), None)
    counted = [place for place in changing if heads[place].lower() in _RECORDINGS]
    numbers = [place for place in changing if place in counted or all(text.isdecimal() for text in parts[place])]
    free = [place for place in changing if place != person]
    index = max(numbers or (free[-1:] if person is None else []), key=lambda place: values[place], default=None)
    most = min(_MOST_LABELS, len(stems) // _FILES)
    named = [p for p in free if p != index and p not in counted and values[p] <= most]
    if not named and person is None:
        return "", {}
    meaning = dict(zip(named, ("label", "group") if person is None else ("label",), strict=False))
    if person is not None:
        meaning[person] = "group"
    if index is not None:
        meaning[index] = "index"
    meaning |= {place: f"part{place}" for place in changing if place not in meaning}
    before = [heads[p] if p == person or p in counted else "" for p in range(len(parts))]
    pattern = mark.join(before[p] + "{" + meaning[p] + "}" if p in meaning else parts[p][0] for p in range(len(parts)))
    return pattern, {meaning[p]: values[p] for p in sorted(meaning)}


def _head(part: Sequence[str]) -> str:
    """Return the word before the number that all texts of a part share; empty where there is none."""
    heads = {match[1] if (match := _NUMBERED.fullmatch(text)) else "" for text in part}
    return heads.pop() if len(heads) == 1 else ""
