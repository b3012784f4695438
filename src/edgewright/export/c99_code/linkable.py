"""Parts around the model in generated C: licence and guards, intervals and objects of answers, and the self-test."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import InputError
from edgewright.core.formatting import percent
from edgewright.core.integer.network import marked, run_integer
from edgewright.core.integer.qdq import compile_fused
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.prediction.objects import HIGHEST, LOWEST, UNIT
from edgewright.core.records.network import Graph, IntegerNetwork, IntegerOperator
from edgewright.core.records.package import IntervalSpec, ObjectMap
from edgewright.export.c99_code.parts import filled, parts
from edgewright.export.c99_code.text import NOINLINE, entries, guarded, identifier, label_lines, number
from edgewright.export.c99_graph.graph import image_channels, input_turn

LICENCE_LINE = "/* SPDX-License-Identifier: 0BSD */\n"
_TABLE = re.compile(r"^static const ((?:u?int\d+_t|int|float|double) \w+(?:\[[^\]\n]*\])+ = \{)", re.MULTILINE)
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_REAL = re.compile(r"\b(?:float|double)\b")
_WIDE = """\
#include <limits.h>
#if INT_MAX < 2147483647
#error "int has 16 bits here: generated code needs 32, as on Cortex-M, RISC-V and Xtensa"
#endif
"""
_FINITE = """\
#if defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__
#error "-ffinite-math-only (also in -ffast-math, -Ofast) drops checks for missing numbers: add -fno-finite-math-only"
#endif
"""
_PLACED = """\
#ifndef {0}
#define {0} /* Stands before every table of constants: an attribute that names a section, for example. */
#endif
"""


def linkable(files: Mapping[str, str], name: str) -> dict[str, str]:
    """Return the files with the licence, guards against compilers that change it, and NAME_WEIGHTS before tables.

    Args:
        files: text by name.
        name: prefix of all names.
    """
    return {file: _linkable(file, text, f"{name.upper()}_WEIGHTS") for file, text in files.items()}


def _linkable(file: str, text: str, macro: str) -> str:
    if not file.endswith((".c", ".h")) or text.startswith(LICENCE_LINE):
        return text
    if file.endswith(".h"):
        return LICENCE_LINE + text
    marked, tables = _TABLE.subn(rf"{macro} static const \1", text)
    head = _WIDE + (_FINITE if _REAL.search(_COMMENT.sub("", text)) else "")
    head += _PLACED.format(macro) if tables else ""
    return LICENCE_LINE + head + "\n" + marked


MATH = parts(__file__, "math.c")
_OWN = {"sqrtf": "root", "logf": "log", "expf": "exp", "roundf": "nearest"}
_CALL = re.compile(rf"(?<!\w)({'|'.join(_OWN)})\(")


def own_functions(text: str, name: str) -> str:
    """Return C with calls of its own functions instead of the library's, and what they need before them.

    Args:
        text: functions, without includes.
        name: prefix of names.
    """
    called = [word for word in _OWN if re.search(rf"(?<!\w){word}\(", text)]
    code = _CALL.sub(lambda call: f"{name}_{_OWN[call[1]]}(", text)
    blocks = [MATH["guard"]] if "sqrtf" in called or f"{name}_FLOATS" in text else []
    attribute = NOINLINE.replace("@", name)
    if {"logf", "expf"} & set(called):
        blocks.append(attribute)
        code = code.replace(f"{attribute}\n\n", "")
    blocks += [MATH["bits"]] if {"logf", "expf"} & set(called) else []
    blocks += [MATH[_OWN[word]] for word in called]
    return "\n\n".join([block.replace("@", name) for block in blocks] + [code])


INTERVAL = parts(__file__, "interval.c")
_INTERVAL = parts(__file__, "interval.h")
INTERVAL_HEADER = _INTERVAL["title"] + guarded("@@_INTERVAL_H", "", _INTERVAL["header"])


def write_interval_c99(spec: IntervalSpec, *, name: str) -> dict[str, str]:
    """Return NAME_interval.h and NAME_interval.c.

    Args:
        spec: of the package.
        name: of the files, and prefix of every name in them.
    """
    tables = {"edges": spec.edges, "low": spec.low, "high": spec.high}
    lines = [
        f"static const float @_interval_{word}[{len(values)}] = {{\n{entries(np.asarray(values, np.float32))}\n}};\n"
        for word, values in tables.items()
        if values
    ]
    search = filled(INTERVAL["search"], count=len(spec.edges)) if spec.edges else ""
    source = filled(INTERVAL["source"], tables="".join(lines), search=search)
    head = {"share": percent(spec.level), "level": number(spec.level)}
    texts = {f"{name}_interval.h": filled(INTERVAL_HEADER, **head), f"{name}_interval.c": source}
    return {file: text.replace("@@", name.upper()).replace("@", name) for file, text in texts.items()}


_OBJECTS = parts(__file__, "objects.h")
OBJECTS_HEADER = _OBJECTS["title"] + guarded("@@_OBJECTS_H", '"@.h"', _OBJECTS["header"])


def write_objects_c99(spec: ObjectMap, *, name: str) -> dict[str, str]:
    """Return NAME_objects.h and NAME_objects.c, which read the answers of NAME.h.

    Args:
        spec: how the map is read.
        name: of the files, and prefix of every name in them.
    """
    labels = "".join(f"{text}\n" for text in label_lines(name.upper(), spec.labels)).replace("@", " at ")
    sizes = {
        "labels": labels, "count": len(spec.labels), "rows": spec.rows, "columns": spec.columns,
        "most": spec.max_objects, "threshold": spec.threshold, "unit": UNIT,
    }  # fmt: skip
    numbers = {
        "lowest": number(LOWEST / UNIT), "highest": number(HIGHEST / UNIT), "unit": number(float(UNIT)),
        "shift": number(0.5 - 2 * LOWEST), "whole": -2 * LOWEST, "least": LOWEST, "width": spec.width,
        "height": spec.height,
    }  # fmt: skip
    texts = {
        f"{name}_objects.h": filled(OBJECTS_HEADER, **sizes),
        f"{name}_objects.c": filled(parts(__file__, "objects.c")["source"], **numbers),
    }
    return {file: text.replace("@@", name.upper()).replace("@", name) for file, text in texts.items()}


Range = tuple[float, float] | None
# A sample's entry is (row * first + column * second + channel * third + last) modulo 256.
_PATTERNS = ((7, 3, 85, 11), (1, 2, 64, 0), (5, 13, 37, 101), (29, 1, 91, 50), (3, 17, 149, 7), (2, 31, 111, 200))
_SAMPLES = 2
# How far an answer may be off, of the largest number of an answer: other compilers round features otherwise.
_OFF = 0.01
C = parts(__file__, "self_test.c")
HEADER = guarded("@@_SELF_TEST_H", '"@.h"', parts(__file__, "self_test.h")["header"])
_BYTES = """\
    int8_t in[@@_NETWORK_INPUTS];
    int8_t out[@@_NETWORK_OUTPUTS];
