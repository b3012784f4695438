"""Labelled utterances of a file, by its ending and form, for training or for evaluation."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from edgewright.core.errors import LanguageModelError, UtterancesError
from edgewright.data.contract import read_utf8
from edgewright.data.synthetic import PREFIX
from edgewright.nlp.records import OUT_OF_SCOPE, Slot, Utterance
from edgewright.nlp.utterance.values import checked, normalised

_BY_PART = dict[str, list[tuple[str, str]]]
_TEST, _VALIDATE = "test", "validate"
# Parts of CLINC150 by what they are for.
_TRAIN, _VALIDATION = ("train", "oos_train"), ("val", "oos_val")


class _Piece(msgspec.Struct):
    """Words, and the slot that they fill; empty for none."""

    text: str
    entity: str = ""


class _Sentence(msgspec.Struct):
    """A sentence in pieces."""

    data: list[_Piece]


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
        raise UtterancesError("utterances with parts, as CLINC150 or SNIPS publish them", path.name, "--part")
    labelled = read(path)
    utterances = [entry for entry in (*labelled.utterances, *labelled.validation) if not entry.synthetic]
    if not utterances:
        raise UtterancesError("real utterances", "none", str(path))
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
        raise UtterancesError(f"one of the parts {', '.join(known)}", repr(part), str(path), "Set it with --part")
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
            raise UtterancesError("a file .toml, .json or .csv of utterances", "a folder without any", str(path), _DO)
        return _joined([read(file) for file in files])
    text = read_utf8(path, "a file of utterances", _DO)
    ending = path.suffix.lower()
    if ending == ".csv":
        return Labelled(_csv(text, str(path)))
    if ending not in (".json", ".toml"):
        raise UtterancesError("a file .toml, .json or .csv of utterances", path.name, str(path), _DO)
    try:
        decoded: Any = msgspec.json.decode(text) if ending == ".json" else msgspec.toml.decode(text)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise UtterancesError(f"a {ending[1:].upper()} file", str(error), str(path)) from None
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
        raise UtterancesError("one text per line", "an empty file", str(path))
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
            raise UtterancesError("columns text and intent", ", ".join(names) or "an empty file", where)
        rows.fieldnames = names
        utterances = []
        for row in rows:
            location = f"{where} line {rows.line_num}"
            if None in row or row["text"] is None or row["intent"] is None:
                raise UtterancesError(
                    f"{len(names)} cells", "another number", location, "Quote texts with commas in them"
                )
            entry = utterance(row["text"], intent_name(row["intent"], location), location)
            synthetic = (row.get("provenance") or "").startswith(PREFIX)
            author = (row.get("author") or "").strip()
            utterances.append(msgspec.structs.replace(entry, synthetic=synthetic, author=author))
        return tuple(utterances)
    except csv.Error as error:
        raise UtterancesError("a CSV file", str(error), where) from None


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
        raise UtterancesError(
            "slots as [words](slot_name)", repr(text[:80]), where, "Close every bracket; names are ASCII"
        )
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
        raise LanguageModelError("the name of an intent", repr(name[:60]), where)
    return plain


def _labelled(decoded: Any, where: str) -> Labelled:  # noqa: ANN401 - what a file held
    """Return utterances of a decoded file.

    Raises:
        InputError: none of the known forms, or an entry that does not fit its form.
    """
    if not isinstance(decoded, dict) or not decoded:
        raise UtterancesError(_FORMS, type(decoded).__name__ if decoded else "an empty file", where)
    try:
        if "intents" in decoded:
            return _own(msgspec.convert(decoded, _Own), where)
        if "train" in decoded:
            return _clinc(msgspec.convert(decoded, dict[str, list[tuple[str, str]]]), where)
        return _snips(msgspec.convert(decoded, dict[str, list[_Sentence]]), where)
    except msgspec.ValidationError as error:
        raise LanguageModelError(_FORMS, str(error), where) from None


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


def _snips(by_intent: dict[str, list[_Sentence]], where: str) -> Labelled:
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


# Two for the fit and one to judge it by is the least that says anything.
FEWEST = 3


def check(utterances: Sequence[Utterance]) -> tuple[str, ...]:
    """Return the intents, sorted.

    Raises:
        InputError: an utterance that cannot be one, one intent only, an intent with fewer than `FEWEST` different
            examples, or the same sentence under two intents; with the first place of each and how many there are.
    """
    for utterance in utterances:
        checked(utterance.text, utterance.where or "an utterance")
    _contradictions(utterances)
    kinds = Counter(intent for _, intent in {(normalised(u.text), u.intent) for u in utterances})
    outside = kinds.pop(OUT_OF_SCOPE, 0)
    if len(kinds) < 2:
        got = ", ".join(kinds) or ("none" if not outside else "only utterances out of scope")
        raise UtterancesError("at least two intents", got, do="Add utterances of another intent")
    few = sorted(name for name, count in kinds.items() if count < FEWEST)
    if few:
        raise UtterancesError(
            f"at least {FEWEST} different utterances an intent",
            f"{kinds[few[0]]} of {few[0]!r}" + (f", and {len(few) - 1} more such intents" if few[1:] else ""),
            do="Add examples; about ten per intent plus unlabelled texts (--unlabelled) are often enough",
        )
    return tuple(sorted(kinds))


def check_validation(utterances: Sequence[Utterance], validation: Sequence[Utterance]) -> list[str]:
    """Return what is odd about utterances set apart to judge by; nothing where there are none.

    Raises:
        InputError: one that cannot be one, an intent that the training lacks, none that says anything (all of them
            synthetic or out of scope), or a sentence that the training has under another intent.
    """
    if not validation:
        return []
    for utterance in validation:
        checked(utterance.text, utterance.where or "an utterance of the validation")
    known = {utterance.intent for utterance in utterances} | {OUT_OF_SCOPE}
    strange = next((utterance for utterance in validation if utterance.intent not in known), None)
    if strange is not None:
        raise UtterancesError("intents of the training", repr(strange.intent), strange.where or "the validation",
                         "Remove it, or add training examples of it")  # fmt: skip
    if all(utterance.intent == OUT_OF_SCOPE or utterance.synthetic for utterance in validation):
        raise UtterancesError("real utterances in scope for validation", "none", "the validation")
    _contradictions((*utterances, *validation))
    learnt = {normalised(utterance.text) for utterance in utterances}
    both = sum(normalised(utterance.text) in learnt for utterance in validation)
    lacking = sorted(known - {utterance.intent for utterance in validation} - {OUT_OF_SCOPE})
    notes = [f"{both:,} of {len(validation):,} validation utterances are also in the training"] if both else []
    if lacking:
        more = f" and {len(lacking) - 5} more" * bool(lacking[5:])
        notes.append(f"no validation utterances for {', '.join(lacking[:5])}{more}")
    return notes


def findings(utterances: Sequence[Utterance]) -> list[str]:
    """Return warnings: repeated sentences, intents of very different sizes, no out of scope."""
    notes = []
    texts = Counter(normalised(u.text) for u in utterances)
    repeated = sum(count - 1 for count in texts.values())
    if repeated:
        notes.append(f"{repeated:,} of {len(utterances):,} utterances are repeated")
    sizes = Counter(u.intent for u in utterances)
    outside = sizes.pop(OUT_OF_SCOPE, 0)
    if sizes and max(sizes.values()) > 10 * min(sizes.values()):
        smallest, largest = min(sizes, key=sizes.__getitem__), max(sizes, key=sizes.__getitem__)
        notes.append(f"{largest} has {sizes[largest]:,} utterances and {smallest} {sizes[smallest]:,}")
    if not outside:
        notes.append("no utterance is marked out of scope; sentences of your users that no intent answers help")
    return notes


def _contradictions(utterances: Sequence[Utterance]) -> None:
    seen: dict[str, Utterance] = {}
    odd: list[tuple[Utterance, Utterance]] = []
    for utterance in utterances:
        first = seen.setdefault(normalised(utterance.text), utterance)
        if first.intent != utterance.intent:
            odd.append((first, utterance))
    if odd:
        first, utterance = odd[0]
        more = f"; {len(odd) - 1} more such sentences" if odd[1:] else ""
        raise UtterancesError(
            "one intent per sentence", f"{utterance.text[:60]!r} as {first.intent!r} and as {utterance.intent!r}{more}",
            f"{first.where} and {utterance.where}".strip(), "Keep one, or drop all with --contradictions drop",
        )  # fmt: skip


def without_contradictions(utterances: Sequence[Utterance]) -> tuple[tuple[Utterance, ...], int]:
    """Return the utterances whose sentence has one intent only, and how many were left out."""
    intents: dict[str, set[str]] = {}
    for utterance in utterances:
        intents.setdefault(normalised(utterance.text), set()).add(utterance.intent)
    kept = tuple(u for u in utterances if len(intents[normalised(u.text)]) == 1)
    return kept, len(utterances) - len(kept)
