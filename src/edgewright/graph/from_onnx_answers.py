"""Last step of an import: standard names of outputs, the boundary, and a check that rows are independent."""

from __future__ import annotations

import msgspec
import numpy as np

from edgewright.core.integer.qdq import Integers
from edgewright.core.integer.reader import BY_VALUE, OBSTACLE, listed
from edgewright.core.prediction.executor import compile_graph
from edgewright.graph.draft import Chain, Draft, DraftNode
from edgewright.graph.normalise._values import everything
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array, Graph, Node, Value

WEIGHTED = ("Gemm", "Conv", "LSTM", "GRU")
# Operators that a network may have between its boundary and its last weights.
_NETWORK = frozenset({*WEIGHTED, "Relu", "Clip", "Add", "Sigmoid", "MaxPool", "AveragePool", "GlobalAveragePool",
                      "GlobalMaxPool", "Pad", "Reshape", "Flatten", "QuantizeLinear", "DequantizeLinear"})  # fmt: skip
# Those between two roundings to bytes: what becomes a table, and what moves bytes.
_BETWEEN_BYTES = BY_VALUE | {"Cast", "Concat", "Gather", "Slice"}
_TOLERANCE = 1e-3


def finished(draft: Draft, labels: tuple[str, ...], metadata: dict[str, str]) -> Graph:
    """Name the outputs and freeze the graph.

    Raises:
        InputError: the names of classes do not fit, or samples are not independent of each other.
    """
    outputs = _outputs(draft, labels)
    shapes = everything(draft)[0]
    public = {value: name for name, value in outputs.items()}
    draft.outputs, draft.votes = list(outputs.values()), ""
    draft.prune()
    graph = draft.graph()
    if "input" in outputs:
        raise InputError("outputs that are not called 'input'", "one that is", f"model {draft.name}")
    # A model with several outputs may also use the name v1 for one of them.
    mark = "~" if any(name[:1] in "vc" and name[1:].isdigit() for name in outputs) else ""
    short = {name: f"{mark}v{n}" for n, name in enumerate(o for node in graph.nodes for o in node.outputs)}
    short |= {name: f"{mark}c{n}" for n, name in enumerate(draft.constants)}
    short |= {draft.source.name: "input", "": "", **public}
    nodes = tuple(
        Node(
            op=node.op,
            inputs=tuple(short[i] for i in node.inputs),
            outputs=tuple(short[o] for o in node.outputs),
            attributes=node.attributes,
        )
        for node in graph.nodes
    )
    complete = msgspec.structs.replace(
        graph,
        inputs=(msgspec.structs.replace(draft.source, name="input"),),
        outputs=tuple(
            Value(name=name, dtype=shapes[value].dtype.name, shape=shapes[value].shape[1:])
            for name, value in outputs.items()
        ),
        nodes=nodes,
        constants={short[name]: array for name, array in draft.constants.items()},
        metadata=metadata,
    )
    rank = len(shapes[draft.source.name])
    rows = {short[name] for name, value in shapes.items() if name in short and value.shape[:1] == (rank,)}
    complete = msgspec.structs.replace(complete, boundary=_boundary(complete, rows))
    if not complete.boundary and any(node.op == "QuantizeLinear" for node in complete.nodes):
        complete = _of_integers(complete, rows)
    _independent(complete)
    foreign = "" if complete.boundary else _foreign(draft)
    return msgspec.structs.replace(complete, metadata={**metadata, OBSTACLE: foreign}) if foreign else complete


def _foreign(draft: Draft) -> str:
    """Name the operators between layers that have no integer form, as the user wrote them."""
    weighted = [index for index, node in enumerate(draft.nodes) if node.op in WEIGHTED]
    between = draft.nodes[weighted[0] : weighted[-1]] if weighted else []
    foreign = {node.origin or node.op for node in between if node.op not in _NETWORK}
    names = {node.origin or node.op: node.outputs[0] for node in between if (node.origin or node.op) in foreign}
    return listed(dict(reversed(names.items())))


def _outputs(draft: Draft, labels: tuple[str, ...]) -> dict[str, str]:
    """Return the values by public name, with label and confidence of a classifier."""
    values = everything(draft)[0]
    absent = [name for name in draft.outputs if name not in values]
    if absent:
        raise InputError("outputs that a node gives first", repr(absent[0]), f"model {draft.name}")
    if len(draft.outputs) > 1:
        return _named(draft)
    value, array = draft.outputs[0], values[draft.outputs[0]]
    last = _last(draft, value)
    ends = last is not None and last.kind == "Softmax" and int(last.attributes.get("axis", -1)) in (-1, array.ndim - 1)
    classifier = bool(labels or draft.probabilities or ends) and array.ndim == 2 and array.dtype.kind == "f"
    if labels and not classifier:
        raise InputError("a classifier for names of classes", f"an output of shape {array.shape[1:]}", draft.name)
    if not classifier:
        draft.labels = ()
        return {"prediction": value}
    width = array.shape[1]
    fitting = [names for names in draft.names if len(names) == width]
    if draft.votes and values[draft.votes].shape[1:] != (width,):
        got = f"{width} scores of {values[draft.votes].shape[-1]} classes"
        do = "Export with decision_function_shape='ovr'"
        raise InputError("a score for each class", got, f"model {draft.name}, output {value!r}", do)
    names = labels or (fitting[0] if fitting else tuple(str(n) for n in range(width)))
    if len(names) != width:
        raise InputError(f"{width} names of classes", str(len(names)), f"model {draft.name}")
    draft.labels = names
    chain = Chain(draft)
    if not (ends or draft.probabilities):
        value = chain.op("Softmax", value, axis=-1)
    if value == draft.source.name:
        value = chain.op("Identity", value)
    label = chain.op("ArgMax", draft.votes or value, axis=1, keepdims=0)
    confidence = chain.op("ReduceMax", value, draft.integers([1]), keepdims=0)
    draft.nodes += chain.nodes
    return {"label": label, "probabilities": value, "confidence": confidence}


