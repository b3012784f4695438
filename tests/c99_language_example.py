"""A small language model with all that C has, made without a training, and its C as a library."""

from __future__ import annotations

import ctypes
import random
import re
import shutil
import subprocess
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from c99_examples import WARNINGS
from edgewright.export.c99_language.student import Slots, write_language_c99
from edgewright.nlp.records import LanguageSpec, StudentSpec, TaggerSpec, Vector
from edgewright.nlp.utterance.parse import MOST_SLOTS, Arrays, Understanding
from edgewright.nlp.utterance.student import Student, attributes, keys
from edgewright.nlp.utterance.values import tokens
from support import left_out

INTENTS = ("drink", "f\u00f6od", "st@p")
LABELS = ("O", "B-drink", "I-drink", "B-am@unt", "I-am@unt", "B-number", "I-number")
LISTS = {
    "drink": {"soda": "soda", "cola": "soda", "green tea": "sen@cha", "7 up": "up", "caf\u00e9 cr\u00e8me": "coffee"},
    "city": {"\u05ea\u05dc \u05d0\u05d1\u05d9\u05d1": "tlv", "new york city": "NYC", "new": "new"},
}
WORDS = (
    *("one", "twenty", "hundred", "thousand", "and", "half", "a", "an", "zero", "ten", "fifteen", "Five", "seconds"),
    *("hour", "HOURS", "min", "weeks", "days", ",", ".", ":", "-", " ", "\u00a0", "\t", "7", "30", "12", "2026", "0"),
    *("1234567", "999999999999", "0.5", "pm", "a.m", "p.m.", "Am", "tomorrow", "FRIDAY", "today", "2026-02-28"),
    *("2024-02-29", "2026-13-01", "7:30", "25:00", "soda", "Colas", "green", "tea", "TEAS", "up", "new", "york"),
    *("city", "caf\u00e9", "CR\u00c8ME", "\u05ea\u05dc", "\u05d0\u05d1\u05d9\u05d1", "'", "\u2019", "don't", "_", "x"),
    *("\uff17", "\u017f", "\u212a", "\u0130", "\u00df", "\U0001f600", "\u65e5\u672c", "\u0939\u093f\u0902", "\0"),
)
BY = ("tagger", "gazetteer", "rule")


def model(texts: Sequence[str], *, tagger: bool = True, lists: bool = True) -> tuple[LanguageSpec, Arrays]:
    """Random weights for the attributes of the texts, many of them, so that paths through all labels are taken."""
    numbers = np.random.default_rng(2)
    classes, hidden, rows = len(INTENTS), 8, 300
    student = StudentSpec(characters=(3,), words=(1,), rows=rows, hidden=hidden, factor=700_000_000, shift=24,
                          scale=0.002, threshold=-(1 << 31))  # fmt: skip
    arrays: Arrays = {
        "table": numbers.integers(-127, 128, (rows, hidden)).astype(np.int8),
        "bias": numbers.integers(-2000, 9000, hidden).astype(np.int32),
        "head": numbers.integers(-127, 128, (hidden, classes)).astype(np.int8),
        "last": numbers.integers(-300, 300, classes).astype(np.int32),
    }
    known = Student(student, arrays, classes, "here")
    vectors = (Vector(text="a soda", logits=tuple(known.logits("a soda").tolist())),)
    if tagger:
        rows_of = [row for text in texts for intent in INTENTS for row in attributes(text, tokens(text), intent)]
        names = np.unique(keys(rows_of))
        counts = numbers.integers(1, 3, len(names)).astype(np.uint8)
        total = int(counts.sum())
        arrays |= {
            "tagger_keys": names, "tagger_counts": counts,
            "tagger_labels": numbers.integers(0, len(LABELS), total).astype(np.uint8),
            "tagger_weights": numbers.integers(-127, 128, total).astype(np.int8),
            "tagger_moves": numbers.normal(0, 2, (len(LABELS), len(LABELS))).astype(np.float32),
        }  # fmt: skip
    chain = TaggerSpec(labels=LABELS, scale=0.013) if tagger else None
    spec = LanguageSpec(name="words", intents=INTENTS, student=student, tagger=chain,
                        gazetteers=LISTS if lists else {}, vectors=vectors)  # fmt: skip
    return spec, arrays


def jumble(seed: int, count: int) -> list[str]:
    """Return sentences of words that rules and lists know, with odd characters between them."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    ends = ("", "", " ", " ", " ", "-", "\u00e9")
    return [
        "".join(chance.choice(WORDS) + chance.choice(ends) for _ in range(chance.randrange(1, 14)))
        for _ in range(count)
    ]


def written(folder: Path, spec: LanguageSpec, arrays: Arrays) -> Path:
    """words.h and words.c in the folder."""
    for file, text in write_language_c99(spec, arrays, name="words").items():
        (folder / file).write_text(text)
    return folder / "words.c"


def built(name: str, folder: Path, *flags: str, sources: Sequence[str] = ("words.c",)) -> Path:
    """Return the sources of a folder compiled without a warning."""
    if not shutil.which(name):
        left_out(f"no {name}")
    out = folder / f"{name}.out"
    command = [name, *WARNINGS, "-ffp-contract=off", *flags, "-o", out.name, *sources, "-lm"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr[:3000]
    return out


class _Slot(ctypes.Structure):
    _fields_ = (("name", ctypes.c_int32), ("begin", ctypes.c_uint16), ("end", ctypes.c_uint16), ("by", ctypes.c_uint8),
                ("kind", ctypes.c_uint8), ("word", ctypes.c_char * 12), ("entry", ctypes.c_char_p),
                ("number", ctypes.c_double))  # fmt: skip


SlotRows = list[tuple[str, int, int, Any, str]]


class Library:
    """The slots of a compiled model."""

    def __init__(self, path: Path, spec: LanguageSpec, arrays: Arrays) -> None:
        # More than the code takes.
        self._context = ctypes.create_string_buffer(1 << 20)
        self._call = ctypes.CDLL(str(path)).words_find_slots
        self._names = Slots(spec, arrays).names

    def slots(self, text: str, intent: int, today: date | None) -> SlotRows:
        """Name, begin, end, value and finder of each, in code points."""
        data, slots = text.encode(), (_Slot * MOST_SLOTS)()
        day = -(1 << 31) if today is None else today.toordinal() - date(1970, 1, 1).toordinal()
        count = self._call(self._context, data, ctypes.c_size_t(len(data)), intent, ctypes.c_int32(day), slots)
        assert 0 <= count <= MOST_SLOTS
        rows: SlotRows = []
        for slot in slots[:count]:
            value = (None, slot.number, slot.word.decode())[slot.kind]
            value = slot.entry.decode() if slot.entry is not None else value
            begin, end = (len(data[:at].decode()) for at in (slot.begin, slot.end))
            rows.append((self._names[slot.name], begin, end, value, BY[slot.by]))
        return rows


def in_python(understanding: Understanding, text: str, intent: int, today: date | None) -> SlotRows:
    """Return the same by the runtime."""
    slots = understanding._slots(text, understanding.spec.intents[intent], today)
    return [(slot.name, slot.begin, slot.end, slot.value, slot.by) for slot in slots]


def memory(header: str) -> int:
    """Return bytes of RAM that a header states."""
    match = re.search(r"Memory: (\d+) bytes of RAM", header)
    assert match
    return int(match[1])
