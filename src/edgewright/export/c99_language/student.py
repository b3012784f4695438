"""Language models, slots and the normalising of text as C99."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import ExportError
from edgewright.export.c99_code.parts import filled, parts
from edgewright.export.c99_code.text import entries, guarded, identifier, literal, number, smallest, template_comment
from edgewright.nlp.records import LanguageSpec, StudentSpec, TaggerSpec
from edgewright.nlp.utterance.parse import MOST_SLOTS
from edgewright.nlp.utterance.student import (
    FRACTION,
    MAX_BYTE,
    MIX_A,
    MIX_B,
    MOST_TOKENS,
    MULTIPLIER,
    SEED,
    TAGGER_FRACTION,
    UNIT,
    WORDS,
    ZERO,
    Student,
    integer_moves,
)
from edgewright.nlp.utterance.values import (
    APOSTROPHE,
    APOSTROPHES,
    DAYS,
    LARGE,
    LONGEST,
    MOST_SECONDS,
    NAMES,
    SIGNS,
    SMALL,
    SPACE,
    SPACES,
    UNITS,
    Gazetteers,
    Ranges,
    small_letters,
    table,
)

STUDENT = parts(__file__, "student.c")
_STUDENT = parts(__file__, "student.h")
STUDENT_HEADER = _STUDENT["title"] + guarded("@@_H", "<stddef.h> <stdint.h>", _STUDENT["header"])


def write_language_c99(spec: LanguageSpec, arrays: dict[str, NDArray[Any]], *, name: str) -> dict[str, str]:
    """Return a model as NAME.h and NAME.c: the student, the tagger of slots, gazetteers and rules.

    Args:
        spec: from `read_language`; `Understanding` has tested it.
        arrays: from `read_language`.
        name: of the files, and prefix of every name in them.

    Raises:
        InputError: a name that C does not take, a model without a student, or a tagger without weights.
    """
    student = spec.student
    if student is None:
        raise ExportError("a model with a student", "one without", spec.name)
    identifier(name)
    slots = Slots(spec, arrays)
    header = _header(spec, student, arrays, slots)
    texts = {f"{name}.h": header, f"{name}.c": _source(spec, student, arrays, slots)}
    return {file: text.replace("@@", name.upper()).replace("@", name) for file, text in texts.items()}


def _header(spec: LanguageSpec, student: StudentSpec, arrays: dict[str, NDArray[Any]], slots: Slots) -> str:
    classes = len(spec.intents)
    kept = (arrays[key] for key in ("table", "bias", "head", "last"))
    return filled(
        STUDENT_HEADER,
        title=template_comment(spec.name), classes=classes,
        # With a limit an intent.
        flash=sum(array.nbytes for array in kept) + 4 * classes + slots.flash(),
        ram=4 * (longest() + 2 + student.hidden + classes) + slots.ram(), longest=longest(),
        scale=number(student.scale), slots=slots.header(),
        fields="\n".join(f"    {field};" for field in [
            "uint32_t codes[@@_LONGEST + 2u]", f"int32_t sums[{student.hidden}]", "int32_t out[@@_INTENTS]",
            *slots.fields(),
        ]),
    )  # fmt: skip


def _source(spec: LanguageSpec, student: StudentSpec, arrays: dict[str, NDArray[Any]], slots: Slots) -> str:
    texts = ",\n".join(f"    {_name(intent)}" for intent in spec.intents)
    before, after = functions(student.rows, student.characters, student.words)
    stored = {"table": "int8_t", "bias": "int32_t", "head": "int8_t", "last": "int32_t"}
    limits = Student(student, arrays, len(spec.intents), spec.name).limits.astype(np.int32)
    weights = [
        f"static const {kind} @_{key}[{array.size}] = {{\n{entries(np.ascontiguousarray(array))}\n}};"
        for key, kind, array in (*((key, kind, arrays[key]) for key, kind in stored.items()),
                                 ("limits", "int32_t", limits))
    ]  # fmt: skip
    numbers = {
        "hidden": student.hidden, "shift": student.shift, "half": student.shift - 1,
        "bias_shift": student.shift - FRACTION, "factor": student.factor, "scale": number(student.scale),
    }  # fmt: skip
    state = "#define @_NOTHING UINT32_MAX"
    blocks = [
        '#include "@.h"\n\n#include <math.h>\n#include <string.h>',
        f"const char *const @_intents[@@_INTENTS] = {{\n{texts}\n}};",
        *weights, tables(), state, before, filled(STUDENT["add"], **numbers), after, ROOT,
        filled(STUDENT["parse"], **numbers),
        *slots.blocks(),
    ]  # fmt: skip
    return "\n\n".join(blocks) + "\n"


def _name(intent: str) -> str:
    """Return the name as a string; @ is the mark of the prefix, so its own byte is written as an escape."""
    return literal(intent).replace("@", "\\100")


FEATURES = parts(__file__, "features.c")
_FEATURES = parts(__file__, "features.h")
FEATURES_HEADER = _FEATURES["title"] + guarded("@@_FEATURES_H", "<stddef.h> <stdint.h>", _FEATURES["header"])


def write_features_c99(spec: LanguageSpec, *, name: str) -> dict[str, str]:
    """NAME_features.h and NAME_features.c.

    Args:
        spec: of a model with a student.
        name: of the files, and prefix of every name in them.

    Raises:
        InputError: a name that C does not take, or a model without a student.
    """
    student = spec.student
    if student is None:
        raise ExportError("a model with a student", "one without", spec.name)
    identifier(name)
    before, after = functions(student.rows, student.characters, student.words)
    numbers = {
        "title": template_comment(spec.name), "rows": student.rows, "unit": UNIT, "zero": ZERO, "longest": longest(),
        "ram": 4 * (longest() + 2) + 4,
    }  # fmt: skip
    source = [
        '#include "@_features.h"\n\n#include <string.h>',
        tables(),
        "#define @_NOTHING UINT32_MAX",
        before,
        FEATURES["add"],
        after,
        ROOT,
        filled(FEATURES["features"], unit=UNIT << 8, most=MAX_BYTE, zero=ZERO),
    ]
    texts = {f"{name}_features.h": filled(FEATURES_HEADER, **numbers), f"{name}_features.c": "\n\n".join(source) + "\n"}
    texts = {file: text.replace("@_context", "@_features_context") for file, text in texts.items()}
    return {file: text.replace("@@", name.upper()).replace("@", name) for file, text in texts.items()}


HASHING = parts(__file__, "hashing.c")
ROOT = HASHING["root"]


def tables() -> str:
    """Write the tables of normalization beyond ASCII: dropped and separating ranges, folded pairs."""
    rules = {code: value for code, value in table().items() if code >= 0x80}
    dropped = _ranges([code for code, value in rules.items() if value is None])
    separating = _ranges([code for code, value in rules.items() if value == " "])
    pairs = _pairs()
    lines = wrapped([f"{{{code}, {value}}}" for code, value in pairs])
    return "\n".join([
        f"static const uint16_t @_dropped[{len(dropped)}] = {{\n{entries(np.array(dropped, np.uint16))}\n}};",
        f"static const uint16_t @_separating[{len(separating)}] = {{\n{entries(np.array(separating, np.uint16))}\n}};",
        f"static const uint16_t @_folded[{len(pairs)}][2] = {{\n{lines}\n}};",
    ])  # fmt: skip


def functions(rows: int, characters: Sequence[int], words: Sequence[int]) -> list[str]:
    """Write decoding, normalizing and hashing; `@_add(context, row)` is expected between `@_normalise` and them.

    Args:
        rows: of the table.
        characters: sizes of the n-grams of characters.
        words: sizes of the n-grams of words.

    Returns:
        Blocks of C: what comes before `@_add`, and what comes after it.
    """
    mask = 0xFFFFFFFF
    words_text = {"space": SPACE, "apostrophe": APOSTROPHE, "pairs": len(_pairs())}
    runs = {
        "characters": "".join(filled(HASHING["characters"], n=n, seed=f"{SEED * n & mask:X}") for n in characters),
        "words": "".join(
            filled(HASHING["words"], n=n, seed=f"{SEED * (n + WORDS) & mask:X}", space=SPACE) for n in words
        ),
    }
    numbers = {"mix_a": f"{MIX_A:X}", "mix_b": f"{MIX_B:X}", "multiplier": f"{MULTIPLIER:X}", "rows": rows}
    before = "\n\n".join(
        [HASHING["decode"], filled(HASHING["fold"], **words_text), filled(HASHING["normalise"], **words_text)]
    )
    return [before, filled(HASHING["rows"], **numbers, **runs)]


def longest() -> int:
    """Code points of an utterance at most."""
    return LONGEST


def _pairs() -> list[tuple[int, int]]:
    return sorted((code, ord(value)) for code, value in table().items() if code >= 0x80 and value and value != " ")


def _ranges(codes: list[int]) -> list[int]:
    """Begin and end of runs, the ends not included."""
    borders: list[int] = []
    for code in sorted(codes):
        if borders and borders[-1] == code:
            borders[-1] = code + 1
        else:
            borders += [code, code + 1]
    return borders


def wrapped(cells: Sequence[str]) -> str:
    """Return cells such as `{1, 2}`, separated by commas, in lines of at most 118 characters."""
    lines, line = [], "   "
    for index, cell in enumerate(cells):
        word = f" {cell}" + ("," if index + 1 < len(cells) else "")
        if len(line) + len(word) > 118:
            lines.append(line)
            line = "   "
        line += word
    return "\n".join([*lines, line])


# A run of capitals: the first, how many, how far apart, and what is added to get the small letter.
Run = tuple[int, int, int, int]
LETTERS = parts(__file__, "letters.c")


def letters(*, tokens: bool, small: bool) -> list[str]:
    """Return blocks of C; the functions of `hashing` are expected before them.

    Args:
        tokens: whether tokens are wanted: by a tagger or gazetteers.
        small: whether small letters are: by a tagger.
    """
    ranges = {
        "spaces": _pairs_of_codes(SPACES),
        "signs": _pairs_of_codes(tuple(pair for pair in SIGNS if pair[1] > 0x80)),
    }
    blocks = [filled(LETTERS["classes"], **ranges)]
    if tokens:
        joins = " || ".join(f"context->codes[last] == 0x{code:02X}u" for code in APOSTROPHES)
        blocks.append(filled(LETTERS["tokens"], joins=joins))
    if small:
        runs = capitals()
        cells = wrapped([f"{{{a}, {n}, {s}, {d}}}" for a, n, s, d in runs])
        blocks.append(filled(LETTERS["small"], count=len(runs), runs=cells))
    return blocks


def capitals() -> list[Run]:
    """Return the small letters as runs, sorted by their first capital; a code point counts in its first run only."""
    pairs = sorted(small_letters().items())
    runs: list[Run] = []
    while pairs:
        first, small = pairs[0]
        best: list[int] = []
        for step in (1, 2):
            run = [first]
            known = dict(pairs)
            while known.get(run[-1] + step) == run[-1] + step + small - first:
                run.append(run[-1] + step)
            best = max(best, run, key=len)
        runs.append((first, len(best), best[1] - first if len(best) > 1 else 1, small - first))
        used = set(best)
        pairs = [pair for pair in pairs if pair[0] not in used]
    return runs


def _pairs_of_codes(ranges: Ranges) -> str:
    return wrapped([f"{{0x{first:X}u, 0x{end:X}u}}" for first, end in ranges])


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
        raise ExportError("a slot tagger with weights", "none", "c99", "Train it with more marked utterances")
    places = _places(arrays)
    moves = smallest(integer_moves(spec, arrays["moves"]))
    numbers = {
        "keys": len(names), "key_table": _indented(names.astype(np.int64)),
        "count_table": entries(arrays["counts"]), "every": EVERY, "places": len(places),
        "place_type": f"{places.dtype}_t", "place_table": entries(places), "weights": len(arrays["weights"]),
        "label_table": entries(arrays["labels"]), "weight_table": entries(arrays["weights"]),
        "labels": len(spec.labels), "tokens": MOST_TOKENS, "step": 1 << TAGGER_FRACTION,
        "move_type": f"{moves.dtype}_t",
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