def _named(draft: Draft) -> dict[str, str]:
    """Return the values of several outputs by their names in the file; each name gets a value of its own."""
    if len(set(draft.titles)) != len(draft.outputs):
        raise InputError("outputs of different names", ", ".join(draft.titles), f"model {draft.name}")
    chain, named = Chain(draft), dict[str, str]()
    for title, value in zip(draft.titles, draft.outputs, strict=True):
        is_shared = value == draft.source.name or value in named.values()
        named[title] = chain.op("Identity", value) if is_shared else value
    draft.nodes += chain.nodes
    return named


def _last(draft: Draft, value: str) -> DraftNode | None:
    """Return the node that computes a value, before rounding to a grid."""
    producers = draft.producers()
    node = producers.get(value)
    while node is not None and node.kind in ("DequantizeLinear", "QuantizeLinear"):
        node = producers.get(node.inputs[0])
    return node


def _of_integers(graph: Graph, rows: set[str]) -> Graph:
    """Return the graph with a boundary where functions of single bytes lie between its layers, too."""
    wide = msgspec.structs.replace(graph, boundary=_boundary(graph, rows, _NETWORK | _BETWEEN_BYTES))
    try:
        return wide if wide.boundary and Integers(wide).read() else graph
    except InputError:
        return graph


def _boundary(graph: Graph, rows: set[str], network: frozenset[str] = _NETWORK) -> str:
    """Return the input of the first weights if only operators of a network follow up to the last weights; else empty.

    Args:
        graph: graph whose nodes have names.
        rows: values with one row for each sample; a network has no others.
        network: operators that it may have.
    """
    weighted = [i for i, node in enumerate(graph.nodes) if node.op in WEIGHTED]
    if not weighted:
        return ""
    start = _unrounded(graph, graph.nodes[weighted[0]].inputs[0], network)
    if start in graph.constants or start not in rows:
        return ""
    reached = {start}
    for node in graph.nodes[: weighted[-1] + 1]:
        if node.op != "DequantizeLinear" and not reached.intersection(node.inputs):
            continue
        computed = [name for name in node.inputs if name and name not in graph.constants]
        if node.op == "DequantizeLinear" and not computed:
            reached.update(node.outputs)
            continue
        if node.op not in network or not reached.issuperset(computed) or not rows.issuperset(node.outputs):
            return ""
        reached.update(node.outputs)
    return start


def _unrounded(graph: Graph, name: str, network: frozenset[str]) -> str:
    """Return the float value before the first rounding on the path to a value, where the integers begin."""
    producers = {node.outputs[0]: node for node in graph.nodes}
    current, node = name, producers.get(name)
    while node is not None and node.op in network:
        current = node.inputs[0] if node.op == "QuantizeLinear" else current
        # A table comes before its index.
        node = producers.get(next((given for given in node.inputs if given not in graph.constants), ""))
    return current


def _independent(graph: Graph) -> None:
    """Refuse a graph whose answer to a row depends on its neighbours, or on their number.

    Raises:
        InputError: an output depends on other rows; the message names it.
    """
    source = graph.inputs[0]
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, *source.shape)) if source.dtype == "float32" else rng.integers(0, 2, (3, *source.shape))
    run = compile_graph(graph)
    x = x.astype(source.dtype)
    together, alone = run(x), [run(x[i : i + 1]) for i in range(3)]
    for value in graph.outputs:
        each = [rows[value.name] for rows in alone]
        whole = together[value.name]
        same = all(rows.shape == (1, *value.shape) for rows in each) and whole.shape == (3, *value.shape)
        if not same or not _close(whole, np.concatenate(each), value.dtype):
            raise InputError(
                "answers to rows that do not depend on each other", f"output {value.name!r} that does",
                f"model {graph.name}", "Export the model with a batch axis first, in evaluation mode",
            )  # fmt: skip


def _close(a: Array, b: Array, dtype: str) -> bool:
    if dtype != "float32":
        # The index of the largest of two equal scores may depend on the last digit.
        return True
    spread = float(np.abs(b[np.isfinite(b)]).max(initial=1.0))
    return bool(np.allclose(a, b, rtol=_TOLERANCE, atol=_TOLERANCE * spread, equal_nan=True))
