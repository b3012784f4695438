"""Labelled utterances of a file, by its ending and form, for training or for evaluation."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from edgewright.data.files import read_utf8
from edgewright.data.sets.texts import Sentence
from edgewright.data.synthetic import PREFIX
from edgewright.schema.errors import InputError
from edgewright.schema.language import OUT_OF_SCOPE, Slot, Utterance

_BY_PART = dict[str, list[tuple[str, str]]]
_TEST, _VALIDATE = "test", "validate"
# Parts of CLINC150 by what they are for.
_TRAIN, _VALIDATION = ("train", "oos_train"), ("val", "oos_val")


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
            utterances = [entry for file in parts[chosen] for entry in read(file).utterances]
            return tuple(utterances), chosen
        path = published[0] if published else path
    if path.suffix.lower() == ".json":
        by_part = _decoded(path)
        if by_part is not None:
            chosen = _known(part or _TEST, (name for name in by_part if not name.startswith("oos_")), path)
            return tuple(
                entry for name in (chosen, f"oos_{chosen}") for entry in _pairs(by_part, name, str(path))
            ), chosen
    if part:
        raise InputError("utterances with parts, as CLINC150 or SNIPS publish them", path.name, "--part")
    labelled = read(path)
    utterances = [entry for entry in (*labelled.utterances, *labelled.validation) if not entry.synthetic]
    if not utterances:
        raise InputError("real utterances", "none", str(path))
    return tuple(utterances), ""


def _decoded(path: Path) -> _BY_PART | None:
    """Return texts with intents by part; None for another form of JSON."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=_BY_PART)
    except (msgspec.DecodeError, OSError, UnicodeDecodeError):
        return None


def _pairs(by_part: _BY_PART, part: str, where: str) -> Iterator[Utterance]:
    for number, (text, intent) in enumerate(by_part.get(part, ()), 1):
        location = f"{where}, {part}, entry {number}"
        yield Utterance(text=text, intent=intent_name(intent, location), where=location)


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
        decoded: Any = msgspec.json.decode(text) if ending == ".json" else msgspec.toml.decode(text)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise InputError(f"a {ending[1:].upper()} file", str(error), str(path)) from None
    return _labelled(decoded, str(path))


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
        utterances = []
        for row in rows:
            location = f"{where} line {rows.line_num}"
            if None in row or row["text"] is None or row["intent"] is None:
                raise InputError(f"{len(names)} cells", "another number", location, "Quote texts with commas in them")
            entry = utterance(row["text"], intent_name(row["intent"], location), location)
            synthetic = (row.get("provenance") or "").startswith(PREFIX)
            author = (row.get("author") or "").strip()
            utterances.append(msgspec.structs.replace(entry, synthetic=synthetic, author=author))
        return tuple(utterances)
    except csv.Error as error:
        raise InputError("a CSV file", str(error), where) from None


_MARK = re.compile(r"\[([^\[\]]+)\]\(([A-Za-z0-9_.-]{1,64})\)")


def utterance(text: str, intent: str, where: str) -> Utterance:
    """Return the sentence without its marks, and the slots that they were.

    Raises:
        InputError: a bracket that is no mark.
    """
    slots: list[Slot] = []
    plain: list[str] = []
    length, last = 0, 0
    for mark in _MARK.finditer(text):
        before = text[last : mark.start()]
        plain += [before, mark[1]]
        begin = length + len(before)
        length = begin + len(mark[1])
        slots.append(Slot(name=mark[2], begin=begin, end=length, text=mark[1]))
        last = mark.end()
    rest = text[last:]
    if "](" in "".join(plain) + rest:
        raise InputError("slots as [words](slot_name)", repr(text[:80]), where, "Close every bracket; names are ASCII")
    return Utterance(text="".join(plain) + rest, intent=intent, slots=tuple(slots), where=where)


# What people write for utterances that none of the intents answers.
_OUTSIDE = frozenset({"", "oos", "none", "out_of_scope", "out-of-scope", "out of scope"})
_FORMS = 'intents with examples, {"Intent": [{"data": [...]}]} as SNIPS, or {"train": [[text, intent]]} as CLINC'


class _Examples(msgspec.Struct, forbid_unknown_fields=True):
    examples: list[str]


class _Own(msgspec.Struct, forbid_unknown_fields=True):
    """`[intents.NAME] examples = [...]`, `[out_of_scope] examples = [...]`, `[gazetteers.SLOT] soda = ["cola"]`."""

    intents: dict[str, _Examples]
    out_of_scope: _Examples = msgspec.field(default_factory=lambda: _Examples([]))
    gazetteers: dict[str, dict[str, list[str]] | list[str]] = {}


def intent_name(name: str, where: str) -> str:
    """Return a name as it is kept.

    Raises:
        InputError: too long, or with control characters.
    """
    plain = name.strip()
    if plain.lower() in _OUTSIDE:
        return OUT_OF_SCOPE
    if len(plain) > 100 or not plain.isprintable():
        raise InputError("the name of an intent", repr(name[:60]), where)
    return plain


def _labelled(decoded: Any, where: str) -> Labelled:  # noqa: ANN401 - what a file held
    """Return utterances of a decoded file.

    Raises:
        InputError: none of the known forms, or an entry that does not fit its form.
    """
    if not isinstance(decoded, dict) or not decoded:
        raise InputError(_FORMS, type(decoded).__name__ if decoded else "an empty file", where)
    try:
        if "intents" in decoded:
            return _own(msgspec.convert(decoded, _Own), where)
        if "train" in decoded:
            return _clinc(msgspec.convert(decoded, dict[str, list[tuple[str, str]]]), where)
        return _snips(msgspec.convert(decoded, dict[str, list[Sentence]]), where)
    except msgspec.ValidationError as error:
        raise InputError(_FORMS, str(error), where) from None


def _own(decoded: _Own, where: str) -> Labelled:
    utterances = []
    for name, examples in [*decoded.intents.items(), (OUT_OF_SCOPE, decoded.out_of_scope)]:
        for number, text in enumerate(examples.examples, 1):
            location = f"{where}, {name}, example {number}"
            utterances.append(utterance(text, intent_name(name, location), location))
    gazetteers = {}
    for slot, entries in decoded.gazetteers.items():
        listed = entries if isinstance(entries, dict) else {entry: [] for entry in entries}
        gazetteers[slot] = {text: value for value, others in listed.items() for text in (value, *others)}
    return Labelled(tuple(utterances), (), gazetteers)


def _clinc(by_split: dict[str, list[tuple[str, str]]], where: str) -> Labelled:
    # A test part is not looked at here.
    train, validation = (
        tuple(entry for split in splits for entry in _pairs(by_split, split, where)) for splits in (_TRAIN, _VALIDATION)
    )
    return Labelled(train, validation)


def _snips(by_intent: dict[str, list[Sentence]], where: str) -> Labelled:
    utterances = []
    for name, sentences in by_intent.items():
        for number, pieces in enumerate(sentences, 1):
            location = f"{where}, {name}, utterance {number}"
            text, slots = "", []
            for piece in pieces.data:
                if piece.entity and piece.text.strip():
                    begin = len(text) + len(piece.text) - len(piece.text.lstrip())
                    words = piece.text.strip()
                    slots.append(Slot(name=piece.entity, begin=begin, end=begin + len(words), text=words))
                text += piece.text
            intent = intent_name(name, location)
            utterances.append(Utterance(text=text, intent=intent, slots=tuple(slots), where=location))
    return Labelled(tuple(utterances))
