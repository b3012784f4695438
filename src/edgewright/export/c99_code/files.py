"""The text of the generated header and source file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from edgewright.core.objects import METADATA
from edgewright.export.c99_code.header import Interface, framed_head, header, network_header
from edgewright.export.c99_code.own_math import own_functions
from edgewright.export.c99_code.pixels import entry, rounded
from edgewright.export.c99_code.source import Buffer
from edgewright.export.c99_code.steps import COUNTER, ROW, Routine, Step
from edgewright.export.c99_code.text import APART, SMALL, TYPES, literal, number
from edgewright.export.c99_code.unit import Arena, Unit
from edgewright.export.c99_graph.frames import Framed
from edgewright.graph.mask import without_mask
from edgewright.schema.integer import IntegerNetwork

# C expression of the address of a buffer, and whether what lies there is only read.
Place = Callable[[Buffer, bool], str]
# Steps of a function at most.
STEPS = 24
_INCLUDES = ["#include <math.h>", "#include <stdint.h>", "#include <string.h>"]


def files(unit: Unit, face: Interface) -> dict[str, str]:
    """NAME.h and NAME.c of a pipeline."""
    unit.mark(face.outputs.values())
    kept = [leaf.buffer for source in face.outputs.values() for leaf in source.leaves]
    name, whole = unit.name, len(unit.steps)
    inside = range(*face.borders[1:]) if face.network is not None else range(0)
    arena = unit.arena(kept, inside, face.ends)
    cuts = (0, *face.borders, whole)
    labels = ["before", "round", "network", "after"] if face.network is not None else ["before", "after"]
    frames = face.frames
    if frames is not None:
        cuts = (frames.steps, *cuts[1:])
    parts = [(label, unit.steps[a:b]) for label, a, b in zip(labels, cuts[:-1], cuts[1:], strict=True)]
    calls: list[str] = []
    with_bytes: list[str] = []
    takes_bytes = (
        face.takes_bytes and not unit.slots and not any("input" in routine.arguments for routine in unit.routines)
    )
    values = "context->values.arena" if face.network is not None else "context->arena"
    inner = location = partial(_place, arena, values)
    functions = [_routine(unit, routine, location) for routine in unit.routines]
    if frames is not None:
        functions += [_frame(unit, frames, inner), _window(unit, frames, inner)]
        location = partial(_framed_place, inner, frames.made)
    for label, steps in _pieces(parts):
        if label == "network":
            functions.append(_network(unit, steps, arena))
            first, last = (location(buffer, buffer is face.ends[0]) for buffer in face.ends)
            calls.append(f"    (void){name}_network(&context->values.network, {first}, {last});")
            with_bytes.append(calls[-1])
            continue
        named = {buffer.name for step in steps for buffer in step.buffers}
        uses = "input" in named
        word = "input" if uses else "frames" if frames is not None and frames.made.name in named else ""
        functions.append(_function(unit, label, steps, location, word and f"const float *{word}"))
        calls.append(f"    {name}_{label}(context{word and f', {word}'});")
        if face.pixels is not None and label.startswith(("before", "round")):
            continue
        if takes_bytes and uses:
            label = f"{label}_pixels"
            text = _function(unit, label, steps, location, "const uint8_t *input")
            functions.append(re.sub(r"\binput\[", "(float)input[", text))
        with_bytes.append(f"    {name}_{label}(context{', pixels' if uses else ''});")
    checks, lines = _checks(unit, face), [*calls, *_answer(face, location), *_doubts(unit, face)]
    # An answer that is a constant, or one of the input alone.
    unused = [word for word in ("context", "input") if not any(word in line for line in (*checks, *lines))]
    begin = ["    unsigned flags = 0u;"]
    head = f"int {name}_predict({name}_context *context, const float *input, {name}_answer *answer) {{"
    if frames is not None:
        functions.append("\n".join([head, *begin, *checks, *_predict_framed(name, frames, inner)]))
        head, begin, unused = f"{framed_head(name)} {{", [], []
        checks = [f"    ({inner(frames.there, False)})[0] = (float)there;"]
    body = [
        head,
        *(f"    (void){word};" for word in unused),
        *begin,
        *_guard(unit, face),
        *checks,
        *lines,
        "    answer->flags = flags;",
        "    return (int)flags;",
        "}",
    ]
    if takes_bytes:
        if face.pixels is not None:
            ends = location(face.ends[0], False), location(face.pixels.count, False)
            with_bytes = [*rounded(unit, face.pixels, *ends), *with_bytes]
        body += ["", *entry(unit, _guard(unit, face), [*with_bytes, *_answer(face, location), *_doubts(unit, face)])]
    text = _assemble(unit, functions, [*body, *_taps(unit, face)])
    return {f"{name}.h": header(unit, face, arena, pixels=takes_bytes), f"{name}.c": text}


def network_files(unit: Unit, network: IntegerNetwork, ends: tuple[Buffer, ...]) -> dict[str, str]:
    """NAME.h and NAME.c of an integer network alone."""
    arena = unit.arena([ends[1]], range(len(unit.steps)), ends)
    text = _assemble(unit, [], [_network(unit, unit.steps, arena)])
    return {f"{unit.name}.h": network_header(unit, network, arena), f"{unit.name}.c": text}


def stream_source(unit: Unit, ends: tuple[Buffer, ...], head: Sequence[str], tail: Sequence[str]) -> tuple[str, int]:
    """NAME.c of an integer network whose layers remember, and the bytes that its values share.

    Args:
        unit: whose steps are one step of the stream, memories included.
        ends: buffers of the network's input and output.
        head: tables of the functions after NAME_network.
        tail: these functions.
    """
    arena = unit.arena([ends[1]], range(len(unit.steps)), ends)
    return _assemble(unit, ["\n".join(head)], [_network(unit, unit.steps, arena), *tail]), arena.network


def _pieces(parts: Sequence[tuple[str, Sequence[Step]]]) -> Iterator[tuple[str, Sequence[Step]]]:
    """Parts cut into functions of some length: compilers take time by the square of it. The network stays whole."""
    for label, steps in parts:
        length = len(steps) if label == "network" else STEPS
        for first in range(0, len(steps), max(length, 1)):
            yield f"{label}{first // length + 1 if first else ''}", steps[first : first + length]


def _assemble(unit: Unit, functions: Sequence[str], body: Sequence[str]) -> str:
    code = "\n\n".join([*unit.helpers(), *functions, "\n".join(body)])
    code = own_functions(code, unit.name) if unit.floats else code
    blocks = [f'#include "{unit.name}.h"', "\n".join(_INCLUDES), *_tap_memory(unit), *unit.tables(), code]
    return "\n\n".join(blocks) + "\n"


def _place(arena: Arena, values: str, buffer: Buffer, constant: bool) -> str:
    """C expression of a buffer's address; `values` is that of the memory of floats."""
    kind, offset = TYPES[buffer.kind], arena.offsets[buffer.key]
    if kind == "int32_t":
        return f"context->integers + {offset // 4}"
    if kind == "int16_t":
        return f"context->halves + {offset // 2}"
    if kind == "float":
        return f"{values} + {offset // 4}"
    return f"({'const ' if constant else ''}{kind} *){values} + {offset}"


