"""The text of the generated header and source file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from edgewright.core.prediction.objects import METADATA
from edgewright.core.records.network import IntegerNetwork
from edgewright.export.c99_code.header import Interface, declared, header, network_header
from edgewright.export.c99_code.linkable import own_functions
from edgewright.export.c99_code.parts import parts, written
from edgewright.export.c99_code.pixels import rounded
from edgewright.export.c99_code.source import COUNTER, ROW, Buffer, Routine, Step
from edgewright.export.c99_code.text import NOINLINE, SMALL, TYPES, literal, number
from edgewright.export.c99_code.unit import Arena, Unit
from edgewright.export.c99_graph.frames import Framed
from edgewright.graph.builder import without_mask

# C expression of the address of a buffer, and whether what lies there is only read.
Locate = Callable[[Buffer, bool], str]
C = parts(__file__, "model.c")
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
    sections = [(label, unit.steps[a:b]) for label, a, b in zip(labels, cuts[:-1], cuts[1:], strict=True)]
    calls: list[str] = []
    with_bytes: list[str] = []
    takes_bytes = (
        face.takes_bytes and not unit.slots and not any("input" in routine.arguments for routine in unit.routines)
    )
    values = "context->values.arena" if face.network is not None else "context->arena"
    inner = location = partial(_address, arena, values)
    functions = [_routine(unit, routine, location) for routine in unit.routines]
    if frames is not None:
        functions += [_frame(unit, frames, inner), _window(unit, frames, inner)]
        location = partial(_framed_place, inner, frames.values)
    for label, steps in _pieces(sections):
        if label == "network":
            functions.append(_network(unit, steps, arena))
            first, last = (location(buffer, buffer is face.ends[0]) for buffer in face.ends)
            calls.append(f"    (void){name}_network(&context->values.network, {first}, {last});")
            with_bytes.append(calls[-1])
            continue
        named = {buffer.name for step in steps for buffer in step.buffers}
        uses = "input" in named
        word = "input" if uses else "frames" if frames is not None and frames.values.name in named else ""
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
    head = declared("predict", name)
    if frames is not None:
        functions.append("\n".join([head, *begin, *checks, *_predict_framed(name, frames, inner)]))
        head, begin, unused = declared("framed", name), [], []
        checks = [f"    ({inner(frames.there, False)})[0] = (float)there;"]
    body = [head, *(f"    (void){word};" for word in unused), *begin, *_guard(unit, face), *checks, *lines, C["ending"]]
    if takes_bytes:
        if face.pixels is not None:
            ends = location(face.ends[0], False), location(face.pixels.count, False)
            with_bytes = [*rounded(unit, face.pixels, *ends), *with_bytes]
        body += ["", declared("predict_pixels", name), "    unsigned flags = 0u;", *_guard(unit, face), *with_bytes]
        body += [*_answer(face, location), *_doubts(unit, face), C["ending"]]
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


def _address(arena: Arena, values: str, buffer: Buffer, constant: bool) -> str:
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


def _framed_place(location: Locate, frames: Buffer, buffer: Buffer, constant: bool) -> str:
    """C expression of an address, where the numbers of the frames lie wherever the caller has them."""
    return "frames" if buffer is frames else location(buffer, constant)


def _frame(unit: Unit, frames: Framed, location: Locate) -> str:
    """NAME_frame, which works one frame out."""
    name = unit.name
    given = f"{name}_context *context, const float *{frames.input}, float *{frames.output}"
    # Compilers would put the passes of a transform into it, and run out of a core's registers for numbers.
    kind = unit.helper("small", SMALL) if unit.floats else unit.helper("apart", NOINLINE)
    head, steps = f"{kind} void {name}_frame({given}) {{", frames.loop.inner
    return "\n".join([head, *_unused(["context"], steps, location), *_blocks(steps, location), "}"])


def _window(unit: Unit, frames: Framed, location: Locate) -> str:
    """Return the function that works out all frames of a window."""
    grid, values = frames.grid, frames.values.name
    call = f"    {unit.name}_frame(context, input + {grid.hop} * {COUNTER}, {values} + {grid.values} * {COUNTER});"
    loop = replace(frames.loop, lines=(frames.loop.lines[0], call, "}"), inner=())
    steps = [loop if step is frames.loop else step for step in unit.steps[: frames.steps]]
    return _function(unit, "each_frame", steps, location, "const float *input")


def _predict_framed(name: str, frames: Framed, location: Locate) -> list[str]:
    there, values = location(frames.there, True), location(frames.values, True)
    return [
        f"    {name}_each_frame(context, input);",
        f"    return {name}_framed(context, {values}, (int)({there})[0], flags, answer);",
        "}",
    ]


def _function(unit: Unit, label: str, steps: Sequence[Step], location: Locate, argument: str) -> str:
    # One that is called once would be put back where it was cut out.
    attribute = f"{unit.helper('apart', NOINLINE)} " if label[-1].isdigit() or len(steps) == STEPS else ""
    # A float network has its loops here.
    attribute = f"{unit.helper('small', SMALL)} " if unit.floats and unit.unrolled else attribute
    words = ["context", *argument.split("*")[1:]]
    arguments = ", ".join([f"{unit.name}_context *context", *([argument] if argument else [])])
    head = f"{attribute}static void {unit.name}_{label}({arguments}) {{"
    return "\n".join([head, *_unused(words, steps, location), *_blocks(steps, location), "}"])


def _network(unit: Unit, steps: Sequence[Step], arena: Arena) -> str:
    """NAME_network, which the pipeline calls too."""

    def address(buffer: Buffer, constant: bool) -> str:
        word, offset = "const " if constant else "", arena.offsets.get(buffer.key, 0)
        if buffer.kind == "uint32":
            return f"({word}uint32_t *)context->arena + {offset // 4}"
        return arena.given.get(buffer.key, f"({word}int8_t *)context->arena + {offset}")

    none = f"    if ({unit.name}_constants == 0) return (int){unit.name.upper()}_NO_WEIGHTS;"
    lines = [
        declared("network", unit.name),
        *([none] if unit.slots else []),
        *_unused(["context"], steps, address),
        *_blocks(steps, address),
        "    return 0;",
        "}",
    ]
    return "\n".join(lines)


def _unused(words: Sequence[str], steps: Sequence[Step], location: Locate) -> list[str]:
    """Return lines for arguments that no code reads but that for taps."""
    body = " ".join(_blocks([step for step in steps if not step.condition], location))
    return [f"    (void){word};" for word in words if not re.search(rf"\b{word}\b", body)]


def _blocks(steps: Sequence[Step], location: Locate) -> list[str]:
    """Return the steps between braces, each with pointers to what it uses."""
    lines = []
    for step in steps:
        block = ["    {", *("        " + line for line in _block(step, location)), "    }"]
        lines += [f"#ifdef {step.condition}", *block, "#endif"] if step.condition else block
    return lines


def _block(step: Step, location: Locate) -> list[str]:
    """Return the lines of a step after pointers to what they name."""
    written = {buffer.key for buffer in step.writes}
    used = {b.key: b for b in (*step.writes, *step.reads) if not b.fixed}
    text = " ".join(step.lines)
    named = [b for b in used.values() if re.search(rf"\b{b.name}\b", text)]
    pointers = [_pointer(b, location(b, b.key not in written), b.key not in written) for b in named]
    return [*pointers, *step.lines, *_blocks(step.inner, location), *(["}"] if step.inner else [])]


def _routine(unit: Unit, routine: Routine, location: Locate) -> str:
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
    attribute, given = (
        unit.helper("apart", NOINLINE),
        given + f"int {COUNTER}, " + "int from, int count, " * routine.ranged,
    )
    return "\n".join([
        f"{attribute} static void {routine.name}({given}float *{ROW}) {{", *unused, *lines, "}",
    ])  # fmt: skip


@np.errstate(over="ignore")
def _checks(unit: Unit, face: Interface) -> list[str]:
    if not any(face.limits):
        return []
    lows = [limit[0] if limit else -np.inf for limit in face.limits]
    highs = [limit[1] if limit else np.inf for limit in face.limits]
    unit.layer = "input"
    shape = face.graph.inputs[0].shape
    each = int(np.prod(shape[1:]))
    if unit.floats and face.image != "first" and each > 1:
        return _checked_rows(unit, lows, highs, each)
    low, high = (unit.table(np.asarray(v, np.float32), role) for v, role in ((lows, "low"), (highs, "high")))
    column = "i" if each == 1 else f"i % {shape[0]}" if face.image == "first" else f"i / {each}"
    return [written(C["limits"], unit.name, low=low, high=high, column=column)]


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
    low_limits, high_limits = (_limit(unit, values, role, some) for values, role in ((lows, "low"), (highs, "high")))
    numbers = {"first": some.start, "last": some.stop, "each": each, "least": low_limits, "most": high_limits}
    return [written(C["rows"], unit.name, **numbers)]


def _doubts(unit: Unit, face: Interface) -> list[str]:
    """Return flags of an answer that is none, and of one that is not sure enough."""
    field, threshold = "confidence" if "confidence" in face.outputs else _number(face), face.options.confidence
    if not field:
        return []
    none = f"!(answer->{field} > 0.0f)" if field == "confidence" else f"!(answer->{field} - answer->{field} == 0.0f)"
    # A model that does not ask answers a sample without any value like every other.
    may_miss, has_threshold = without_mask(face.graph)[1] is not None, field == "confidence" and threshold > 0
    numbers = {"asked": int(may_miss), "none": none, "threshold": int(has_threshold), "confidence": number(threshold)}
    return [written(C["doubts"], unit.name, **numbers)]


def _number(face: Interface) -> str:
    """Return the field that says whether there is an answer: the one number of it, or the first one of a map.

    Empty where there are more, as inside another program.
    """
    if METADATA in face.graph.metadata:
        return "prediction[0]"
    counts = [int(np.prod(source.shape)) for source in face.outputs.values()]
    return "prediction" if counts == [1] else ""


def _answer(face: Interface, location: Locate) -> list[str]:
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
    return [written(C["guard"], unit.name, label=int("label" in face.outputs))]


def _tap_memory(unit: Unit) -> list[str]:
    if not unit.taps:
        return []
    lines = (f"static float {unit.name}_tap{i}[{count}];" for i, count in enumerate(unit.taps))
    return [written(C["memory"], unit.name, memory="\n".join(lines))]


def _taps(unit: Unit, face: Interface) -> list[str]:
    if not face.taps:
        return []
    numbers = {
        "names": "\n".join(f"    {literal(stage)}," for stage in face.taps),
        "taps": ", ".join(f"{unit.name}_tap{i}" for i in range(len(unit.taps))),
        "counts": ", ".join(map(str, unit.taps)),
    }
    return ["", written(C["taps"], unit.name, **numbers)]
