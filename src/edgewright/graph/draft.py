"""A model during its conversion to the dialect, and the parser of ONNX bytes that makes one."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgewright.core.errors import InputError, OnnxDamagedError, OnnxError
from edgewright.core.onnx.protobuf import DTYPES, Field, collect, joined, last, tensor
from edgewright.core.onnx.reader import ATTRIBUTE, NODE, domain_version, entry, tensor_type
from edgewright.core.operators import operator
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.network import Array, Graph, Node, Value

# Attributes of ONNX: numbers, text, lists of these, and tensors as arrays.
Attributes = dict[str, Any]
Input = str | float | Array | Iterable[int]
# Functions of converters that stand for a whole estimator -> its name.
_WRITTEN_AS = {"local_domain.knn_imputer_column": "KNNImputer of scikit-learn"}
_OF_SHAPES = frozenset({"ConstantOfShape", "Range", "Size", "Tile", "Mod"})


@dataclass
class DraftNode:
    """One operator; `domain` is empty for ai.onnx, and an empty input name means that the input is omitted.

    `origin` is the operator that the user wrote, where this one is a part of it.
    """

    op: str
    inputs: list[str]
    outputs: list[str]
    attributes: Attributes = field(default_factory=dict)
    domain: str = ""
    origin: str = ""

    @property
    def kind(self) -> str:
        """Name with the domain, for messages and passes: 'Conv', 'ai.onnx.ml.Scaler'."""
        return f"{self.domain}.{self.op}" if self.domain else self.op

    @property
    def where(self) -> str:
        """Name of the node for messages."""
        return f"operator {self.kind} that gives {self.outputs[0] if self.outputs else 'nothing'!r}"


@dataclass
class Draft:
    """A model that is being normalised.

    Attributes:
        name: name of the model.
        opset: version of ai.onnx.
        source: the only input, without its batch axis.
        outputs: outputs of the model, in its order.
        titles: their names in the file; the outputs themselves may become other values on the way.
        nodes: nodes in an order in which they can run.
        constants: constants by name; text has dtype object.
        labels: names of the classes, once they are known.
        names: candidates for the names of the classes, the likeliest first.
        probabilities: value with a probability for each class, once it is known.
        votes: value whose largest entry is the label, if that is not the likeliest class.
        fixed_batch: length of the batch axis if the model fixes it, else 0.
    """

    name: str
    opset: int
    source: Value
    outputs: list[str]
    nodes: list[DraftNode]
    constants: dict[str, Array]
    labels: tuple[str, ...] = ()
    names: list[tuple[str, ...]] = field(default_factory=list)
    probabilities: str = ""
    votes: str = ""
    fixed_batch: int = 0
    titles: list[str] = field(default_factory=list)
    _numbers: Any = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.titles = self.titles or list(self.outputs)

    def keep_outputs(self, names: Collection[str]) -> None:
        """Remove the outputs that are not among `names`."""
        kept = [(name, title) for name, title in zip(self.outputs, self.titles, strict=True) if name in names]
        self.outputs, self.titles = [name for name, _ in kept], [title for _, title in kept]

    def fresh(self, hint: str = "n") -> str:
        """Return a new name for a value."""
        return f"~{hint}{next(self._numbers)}"

    def constant(self, array: Any) -> str:  # noqa: ANN401 - an array or a number
        """Add a constant and return its name."""
        name = self.fresh("c")
        self.constants[name] = np.asarray(array)
        return name

    def floats(self, *values: float) -> str:
        """Return a float32 vector constant; a scalar for a single number."""
        return self.constant(np.asarray(values if len(values) != 1 else values[0], np.float32))

    def integers(self, values: Iterable[int]) -> str:
        """Return an int64 vector constant."""
        return self.constant(np.asarray(list(values), np.int64))

    def array(self, name: str) -> Array | None:
        """Return a constant by name; None for a computed value."""
        return self.constants.get(name)

    def producers(self) -> dict[str, DraftNode]:
        """Return the node that computes each value, by name."""
        return {output: node for node in self.nodes for output in node.outputs if output}

    def readers(self) -> dict[str, list[DraftNode]]:
        """Return the nodes that read each value; an output of the model is read by None of them."""
        result: dict[str, list[DraftNode]] = {}
        for node in self.nodes:
            for name in node.inputs:
                result.setdefault(name, []).append(node)
        return result

    def rename(self, old: str, new: str) -> None:
        """Let every reader of `old` read `new`."""
        for node in self.nodes:
            node.inputs = [new if name == old else name for name in node.inputs]
        self.outputs = [new if name == old else name for name in self.outputs]
        self.probabilities = new if self.probabilities == old else self.probabilities
        self.votes = new if self.votes == old else self.votes

    def prune(self) -> None:
        """Drop nodes and constants that no output depends on."""
        needed, kept = {*self.outputs, *([self.votes] if self.votes else ())}, []
        for node in reversed(self.nodes):
            if needed.intersection(node.outputs):
                needed.update(node.inputs)
                kept.append(node)
        self.nodes = kept[::-1]
        self.constants = {name: array for name, array in self.constants.items() if name in needed}

    def graph(self, outputs: Iterable[Value] = ()) -> Graph:
        """Return the draft as a graph, every node of it in the dialect.

        Raises:
            InputError: naming the operators that are not, and the nodes.
        """
        self.refuse_unknown()
        return Graph(
            name=self.name,
            inputs=(self.source,),
            outputs=tuple(outputs),
            nodes=tuple(
                Node(op=node.op, inputs=tuple(node.inputs), outputs=tuple(node.outputs), attributes=_plain(node))
                for node in self.nodes
            ),
            constants=self.constants,
            labels=self.labels,
        )

    def refuse_unknown(self, but: Collection[str] = ()) -> None:
        """Say which operators the dialect has no word for.

        Args:
            but: operators that are still to be rewritten.

        Raises:
            InputError: naming them all, with the first nodes of each.
        """
        unknown: dict[str, list[str]] = {}
        for node in self.nodes:
            if node.kind not in but and (node.domain or node.op not in operator.known):
                unknown.setdefault(node.kind, []).append(node.outputs[0] if node.outputs else "")
        # What only makes shapes is not the reason while there is another one.
        unknown = {op: names for op, names in unknown.items() if op not in _OF_SHAPES} or unknown
        whole = {title: unknown[kind] for kind, title in _WRITTEN_AS.items() if kind in unknown}
        unknown = whole or unknown
        if unknown:
            got = "; ".join(f"{op} (gives {', '.join(map(repr, names[:3]))}"
                             f"{f' and {len(names) - 3} more' if len(names) > 3 else ''})"
                             for op, names in list(unknown.items())[:4])  # fmt: skip
            raise OnnxError(
                "operators that can be converted to the dialect (docs/adr/0014-models-from-elsewhere.md)",
                got,
                f"model {self.name}",
                "Leave that part out of the export, or replace it by other operators",
            )

    def values(self, names: Iterable[str], batch: int) -> dict[str, Array]:
        """Return values for a batch of samples of ones; every node must be in the dialect."""
        sample = np.ones((batch, *self.source.shape), self.source.dtype)
        return compile_graph(self.graph(), tuple(names))(sample)


def _plain(node: DraftNode) -> dict[str, Any]:
    for name, value in node.attributes.items():
        if not isinstance(value, int | float | str | tuple):
            raise OnnxError("an attribute that is a number, text or a list of numbers", name, node.where)
    return dict(node.attributes)


class Chain:
    """Nodes one after another, each with one output."""

    def __init__(self, draft: Draft) -> None:
        self.draft, self.nodes = draft, list[DraftNode]()

    def op(self, op: str, *inputs: Input, **attributes: Any) -> str:  # noqa: ANN401 - of any kind
        """Append a node and give its output; an input is a value, or what becomes a constant.

        A number becomes a float32, a list of integers int64; an array stays as it is.
        """
        names = [self._named(value) for value in inputs]
        name = self.draft.fresh(op.lower())
        self.nodes.append(DraftNode(op, names, [name], attributes))
        return name

    def _named(self, value: Input) -> str:
        if isinstance(value, str):
            return value
        if isinstance(value, float):
            return self.draft.floats(value)
        return self.draft.constant(value) if isinstance(value, np.ndarray) else self.draft.integers(value)

    def end(self, value: str, output: str) -> list[DraftNode]:
        """Return the nodes, the last of which gives `output`."""
        for node in self.nodes:
            node.inputs = [output if name == value else name for name in node.inputs]
            node.outputs = [output if name == value else name for name in node.outputs]
        if not any(output in node.outputs for node in self.nodes):
            self.nodes.append(DraftNode("Identity", [value], [output]))
        return self.nodes


# What a rule gives: the value that takes the place of the node's first output, or all nodes.
Rewritten = str | list[DraftNode]


def applied(rule: Callable[..., Rewritten], draft: Draft, node: DraftNode, *more: object) -> list[DraftNode]:
    """Return the nodes that a rule puts in place of one."""
    chain = Chain(draft)
    result = rule(chain, node, *more)
    nodes = chain.end(result, node.outputs[0]) if isinstance(result, str) else result
    for part in nodes:
        part.origin = part.origin or node.origin or node.op
    return nodes


def rewrite(draft: Draft, rules: Mapping[str, Callable[[Chain, DraftNode], Rewritten]]) -> None:
    """Replace each node whose kind has a rule by the nodes the rule gives."""
    nodes: list[DraftNode] = []
    for node in draft.nodes:
        rule = rules.get(node.kind)
        nodes += [node] if rule is None else applied(rule, draft, node)
    draft.nodes = nodes


_STRING_TENSOR = 8
# Type of an attribute -> number of the field that holds its value.
_HELD_IN = {1: 2, 2: 3, 3: 4, 4: 5, 6: 7, 7: 8, 8: 9}


@dataclass
class Declared:
    """An input as the model declares it; an axis without a fixed length is -1."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    axes: tuple[str, ...]


