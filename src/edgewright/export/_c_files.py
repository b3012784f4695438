"""The text of the generated header and source file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edgewright.export._c_header import header, network_header
from edgewright.export._c_source import Buffer, Source
from edgewright.export._c_text import APART, TYPES, literal
from edgewright.export._c_unit import Arena, Step, Unit
from edgewright.schema.graph import Graph
from edgewright.schema.integer import IntegerNetwork

Range = tuple[float, float] | None
_ARENAS = {"float": "arena", "int32_t": "integers"}
# Steps of a function at most.
STEPS = 24
_INCLUDES = ["#include <math.h>", "#include <stdint.h>", "#include <string.h>"]


@dataclass(frozen=True)
class Interface:
    """What the generated functions take and give.

    Attributes:
        graph: the pipeline.
        network: its integers, or None.
        outputs: by public name, in buffers.
        borders: numbers of the steps at which a function of the code ends: preprocessing, rounding, network.
        ends: buffers of the integer network's input and output.
        limits: smallest and largest value of each column or channel.
        taps: names of the stages that can be seen.
        columns, units: of the input.
    """

    graph: Graph
    network: IntegerNetwork | None
    outputs: dict[str, Source]
    borders: tuple[int, ...]
    ends: tuple[Buffer, ...]
    limits: tuple[Range, ...]
    taps: tuple[str, ...]
    columns: tuple[str, ...]
    units: tuple[str, ...]


def files(unit: Unit, face: Interface) -> dict[str, str]:
    """NAME.h and NAME.c of a pipeline."""
    unit.mark(face.outputs.values())
    kept = [leaf.buffer for source in face.outputs.values() for leaf in source.leaves]
    arena = unit.arena(kept)
    offsets = arena.offsets
    name, whole = unit.name, len(unit.steps)
    cuts = (0, *face.borders, whole)
    labels = ["before", "round", "bytes", "after"] if face.network is not None else ["before", "after"]
    parts = [(label, unit.steps[a:b]) for label, a, b in zip(labels, cuts[:-1], cuts[1:], strict=True)]
    functions = []
    calls = []
    for label, steps in _pieces(parts):
        uses = any(buffer.name == "input" for step in steps for buffer in step.reads)
        functions.append(_function(unit, label, steps, offsets, "const float *input" if uses else "void"))
        calls.append(f"    {name}_{label}({'input' if uses else ''});")
    inside = [*_checks(unit, face), *calls, *_answer(unit, face, offsets)]
    if not any("input" in line for line in inside):
        # An answer that is a constant.
        inside.insert(0, "    (void)input;")
    body = [
        f"int {name}_predict(const float *input, {name}_answer *answer) {{",
        "    unsigned flags = 0u;",
        *_guard(unit, face),
        *inside,
        "    answer->flags = flags;",
        "    return (int)flags;",
        "}",
    ]
    if face.network is not None:
        body += ["", *_network(unit, face.ends, offsets)]
    tail = _taps(unit, face)
    text = _assemble(unit, arena, functions, [*body, *tail])
    return {f"{name}.h": header(unit, face, arena), f"{name}.c": text}


def network_files(unit: Unit, network: IntegerNetwork, ends: tuple[Buffer, ...]) -> dict[str, str]:
    """NAME.h and NAME.c of an integer network alone."""
    arena = unit.arena([ends[1]])
    functions = [_function(unit, "bytes", unit.steps, arena.offsets, "void")]
    text = _assemble(unit, arena, functions, _network(unit, ends, arena.offsets))
    return {f"{unit.name}.h": network_header(unit, network, arena), f"{unit.name}.c": text}


def stream_source(
    unit: Unit, ends: tuple[Buffer, ...], memory: Sequence[str], tail: Sequence[str]
) -> tuple[str, Arena]:
    """NAME.c of an integer network whose layers remember, and the memory that its values share.

    Args:
        unit: whose steps are one step of the stream, memories included.
        ends: buffers of the network's input and output.
        memory: definitions of what is remembered.
        tail: functions after NAME_network.
    """
    arena = unit.arena([ends[1]])
    functions = ["\n".join(memory), _function(unit, "bytes", unit.steps, arena.offsets, "void")]
    return _assemble(unit, arena, functions, [*_network(unit, ends, arena.offsets), *tail]), arena


def _pieces(parts: Sequence[tuple[str, Sequence[Step]]]) -> Iterator[tuple[str, Sequence[Step]]]:
    """Parts cut into functions of some length: compilers take time by the square of it. The network stays whole."""
    for label, steps in parts:
        length = len(steps) if label == "bytes" else STEPS
        for first in range(0, len(steps), max(length, 1)):
            yield f"{label}{first // length + 1 if first else ''}", steps[first : first + length]


def _assemble(unit: Unit, arena: Arena, functions: Sequence[str], body: Sequence[str]) -> str:
    memory = []
    if arena.floats:
        memory.append(f"static float {unit.name}_arena[{-(-arena.floats // 4)}];")
    if arena.integers:
        memory.append(f"static int32_t {unit.name}_integers[{-(-arena.integers // 4)}];")
    if memory:
        memory.insert(0, "/* Values between operators; those that are not needed at the same time share memory. */")
    blocks = [
        f'#include "{unit.name}.h"',
        "\n".join(_INCLUDES),
        *(["\n".join(memory)] if memory else []),
        *_tap_memory(unit),
        *unit.tables(),
        *unit.helpers(),
        *functions,
        "\n".join(body),
    ]
    return "\n\n".join(blocks) + "\n"


def _pointer(unit: Unit, buffer: Buffer, offsets: dict[int, int], constant: bool) -> str:
    kind = TYPES[buffer.kind]
    word = "const " if constant else ""
    offset = offsets[buffer.key]
    if kind in _ARENAS:
        return f"{word}{kind} *const {buffer.name} = {unit.name}_{_ARENAS[kind]} + {offset // 4};"
    return f"{word}{kind} *const {buffer.name} = ({word}{kind} *){unit.name}_arena + {offset};"


def _function(unit: Unit, label: str, steps: Sequence[Step], offsets: dict[int, int], argument: str) -> str:
    # One that is called once would be put back where it was cut out.
    apart = f"{unit.helper('apart', APART)} " if label[-1].isdigit() or len(steps) == STEPS else ""
    lines = [f"{apart}static void {unit.name}_{label}({argument}) {{"]
    if argument != "void" and not any(b.name == "input" for s in steps if not s.condition for b in s.reads):
        lines.append("    (void)input;")
    for step in steps:
        block = ["    {"]
        written = {buffer.key for buffer in step.writes}
        used = (*step.writes, *(buffer for buffer in step.reads if buffer.key not in written))
        block += ["        " + _pointer(unit, b, offsets, b.key not in written) for b in used if not b.fixed]
        block += ["        " + line for line in step.lines]
        block.append("    }")
        lines += [f"#ifdef {step.condition}", *block, "#endif"] if step.condition else block
    return "\n".join([*lines, "}"])


def _checks(unit: Unit, face: Interface) -> list[str]:
    if not any(face.limits):
        return []
    lows = [limit[0] if limit else -np.inf for limit in face.limits]
    highs = [limit[1] if limit else np.inf for limit in face.limits]
    low, high = (unit.table(np.asarray(values, np.float32)) for values in (lows, highs))
    each = int(np.prod(face.graph.inputs[0].shape[1:]))
    place = "i" if each == 1 else f"i / {each}"
    flag = f"{unit.name.upper()}_OUT_OF_RANGE"
    return [
        f"    for (int i = 0; i < {unit.name.upper()}_INPUTS; ++i) {{",
        f"        if (input[i] < {low}[{place}] || input[i] > {high}[{place}]) {{",
        f"            flags |= {flag};",
        "        }",
        "    }",
    ]


def _answer(unit: Unit, face: Interface, offsets: dict[int, int]) -> list[str]:
    lines = []
    for source in face.outputs.values():
        buffer = source.leaves[0].buffer
        if not buffer.fixed:
            lines.append("    " + _pointer(unit, buffer, offsets, True))
    # Two outputs may be one value.
    lines = list(dict.fromkeys(lines))
    for name, source in face.outputs.items():
        leaf, count = source.leaves[0], int(np.prod(source.shape))
        at = f"{leaf.buffer.name}[{leaf.offset}]" if leaf.offset or count == 1 else leaf.buffer.name
        if name == "label":
            lines.append(f"    answer->label = (int){at};")
            continue
        field = "prediction" if name not in ("probabilities", "confidence") else name
        if count == 1 and field != "probabilities":
            lines.append(f"    answer->{field} = {at};")
        else:
            lines.append(f"    memcpy(answer->{field}, {'&' if '[' in at else ''}{at}, sizeof answer->{field});")
    return lines


def _guard(unit: Unit, face: Interface) -> list[str]:
    """Answers nothing where no slot holds weights."""
    if not unit.slots:
        return []
    label = ["        answer->label = -1;"] if "label" in face.outputs else []
    return [
        f"    if ({unit.name}_constants == 0) {{",
        "        memset(answer, 0, sizeof *answer);",
        *label,
        f"        answer->flags = {unit.name.upper()}_NO_WEIGHTS;",
        "        return (int)answer->flags;",
        "    }",
    ]


def _network(unit: Unit, ends: tuple[Buffer, ...], offsets: dict[int, int]) -> list[str]:
    first, last = ends
    none = f"    if ({unit.name}_constants == 0) return (int){unit.name.upper()}_NO_WEIGHTS;"
    return [
        f"int {unit.name}_network(const int8_t *in, int8_t *out) {{",
        *([none] if unit.slots else []),
        f"    memcpy((int8_t *){unit.name}_arena + {offsets[first.key]}, in, {first.size});",
        f"    {unit.name}_bytes();",
        f"    memcpy(out, (const int8_t *){unit.name}_arena + {offsets[last.key]}, {last.size});",
        "    return 0;",
        "}",
    ]


def _tap_memory(unit: Unit) -> list[str]:
    if not unit.taps:
        return []
    lines = [f"static float {unit.name}_tap{i}[{count}];" for i, count in enumerate(unit.taps)]
    return ["\n".join([f"#ifdef {unit.name.upper()}_TAPS", *lines, "#endif"])]


def _taps(unit: Unit, face: Interface) -> list[str]:
    if not face.taps:
        return []
    name = unit.name
    lines = ["", f"#ifdef {name.upper()}_TAPS", f"const char *const {name}_stage_names[] = {{"]
    lines += [f"    {literal(stage)}," for stage in face.taps]
    lines += ["};", "", f"void {name}_stage(int index, const float **values, int *count) {{"]
    lines.append(
        f"    static const float *const all[] = {{{', '.join(f'{name}_tap{i}' for i in range(len(unit.taps)))}}};"
    )
    lines.append(f"    static const int counts[] = {{{', '.join(map(str, unit.taps))}}};")
    return [*lines, "    *values = all[index];", "    *count = counts[index];", "}", "#endif"]
