"""Labelled utterances of a file, by its ending and content, for training or for evaluation."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from edgewright.data.headers import read_utf8
from edgewright.data.synthetic import PREFIX
from edgewright.language.utterances import forms
from edgewright.language.utterances.forms import utterance
from edgewright.schema.errors import InputError
from edgewright.schema.language import Utterance

_BY_PART = dict[str, list[tuple[str, str]]]
_TEST, _VALIDATE = "test", "validate"


def read_judged(path: Path, part: str = "") -> tuple[tuple[Utterance, ...], str]:
    """Return the utterances of a part, and the part's name; synthetic ones are left out.

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
        raise InputError("real utterances", "none", str(path))
    return tuple(found), ""


def _decoded(path: Path) -> _BY_PART | None:
    """Return texts with intents by part; None for another form of JSON."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=_BY_PART)
    except (msgspec.DecodeError, OSError, UnicodeDecodeError):
        return None


def _pairs(by_part: _BY_PART, part: str, path: Path) -> Iterable[Utterance]:
    for name in (part, f"oos_{part}"):
        for number, (text, intent) in enumerate(by_part.get(name, ()), 1):
            location = f"{path}, {name}, entry {number}"
            yield Utterance(text=text, intent=forms.intent(intent, location), where=location)


def _known(part: str, parts: Iterable[str], path: Path) -> str:
    known = tuple(parts)
    if part not in known:
        raise InputError(f"one of the parts {', '.join(known)}", repr(part), str(path), "Set it with --part")
    return part


_DO = "See docs/language.md for the forms that are read"


class Labelled(msgspec.Struct, frozen=True):
    """What a file held.

    Attributes:
        utterances: for training.
        validation: that the file sets apart itself; empty where it does not.
        gazetteers: entries of slots, and what each stands for.
    """

    utterances: tuple[Utterance, ...]
    validation: tuple[Utterance, ...] = ()
    gazetteers: dict[str, dict[str, str]] = {}


def read(path: Path) -> Labelled:
    """Return the utterances of a file, or of all files of a folder.

    Raises:
        InputError: no file, another form, not UTF-8, or an entry that is none, with its place.
    """
    if path.is_dir():
        official = snips_parts(path)
        # Of SNIPS the larger files train: many sentences of the small ones are among them, and others are the test.
        files = (
            official.get("full")
            or official.get("small")
            or sorted(p for p in path.iterdir() if p.suffix.lower() in (".toml", ".json", ".csv"))
        )
        if not files:
            raise InputError("a file .toml, .json or .csv of utterances", "a folder without any", str(path), _DO)
        return _joined([read(file) for file in files])
    text = read_utf8(path, "a file of utterances", _DO)
    ending = path.suffix.lower()
    if ending == ".csv":
        return Labelled(_csv(text, str(path)))
    if ending not in (".json", ".toml"):
        raise InputError("a file .toml, .json or .csv of utterances", path.name, str(path), _DO)
    try:
        found: Any = msgspec.json.decode(text) if ending == ".json" else msgspec.toml.decode(text)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise InputError(f"a {ending[1:].upper()} file", str(error), str(path)) from None
    parts = forms.read(found, str(path))
    return Labelled(tuple(parts.utterances), tuple(parts.validation), parts.gazetteers)


def snips_parts(folder: Path) -> dict[str, list[Path]]:
    """Return files of SNIPS in a folder or below it, by part: 'validate' (its official test), 'full' and 'small'.

    A folder without any of the first two is somebody's own.
    """
    train, validate = sorted(folder.rglob("train_*.json")), sorted(folder.rglob("validate_*.json"))
    parts = {
        "validate": validate,
        "full": [path for path in train if path.stem.endswith("_full")],
        "small": [path for path in train if not path.stem.endswith("_full")],
    }
    return {name: files for name, files in parts.items() if files and (validate or parts["full"])}


def read_lines(path: Path) -> tuple[str, ...]:
    """Return texts without labels, one a line; empty lines are left out.

    Raises:
        InputError: no file, not UTF-8, or no text in it.
    """
    lines = tuple(line.strip() for line in read_utf8(path, "a file of utterances", _DO).splitlines() if line.strip())
    if not lines:
        raise InputError("one text per line", "an empty file", str(path))
    return lines


def _joined(parts: list[Labelled]) -> Labelled:
    gazetteers: dict[str, dict[str, str]] = {}
    for part in parts:
        for slot, entries in part.gazetteers.items():
            gazetteers.setdefault(slot, {}).update(entries)
    return Labelled(
        tuple(u for part in parts for u in part.utterances),
        tuple(u for part in parts for u in part.validation),
        gazetteers,
    )


def _csv(text: str, where: str) -> tuple[Utterance, ...]:
    try:
        rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        names = [name.strip().lower() for name in rows.fieldnames or ()]
        if not {"text", "intent"} <= set(names):
            raise InputError("columns text and intent", ", ".join(names) or "an empty file", where)
        rows.fieldnames = names
        made = []
        for row in rows:
            location = f"{where} line {rows.line_num}"
            if None in row or row["text"] is None or row["intent"] is None:
                raise InputError(f"{len(names)} cells", "another number", location, "Quote texts with commas in them")
            one = utterance(row["text"], forms.intent(row["intent"], location), location)
            synthetic = (row.get("provenance") or "").startswith(PREFIX)
            made.append(msgspec.structs.replace(one, synthetic=synthetic))
        return tuple(made)
    except csv.Error as error:
        raise InputError("a CSV file", str(error), where) from None
