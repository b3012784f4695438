"""Slots as C99: tagger, gazetteers and rules of `nlp/utterance`, joined as its `parse` joins them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.export.c99_code.parts import filled, parts
from edgewright.export.c99_code.text import entries, literal, smallest
from edgewright.export.c99_language.hashing import letters
from edgewright.nlp.utterance.normalise import LONGEST
from edgewright.nlp.utterance.parse import MOST_SLOTS
from edgewright.nlp.utterance.tagger import FRACTION, MOST_TOKENS, integer_moves
from edgewright.nlp.utterance.values import DAYS, LARGE, MOST_SECONDS, NAMES, SMALL, UNITS, Gazetteers
from edgewright.schema.errors import InputError
from edgewright.schema.language import LanguageSpec, TaggerSpec

GAZETTEER = parts(__file__, "gazetteer.c")


def gazetteers(lists: Gazetteers, slots: Mapping[str, int]) -> str:
    """Return the block of C; the functions of `letters` and `hashing` are expected before it.

    Args:
        lists: with an entry at least.
        slots: numbers of their names.
    """
    entries = sorted((key.encode(), slot, value) for key, (slot, value) in lists.entries.items())
    rows = [
        f"    {{{string_constant(key.decode())}, {string_constant(value)}, {slots[slot]}}}"
        for key, slot, value in entries
    ]
    numbers = {"count": len(entries), "entries": ",\n".join(rows), "longest": lists.longest}
    return filled(GAZETTEER["functions"], **numbers)


def key_room(lists: Gazetteers) -> int:
    """Return bytes of an entry and its plural; a longer run of words is none."""
    return max(len(key.encode()) for key in lists.entries) + 8


def string_constant(given: str) -> str:
    """Return a string constant in which @ is no mark of the prefix."""
    return literal(given).replace("@", "\\100")


def rules() -> str:
    """Return a block of C; `@_slot` and the functions of `letters` are expected before them."""
    words = {
        "numbers": _word_table({**SMALL, **LARGE}), "units": _word_table(UNITS),
        "days": ", ".join(f'"{day}"' for day in DAYS), "most": f"{MOST_SECONDS}.0",
    }  # fmt: skip
    return filled(parts(__file__, "rules.c")["rules"], **words)


def _word_table(words: dict[str, int]) -> str:
    return ",\n".join(f'    {{"{word}", {value}}}' for word, value in words.items())


# Attributes between two places that are written down; between them counts are added up.
EVERY = 16


def tagger(spec: TaggerSpec, arrays: dict[str, NDArray[Any]]) -> str:
    """Return a block of C; the functions of `letters` are expected before them.

    Args:
        spec: labels and scale.
        arrays: of the tagger, without `tagger_` before their names.

    Raises:
        InputError: a tagger without a weight.
    """
    names = arrays["keys"]
    if not len(names):
        raise InputError("a slot tagger with weights", "none", "c99", "Train it with more marked utterances")
    places = _places(arrays)
    moves = smallest(integer_moves(spec, arrays["moves"]))
    numbers = {
        "keys": len(names), "key_table": _indented(names.astype(np.int64)),
        "count_table": entries(arrays["counts"]), "every": EVERY, "places": len(places),
        "place_type": f"{places.dtype}_t", "place_table": entries(places), "weights": len(arrays["weights"]),
        "label_table": entries(arrays["labels"]), "weight_table": entries(arrays["weights"]),
        "labels": len(spec.labels), "tokens": MOST_TOKENS, "step": 1 << FRACTION, "move_type": f"{moves.dtype}_t",
        "move_table": ",\n".join(f"    {{\n{entries(row)}\n    }}" for row in moves),
    }  # fmt: skip
    return filled(parts(__file__, "tagger.c")["tagger"], **numbers)


def tagger_flash(spec: TaggerSpec, arrays: dict[str, NDArray[Any]]) -> int:
    """Return bytes of its tables in C."""
    counts = arrays["counts"]
    places = _places(arrays)
    moves = smallest(integer_moves(spec, arrays["moves"]))
    return int(arrays["keys"].nbytes + counts.nbytes + 2 * arrays["weights"].nbytes + places.nbytes + moves.nbytes)


def tagger_ram(spec: TaggerSpec) -> int:
    """Return bytes of its memory."""
    labels = len(spec.labels)
    return 12 * labels + MOST_TOKENS * labels


def _places(arrays: dict[str, NDArray[Any]]) -> NDArray[Any]:
    """Where the weights of every so manyth attribute begin."""
    starts = np.concatenate([[0], np.cumsum(arrays["counts"], dtype=np.int64)])
    return starts[:-1:EVERY].astype(np.uint16 if starts[-1] < 1 << 16 else np.uint32)


def _indented(array: NDArray[Any]) -> str:
    cells = [f"0x{value:X}u" for value in array.tolist()]
    rows = [", ".join(cells[k : k + 8]) for k in range(0, len(cells), 8)]
    return ",\n".join(" " * 4 + row for row in rows)


SLOTS = parts(__file__, "slots.c")


class Slots:
    """The parts of a model that find slots, as text.

    Args:
        spec, arrays: as `read_language` gives them.
    """

    def __init__(self, spec: LanguageSpec, arrays: dict[str, NDArray[Any]]) -> None:
        self._spec, self._lists = spec, Gazetteers(spec.gazetteers)
        begin = "tagger_"
        self._arrays = {key[len(begin) :]: array for key, array in arrays.items() if key.startswith(begin)}
        labels = spec.tagger.labels if spec.tagger else ()
        tagged = {label[2:] for label in labels if label[2:]}
        self.names = sorted(tagged | {slot for slot, _ in self._lists.entries.values()} | set(NAMES))
        self._numbers = {name: number for number, name in enumerate(self.names)}

    def header(self) -> str:
        """Return what NAME.h says of slots."""
        sizes = {"slots": len(self.names), "most": MOST_SLOTS}
        return "\n" + filled(parts(__file__, "slots.h")["header"], **sizes)

    def fields(self) -> list[str]:
        """Return what they keep during a call: members of the context."""
        members = ["uint32_t length"]
        tail = ["uint8_t marks[@@_LONGEST]"]
        if self._spec.tagger:
            labels = len(self._spec.tagger.labels)
            members += [f"int32_t {name}[{labels}]" for name in ("row_scores", "best", "ahead")]
            members += ["int32_t tokens", f"uint16_t begins[{MOST_TOKENS}]", f"uint16_t ends[{MOST_TOKENS}]"]
            tail += [f"uint8_t path[{MOST_TOKENS}]", f"uint8_t back[{MOST_TOKENS}][{labels}]"]
        if self._lists.entries:
            tail.append(f"unsigned char key[{key_room(self._lists)}]")
        return [*members, *tail]

    def blocks(self) -> list[str]:
        """Return blocks of C after those of `hashing`."""
        spec, marks, has_lists = self._spec, "", bool(self._lists.entries)
        tagged = spec.tagger is not None
        code = [self._state(), *letters(tokens=tagged or has_lists, small=tagged), rules()]
        if has_lists:
            code.append(gazetteers(self._lists, self._numbers))
        code.append(filled(SLOTS["mark"], rules=len(NAMES)))
        if spec.tagger:
            code += [self._tokens(), tagger(spec.tagger, self._arrays)]
            lists = SLOTS["fill_lists"] if has_lists else ""
            code.append(filled(SLOTS["mark_tags"], tokens=MOST_TOKENS, fill_lists=lists))
            marks += "    @_mark_tags(context, intent);\n"
        if has_lists:
            code.append(SLOTS["mark_lists"])
            marks += "    @_mark_lists(context);\n"
        find = {"tag": SLOTS["tag"] if spec.tagger else "", "list": SLOTS["list"] if has_lists else "", "marks": marks}
        return [*code, filled(SLOTS["find"], **find)]

    def flash(self) -> int:
        """Return bytes of the tagger's tables."""
        return tagger_flash(self._spec.tagger, self._arrays) if self._spec.tagger else 0

    def ram(self) -> int:
        """Return bytes of memory."""
        size = LONGEST + 4
        if self._lists.entries:
            size += key_room(self._lists)
        return size + (tagger_ram(self._spec.tagger) + 5 * MOST_TOKENS + 4 if self._spec.tagger else 0)

    def _state(self) -> str:
        return filled(
            SLOTS["state"],
            names=",\n".join(f"    {string_constant(name)}" for name in self.names), rules=len(NAMES),
            rule_names=", ".join(str(self._numbers[name]) for name in NAMES),
        )  # fmt: skip

    def _tokens(self) -> str:
        labels = self._spec.tagger.labels if self._spec.tagger else ()
        names = np.array([self._numbers[label[2:]] + 1 if label[2:] else 0 for label in labels], np.uint8)
        goes_on = np.array([label.startswith("I-") for label in labels], np.uint8)
        return filled(
            SLOTS["tokens"],
            tokens=MOST_TOKENS, labels=len(labels), label_names=entries(names), goes_on=entries(goes_on),
        )  # fmt: skip
