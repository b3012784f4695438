"""A file of labelled utterances, in any of the forms that are known, by its ending and what it holds."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import msgspec

from edgewright.data.synthetic import PREFIX
from edgewright.language.utterances import forms
from edgewright.language.utterances.markup import utterance
from edgewright.schema.errors import InputError
from edgewright.schema.language import Utterance

_LARGEST = 256 << 20
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
    """The utterances of a file, or of all files of a folder.

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
    text = _text(path)
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
    """Files of SNIPS in a folder or below it, by part: 'validate' (its official test), 'full' and 'small'.

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
    """Texts without labels, one a line; empty lines are left out.

    Raises:
        InputError: no file, not UTF-8, or no text in it.
    """
    lines = tuple(line.strip() for line in _text(path).splitlines() if line.strip())
    if not lines:
        raise InputError("a text a line", "an empty file", str(path))
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


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST:
            raise InputError(f"at most {_LARGEST >> 20} MB", f"{path.stat().st_size >> 20} MB", str(path))
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError("a file of utterances", error.strerror or str(error), str(path), _DO) from None
    except UnicodeDecodeError as error:
        raise InputError("text in UTF-8", f"byte {error.start} that is not", str(path), "Save it as UTF-8") from None


def _csv(text: str, where: str) -> tuple[Utterance, ...]:
    try:
        rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        names = [name.strip().lower() for name in rows.fieldnames or ()]
        if not {"text", "intent"} <= set(names):
            raise InputError("columns text and intent", ", ".join(names) or "an empty file", where)
        rows.fieldnames = names
        made = []
        for row in rows:
            place = f"{where} line {rows.line_num}"
            if None in row or row["text"] is None or row["intent"] is None:
                raise InputError(f"{len(names)} cells", "another number", place, "Quote texts with commas in them")
            one = utterance(row["text"], forms.intent(row["intent"], place), place)
            synthetic = (row.get("provenance") or "").startswith(PREFIX)
            made.append(msgspec.structs.replace(one, synthetic=synthetic))
        return tuple(made)
    except csv.Error as error:
        raise InputError("a CSV file", str(error), where) from None
