"""Frames of a window as the rows of a loop, so that what is worked out of each takes the memory of one.

A window of one channel that is cut into frames has them behind its channel: (1, 1, frames, samples). Loops run over
axis 1 (`rows`), so operators that treat every frame alike lose the axis of the channel. Where nothing but the frames
needs the window, a stream works each out as its last sample arrives, and the window is nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import msgspec
import numpy as np

from edgewright.core.records.network import Array, Graph, Node
from edgewright.export.c99_code.source import COUNTER, Buffer, Step
from edgewright.export.c99_code.unit import Unit
from edgewright.export.c99_graph.rows import VALUE_BY_VALUE
from edgewright.graph.builder import without_mask

_RANK = 4
_HEAD = re.compile(rf"for \(int {COUNTER} = 0; {COUNTER} < (\d+); \+\+{COUNTER}\) \{{$")
_POINTER = re.compile(rf"    (?:const )?float \*const (\w+) = (\w+) \+ (?:(\d+) \* )?{COUNTER};$")


@dataclass(frozen=True)
class Grid:
    """Frames of a window of one channel.

    Attributes:
        samples: of the window.
        frame: samples of a frame.
        hop: samples from frame to frame.
        frames: in the window.
        values: numbers that a frame becomes.
    """

    samples: int
    frame: int
    hop: int
    frames: int
    values: int

    def windows(self, step: int) -> int:
        """Return how many windows are open at a time, one beginning every `step` samples."""
        return -(-self.samples // step)

    def memory(self, step: int) -> int:
        """Return bytes of what is kept between samples: a frame, twice, and the frames and counts of each window."""
        return 4 * (5 + 2 * self.frame + self.windows(step) * (2 + self.frames * self.values))

    def pays(self, step: int) -> bool:
        """Return whether a stream that takes the frames as they come needs less memory than one that keeps a window."""
        return self.memory(step) < 4 * (self.samples + 1)


def grid_in(header: str) -> Grid | None:
    """Return the frames of a model by its header, None where it takes a window whole."""
    matches = [
        re.search(rf"^#define \w+_{word} (\d+)$", header, re.MULTILINE)
        for word in ("INPUTS", "FRAME", "HOP", "FRAMES", "FRAME_VALUES")
    ]
    numbers = [int(match[1]) for match in matches if match is not None]
    return Grid(*numbers) if len(numbers) == len(matches) else None


@dataclass(frozen=True)
class Framed:
    """Code of the frames, which stands before all other code that works on a window.

    Attributes:
        grid: of the frames.
        steps: how many they are.
        loop: the step among them that turns once a frame.
        input, output: names of a frame and of its numbers in the loop.
        there: the number of samples that are there.
        values: what the frames become.
    """

    grid: Grid
    steps: int
    loop: Step
    input: str
    output: str
    there: Buffer
    values: Buffer


def cuts_of(graph: Graph) -> list[Array]:
    """Return places of the samples, (frames, samples), of each cut of the input into frames."""
    cuts = [node for node in graph.nodes if node.op == "Gather" and node.inputs[0] == graph.inputs[0].name]
    places = [graph.constants[node.inputs[1]] for node in cuts if node.inputs[1] in graph.constants]
    return [array for array in places if array.ndim == _RANK - 2]


def framed(unit: Unit, graph: Graph, end: int) -> Framed | None:
    """Return the code of the frames, moved to the beginning; None where more than frames is made of the window.

    Args:
        unit: with all steps of the graph.
        graph: of the pipeline.
        end: number of the step behind those of the preprocessing.
    """
    cuts = cuts_of(graph)
    if unit.slots or len(cuts) != 1 or any("input" in routine.arguments for routine in unit.routines):
        return None
    mask = without_mask(graph)[1]
    if mask is None or mask.channels != 1 or mask.needed < mask.readings:
        return None
    reads = [step for step in unit.steps if any(buffer.name == "input" for buffer in step.buffers)]
    loops, others = ([s for s in reads if bool(s.inner) == inner and not s.condition] for inner in (True, False))
    if len(loops) != 1 or len(others) != 1 or not all(step in unit.steps[:end] for step in reads):
        return None
    head, *lines = loops[0].lines
    pointers = {m[2]: (m[1], int(m[3] or 1)) for m in map(_POINTER.match, lines) if m is not None}
    turns, outputs, there = _HEAD.match(head), loops[0].writes, others[0].writes
    if turns is None or len(outputs) != 1 or len(there) != 1 or there[0].size != 1:
        return None
    if len(pointers) != len(lines) or set(pointers) != {"input", outputs[0].name}:
        return None
    frames, frame = cuts[0].shape
    (source, hop), (target, values) = pointers["input"], pointers[outputs[0].name]
    alike = np.array_equal(cuts[0], hop * np.arange(frames)[:, None] + np.arange(frame))
    inside = " ".join(line for step in loops[0].inner for line in step.text)
    # A stream works out every frame that fits.
    alike = alike and mask.readings < frame + hop * frames
    if not alike or int(turns[1]) != frames or outputs[0].size != frames * values or COUNTER in inside:
        return None
    unit.steps[:end] = [*reads, *(step for step in unit.steps[:end] if step not in reads)]
    grid = Grid(mask.readings, frame, hop, frames, values)
    return Framed(grid, len(reads), loops[0], source, target, there[0], outputs[0])


def with_frames(graph: Graph, shapes: Mapping[str, tuple[int, ...]]) -> Graph:
    """Return the graph with frames as rows from where they are cut to where something else reads them.

    Args:
        graph: whose shapes are known.
        shapes: by value, batch axis of 1 included.
    """
    cuts = {node.outputs[0] for node in graph.nodes if _cuts(node, graph.constants, shapes)}
    rows = set(cuts)
    for node in graph.nodes:
        if _alike(node, rows, graph.constants, shapes):
            rows.add(node.outputs[0])
    if rows == cuts:
        return graph
    read = {name for node in graph.nodes if node.outputs[0] not in rows for name in node.inputs}
    read |= {value.name for value in graph.outputs} | {mark.value for mark in graph.stages} | {graph.boundary}
    constants, nodes = dict(graph.constants), []

    def reshaped(name: str, output: str, shape: tuple[int, ...]) -> None:
        constants[f"{output} shape"] = np.asarray(shape, np.int64)
        nodes.append(Node(op="Reshape", inputs=(name, f"{output} shape"), outputs=(output,)))

    for node in graph.nodes:
        output = node.outputs[0]
        if output in cuts:
            nodes.append(node)
            reshaped(output, f"{output} rows", shapes[output][1:])
        elif output in rows:
            inputs = tuple(f"{name} rows" if name in rows else name for name in node.inputs)
            nodes.append(msgspec.structs.replace(node, inputs=inputs, outputs=(f"{output} rows",)))
            if output in read:
                reshaped(f"{output} rows", output, shapes[output])
        else:
            nodes.append(node)
    return msgspec.structs.replace(graph, nodes=tuple(nodes), constants=constants)


def _cuts(node: Node, constants: Mapping[str, Array], shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Return whether a node cuts a window of one channel into frames."""
    if node.op != "Gather" or node.inputs[1] not in constants or constants[node.inputs[1]].ndim != _RANK - 2:
        return False
    return len(shapes[node.outputs[0]]) == _RANK and shapes[node.inputs[0]][:2] == (1, 1)


def _alike(
    node: Node, rows: Collection[str], constants: Mapping[str, Array], shapes: Mapping[str, tuple[int, ...]]
) -> bool:
    """Return whether a node works every frame out by itself."""
    frames = [name for name in node.inputs if name in rows]
    given = [constants[name] for name in node.inputs if name in constants]
    if not frames or len(frames) + len(given) < len(node.inputs):
        return False
    if node.op == "MatMul":
        return node.inputs[0] in rows and all(array.ndim == _RANK - 2 for array in given)
    alike = all(shapes[name][:-1] == shapes[node.outputs[0]][:-1] for name in frames)
    return node.op in VALUE_BY_VALUE and alike and all(array.ndim <= 1 for array in given)
