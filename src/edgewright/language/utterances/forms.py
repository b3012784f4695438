"""What JSON and TOML files of utterances look like: our own form, that of SNIPS and that of CLINC."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import msgspec

from edgewright.data.sets.snips import Sentence
from edgewright.schema.errors import InputError
from edgewright.schema.language import OUT_OF_SCOPE, Slot, Utterance

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


@dataclass
class Parts:
    """What was read so far."""

    utterances: list[Utterance] = field(default_factory=list)
    validation: list[Utterance] = field(default_factory=list)
    gazetteers: dict[str, dict[str, str]] = field(default_factory=dict)


class _Examples(msgspec.Struct, forbid_unknown_fields=True):
    examples: list[str]


class _Own(msgspec.Struct, forbid_unknown_fields=True):
    """`[intents.NAME] examples = [...]`, `[out_of_scope] examples = [...]`, `[gazetteers.SLOT] soda = ["cola"]`."""

    intents: dict[str, _Examples]
    out_of_scope: _Examples = msgspec.field(default_factory=lambda: _Examples([]))
    gazetteers: dict[str, dict[str, list[str]] | list[str]] = {}


def intent(name: str, where: str) -> str:
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


def read(found: Any, where: str) -> Parts:  # noqa: ANN401 - what a file held
    """Return utterances of a decoded file.

    Raises:
        InputError: none of the known forms, or an entry that does not fit its form.
    """
    if not isinstance(found, dict) or not found:
        raise InputError(_FORMS, type(found).__name__ if found else "an empty file", where)
    try:
        if "intents" in found:
            return _own(msgspec.convert(found, _Own), where)
        if "train" in found:
            return _clinc(msgspec.convert(found, dict[str, list[tuple[str, str]]]), where)
        return _snips(msgspec.convert(found, dict[str, list[Sentence]]), where)
    except msgspec.ValidationError as error:
        raise InputError(_FORMS, str(error), where) from None


def _own(found: _Own, where: str) -> Parts:
    made = Parts()
    for name, examples in [*found.intents.items(), (OUT_OF_SCOPE, found.out_of_scope)]:
        for number, text in enumerate(examples.examples, 1):
            location = f"{where}, {name}, example {number}"
            made.utterances.append(utterance(text, intent(name, location), location))
    for slot, entries in found.gazetteers.items():
        listed = entries if isinstance(entries, dict) else {entry: [] for entry in entries}
        made.gazetteers[slot] = {said: value for value, others in listed.items() for said in (value, *others)}
    return made


def _clinc(found: dict[str, list[tuple[str, str]]], where: str) -> Parts:
    made = Parts()
    for split, pairs in found.items():
        # A test part is not looked at here.
        into = {"train": made.utterances, "oos_train": made.utterances, "val": made.validation,
                "oos_val": made.validation}.get(split)  # fmt: skip
        for number, (text, name) in enumerate(pairs if into is not None else (), 1):
            location = f"{where}, {split}, entry {number}"
            if into is not None:
                into.append(Utterance(text=text, intent=intent(name, location), where=location))
    return made


def _snips(found: dict[str, list[Sentence]], where: str) -> Parts:
    made = Parts()
    for name, utterances in found.items():
        for number, pieces in enumerate(utterances, 1):
            location = f"{where}, {name}, utterance {number}"
            text, slots = "", []
            for piece in pieces.data:
                if piece.entity and piece.text.strip():
                    begin = len(text) + len(piece.text) - len(piece.text.lstrip())
                    message = piece.text.strip()
                    slots.append(Slot(name=piece.entity, begin=begin, end=begin + len(message), text=message))
                text += piece.text
            made.utterances.append(
                Utterance(text=text, intent=intent(name, location), slots=tuple(slots), where=location)
            )  # fmt: skip
    return made
