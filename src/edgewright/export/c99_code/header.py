"""The generated header: names, shapes, units, ranges and memory."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgewright.core.csv.header import fields, made_columns
from edgewright.core.records.network import Graph, IntegerNetwork, IntegerOperator
from edgewright.export.c99_code.parts import filled, parts, written
from edgewright.export.c99_code.pixels import Pixels
from edgewright.export.c99_code.source import Buffer, Source
from edgewright.export.c99_code.text import comment, guarded, label_lines, number
from edgewright.export.c99_code.unit import Arena, Unit
from edgewright.export.c99_graph.frames import Framed
from edgewright.export.c99_graph.graph import turning
from edgewright.graph.builder import without_mask

C = parts(__file__, "model.h")
_LAYOUT = {
    1: "one row of columns",
    2: "a window, channel after channel: input[channel * {} + sample]",
}
TURNED = "The package and .onnx have the channels first."
"""Says of an image that generated code takes it in another order than the graph."""


Range = tuple[float, float] | None


@dataclass(frozen=True)
class CodeOptions:
    """How a pipeline is written as C99, and what its header says of it.

    Attributes:
        name: of the files, and prefix of every name in them.
        columns: names of the columns or channels, for the header.
        units: their units.
        ranges: smallest and largest value of each column or channel that the model was made for; None for any.
        inside: names under which values of the integer network are seen as stages, by number, compiled with taps.
        confidence: below it an answer is flagged unsure.
        turned: whether images are taken with their channels last, as cameras give them, whatever the graph's order.
        core: for whose instructions the integer network is written, as profiles name it; portable where empty.
        flash: bytes of that device; 0 where they are not known.
        slots: whether the code reads its constants from a slot of flash; it is then portable.
        floats: whether what is before and after an integer network may use the core's float instructions.
        learns: whether the last layer's bytes go through NAME_adapt_layer of NAME_adapt.c.
    """

    name: str
    columns: Sequence[str] = ()
    units: Sequence[str] = ()
    ranges: Sequence[Range] = ()
    inside: Mapping[int, str] | None = None
    confidence: float = 0.0
    turned: bool = True
    core: str = ""
    flash: float = 0.0
    slots: bool = False
    floats: bool = True
    learns: bool = False


@dataclass(frozen=True)
class Interface:
    """What the generated functions take and give.

    Attributes:
        graph: the pipeline.
        network: its integers, or None.
        options: how it is written.
        outputs: by public name, in buffers.
        borders: numbers of the steps at which a function of the code ends: preprocessing, rounding, network.
        ends: buffers of the integer network's input and output.
        limits: smallest and largest value of each column or channel.
        taps: names of the stages that can be seen.
        image: where the channels of an image lie in the graph, 'first' or 'last'; the code has them last. Nothing for
            what is no image, and is taken in the graph's order.
        pixels: how bytes of a picture enter the network where nothing stands before it.
        takes_bytes: whether the input is a picture of bytes.
        frames: of a window, where nothing else is made of it.
        turn: the network's first operator, where its bytes come with the channels last already.
    """

    graph: Graph
    network: IntegerNetwork | None
    options: CodeOptions
    outputs: dict[str, Source]
    borders: tuple[int, ...]
    ends: tuple[Buffer, ...]
    limits: tuple[Range, ...]
    taps: tuple[str, ...]
    image: str = ""
    pixels: Pixels | None = None
    takes_bytes: bool = False
    frames: Framed | None = None
    turn: IntegerOperator | None = None


def declared(function: str, name: str) -> str:
    """Return the line that begins the definition of an exported function, as NAME.h declares it."""
    prototype = re.search(rf"^\w.*@_{function}\(.*\);$", C["network"] + "\n" + C["header"], re.MULTILINE)
    if prototype is None:
        raise KeyError(function)
    return prototype[0].replace("@", name).removesuffix(";") + " {"


def header(unit: Unit, face: Interface, arena: Arena, *, pixels: bool = False) -> str:
    """Return the header of a pipeline, with the function for `pixels` where there is one."""
    upper, floats = unit.name.upper(), -(-arena.floats // 4)
    classes, threshold = "label" in face.outputs, face.options.confidence
    network = (
        "" if face.network is None else _network(unit, face.network, arena, face.turn, image=bool(face.image)) + "\n"
    )
    numbers = {
        **_memory(unit, arena, face.network, arena.floats + arena.integers + arena.halves),
        "title": comment(face.graph.name), "input": "\n".join(_input(face)),
        "inputs": int(np.prod(face.graph.inputs[0].shape)), "outputs": _outputs(face),
        "none": "label -1, confidence and probabilities 0" if classes else "the number is NAN",
        "unsure": f"Or its confidence is below {threshold:.9g}" if classes and threshold > 0 else "Likewise",
        "slots": int(unit.slots), "labelled": len(face.graph.labels),
        "labels": "\n".join(label_lines(upper, face.graph.labels)),
        "fields": "\n".join(_fields(face, upper)),
        "integer": int(face.network is not None), "network": network,
        "floats": floats if face.network is None else max(floats, 1), "integers": -(-arena.integers // 4),
        "halves": arena.halves // 2, "pixels": int(pixels), "framed": int(face.frames is not None),
        "stages": len(face.taps),
    }  # fmt: skip
    if face.frames is not None:
        grid = face.frames.grid
        numbers |= {"frame": grid.frame, "hop": grid.hop, "frames": grid.frames, "frame_values": grid.values}
        numbers["outside"] = _outside(face.limits)
    return guarded(f"{upper}_H", "<stdint.h>", written(C["header"], unit.name, **numbers))


def network_header(unit: Unit, network: IntegerNetwork, arena: Arena) -> str:
    """Return the header of an integer network alone."""
    title = filled(C["network_alone"], title=comment(network.name), **_memory(unit, arena, network, arena.network))
    return guarded(
        f"{unit.name.upper()}_H",
        "<stdint.h>",
        f"{title}\n{_network(unit, network, arena, turning(network), image=True)}\n",
    )


def _memory(unit: Unit, arena: Arena, network: IntegerNetwork | None, size: int) -> dict[str, object]:
    return {
        "ram": size, "unshared": arena.unshared, "flash": unit.table_bytes,
        "where": "in a slot of flash" if unit.slots else "with the code in flash",
        "form": f"integer network (rounding {network.rounding})" if network is not None else "float network",
    }  # fmt: skip


def _fields(face: Interface, upper: str) -> list[str]:
    """Return the members of an answer."""
    fields = []
    for public, source in face.outputs.items():
        count = int(np.prod(source.shape))
        if public == "label":
            continue
        field = public if public in ("probabilities", "confidence") else "prediction"
        array = f"[{upper}_OUTPUTS]" if count > 1 or field == "probabilities" else ""
        fields.append(f"    float {field}{array};")
    return [*fields, "    int label;"] if "label" in face.outputs else fields


def _network(unit: Unit, network: IntegerNetwork, arena: Arena, turn: IntegerOperator | None, *, image: bool) -> str:
    first, last = network.values[turn.output if turn else network.input], network.values[network.output]
    numbers: dict[str, object] = {
        "in_scale": f"{first.scale:.9g}", "in_zero": f"- {first.zero}".replace("- -", "+ "), "in_shape": first.shape,
        "out_scale": f"{last.scale:.9g}", "out_zero": f"- {last.zero}".replace("- -", "+ "), "out_shape": last.shape,
        "image": int((image or turn is not None) and len(first.shape) == 3), "arena": arena.network // 4,
        "network_inputs": int(np.prod(first.shape)), "network_outputs": int(np.prod(last.shape)),
    }  # fmt: skip
    if numbers["image"]:
        numbers |= {"columns": first.shape[1], "channels": first.shape[2]}
    return written(C["network"], unit.name, **numbers)


@np.errstate(over="ignore")
def _outside(limits: Sequence[Range]) -> str:
    """Return the condition for a finite number outside of the limits of its one channel."""
    low, high = np.asarray((limits[0] if limits else None) or (-np.inf, np.inf), np.float32)
    parts = [f"(x) {sign} {number(end)}" for sign, end in (("<", low), (">", high)) if np.isfinite(end)]
    return f"(x) - (x) == 0.0f && ({' || '.join(parts)})" if parts else "0"


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
        first, second, third = face.graph.inputs[0].shape
        height, width, channels = (second, third, first) if face.image == "first" else (first, second, third)
        lines = [
            f" * Input: an image of {height} rows of {width} pixels, {channels} channels of a pixel side by side:",
            f" * input[(row * {width} + column) * {channels} + channel].",
            *([f" * {TURNED}"] if face.image == "first" else []),
        ]
    lines.append(" * A number that is not finite (NAN, INFINITY) is missing.")
    if (mask := without_mask(face.graph)[1]) is not None:
        of = "each channel" if mask.channels > 1 else "the columns" if len(shape) == 1 else "the channel"
        lines.append(f" * There is no answer where fewer than {mask.needed} of the {mask.readings} of {of} are there.")
    columns, units = face.options.columns, face.options.units
    texts = made_columns(fields(columns))
    for index in range(shape[0] if shape and face.image != "last" else 0):
        column = columns[index] if index < len(columns) else str(index)
        unit = f" in {units[index]}" if index < len(units) and units[index] else ""
        limit = face.limits[index] if index < len(face.limits) else None
        span = f", from {limit[0]:.9g} to {limit[1]:.9g}" if limit else ""
        if index < len(columns) or limit:
            flag = f", 1 or 0: the text of {texts[column]}" if column in texts else ""
            lines.append(f" *   {index}: {comment(column + unit + span + flag)}")
    if any(face.limits):
        lines.append(" * Numbers outside these ranges set OUT_OF_RANGE in the answer.")
    return lines