"""
_TEST_CALL = "        wrong |= @_test_network(context, sample) ? 0 : @@_NETWORK_WRONG;\n"
Pattern = tuple[int, int, int, int]
Axes = tuple[int, int, int]
"""Rows, columns and channels."""


@dataclass(frozen=True)
class _Trial:
    """A pattern, what the model answers to it, and how far off it answers when channels are read first."""

    pattern: Pattern
    answer: NDArray[np.float32]
    difference: float


def write_self_test(
    graph: Graph, network: IntegerNetwork | None, *, name: str, ranges: Sequence[Range] = ()
) -> dict[str, str]:
    """NAME_self_test.h and NAME_self_test.c; nothing for a model that gives a label alone, or no finite numbers.

    Args:
        graph: the pipeline, as `write_c99` has it.
        network: its integers.
        name: prefix of all names.
        ranges: of the columns, within which samples are made up.

    Raises:
        InputError: for a name that C does not take.
    """
    field = next((value for value in graph.outputs if value.name not in ("label", "confidence")), None)
    if field is None:
        return {}
    image, axes = image_channels(graph), _axes(graph)
    middle, step = _grid(graph, network, ranges, axes[2])
    run = _run(graph, network)
    trials = []
    for pattern in _PATTERNS:
        values = (middle + step * _entries(pattern, axes)).astype(np.float32)
        answer = run(_sample(graph, values))[field.name].astype(np.float32).ravel()
        difference = 0.0
        if image:
            turned = np.moveaxis(values.reshape(axes[2], *axes[:2]), 0, -1)
            difference = float(np.abs(run(_sample(graph, turned))[field.name].ravel() - answer).max())
        if np.isfinite(answer).all():
            trials.append(_Trial(pattern, answer, difference))
    chosen = sorted(trials, key=lambda trial: -trial.difference)[:_SAMPLES]
    if len(chosen) < _SAMPLES:
        return {}
    patterns = [trial.pattern for trial in chosen]
    answers = np.concatenate([trial.answer for trial in chosen])
    own = "probabilities" if field.name == "probabilities" else "prediction"
    single = own == "prediction" and math.prod(field.shape) == 1
    turn = None if network is None else input_turn(graph, network, image=bool(image))
    numbers = {
        "samples": _SAMPLES, "patterns": ", ".join(f"{{{', '.join(map(str, pattern))}}}" for pattern in patterns),
        "rows": axes[0], "columns": axes[1], "channels": axes[2], "middle": entries(middle), "step": entries(step),
        "answers": entries(answers), "off": number(_OFF * max(1.0, float(np.abs(answers).max()))),
        "place": f"(row * {axes[1]} + column) * {axes[2]} + channel" if image
        else f"(row + channel) * {axes[1]} + column",
        "given": f"{'&' if single else ''}context->answer.{own}",
        "network": "" if network is None else _network_text(network, patterns, turn),
        "call": "" if network is None else _TEST_CALL, "bytes": "" if network is None else _BYTES,
    }  # fmt: skip
    texts = {".h": HEADER, ".c": C["source"]}
    files = {f"{identifier(name)}_self_test{ending}": filled(text, **numbers) for ending, text in texts.items()}
    return {file: text.replace("@@", name.upper()).replace("@", name) for file, text in files.items()}


def _axes(graph: Graph) -> Axes:
    """Of a sample; a window is one row of samples with its columns as channels."""
    shape, image = graph.inputs[0].shape, image_channels(graph)
    if image:
        return (shape[1], shape[2], shape[0]) if image == "first" else (shape[0], shape[1], shape[2])
    if len(shape) == 2:
        return (1, shape[1], shape[0])
    return (1, 1, shape[0]) if len(shape) == 1 else (1, math.prod(shape), 1)


def _entries(pattern: Pattern, axes: Axes) -> NDArray[np.int64]:
    """Return what the C makes of a pattern, -128 to 127, in rows, columns and channels."""
    row, column, channel = np.indices(axes)
    first, second, third, last = pattern
    entry_values: NDArray[np.int64] = (row * first + column * second + channel * third + last) % 256 - 128
    return entry_values


def _sample(graph: Graph, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return values in rows, columns and channels as a batch of one for the graph."""
    shape = graph.inputs[0].shape
    if image_channels(graph) == "last":
        return values[None]
    return np.ascontiguousarray(np.moveaxis(values, -1, 0)).reshape(1, *shape)


