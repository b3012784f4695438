"""A language model as C99: UTF-8 in, intent, confidence and slots out, or the bytes of its network's input."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.export.c99_code.parts import filled, parts
from edgewright.export.c99_code.text import entries, guarded, identifier, literal, number, template_comment
from edgewright.export.c99_language.hashing import ROOT, functions, longest, tables
from edgewright.export.c99_language.slots import Slots
from edgewright.nlp.utterance.student import FRACTION, MAX_BYTE, UNIT, ZERO, Student
from edgewright.schema.errors import InputError
from edgewright.schema.language import LanguageSpec, StudentSpec

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
        raise InputError("a model with a student", "one without", spec.name)
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
        raise InputError("a model with a student", "one without", spec.name)
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
