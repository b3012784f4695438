"""The generated header: names, shapes, units, ranges and memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgewright.core.categories import fields, made_columns
from edgewright.export.c99_code.pixels import Pixels
from edgewright.export.c99_code.source import Buffer, Source
from edgewright.export.c99_code.text import comment, guarded, label_lines, number
from edgewright.export.c99_code.unit import Arena, Unit
from edgewright.export.c99_graph.frames import Framed
from edgewright.export.c99_graph.graph import turning
from edgewright.graph.mask import without_mask
from edgewright.schema.graph import Graph
from edgewright.schema.integer import IntegerNetwork

_LAYOUT = {
    1: "one row of columns",
    2: "a window, channel after channel: input[channel * {} + sample]",
}
TURNED = "The package and .onnx have the channels first."
"""Says of an image that generated code takes it in another order than the graph."""


Range = tuple[float, float] | None


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
        confidence: below it an answer is unsure.
        image: where the channels of an image lie in the graph, 'first' or 'last'; the code has them last. Nothing for
            what is no image, and is taken in the graph's order.
        pixels: how bytes of a picture enter the network where nothing stands before it.
        takes_bytes: whether the input is a picture of bytes.
        frames: of a window, where nothing else is made of it.
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
    confidence: float = 0.0
    image: str = ""
    pixels: Pixels | None = None
    takes_bytes: bool = False
    frames: Framed | None = None


def header(unit: Unit, face: Interface, arena: Arena, *, pixels: bool = False) -> str:
    """Return the header of a pipeline, with the function for `pixels` where there is one."""
    name, upper = unit.name, unit.name.upper()
    shape = face.graph.inputs[0].shape
    lines = [
        "/*",
        f" * {comment(face.graph.name)}: the whole pipeline, from raw numbers to the answer. Portable C99.",
        " *",
        *_input(face),
        " *",
        *_memory(unit, arena, face.network, arena.floats + arena.integers + arena.halves),
        " */",
        f"#define {upper}_INPUTS {int(np.prod(shape))}",
        f"#define {upper}_OUTPUTS {_outputs(face)}",
        f"#define {upper}_OUT_OF_RANGE 1u",
        *_doubt(upper, face),
        *_slots(unit),
        "",
        *_answer(name, upper, face),
        "",
        *([] if face.network is None else [*_network(name, upper, face.network, arena, bool(face.image)), ""]),
        *_context(name, face, arena),
        "",
        "/* Answers for one sample: 0, or flags. The answer is given in either case. */",
        f"int {name}_predict({name}_context *context, const float *input, {name}_answer *answer);",
        *(_pixels(name) if pixels else []),
        *(_frames(name, face.frames, face.limits) if face.frames is not None else []),
    ]
    if face.taps:
        lines += [
            "",
            f"#ifdef {upper}_TAPS",
            "/* What the stages gave for the last sample, for comparisons. */",
            f"#define {upper}_STAGES {len(face.taps)}",
            f"extern const char *const {name}_stage_names[{upper}_STAGES];",
            f"void {name}_stage(int index, const float **values, int *count);",
            "#endif",
        ]
    return guarded(f"{unit.name.upper()}_H", "<stdint.h>", "\n".join([*lines, ""]))


def _pixels(name: str) -> list[str]:
    return [
        "",
        "/* The same for a picture of bytes, as a camera gives it: no array of floats is needed. */",
        f"int {name}_predict_pixels({name}_context *context, const uint8_t *pixels, {name}_answer *answer);",
    ]


def _frames(name: str, frames: Framed, limits: Sequence[Range]) -> list[str]:
    upper = name.upper()
    return [
        "",
        f"/* The same without the window: each of its {upper}_FRAMES frames, one every {upper}_HOP samples, becomes",
        f" * {upper}_FRAME_VALUES numbers, and these the answer; `there` samples of the window are finite, and `flags`",
        " * has OUT_OF_RANGE where one of them is OUTSIDE. */",
        *frames.grid.macros(name),
        f"#define {upper}_OUTSIDE(x) ({_outside(limits)})",
        f"void {name}_frame({name}_context *context, const float *input, float *values);",
        f"{framed_head(name)};",
    ]


def framed_head(name: str) -> str:
    """Return the declaration of the function that makes an answer of frames."""
    given = f"{name}_context *context, const float *frames, int there, unsigned flags"
    return f"int {name}_framed({given}, {name}_answer *answer)"


@np.errstate(over="ignore")
def _outside(limits: Sequence[Range]) -> str:
    """Return the condition for a finite number outside of the limits of its one channel."""
    low, high = np.asarray((limits[0] if limits else None) or (-np.inf, np.inf), np.float32)
    parts = [f"(x) {sign} {number(end)}" for sign, end in (("<", low), (">", high)) if np.isfinite(end)]
    return f"(x) - (x) == 0.0f && ({' || '.join(parts)})" if parts else "0"


def _doubt(upper: str, face: Interface) -> list[str]:
    """Return flags of answers that are none or not sure."""
    classes = "label" in face.outputs
    none = "label -1, confidence and probabilities 0" if classes else "the number is NAN"
    unsure = f"Or its confidence is below {face.confidence:.9g}" if classes and face.confidence > 0 else "Likewise"
    lines = [f"/* There is no answer: {none} where too many numbers are missing. */", f"#define {upper}_MISSING 4u"]
    return [*lines, f"/* {unsure}. */", f"#define {upper}_UNSURE 8u"]


def _slots(unit: Unit) -> list[str]:
    """Where the constants lie, of code that reads them from a slot of flash."""
    if not unit.slots:
        return []
    return [
        f"#define {unit.name.upper()}_NO_WEIGHTS 2u",
        f"/* Constants of the slot at work, 0 for none; {unit.name}_update.c sets it. */",
        f"extern const unsigned char *{unit.name}_constants;",
        f"extern const uint32_t {unit.name}_constants_length;",
    ]


def network_header(unit: Unit, network: IntegerNetwork, arena: Arena) -> str:
    """Return the header of an integer network alone."""
    lines = [
        "/*",
        f" * {comment(network.name)}: the network alone, bytes in and out. Portable C99, integers only.",
        " *",
        *_memory(unit, arena, network, arena.network),
        " */",
        *_network(unit.name, unit.name.upper(), network, arena, True),
    ]
    return guarded(f"{unit.name.upper()}_H", "<stdint.h>", "\n".join([*lines, ""]))


def _outputs(face: Interface) -> int:
    for name, source in face.outputs.items():
        if name not in ("label", "confidence"):
            return int(np.prod(source.shape))
    return 1


def _input(face: Interface) -> list[str]:
    shape = face.graph.inputs[0].shape
    layout = _LAYOUT.get(len(shape), "in the order of the model").format(shape[-1])
    lines = [f" * Input: {int(np.prod(shape))} numbers of shape {shape}, {layout}."]
    if face.image:
        one, two, three = face.graph.inputs[0].shape
        height, width, channels = (two, three, one) if face.image == "first" else (one, two, three)
        lines = [
            f" * Input: an image of {height} rows of {width} pixels, {channels} channels of a pixel side by side:",
            f" * input[(row * {width} + column) * {channels} + channel].",
            *([f" * {TURNED}"] if face.image == "first" else []),
        ]
    lines.append(" * A number that is not finite (NAN, INFINITY) is missing.")
    if (mask := without_mask(face.graph)[1]) is not None:
        of = "each channel" if mask.channels > 1 else "the columns" if len(shape) == 1 else "the channel"
        lines.append(f" * There is no answer where fewer than {mask.needed} of the {mask.readings} of {of} are there.")
    texts = made_columns(fields(face.columns))
    for index in range(shape[0] if shape and face.image != "last" else 0):
        column = face.columns[index] if index < len(face.columns) else str(index)
        unit = f" in {face.units[index]}" if index < len(face.units) and face.units[index] else ""
        limit = face.limits[index] if index < len(face.limits) else None
        span = f", from {limit[0]:.9g} to {limit[1]:.9g}" if limit else ""
        if index < len(face.columns) or limit:
            flag = f", 1 or 0: the text of {texts[column]}" if column in texts else ""
            lines.append(f" *   {index}: {comment(column + unit + span + flag)}")
    if any(face.limits):
        lines.append(" * Numbers outside these ranges set OUT_OF_RANGE in the answer.")
    return lines


def _memory(unit: Unit, arena: Arena, network: IntegerNetwork | None, size: int) -> list[str]:
    kinds = f"integer network (rounding {network.rounding})" if network is not None else "float network"
    where = "in a slot of flash" if unit.slots else "with the code in flash"
    return [
        f" * Memory: {size} bytes of RAM for values, shared in the caller's context "
        f"({arena.apart} bytes if each had its own), no heap;",
        f" * {unit.table_bytes} bytes of constants, {where}. Form: {kinds}.",
    ]


def _answer(name: str, upper: str, face: Interface) -> list[str]:
    fields = []
    for public, source in face.outputs.items():
        count = int(np.prod(source.shape))
        if public == "label":
            continue
        field = public if public in ("probabilities", "confidence") else "prediction"
        array = f"[{upper}_OUTPUTS]" if count > 1 or field == "probabilities" else ""
        fields.append(f"    float {field}{array};")
    if "label" in face.outputs:
        fields.append("    int label;")
    lines = label_lines(upper, face.graph.labels)
    return [*lines, "typedef struct {", *fields, "    unsigned flags;", f"}} {name}_answer;"]


def _context(name: str, face: Interface, arena: Arena) -> list[str]:
    """Return the memory that a call works in."""
    floats = -(-arena.floats // 4)
    if face.network is not None:
        fields = ["    union {", f"        float arena[{max(floats, 1)}];", f"        {name}_network_context network;"]
        fields.append("    } values;")
    else:
        fields = [f"    float arena[{floats}];"] if floats else []
    fields += [f"    int32_t integers[{-(-arena.integers // 4)}];"] if arena.integers else []
    fields += [f"    int16_t halves[{arena.halves // 2}];"] if arena.halves else []
    return [
        "/* Memory of a call, which the caller owns. Nothing in it has to be set, and nothing in it is kept.",
        " * Calls with contexts of their own do not disturb each other. */",
        "typedef struct {",
        *(fields or ["    char unused;"]),
        f"}} {name}_context;",
    ]


def _network(name: str, upper: str, network: IntegerNetwork, arena: Arena, image: bool) -> list[str]:
    turn = turning(network) if image else None
    first, last = network.values[turn.output if turn else network.input], network.values[network.output]
    order = []
    if image and len(first.shape) == 3:
        order = [f" * An image is taken as in[(row * {first.shape[1]} + column) * {first.shape[2]} + channel]."]
    return [
        f"/* The network alone: real = {first.scale:.9g} * (in - {first.zero}) of shape {first.shape},".replace(
            "- -", "+ "
        ),
        f" * real = {last.scale:.9g} * (out - {last.zero}) of shape {last.shape}.".replace("- -", "+ "),
        *order,
        " * All the memory it takes is its context; `in` and `out` must not overlap. Gives 0. */",
        f"#define {upper}_NETWORK_INPUTS {int(np.prod(first.shape))}",
        f"#define {upper}_NETWORK_OUTPUTS {int(np.prod(last.shape))}",
        "typedef struct {",
        f"    int32_t arena[{arena.network // 4}];" if arena.network else "    char unused;",
        f"}} {name}_network_context;",
        f"int {name}_network({name}_network_context *context, const int8_t *in, int8_t *out);",
    ]
