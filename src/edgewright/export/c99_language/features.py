"""What stands before a student's network in .tflite or ONNX, as C99: UTF-8 in, the bytes of its input out."""

from __future__ import annotations

from edgewright.export.c99_code.parts import filled, parts
from edgewright.export.c99_code.text import guarded, identifier, template_comment
from edgewright.export.c99_language.hashing import ROOT, functions, longest, tables
from edgewright.nlp.utterance.hashing import MOST, UNIT, ZERO
from edgewright.schema.errors import InputError
from edgewright.schema.language import LanguageSpec

C = parts(__file__, "features.c")
_H = parts(__file__, "features.h")
HEADER = _H["title"] + guarded("@@_FEATURES_H", "<stddef.h> <stdint.h>", _H["header"])


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
        C["add"],
        after,
        ROOT,
        filled(C["features"], unit=UNIT << 8, most=MOST, zero=ZERO),
    ]
    texts = {f"{name}_features.h": filled(HEADER, **numbers), f"{name}_features.c": "\n\n".join(source) + "\n"}
    texts = {file: text.replace("@_context", "@_features_context") for file, text in texts.items()}
    return {file: text.replace("@@", name.upper()).replace("@", name) for file, text in texts.items()}
