"""A language model as C99: UTF-8 in, intent, confidence and slots out, without a heap."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.export.c99_code.parts import filled, parts
from edgewright.export.c99_code.text import entries, guarded, identifier, literal, number, template_comment
from edgewright.export.c99_language.hashing import ROOT, functions, longest, tables
from edgewright.export.c99_language.slots import Slots
from edgewright.nlp.utterance.student import FRACTION, Student
from edgewright.schema.errors import InputError
from edgewright.schema.language import LanguageSpec, StudentSpec

C = parts(__file__, "student.c")
_H = parts(__file__, "student.h")
HEADER = _H["title"] + guarded("@@_H", "<stddef.h> <stdint.h>", _H["header"])


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
    made = {f"{name}.h": header, f"{name}.c": _source(spec, student, arrays, slots)}
    return {file: text.replace("@@", name.upper()).replace("@", name) for file, text in made.items()}


def _header(spec: LanguageSpec, student: StudentSpec, arrays: dict[str, NDArray[Any]], slots: Slots) -> str:
    classes = len(spec.intents)
    kept = (arrays[key] for key in ("table", "bias", "head", "last"))
    return filled(
        HEADER,
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
        *weights, tables(), state, before, filled(C["add"], **numbers), after, ROOT, filled(C["parse"], **numbers),
        *slots.blocks(),
    ]  # fmt: skip
    return "\n\n".join(blocks) + "\n"


def _name(intent: str) -> str:
    """Return the name as a string; @ is the mark of the prefix, so its own byte is written as an escape."""
    return literal(intent).replace("@", "\\100")
