"""What stands before a student's network in .tflite or ONNX, as C99: UTF-8 in, the bytes of its input out."""

from __future__ import annotations

from edgewright.export._c_text import guarded, identifier, template_comment
from edgewright.export.c99_language.hashing import functions, longest, tables
from edgewright.nlp.utterance.hashing import MOST, UNIT, ZERO
from edgewright.schema.errors import InputError
from edgewright.schema.language import LanguageSpec

_HEADER = """\
/* %(title)s: the input of its network, %(rows)d bytes on a grid of 1 / %(unit)d with zero point %(zero)d.
 * Memory: %(ram)d bytes of RAM, besides the input, in the caller's context.
 *
 * Text is UTF-8, and composed (NFC) beyond Latin, Greek, Cyrillic and Armenian.
 */
""" + guarded(
    "@@_FEATURES_H",
    "<stddef.h> <stdint.h>",
    """\
#define @@_ROWS %(rows)d
/* Code points of an utterance at most. */
#define @@_LONGEST %(longest)du
/* What @_features answers besides 0. */
#define @@_NO_WORD 1
#define @@_TOO_LONG 2
#define @@_NOT_UTF8 3

/* Memory of a call; nothing in it has to be set. */
typedef struct {
    uint8_t *bags;
    uint32_t codes[@@_LONGEST + 2u];
} @_features_context;

/* Fills in the input of the network for an utterance of so many bytes: 0, or why not. */
int @_features(@_context *context, const char *text, size_t bytes, int8_t input[@@_ROWS]);
""",
)
_ADD = """\
static void @_add(@_context *context, uint32_t row) {
    if (context->bags[row] < 255u) {
        ++context->bags[row];
    }
}"""
_FEATURES = """\
int @_features(@_context *context, const char *text, size_t bytes, int8_t input[@@_ROWS]) {
    const int32_t length = @_normalise(context, text, bytes);
    if (length <= 0) {
        return length == 0 ? @@_NO_WORD : (int)-length;
    }
    context->bags = (uint8_t *)input;
    memset(input, 0, @@_ROWS);
    const uint32_t root = @_root(@_add_rows(context, length) << 16);
    for (uint32_t row = 0u; row < @@_ROWS; ++row) {
        const uint32_t scaled = (context->bags[row] * %(unit)du + root / 2u) / root;
        input[row] = (int8_t)((int32_t)(scaled < %(most)du ? scaled : %(most)du) + (%(zero)d));
    }
    return 0;
}"""
ROOT = """\
static uint32_t @_root(uint32_t value) {
    uint32_t root = 0u;
    for (uint32_t bit = UINT32_C(1) << 30; bit != 0u; bit >>= 2) {
        if (value >= root + bit) {
            value -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
    }
    return root;
}"""


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
        _ADD,
        after,
        ROOT,
        _FEATURES % {"unit": UNIT << 8, "most": MOST, "zero": ZERO},
    ]
    texts = {f"{name}_features.h": _HEADER % numbers, f"{name}_features.c": "\n\n".join(source) + "\n"}
    texts = {file: text.replace("@_context", "@_features_context") for file, text in texts.items()}
    return {file: text.replace("@@", name.upper()).replace("@", name) for file, text in texts.items()}