def _pointer(buffer: Buffer, location: str, constant: bool) -> str:
    return f"{'const ' if constant else ''}{TYPES[buffer.kind]} *const {buffer.name} = {location};"


def _framed_place(location: Place, frames: Buffer, buffer: Buffer, constant: bool) -> str:
    """C expression of an address, where the numbers of the frames lie wherever the caller has them."""
    return "frames" if buffer is frames else location(buffer, constant)


def _frame(unit: Unit, frames: Framed, location: Place) -> str:
    """NAME_frame, which works one frame out."""
    name = unit.name
    given = f"{name}_context *context, const float *{frames.input}, float *{frames.output}"
    # Compilers would put the passes of a transform into it, and run out of a core's registers for numbers.
    kind = unit.helper("small", SMALL) if unit.floats else unit.helper("apart", APART)
    head, steps = f"{kind} void {name}_frame({given}) {{", frames.loop.inner
    return "\n".join([head, *_unused(["context"], steps, location), *_blocks(steps, location), "}"])


def _window(unit: Unit, frames: Framed, location: Place) -> str:
    """Return the function that works out all frames of a window."""
    grid, made = frames.grid, frames.made.name
    call = f"    {unit.name}_frame(context, input + {grid.hop} * {COUNTER}, {made} + {grid.values} * {COUNTER});"
    loop = replace(frames.loop, lines=(frames.loop.lines[0], call, "}"), inner=())
    steps = [loop if step is frames.loop else step for step in unit.steps[: frames.steps]]
    return _function(unit, "each_frame", steps, location, "const float *input")


