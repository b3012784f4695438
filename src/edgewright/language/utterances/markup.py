"""Slots written into the sentence: `a cup of [black tea](drink)`, `for [ten minutes](time)`."""

from __future__ import annotations

import re

from edgewright.schema.errors import InputError
from edgewright.schema.language import Slot, Utterance

_MARK = re.compile(r"\[([^\[\]]+)\]\(([A-Za-z0-9_.-]{1,64})\)")


def utterance(text: str, intent: str, where: str) -> Utterance:
    """The sentence without its marks, and the slots that they were.

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
