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

from edgewright.export.c99_code.parts import filled, parts
from edgewright.nlp.texts.gru import MATRICES, VECTORS
from edgewright.nlp.texts.ngram import STEP

Arrays = Mapping[str, NDArray[Any]]
_LINE = 24


def text_files(kind: str, arrays: Arrays, name: str) -> dict[str, bytes]:
    """Return `NAME.h` and `NAME.c`.

    Args:
        kind: 'ngram' or 'gru'.
        arrays: of the model's file.
        name: of files and functions, an identifier of C.
    """
    if kind == "gru":
        units = arrays["states"].shape[1]
        memory, constants = f"float state[{units}];", [f"#define @_UNITS {units}", *_network(arrays)]
        code = parts(__file__, "gru.c")["code"]
    else:
        order = sum(key.startswith("keys_") for key in arrays) - 1
        memory = f"uint8_t symbols[{order}];\n    uint8_t length;"
        constants = [f"#define @_ORDER {order}", *_tables(arrays, order)]
        code = filled(parts(__file__, "ngram.c")["code"], step=STEP)
    common = parts(__file__, "texts.c")
    includes = '#include "@.h"\n#include <math.h>'
    source = "\n".join([includes, *constants, common["symbols"]]) + code + common["suggest"]
    files = {f"{name}.h": filled(parts(__file__, "texts.h")["header"], memory=memory), f"{name}.c": source}
    return {file: text.replace("@@", name.upper()).replace("@", name).encode() for file, text in files.items()}


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