def _predict_framed(name: str, frames: Framed, location: Place) -> list[str]:
    there, made = location(frames.there, True), location(frames.made, True)
    return [
        f"    {name}_each_frame(context, input);",
        f"    return {name}_framed(context, {made}, (int)({there})[0], flags, answer);",
        "}",
    ]


def _function(unit: Unit, label: str, steps: Sequence[Step], location: Place, argument: str) -> str:
    # One that is called once would be put back where it was cut out.
    apart = f"{unit.helper('apart', APART)} " if label[-1].isdigit() or len(steps) == STEPS else ""
    # A float network has its loops here.
    apart = f"{unit.helper('small', SMALL)} " if unit.floats and unit.unrolled else apart
    words = ["context", *argument.split("*")[1:]]
    arguments = ", ".join([f"{unit.name}_context *context", *([argument] if argument else [])])
    head = f"{apart}static void {unit.name}_{label}({arguments}) {{"
    return "\n".join([head, *_unused(words, steps, location), *_blocks(steps, location), "}"])


def _network(unit: Unit, steps: Sequence[Step], arena: Arena) -> str:
    """NAME_network, which the pipeline calls too."""

    def place(buffer: Buffer, constant: bool) -> str:
        word, offset = "const " if constant else "", arena.offsets.get(buffer.key, 0)
        if buffer.kind == "uint32":
            return f"({word}uint32_t *)context->arena + {offset // 4}"
        return arena.given.get(buffer.key, f"({word}int8_t *)context->arena + {offset}")

    none = f"    if ({unit.name}_constants == 0) return (int){unit.name.upper()}_NO_WEIGHTS;"
    lines = [
        f"int {unit.name}_network({unit.name}_network_context *context, const int8_t *in, int8_t *out) {{",
        *([none] if unit.slots else []),
        *_unused(["context"], steps, place),
        *_blocks(steps, place),
        "    return 0;",
        "}",
    ]
    return "\n".join(lines)


def _unused(words: Sequence[str], steps: Sequence[Step], location: Place) -> list[str]:
    """Return lines for arguments that no code reads but that for taps."""
    body = " ".join(_blocks([step for step in steps if not step.condition], location))
    return [f"    (void){word};" for word in words if not re.search(rf"\b{word}\b", body)]


def _blocks(steps: Sequence[Step], location: Place) -> list[str]:
    """Return the steps between braces, each with pointers to what it uses."""
    lines = []
    for step in steps:
        block = ["    {", *("        " + line for line in _block(step, location)), "    }"]
        lines += [f"#ifdef {step.condition}", *block, "#endif"] if step.condition else block
    return lines


def _block(step: Step, location: Place) -> list[str]:
    """Return the lines of a step after pointers to what they name."""
    written = {buffer.key for buffer in step.writes}
    used = {b.key: b for b in (*step.writes, *step.reads) if not b.fixed}
    text = " ".join(step.lines)
    named = [b for b in used.values() if re.search(rf"\b{b.name}\b", text)]
    pointers = [_pointer(b, location(b, b.key not in written), b.key not in written) for b in named]
    return [*pointers, *step.lines, *_blocks(step.inner, location), *(["}"] if step.inner else [])]


def _routine(unit: Unit, routine: Routine, location: Place) -> str:
    """Return a function that works out one row."""
    lines, last = [], len(routine.parts) - 1
    for part, (rows, step) in enumerate(routine.parts):
        if not step.lines:
            lines.append(f"    {COUNTER} -= {rows};")
            continue
        block = ["    " + line for line in _block(step, location)]
        if part < last:
            block = [f"    if ({COUNTER} < {rows}) {{", *("    " + line for line in block), "        return;", "    }"]
            block.append(f"    {COUNTER} -= {rows};")
        lines += block
    words = routine.arguments.split(", ")
    given = "".join([f"{unit.name}_context *context, ", "const float *input, " if len(words) > 1 else ""])
    body = " ".join(lines)
    unused = [f"    (void){word};" for word in (*words, COUNTER) if not re.search(rf"\b{word}\b", body)]
    apart, given = unit.helper("apart", APART), given + f"int {COUNTER}, " + "int from, int count, " * routine.ranged
    return "\n".join([
        f"{apart} static void {routine.name}({given}float *{ROW}) {{", *unused, *lines, "}",
    ])  # fmt: skip


