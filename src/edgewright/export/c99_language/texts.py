"""A model of text as C99: what follows is known symbol by symbol, and words are completed by the likeliest symbols.

    NAME_text text;
    NAME_start(&text);
    NAME_push(&text, 'T');                        each character that was typed, or a line end
    NAME_suggest(&text, 0, word, sizeof word);    the rest of the likeliest word; 1 and 2: of the next
    NAME_chances(&text, chances);                 of all 96 symbols: the line end, then ' ' to '~'

The tables are those of the file, in flash. Floats have 32 bits; `expf`, `tanhf` or `exp2f` come from the C library.
`nlp.texts.suggest` goes on from several beginnings; C goes on from the likeliest first symbols alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.nlp.texts.gru import MATRICES, VECTORS
from edgewright.nlp.texts.ngram import STEP

Arrays = Mapping[str, NDArray[Any]]
_LINE = 24

_HEADER = """\
/* A model of text, written by Edgewright. */
#ifndef @_H
#define @_H
#include <stddef.h>
#include <stdint.h>
#define @_SYMBOLS 96
typedef struct {
    %s
} @_text;
void @_start(@_text *text);
void @_push(@_text *text, char character);
void @_chances(const @_text *text, float chances[@_SYMBOLS]);
/* Writes the rest of a word, and returns its characters: rank 0 begins with the likeliest symbol, 1 with the next. */
size_t @_suggest(const @_text *text, int rank, char *word, size_t room);
#endif
"""
_COMMON = """\
static int @_symbol(char character) {
    return character == '\\n' ? 0 : character >= ' ' && character <= '~' ? character - 31 : '?' - 31;
}
static int @_in_word(int symbol) {
    const int c = symbol + 31;
    return symbol && ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '\\'');
}
size_t @_suggest(const @_text *text, int rank, char *word, size_t room) {
    @_text now = *text;
    float chances[@_SYMBOLS];
    size_t length = 0;
    if (room == 0) {
        return 0;
    }
    while (length + 1 < room) {
        int best = -1;
        @_chances(&now, chances);
        for (int left = length ? 0 : rank; left >= 0; left--) {
            best = -1;
            for (int k = 0; k < @_SYMBOLS; k++) {
                if ((length || @_in_word(k)) && (best < 0 || chances[k] > chances[best])) {
                    best = k;
                }
            }
            if (left) {
                chances[best] = -1.0f;
            }
        }
        if (best < 0 || !@_in_word(best)) {
            break;
        }
        word[length++] = (char)(best + 31);
        @_push(&now, (char)(best + 31));
    }
    word[length] = '\\0';
    return length;
}
"""
_NGRAM = """\
static long @_find(const uint32_t *keys, long count, uint64_t key) {
    const uint32_t wanted = (uint32_t)((key * UINT64_C(0x9E3779B97F4A7C15)) >> 32);
    long low = 0, high = count;
    while (low < high) {
        const long middle = low + (high - low) / 2;
        if (keys[middle] < wanted) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < count && keys[low] == wanted ? low : -1;
}
void @_start(@_text *text) {
    text->length = 0;
}
void @_push(@_text *text, char character) {
    if (text->length == @_ORDER) {
        for (int k = 1; k < @_ORDER; k++) {
            text->symbols[k - 1] = text->symbols[k];
        }
        text->length--;
    }
    text->symbols[text->length++] = (uint8_t)@_symbol(character);
}
void @_chances(const @_text *text, float chances[@_SYMBOLS]) {
    uint64_t context = 0, power = 1;
    float total = 0.0f;
    for (int k = 0; k < @_SYMBOLS; k++) {
        chances[k] = 1.0f / @_SYMBOLS;
    }
    for (int n = 0; n <= text->length; n++) {
        if (n) {
            context += text->symbols[text->length - n] * power;
            power *= @_SYMBOLS;
            const long place = @_find(@_contexts[n - 1], @_context_counts[n - 1], context);
            const float share = place < 0 ? 1.0f : exp2f(-STEPf * @_shares[n - 1][place]);
            for (int k = 0; k < @_SYMBOLS; k++) {
                chances[k] *= share;
            }
        }
        for (int k = 0; k < @_SYMBOLS; k++) {
            const long place = @_find(@_keys[n], @_key_counts[n], context * @_SYMBOLS + (uint64_t)k);
            if (place >= 0) {
                chances[k] = exp2f(-STEPf * @_values[n][place]);
            }
        }
    }
    for (int k = 0; k < @_SYMBOLS; k++) {
        total += chances[k];
    }
    for (int k = 0; k < @_SYMBOLS; k++) {
        chances[k] /= total;
    }
}
"""
_GRU = """\
static float @_sigmoid(float x) {
    return 0.5f * (1.0f + tanhf(0.5f * x));
}
void @_start(@_text *text) {
    for (int k = 0; k < @_UNITS; k++) {
        text->state[k] = 0.0f;
    }
}
void @_push(@_text *text, char character) {
    const int symbol = @_symbol(character);
    float gates[3 * @_UNITS], own[3 * @_UNITS];
    for (int row = 0; row < 3 * @_UNITS; row++) {
        float sum = 0.0f;
        for (int k = 0; k < @_UNITS; k++) {
            sum += (float)@_states[row * @_UNITS + k] * text->state[k];
        }
        own[row] = sum * @_states_scale[row];
        gates[row] = (float)@_inputs[symbol * 3 * @_UNITS + row] * @_inputs_scale[symbol] + @_bias[row];
    }
    for (int k = 0; k < @_UNITS; k++) {
        const float kept = @_sigmoid(gates[k] + own[k]);
        const float seen = @_sigmoid(gates[@_UNITS + k] + own[@_UNITS + k]);
        const float fresh = tanhf(gates[2 * @_UNITS + k] + seen * (own[2 * @_UNITS + k] + @_state_bias[k]));
        text->state[k] = fresh + kept * (text->state[k] - fresh);
    }
}
void @_chances(const @_text *text, float chances[@_SYMBOLS]) {
    float most = 0.0f, total = 0.0f;
    for (int row = 0; row < @_SYMBOLS; row++) {
        float sum = 0.0f;
        for (int k = 0; k < @_UNITS; k++) {
            sum += (float)@_outputs[row * @_UNITS + k] * text->state[k];
        }
        chances[row] = sum * @_outputs_scale[row] + @_output_bias[row];
        most = row == 0 || chances[row] > most ? chances[row] : most;
    }
    for (int row = 0; row < @_SYMBOLS; row++) {
        chances[row] = expf(chances[row] - most);
        total += chances[row];
    }
    for (int row = 0; row < @_SYMBOLS; row++) {
        chances[row] /= total;
    }
}
"""


def text_files(kind: str, arrays: Arrays, name: str) -> dict[str, bytes]:
    """Return `NAME.h` and `NAME.c`.

    Args:
        kind: 'ngram' or 'gru'.
        arrays: of the model's file.
        name: of files and functions, an identifier of C.
    """
    if kind == "gru":
        units = arrays["states"].shape[1]
        held, constants, code = f"float state[{units}];", [f"#define @_UNITS {units}", *_network(arrays)], _GRU
    else:
        order = sum(key.startswith("keys_") for key in arrays) - 1
        held = f"uint8_t symbols[{order}];\n    uint8_t length;"
        constants, code = [f"#define @_ORDER {order}", *_tables(arrays, order)], _NGRAM.replace("STEP", str(STEP))
    source = "\n".join(['#include "@.h"', "#include <math.h>", *constants, _COMMON.partition("size_t @_suggest")[0]])
    source += code + "size_t @_suggest" + _COMMON.partition("size_t @_suggest")[2]
    files = {f"{name}.h": (_HEADER % held).replace("@_H", f"{name.upper()}_H"), f"{name}.c": source}
    return {file: text.replace("@", name).encode() for file, text in files.items()}


def _network(arrays: Arrays) -> Iterator[str]:
    for matrix in MATRICES:
        yield _array(f"int8_t @_{matrix}", arrays[matrix].ravel())
        yield _array(f"float @_{matrix}_scale", arrays[f"{matrix}_scale"])
    for vector in VECTORS:
        yield _array(f"float @_{vector}", arrays[vector])


def _tables(arrays: Arrays, order: int) -> Iterator[str]:
    lists = {"keys": range(order + 1), "values": range(order + 1), "contexts": range(1, order + 1),
             "shares": range(1, order + 1)}  # fmt: skip
    for part, numbers in lists.items():
        kind = "uint32_t" if part in ("keys", "contexts") else "uint8_t"
        for n in numbers:
            yield _array(f"{kind} @_{part}_{n}", arrays[f"{part}_{n}"])
        names = ", ".join(f"@_{part}_{n}" for n in numbers)
        yield f"static const {kind} *const @_{part}[] = {{{names}}};"
        if part in ("keys", "contexts"):
            counts = ", ".join(str(len(arrays[f"{part}_{n}"])) for n in numbers)
            yield f"static const long @_{'key' if part == 'keys' else 'context'}_counts[] = {{{counts}}};"


def _array(declared: str, values: NDArray[Any]) -> str:
    if values.dtype.kind == "f":
        texts = [f"{np.float32(value):.9g}" for value in values.tolist()]
        texts = [f"{text}f" if any(c in text for c in ".e") else f"{text}.0f" for text in texts]
    else:
        texts = [f"{value}u" if values.dtype == np.uint32 else str(value) for value in values.tolist()]
    lines = [", ".join(texts[begin : begin + _LINE]) for begin in range(0, len(texts), _LINE)]
    return f"static const {declared}[] = {{\n" + ",\n".join(lines or ["0"]) + "\n};"