@dataclass
class Parsed:
    """A model as it stands in the file; `marker` is a value of the input that stands for a missing one."""

    nodes: list[DraftNode] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)
    inputs: list[Declared] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    opset: int = 0
    producer: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    marker: float | None = None


Fetch = Callable[[dict[str, str]], bytes]


def parse(data: bytes, fetch: Fetch) -> Parsed:
    """Read the bytes.

    Args:
        data: bytes of the file.
        fetch: returns the bytes of constants that are stored in a file next to the model.

    Raises:
        InputError: damaged bytes, or content that the dialect does not support (functions, sparse constants, branches).
    """
    fields = collect(memoryview(data), {2: Field.text, 7: Field.message, 8: domain_version, 14: entry})
    if not last(fields, 7, b""):
        raise OnnxDamagedError("an ONNX model", "bytes without a graph", do="The file is damaged or of another kind")
    parsed = Parsed(producer=last(fields, 2, ""), metadata=dict(fields.get(14, [])))
    parsed.opset = next((number for domain, number in reversed(fields.get(8, [])) if domain in ("", "ai.onnx")), 0)
    _graph(fields[7][-1], parsed, fetch)
    return parsed


def _graph(data: memoryview, parsed: Parsed, fetch: Fetch, *, loops: bool = True) -> None:
    fields = collect(
        data,
        {
            1: lambda field: _node(field.message(), fetch, loops),
            5: lambda field: _tensor(field.message(), fetch),
            11: _declared,
            12: lambda field: last(collect(field.message(), {1: Field.text}), 1, ""),
            15: Field.message,
        },
    )
    if 15 in fields:
        raise OnnxError("dense constants", "sparse ones", do="Export the model without sparse weights")
    for node in fields.get(1, []):
        if node.kind == "Constant":
            parsed.constants[node.outputs[0]] = _constant(node)
        else:
            parsed.nodes.append(node)
    parsed.constants.update(fields.get(5, []))
    # Old writers list constants among the inputs.
    parsed.inputs = [value for value in fields.get(11, []) if value.name not in parsed.constants]
    parsed.outputs = fields.get(12, [])