@np.errstate(over="ignore")
def _checks(unit: Unit, face: Interface) -> list[str]:
    if not any(face.limits):
        return []
    lows = [limit[0] if limit else -np.inf for limit in face.limits]
    highs = [limit[1] if limit else np.inf for limit in face.limits]
    unit.place = "input"
    shape = face.graph.inputs[0].shape
    each = int(np.prod(shape[1:]))
    if unit.floats and face.image != "first" and each > 1:
        return _checked_rows(unit, lows, highs, each)
    named = {"low": lows, "high": highs}
    low, high = (unit.table(np.asarray(values, np.float32), role) for role, values in named.items())
    column = "i" if each == 1 else f"i % {shape[0]}" if face.image == "first" else f"i / {each}"
    flag = f"{unit.name.upper()}_OUT_OF_RANGE"
    return [
        f"    for (int i = 0; i < {unit.name.upper()}_INPUTS; ++i) {{",
        f"        if (input[i] - input[i] == 0.0f && (input[i] < {low}[{column}] || input[i] > {high}[{column}])) {{",
        f"            flags |= {flag};",
        "        }",
        "    }",
    ]


def _limit(unit: Unit, values: Sequence[float], role: str, some: range) -> str:
    """Return a limit of the channel `c`: a number where it is that of some channels, else of a table of these."""
    kept = np.asarray(values, np.float32)[some.start : some.stop]
    if not unit.slots and (kept == kept[0]).all():
        return number(float(kept[0]))
    return f"{unit.table(kept, role)}[c{f' - {some.start}' if some.start else ''}]"


def _checked_rows(unit: Unit, lows: Sequence[float], highs: Sequence[float], each: int) -> list[str]:
    """Return the check of channels one after the other; those without limits are left out."""
    (places,) = np.nonzero(np.isfinite(lows) | np.isfinite(highs))
    some = range(len(lows)) if unit.slots else range(int(places.min()), int(places.max()) + 1)
    low, high = (_limit(unit, values, role, some) for values, role in ((lows, "low"), (highs, "high")))
    return [
        f"    for (int c = {some.start}; c < {some.stop}; ++c) {{",
        f"        const float *const x = input + {each} * c;",
        f"        const float low = {low}, high = {high};",
        f"        for (int i = 0; i < {each}; ++i) {{",
        "            if (!(x[i] >= low && x[i] <= high) && x[i] - x[i] == 0.0f) {",
        f"                flags |= {unit.name.upper()}_OUT_OF_RANGE;",
        "            }",
        "        }",
        "    }",
    ]


def _doubts(unit: Unit, face: Interface) -> list[str]:
    """Return flags of an answer that is none, and of one that is not sure enough."""
    upper = unit.name.upper()
    field = "confidence" if "confidence" in face.outputs else _number(face)
    if not field:
        return []
    none = f"!(answer->{field} > 0.0f)" if field == "confidence" else f"!(answer->{field} - answer->{field} == 0.0f)"
    lines = []
    if without_mask(face.graph)[1] is None:
        # A model that does not ask answers a sample without any value like every other.
        none = f"there == 0 || {none}"
        lines += [
            "    int there = 0;",
            f"    for (int i = 0; i < {upper}_INPUTS; ++i) {{",
            "        there |= input[i] - input[i] == 0.0f;",
            "    }",
        ]
    lines += [f"    if ({none}) {{", f"        flags |= {upper}_MISSING | {upper}_UNSURE;"]
    if field == "confidence" and face.confidence > 0:
        lines += [
            f"    }} else if (!(answer->confidence >= {number(face.confidence)})) {{",
            f"        flags |= {upper}_UNSURE;",
        ]
    return [*lines, "    }"]


def _number(face: Interface) -> str:
    """Return the field that says whether there is an answer: the one number of it, or the first one of a map.

    Empty where there are more, as inside another program.
    """
    if METADATA in face.graph.metadata:
        return "prediction[0]"
    counts = [int(np.prod(source.shape)) for source in face.outputs.values()]
    return "prediction" if counts == [1] else ""


def _answer(face: Interface, location: Place) -> list[str]:
    lines = []
    for source in face.outputs.values():
        buffer = source.leaves[0].buffer
        if not buffer.fixed:
            lines.append("    " + _pointer(buffer, location(buffer, True), True))
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
    """Answer nothing where no slot holds weights."""
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
