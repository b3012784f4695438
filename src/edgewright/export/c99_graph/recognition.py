"""Patterns recognised in a graph: counts of patterns, power spectra and tree ensembles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.records.network import Array, Attribute, Graph, Node

KERNELS = "CountKernels"
_LENGTH, _TAPS = 9, 3
# What fits into the bytes of the tables.
_BYTE, _SHIFT = 255, 15

# An operator and its inputs; a name stands for the same value wherever it stands, 'c' and a word for a constant.
Pattern = str | tuple[Any, ...]
_AWAY = ("Sub", "x", "c level")
_PRESENT = ("Where", ("LessOrEqual", ("Abs", _AWAY), "c largest"), _AWAY, "c nothing")
_ROWS = ("Clip", ("Round", ("Mul", _PRESENT, "c factor")), "c low", "c high")
_LATER = ("Sub", ("Slice", _ROWS, "c one", "c end", "c axis"), ("Slice", _ROWS, "c zero", "c last", "c axis"))
_FIRST = ("Mul", ("Slice", _ROWS, "c zero", "c one", "c axis"), "c nothing")
_SIGNALS = ("Concat", _ROWS, ("Concat", _FIRST, _LATER))
_ROW = ("Add", ("Gather", _SIGNALS, "c first"), ("Gather", _SIGNALS, "c second"))
_SUMS = ("Conv", _ROW, "c weights", "c bias")
_COUNT = ("ReduceSum", ("Cast", ("Greater", _SUMS, "c nothing")), "c time")


def with_kernels(graph: Graph) -> Graph:
    """Return the graph with each set of counts as one node: values, levels, factors and tables of whole numbers."""
    producer = {node.outputs[0]: node for node in graph.nodes}
    constants, nodes = dict(graph.constants), []
    for node in graph.nodes:
        counted = _counts(node, producer, graph.constants) if node.op == "Mul" else None
        if counted is not None:
            source, attributes, tables = counted
            names = {f"{node.outputs[0]} {name}": table for name, table in tables.items()}
            constants |= names
            node = Node(op=KERNELS, inputs=(source, *names), outputs=node.outputs, attributes=attributes)
        nodes.append(node)
    return msgspec.structs.replace(graph, nodes=tuple(nodes), constants=constants)


def _counts(
    node: Node, producer: Mapping[str, Node], constants: Mapping[str, Array]
) -> tuple[str, dict[str, Attribute], dict[str, Array]] | None:
    """Return the values, the limit and the tables of a product that ends counts of kernels; None for another one."""
    less = producer.get(node.inputs[0])
    end = producer.get(less.inputs[0]) if less is not None and less.op == "Sub" else None
    if less is None or end is None or end.op not in ("Concat", "ReduceSum"):
        return None
    if less.inputs[1] not in constants or node.inputs[1] not in constants:
        return None
    groups, shared = [], dict[str, str]()
    for name in end.inputs if end.op == "Concat" else less.inputs[:1]:
        group = {key: value for key, value in shared.items() if key in _SHARED}
        if not _match(_COUNT, name, producer, constants, group):
            return None
        shared = group
        kernels = _kernels({key: constants[value] for key, value in group.items() if key.startswith("c ")}, producer[
            producer[producer[producer[name].inputs[0]].inputs[0]].inputs[0]
        ])  # fmt: skip
        if kernels is None:
            return None
        groups.append(kernels)
    levels, factor, high = (constants[shared[name]] for name in ("c level", "c factor", "c high"))
    channels = levels.size
    tables = _tables(np.concatenate(groups), constants[less.inputs[1]], constants[node.inputs[1]], channels)
    plain = -constants[shared["c low"]] == high
    if tables is None or not plain or constants[shared["c nothing"]] != 0 or factor.size != channels:
        return None
    return shared["x"], {"limit": int(high)}, {"levels": levels.ravel(), "factors": factor.ravel(), **tables}


_SHARED = {"x", "c largest", "c level", "c factor", "c low", "c high", "c nothing"}


def _match(
    pattern: Pattern, name: str, producer: Mapping[str, Node], constants: Mapping[str, Array], names: dict[str, str]
) -> bool:
    """Return whether a value is what a pattern says; `names` gets the values of its words."""
    if isinstance(pattern, str):
        return names.setdefault(pattern, name) == name and (name in constants) == pattern.startswith("c ")
    node = producer.get(name)
    if node is None or node.op != pattern[0] or len(node.inputs) != len(pattern) - 1:
        return False
    pairs = zip(pattern[1:], node.inputs, strict=True)
    return all(_match(part, given, producer, constants, names) for part, given in pairs)


def _kernels(group: Mapping[str, Array], conv: Node) -> NDArray[np.int64] | None:
    """(kernels, 7): dilation as a power of two, two rows, three places, bias; None for other weights or padding."""
    weights, bias = group["c weights"], group["c bias"]
    dilation = int(conv.attributes["dilations"][0])  # type: ignore[index]
    pads = tuple(conv.attributes.get("pads", ()))  # type: ignore[arg-type]
    places = np.nonzero(weights.reshape(len(weights), -1) == 2.0)[1]
    plain = weights.shape[1:] == (1, _LENGTH) and (np.sort(np.unique(weights)) == [-1.0, 2.0]).all()
    half = _LENGTH // 2 * dilation
    if not plain or places.size != _TAPS * len(weights) or pads != (half, half) or dilation & (dilation - 1):
        return None
    columns = [np.full(len(weights), dilation.bit_length() - 1), group["c first"], group["c second"]]
    return np.column_stack([*columns, places.reshape(-1, _TAPS), -bias.astype(np.int64)]).astype(np.int64)


def _tables(kernels: NDArray[np.int64], centre: Array, scale: Array, channels: int) -> dict[str, Array] | None:
    """Return rows (dilation, two channels, kernels; a byte each), and taps, biases and centres of the kernels."""
    shifts = -np.log2(scale)
    step = 1
    while (centre > _BYTE * step).any():
        step *= 2
    whole = (shifts == np.round(shifts)).all() and shifts.min() >= 0 and shifts.max() <= _SHIFT
    if not whole or (centre % step != 0).any() or 2 * channels > _BYTE:
        return None
    rows: list[list[int]] = []
    for row in kernels[:, :3].tolist():
        if rows and rows[-1][:3] == row and rows[-1][3] < _BYTE:
            rows[-1][3] += 1
        else:
            rows.append([*row, 1])
    taps = kernels[:, 3] | kernels[:, 4] << 4 | kernels[:, 5] << 8 | shifts.astype(np.int64) << 12
    return {
        "rows": np.asarray(rows, np.uint8),
        "taps": taps.astype(np.uint16),
        "biases": kernels[:, 6].astype(np.int16),
        "centres": (centre / step).astype(np.uint8),
        "step": np.asarray(step, np.int64),
    }


SPECTRUM = "PowerSpectrum"
# Largest deviation from a cosine, of the largest entry: float32 entries are right to half of 1.2e-7.
_TOLERANCE = 5e-7
_SHORTEST = 16


@dataclass(frozen=True)
class Transform:
    """A real transform of `length` numbers, of which only the first samples may be other than zero.

    Attributes:
        length: of the transform.
        window: factor of each sample.
        power: factor of each bin's squared magnitude.
    """

    length: int
    window: NDArray[np.float32]
    power: NDArray[np.float32]


def factors(half: int) -> tuple[int, ...]:
    """Radices of the passes: 4 as often as it goes, for one pass of it rounds once where two of 2 round twice."""
    radices, radix = [], 4
    while half > 1:
        while half % radix == 0:
            half //= radix
            radices.append(radix)
        radix = 2 if radix == 4 else 3 if radix == 2 else radix + 2
    return tuple(radices)


def recognise(cosine: Array, sine: Array) -> Transform | None:
    """Return the transform of two matrices (samples, bins), or None where they are none."""
    if cosine.shape != sine.shape or cosine.ndim != 2:
        return None
    samples, bins = cosine.shape
    window = cosine[:, 0].astype(np.float64)
    if not window.any():
        return None
    for length in (2 * (bins - 1), 2 * bins - 1):
        if length >= max(samples, _SHORTEST) and (transform := _transform(cosine, sine, window, length)) is not None:
            return transform
    return None


def _transform(cosine: Array, sine: Array, window: NDArray[np.float64], length: int) -> Transform | None:
    samples, bins = cosine.shape
    angle = 2 * np.pi * (np.outer(np.arange(samples), np.arange(bins)) % length) / length
    scales = []
    for matrix, wave in ((cosine, np.cos(angle)), (sine, np.sin(angle))):
        basis = window[:, None] * wave
        size = (basis * basis).sum(axis=0)
        scale = (basis * matrix).sum(axis=0) / np.where(size > 0, size, 1.0)
        if np.abs(matrix - basis * scale).max() > _TOLERANCE * np.abs(cosine).max():
            return None
        scales.append(scale)
    # The sine of the first bin, and of the last of an even length, is nothing but zeros and has no scale.
    inner = slice(1, bins - 1 if length % 2 == 0 else bins)
    if not np.allclose(np.abs(scales[0][inner]), np.abs(scales[1][inner]), rtol=1e-6):
        return None
    return Transform(length, window.astype(np.float32), (scales[0] ** 2).astype(np.float32))


def with_spectra(graph: Graph) -> Graph:
    """Replace each `a*a + b*b` of such a pair by one node with samples, window and bin factors as inputs."""
    producer = {node.outputs[0]: node for node in graph.nodes}
    uses: Counter[str] = Counter(name for node in graph.nodes for name in node.inputs)
    uses.update(value.name for value in graph.outputs)
    uses.update(mark.value for mark in graph.stages)
    constants = dict(graph.constants)
    replaced: dict[str, Node] = {}
    gone: set[str] = set()
    for node in graph.nodes:
        parts = _pair(node, producer, uses)
        if parts is None:
            continue
        cosine, sine = parts
        names = cosine.inputs[1], sine.inputs[1]
        if not all(name in graph.constants for name in names) or cosine.inputs[0] != sine.inputs[0]:
            continue
        transform = recognise(*(graph.constants[n] for n in names)) or recognise(
            *(graph.constants[n] for n in names[::-1])
        )
        if transform is None:
            continue
        output = node.outputs[0]
        constants |= {f"{output} window": transform.window, f"{output} power": transform.power}
        inputs = (cosine.inputs[0], f"{output} window", f"{output} power")
        replaced[output] = Node(op=SPECTRUM, inputs=inputs, outputs=(output,), attributes={"length": transform.length})
        gone.update(name for n in node.inputs for name in (n, producer[n].inputs[0]))
    nodes = tuple(replaced.get(n.outputs[0], n) for n in graph.nodes if n.outputs[0] not in gone)
    return msgspec.structs.replace(graph, nodes=nodes, constants=constants)


def _pair(node: Node, producer: dict[str, Node], uses: Counter[str]) -> tuple[Node, Node] | None:
    """Return the two products under a sum of squares that nothing else reads."""
    squares = [producer.get(name) for name in node.inputs] if node.op == "Add" else []
    products = []
    for square in squares:
        if square is None or square.op != "Mul" or square.inputs[0] != square.inputs[1]:
            return None
        product = producer.get(square.inputs[0])
        if uses[square.outputs[0]] != 1 or uses[square.inputs[0]] != 2 or product is None or product.op != "MatMul":
            return None
        products.append(product)
    return (products[0], products[1]) if len(products) == 2 else None


TREES, SUMS = "WalkTrees", "SumTrees"


@dataclass(frozen=True)
class _Level:
    """One level of all trees: where they are, where they go.

    Attributes:
        at: value with the node that each tree is at.
        source: features.
        tables: names of feature, threshold, yes, no and, where missing values have a side, missing.
    """

    at: str
    source: str
    tables: tuple[str, ...]


def with_walks(graph: Graph) -> Graph:
    """Return the graph with levels that read the same tables as one node.

    Two or more levels become a walk from the nodes that they begin at to the numbers of the leaves. Where all that is
    wanted of the leaves is the sum of their answers, the walk begins at the roots and gives the sums.
    """
    producer = {node.outputs[0]: node for node in graph.nodes}
    levels = {n.outputs[0]: level for n in graph.nodes if n.op == "Where" and (level := _level(n, producer, graph))}
    depth: dict[str, tuple[str, int]] = {}
    for name, level in levels.items():
        before = levels.get(level.at)
        start, count = depth[level.at] if before and _alike(before, level) else (level.at, 0)
        depth[name] = (start, count + 1)
    nodes, constants = [], dict(graph.constants)
    uses: Counter[str] = Counter(name for node in graph.nodes for name in node.inputs)
    uses.update([value.name for value in graph.outputs] + [mark.value for mark in graph.stages])
    for node in graph.nodes:
        name = node.outputs[0]
        start, count = depth.get(name, ("", 0))
        if count > 1:
            inputs = (levels[name].source, start, *levels[name].tables)
            node = Node(op=TREES, inputs=inputs, outputs=(name,), attributes={"depth": count})
        elif (leaves := _summed(node, producer, graph, uses)) in depth:
            start, count = depth[leaves]
            roots = _roots(start, levels[leaves], producer, graph)
            if roots is not None:
                constants[f"{name} roots"] = roots
                answers = producer[
                    producer[node.inputs[0]].inputs[0] if _is_reshaped(node, producer) else node.inputs[0]
                ].inputs[0]
                inputs = (levels[leaves].source, f"{name} roots", *levels[leaves].tables, answers)
                node = Node(op=SUMS, inputs=inputs, outputs=(name,), attributes={"depth": count + 1})
        nodes.append(node)
    return msgspec.structs.replace(graph, nodes=tuple(nodes), constants=constants)


def _is_reshaped(node: Node, producer: dict[str, Node]) -> bool:
    before = producer.get(node.inputs[0])
    return before is not None and before.op == "Reshape"


def _summed(node: Node, producer: dict[str, Node], graph: Graph, uses: Counter[str]) -> str:
    """Return the numbers of leaves of which a node sums the answers over the trees, '' for another node."""
    axes = graph.constants.get(node.inputs[1]) if node.op == "ReduceSum" and len(node.inputs) > 1 else None
    if axes is None or axes.tolist() != [1] or node.attributes.get("keepdims", 1):
        return ""
    answers, chain = producer.get(node.inputs[0]), [node.inputs[0]]
    wanted = 2
    if answers is not None and answers.op == "Reshape":
        shape = graph.constants.get(answers.inputs[1])
        wanted, chain = 1, [*chain, answers.inputs[0]]
        if shape is None or len(shape) != 3 or shape[0] != -1:
            return ""
        answers = producer.get(answers.inputs[0])
    if answers is None or answers.op != "Gather" or answers.attributes.get("axis", 0) != 0:
        return ""
    table = graph.constants.get(answers.inputs[0])
    alone = all(uses[name] == 1 for name in (*chain, answers.inputs[1]))
    return answers.inputs[1] if alone and table is not None and table.ndim == wanted else ""


def _roots(start: str, level: _Level, producer: dict[str, Node], graph: Graph) -> NDArray[np.int32] | None:
    """Return the roots of the trees from their first comparisons, which a graph says without a walk."""
    first = producer.get(start)
    if first is None or first.op != "Where" or any(name not in graph.constants for name in first.inputs[1:]):
        return None
    answer = producer.get(first.inputs[0])
    empty: str | None = None
    if answer is not None and answer.op == "Or":
        both = producer.get(answer.inputs[1])
        empty = both.inputs[1] if both is not None and both.op == "And" else None
        answer = producer.get(answer.inputs[0])
    value = producer.get(answer.inputs[0]) if answer is not None and answer.op == "LessOrEqual" else None
    if answer is None or value is None or value.op != "Gather" or value.attributes.get("axis", 0) != 1:
        return None
    names = (value.inputs[1], answer.inputs[1], *first.inputs[1:], *((empty,) if empty is not None else ()))
    if (
        value.inputs[0] != level.source
        or len(names) != len(level.tables)
        or any(n not in graph.constants for n in names)
    ):
        return None
    tables = [graph.constants[name] for name in level.tables]
    parent = {sides: number for number, sides in enumerate(zip(tables[2].tolist(), tables[3].tolist(), strict=True))}
    sides = (graph.constants[name].ravel().tolist() for name in first.inputs[1:])
    roots = np.array([parent.get(pair, -1) for pair in zip(*sides, strict=True)], np.int32)
    whole = all(
        np.array_equal(table[roots], graph.constants[n].ravel()) for table, n in zip(tables, names, strict=True)
    )
    return roots if whole and (roots >= 0).all() else None


def _alike(level: _Level, other: _Level) -> bool:
    return (level.source, level.tables) == (other.source, other.tables)


def _level(node: Node, producer: dict[str, Node], graph: Graph) -> _Level | None:
    """Return the level that ends in a choice between two gathered numbers of nodes."""

    def gathered(name: str) -> tuple[str, str] | None:
        gather = producer.get(name)
        if gather is None or gather.op != "Gather" or gather.inputs[0] not in graph.constants:
            return None
        return gather.inputs[0], gather.inputs[1]

    answer = producer.get(node.inputs[0])
    sides = [gathered(name) for name in node.inputs[1:]]
    missing: tuple[str, str] | None = None
    if answer is not None and answer.op == "Or":
        both = producer.get(answer.inputs[1])
        missing = gathered(both.inputs[1]) if both is not None and both.op == "And" else None
        empty = producer.get(both.inputs[0]) if both is not None and missing is not None else None
        answer = producer.get(answer.inputs[0])
        if empty is None or empty.op != "IsNaN" or answer is None or empty.inputs[0] != answer.inputs[0]:
            return None
    if answer is None or answer.op != "LessOrEqual" or None in sides:
        return None
    value, limit = producer.get(answer.inputs[0]), gathered(answer.inputs[1])
    if value is None or value.op != "GatherElements" or value.attributes.get("axis", 0) != 1 or limit is None:
        return None
    feature = gathered(value.inputs[1])
    parts = [feature, limit, *sides, *([missing] if missing else [])]
    places = {part[1] for part in parts if part is not None}
    if None in parts or len(places) != 1:
        return None
    return _Level(places.pop(), value.inputs[0], tuple(part[0] for part in parts if part is not None))