def _node(data: memoryview, fetch: Fetch, loops: bool) -> DraftNode:
    fields = collect(data, NODE)
    domain = last(fields, 7, "")
    node = DraftNode(last(fields, 4, ""), fields.get(1, []), fields.get(2, []))
    node.domain = "" if domain == "ai.onnx" else domain
    if not any(node.outputs) or (not node.outputs[0] and node.kind not in ("LSTM", "GRU", "RNN")):
        raise OnnxError("a node with an output", "none", f"operator {node.kind}")
    if not node.kind.isprintable():
        raise OnnxError("a name of an operator", repr(node.kind[:40]), "a node of the graph")
    node.attributes = dict(_attribute(part, node, fetch, loops) for part in fields.get(5, []))
    while node.inputs and not node.inputs[-1]:
        node.inputs.pop()
    return node


def _attribute(data: memoryview, node: DraftNode, fetch: Fetch, loops: bool) -> tuple[str, Any]:
    fields = collect(data, {**ATTRIBUTE, 6: Field.message, 9: Field.text})
    name = last(fields, 1, "")
    if 20 in fields:
        number = _HELD_IN.get(fields[20][-1], 0)
    else:
        # Files from before 2018 omit the type.
        number = next((n for n in fields if n in (2, 3, 4, 5)), 0) or next((n for n in (7, 8, 9) if fields.get(n)), 0)
    if 6 in fields and loops and node.kind == "Loop":
        body = Parsed()
        _graph(fields[6][-1], body, fetch, loops=False)
        return name, body
    if 6 in fields or not number or (number == 5 and 5 not in fields):
        raise refused_branch(name, node)
    if number in (7, 8):
        return name, tuple(joined(fields, number))
    if number == 9:
        return name, tuple(fields.get(9, []))
    if number == 5:
        return name, _tensor(fields[5][-1], fetch)[1]
    return name, last(fields, number, {2: 0.0, 3: 0, 4: ""}[number])