def _grid(
    graph: Graph, network: IntegerNetwork | None, ranges: Sequence[Range], channels: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Middle and step of each channel; a step is a power of two and a middle so many steps, so that sums are exact."""
    spans = [(-2.0, 2.0)] * channels
    if network is not None and image_channels(graph):
        grid = network.values[network.input]
        spans = [((-128 - grid.zero) * grid.scale, (127 - grid.zero) * grid.scale)] * channels
    if len(ranges) == channels:
        spans = [
            limit if limit is not None and np.isfinite(limit).all() and limit[1] > limit[0] else span
            for limit, span in zip(ranges, spans, strict=True)
        ]
    low, high = np.array(spans, np.float64).T
    step = np.exp2(np.floor(np.log2((high - low) / 256)))
    # 22 digits of a middle, 8 of an entry: their sum has at most 24.
    step = np.maximum(step, np.exp2(np.floor(np.log2(np.maximum(np.abs(low + high), 1e-30))) - 22))
    middle = np.round((low + high) / 2 / step) * step
    return middle.astype(np.float32), step.astype(np.float32)


def _run(graph: Graph, network: IntegerNetwork | None) -> Callable[[NDArray[np.float32]], dict[str, NDArray[Any]]]:
    """Return the model as Python runs it; with integers as C rounds them."""
    if network is None:
        return compile_graph(graph)
    try:
        return compile_fused(marked(graph, network.rounding) if network.rounding != "none" else graph)
    except InputError:
        return compile_graph(graph)


def _network_text(network: IntegerNetwork, patterns: Sequence[Pattern], turn: IntegerOperator | None) -> str:
    """Return the part of the test that asks the network alone, without its first operator `turn`."""
    shape = network.values[turn.output if turn else network.input].shape
    axes: Axes = (shape[0], shape[1], shape[2]) if len(shape) == 3 else (1, math.prod(shape), 1)
    answers = []
    for pattern in patterns:
        given = _entries(pattern, axes).astype(np.int8)
        given = np.ascontiguousarray(np.moveaxis(given, -1, 0)) if turn else given.reshape(shape)
        answers.append(run_integer(network, given[None]).ravel())
    return "\n" + filled(C["network"], **{
        "samples": len(patterns), "bytes": entries(np.concatenate(answers)),
        "rows": axes[0], "columns": axes[1], "channels": axes[2],
    })  # fmt: skip
