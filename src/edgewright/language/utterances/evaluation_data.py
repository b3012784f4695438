"""Utterances to judge a model by: a file of one's own, or an official part of a set as it is published."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from edgewright.language.utterances import forms
from edgewright.language.utterances.read import read, snips_parts
from edgewright.schema.errors import InputError
from edgewright.schema.language import Utterance

_BY_PART = dict[str, list[tuple[str, str]]]
_TEST, _VALIDATE = "test", "validate"


def read_judged(path: Path, part: str = "") -> tuple[tuple[Utterance, ...], str]:
    """The utterances of a part, and the part's name; synthetic ones are left out.

    A JSON file of parts, as CLINC publishes it, has the parts that it names; `oos_test` belongs to `test`. A folder of
    SNIPS has the parts `validate` (its official test), `full` and `small`. Without `part` it is the official test of
    these, and all of any other file.

    Args:
        path: file or folder.
        part: of the set.

    Raises:
        InputError: no such file or part, or an entry that is none, with its place.
    """
    if path.is_dir():
        published = sorted(path.rglob("data_full.json"))
        parts = snips_parts(path)
        if parts and not published:
            chosen = _known(part or _VALIDATE, parts, path)
            found = [one for file in parts[chosen] for one in read(file).utterances]
            return tuple(found), chosen
        path = published[0] if published else path
    if path.suffix.lower() == ".json":
        by_part = _decoded(path)
        if by_part is not None:
            chosen = _known(part or _TEST, (name for name in by_part if not name.startswith("oos_")), path)
            return tuple(_pairs(by_part, chosen, path)), chosen
    if part:
        raise InputError("utterances with parts, as CLINC150 or SNIPS publish them", path.name, "--part")
    labelled = read(path)
    found = [one for one in (*labelled.utterances, *labelled.validation) if not one.synthetic]
    if not found:
        raise InputError("utterances that people said", "none", str(path))
    return tuple(found), ""


def _decoded(path: Path) -> _BY_PART | None:
    """Texts with intents by part; None for another form of JSON."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=_BY_PART)
    except (msgspec.DecodeError, OSError, UnicodeDecodeError):
        return None


def _pairs(by_part: _BY_PART, part: str, path: Path) -> Iterable[Utterance]:
    for name in (part, f"oos_{part}"):
        for number, (text, intent) in enumerate(by_part.get(name, ()), 1):
            place = f"{path}, {name}, entry {number}"
            yield Utterance(text=text, intent=forms.intent(intent, place), where=place)


def _known(part: str, parts: Iterable[str], path: Path) -> str:
    known = tuple(parts)
    if part not in known:
        raise InputError(f"one of the parts {', '.join(known)}", repr(part), str(path), "Name it with --part")
    return part