def refused_branch(name: str, node: DraftNode) -> InputError:
    """Return the error for an operator that contains a graph."""
    got, do = f"the attribute {name!r}", "Export the model unrolled"
    return OnnxError("operators without branches and loops", got, node.where, do)


def _constant(node: DraftNode) -> Array:
    """Return the value of a node of the operator Constant."""
    for key, dtype in (("value_float", np.float32), ("value_floats", np.float32), ("value_int", np.int64),
                       ("value_ints", np.int64), ("value_string", object), ("value_strings", object)):  # fmt: skip
        if key in node.attributes:
            return np.asarray(node.attributes[key], dtype)
    value = node.attributes.get("value")
    if not isinstance(value, np.ndarray):
        raise OnnxError("a constant that is a tensor or a number", ", ".join(node.attributes) or "nothing", node.where)
    return value


def _tensor(data: memoryview, fetch: Fetch) -> tuple[str, Array]:
    """Return a tensor: text (labels of classes), values in a file beside the model, or numbers."""
    fields = collect(data, {1: Field.integers, 2: Field.integer, 6: Field.text, 8: Field.text, 13: entry})
    name, kind, outside = last(fields, 8, ""), last(fields, 2, 0), dict(fields.get(13, []))
    dims = joined(fields, 1)
    if kind == _STRING_TENSOR:
        return name, np.asarray(fields.get(6, []), object)
    if not outside:
        return tensor(data)
    if kind not in DTYPES:
        raise OnnxError("a constant of a known type", f"ONNX type {kind}", f"constant {name!r}")
    raw, dtype = fetch(outside), DTYPES[kind]
    if min(dims, default=1) < 0 or math.prod(dims) * dtype.itemsize != len(raw):
        raise OnnxDamagedError(f"values for the shape {dims}", f"{len(raw)} bytes", f"constant {name!r}")
    return name, np.frombuffer(raw, dtype).reshape(dims).astype(dtype.newbyteorder("="))


def _declared(field: Field) -> Declared:
    fields = collect(field.message(), {1: Field.text, 2: tensor_type})
    kind = last(fields, 2, None)
    number, dims = kind or (0, [])
    dtype = DTYPES[number].name if number in DTYPES else f"ONNX type {number}"
    lengths, axes = tuple(length for length, _ in dims), tuple(name for _, name in dims)
    return Declared(last(fields, 1, ""), dtype if kind else "", lengths, axes)
