"""A language model as C99: UTF-8 in, intent, confidence and slots out, without a heap."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.export._c_text import entries, guarded, identifier, literal, number, template_comment
from edgewright.export.c99_language.features import ROOT
from edgewright.export.c99_language.hashing import functions, longest, tables
from edgewright.export.c99_language.slots import Slots
from edgewright.nlp.utterance.student import FRACTION, Student
from edgewright.schema.errors import InputError
from edgewright.schema.language import LanguageSpec, StudentSpec

_HEADER = """\
/* %(title)s: %(classes)d intents, int8. Weights: %(flash)d bytes. Memory: %(ram)d bytes of RAM,
 * in the caller's context.
 *
 * Text is UTF-8. Latin, Greek, Cyrillic and Armenian letters lose case and diacritics, composed or decomposed; other
 * scripts are taken as they are and must come composed (NFC).
 */
""" + guarded(
    "@@_H",
    "<stddef.h> <stdint.h>",
    """\
#define @@_INTENTS %(classes)d
#define @@_OUT_OF_SCOPE (-1)
/* Code points of an utterance at most. */
#define @@_LONGEST %(longest)du
/* What @_parse answers besides 0. */
#define @@_NO_WORD 1
#define @@_TOO_LONG 2
#define @@_NOT_UTF8 3

typedef struct {
    int32_t intent;   /* place in @_intents, or @@_OUT_OF_SCOPE */
    int32_t nearest;  /* the likeliest intent, in scope or not */
    int32_t logit;    /* of the nearest; times %(scale)s it is the score */
    float confidence; /* calibrated probability of the nearest */
} @_answer;

extern const char *const @_intents[@@_INTENTS];

/* Memory of a call; nothing in it has to be set. What @_logits gives is kept up to the next call. */
typedef struct {
%(fields)s
} @_context;

/* Understands an utterance of so many bytes: 0, or why not. */
int @_parse(@_context *context, const char *text, size_t bytes, @_answer *answer);

/* The integer logits of the last utterance that @_parse answered with 0. */
const int32_t *@_logits(const @_context *context);
%(slots)s""",
)
_ADD = """\
#ifdef @@_TAPS
/* How many rows were added up, and the sum of their numbers, for comparisons. */
uint32_t @_grams[2];
#endif

static void @_add(@_context *context, uint32_t row) {
#ifdef @@_TAPS
    ++@_grams[0];
    @_grams[1] += row;
#endif
    const int8_t *const weights = &@_table[row * %(hidden)du];
    for (int j = 0; j < %(hidden)d; ++j) {
        context->sums[j] += weights[j];
    }
}"""
_PARSE = """\
/* Rounds down, for negative numbers too, whatever the compiler does with >> of them. */
static int64_t @_shifted(int64_t value) {
    return value >= 0 ? value >> %(shift)d : -((-value + ((INT64_C(1) << %(shift)d) - 1)) >> %(shift)d);
}

int @_parse(@_context *context, const char *text, size_t bytes, @_answer *answer) {
    const int32_t length = @_normalise(context, text, bytes);
    if (length <= 0) {
        return length == 0 ? @@_NO_WORD : (int)-length;
    }
    memset(context->sums, 0, sizeof context->sums);
    const uint32_t count = @_add_rows(context, length);
    const int64_t factor = count == 0u ? 0 : INT64_C(%(factor)d) / (int64_t)@_root(count << 16);
    memcpy(context->out, @_last, sizeof context->out);
    for (int j = 0; j < %(hidden)d; ++j) {
        const int64_t bias = (int64_t)@_bias[j] * (INT64_C(1) << %(bias_shift)d) + (INT64_C(1) << %(half)d);
        const int64_t raw = @_shifted((int64_t)context->sums[j] * factor + bias);
        const int32_t hidden = raw < 0 ? 0 : raw > 127 ? 127 : (int32_t)raw;
        for (int k = 0; hidden != 0 && k < @@_INTENTS; ++k) {
            context->out[k] += hidden * @_head[j * @@_INTENTS + k];
        }
    }
    int32_t best = 0;
    for (int32_t k = 1; k < @@_INTENTS; ++k) {
        best = context->out[k] > context->out[best] ? k : best;
    }
    float sum = 0.0f;
    for (int k = 0; k < @@_INTENTS; ++k) {
        sum += expf((float)(context->out[k] - context->out[best]) * %(scale)s);
    }
    answer->intent = context->out[best] >= @_limits[best] ? best : @@_OUT_OF_SCOPE;
    answer->nearest = best;
    answer->logit = context->out[best];
    answer->confidence = 1.0f / sum;
    return 0;
}

const int32_t *@_logits(const @_context *context) {
    return context->out;
}"""


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
    return _HEADER % {
        "title": template_comment(spec.name), "classes": classes,
        # With a limit an intent.
        "flash": sum(array.nbytes for array in kept) + 4 * classes + slots.flash(),
        "ram": 4 * (longest() + 2 + student.hidden + classes) + slots.ram(), "longest": longest(),
        "scale": number(student.scale), "slots": slots.header(),
        "fields": "\n".join(f"    {field};" for field in [
            "uint32_t codes[@@_LONGEST + 2u]", f"int32_t sums[{student.hidden}]", "int32_t out[@@_INTENTS]",
            *slots.fields(),
        ]),
    }  # fmt: skip


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
        *weights, tables(), state, before, _ADD % numbers, after, ROOT, _PARSE % numbers, *slots.blocks(),
    ]  # fmt: skip
    return "\n\n".join(blocks) + "\n"


def _name(intent: str) -> str:
    """Return the name as a string; @ is the mark of the prefix, so its own byte is written as an escape."""
    return literal(intent).replace("@", "\\100")
