"""A model during its conversion to the dialect: mutable nodes of any domain, with attributes of any kind."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgewright.core.operators import operator
from edgewright.core.prediction.executor import compile_graph
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array, Graph, Node, Value

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
            raise InputError(
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
            raise InputError("an attribute that is a number, text or a list of numbers", name, node.where)
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
