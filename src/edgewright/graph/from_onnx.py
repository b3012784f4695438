"""Conversion of ONNX models and of files of LightGBM and XGBoost to a graph in the dialect. See docs/adr/0014."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path

import msgspec
import numpy as np

from edgewright.core.errors import (
    ClassNamesMissingError,
    DataWarning,
    FileTooLargeError,
    InputError,
    InputShapeOpenError,
    OnnxDamagedError,
    OnnxError,
)
from edgewright.core.integer.network import BY_VALUE, OBSTACLE, listed
from edgewright.core.integer.qdq import Integers
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.network import Array, Graph, Node, Value
from edgewright.graph.draft import Chain, Declared, Draft, DraftNode, Parsed, parse
from edgewright.graph.ensembles import Format, format_of, read_ensemble
from edgewright.graph.normalise import normalise
from edgewright.graph.normalise.operators import everything
from edgewright.graph.onnx_writer import compare_with_library

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
        raise OnnxError("outputs that are not called 'input'", "one that is", f"model {draft.name}")
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
        raise OnnxError("outputs that a node gives first", repr(absent[0]), f"model {draft.name}")
    if len(draft.outputs) > 1:
        return _named_outputs(draft)
    value, array = draft.outputs[0], values[draft.outputs[0]]
    last = _last(draft, value)
    ends = last is not None and last.kind == "Softmax" and int(last.attributes.get("axis", -1)) in (-1, array.ndim - 1)
    classifier = bool(labels or draft.probabilities or ends) and array.ndim == 2 and array.dtype.kind == "f"
    if labels and not classifier:
        raise ClassNamesMissingError(
            "a classifier for names of classes", f"an output of shape {array.shape[1:]}", draft.name
        )
    if not classifier:
        draft.labels = ()
        return {"prediction": value}
    width = array.shape[1]
    fitting = [names for names in draft.names if len(names) == width]
    if draft.votes and values[draft.votes].shape[1:] != (width,):
        got = f"{width} scores of {values[draft.votes].shape[-1]} classes"
        do = "Export with decision_function_shape='ovr'"
        raise ClassNamesMissingError("a score for each class", got, f"model {draft.name}, output {value!r}", do)
    names = labels or (fitting[0] if fitting else tuple(str(n) for n in range(width)))
    if len(names) != width:
        raise ClassNamesMissingError(f"{width} names of classes", str(len(names)), f"model {draft.name}")
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


def _named_outputs(draft: Draft) -> dict[str, str]:
    """Return the values of several outputs by their names in the file; each name gets a value of its own."""
    if len(set(draft.titles)) != len(draft.outputs):
        raise OnnxError("outputs of different names", ", ".join(draft.titles), f"model {draft.name}")
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
            raise OnnxError(
                "answers to rows that do not depend on each other", f"output {value.name!r} that does",
                f"model {graph.name}", "Export the model with a batch axis first, in evaluation mode",
            )  # fmt: skip


def _close(a: Array, b: Array, dtype: str) -> bool:
    if dtype != "float32":
        # The index of the largest of two equal scores may depend on the last digit.
        return True
    spread = float(np.abs(b[np.isfinite(b)]).max(initial=1.0))
    return bool(np.allclose(a, b, rtol=_TOLERANCE, atol=_TOLERANCE * spread, equal_nan=True))


# Largest model in bytes; the size is checked before a file is read.
LARGEST_FILE = 1 << 30
# Of ONNX and ONNX Runtime; functions of a converter are in others.
_DOMAINS = ("", "ai.onnx.ml", "com.microsoft")
_TYPES = ("float32", "int64", "int32", "int8", "bool")


def read_model(
    source: Path | str | bytes,
    name: str = "",
    *,
    shape: tuple[int, ...] | None = None,
    labels: tuple[str, ...] = (),
    missing: float | None = None,
) -> Graph:
    """Read an ONNX model or boosted trees, and convert them to the dialect; our own models stay unchanged.

    Args:
        source: path of the file, or its bytes.
        name: name of the model in messages and in the graph; the file's name when empty.
        shape: shape of one sample, without the batch axis, for a model that leaves its axes open.
        labels: names of the classes; a network that ends without Softmax then gets one.
        missing: of boosted trees, the value that stands for a missing one in addition to NaN, as XGBoost's `missing`;
            NaN where there is none. What the file says when None.

    Returns:
        A graph with the outputs `label`, `probabilities` and `confidence` for a classifier (a model with Softmax at
        its end, or with names of classes), `prediction` for any other; models with several outputs keep their names.

    Raises:
        InputError: in one line: damaged bytes, an operator the dialect has no word for (with its nodes), an open axis,
            weights that are not numbers, samples of a batch that depend on each other, trees whose own library
            predicts something else.
    """
    return read_with_notes(source, name, shape=shape, labels=labels, missing=missing)[0]


def read_with_notes(
    source: Path | str | bytes,
    name: str = "",
    *,
    shape: tuple[int, ...] | None = None,
    labels: tuple[str, ...] = (),
    missing: float | None = None,
) -> tuple[Graph, tuple[str, ...]]:
    """Read a model as `read_model` does; return the graph, and what a user of it must know."""
    data, folder = (source, None) if isinstance(source, bytes) else _file(Path(source))
    title = name or ("model" if folder is None else Path(str(source)).stem)
    ensemble = format_of(data)
    if ensemble is None and missing is not None:
        raise OnnxError("a missing value of boosted trees", f"{missing:g}", f"model {title}", "Omit --missing")
    parsed = read_ensemble(data, title) or parse(data, lambda entries: _outside(entries, folder))
    if any(key.startswith("edgewright.") for key in parsed.metadata) and shape is None:
        return _named_model(read_onnx(data), labels), ()
    if ensemble is not None:
        _mark_missing(parsed, ensemble, title, missing)
    draft = _draft(parsed, title, shape)
    _refuse_nan(draft)
    normalise(draft)
    _refuse_text(draft)
    # Factors of huge or negative numbers may have produced numbers that are not finite.
    _refuse_nan(draft)
    _refuse_infinite(draft)
    text = {"source": json.dumps({"format": "onnx", "opset": parsed.opset, "producer": parsed.producer})}
    graph = finished(draft, labels, text)
    return graph, () if ensemble is None else (compare_with_library(ensemble, data, parsed, graph),)


def _mark_missing(parsed: Parsed, ensemble: Format, title: str, missing: float | None) -> None:
    """Take the value that stands for a missing one as NaN, and warn where it is not known."""
    parsed.marker = parsed.marker if missing is None else missing
    (trees,) = (node for node in parsed.nodes if node.domain)
    if parsed.marker is None and ensemble.marks_missing and any(trees.attributes["nodes_missing_value_tracks_true"]):
        warnings.warn(
            f"model {title}: its trees say where missing values go, and NaN is taken for one. If it was trained with "
            "another marker, as missing=-999, give that: --missing -999, or set_attr(missing='-999') before saving",
            DataWarning,
            stacklevel=3,
        )
    if parsed.marker is not None and not math.isnan(parsed.marker):
        parsed.constants |= {"~marker": np.asarray(parsed.marker, np.float32), "~nan": np.asarray(np.nan, np.float32)}
        source = trees.inputs[0]
        parsed.nodes[:0] = [
            DraftNode("Equal", [source, "~marker"], ["~absent"]),
            DraftNode("Where", ["~absent", "~nan", source], ["~present"]),
        ]
        trees.inputs = ["~present"]


def _file(path: Path) -> tuple[bytes, Path]:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise FileTooLargeError("a model of at most 1 GiB", f"{path.stat().st_size} bytes", str(path))
        return path.read_bytes(), path.parent
    except OSError as error:
        raise OnnxDamagedError("an ONNX model", error.strerror or str(error), str(path)) from None


def _outside(entries: dict[str, str], folder: Path | None) -> bytes:
    """Return the values of a constant from a file next to the model; its name must not point to another folder."""
    name = entries.get("location", "")
    if folder is None or not name or Path(name).name != name:
        raise OnnxError("constants inside the model or in a file next to it", repr(name), "external data")
    try:
        start, length = int(entries.get("offset", "0")), int(entries.get("length", "-1"))
        # The length is compared with that of the file before memory is allocated.
        there = (folder / name).stat().st_size - start
        with (folder / name).open("rb") as file:
            file.seek(start)
            return file.read(max(0, min(length if length >= 0 else LARGEST_FILE, there, LARGEST_FILE)))
    except (OSError, ValueError) as error:
        got = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise OnnxError("the model's file of constants", got, str(folder / name)) from None


def _named_model(graph: Graph, labels: tuple[str, ...]) -> Graph:
    if labels and len(labels) != len(graph.labels):
        raise ClassNamesMissingError(f"{len(graph.labels)} names of classes", str(len(labels)), f"model {graph.name}")
    return msgspec.structs.replace(graph, labels=labels) if labels else graph


def _draft(parsed: Parsed, title: str, shape: tuple[int, ...] | None) -> Draft:
    if not parsed.outputs:
        raise OnnxError("a model with an output", "none", f"model {title}")
    inputs, nodes, constants = parsed.inputs, parsed.nodes, dict(parsed.constants)
    extra: list[DraftNode] = []
    if len(inputs) > 1:
        inputs, extra = _joined(inputs, title, constants)
    if len(inputs) != 1:
        raise OnnxError("a model with one input", "none", f"model {title}")
    source = inputs[0]
    given = _sample(source, title, shape)
    if source.dtype not in _TYPES:
        raise OnnxError(
            f"an input of type {', '.join(_TYPES)}", source.dtype or "no tensor",
            f"model {title}, input {source.name!r}", "Export the model with float32 inputs",
        )  # fmt: skip
    known = {source.name, *constants, *(output for node in nodes for output in node.outputs)}
    absent = [output for output in parsed.outputs if output not in known]
    if absent:
        raise OnnxError("outputs that a node gives", repr(absent[0]), f"model {title}")
    fixed = source.shape[0] if source.shape and source.shape[0] > 0 else 0
    return Draft(
        name=title,
        opset=parsed.opset,
        source=Value(name=source.name, dtype=source.dtype, shape=given),
        outputs=list(parsed.outputs),
        nodes=[*extra, *nodes],
        constants=constants,
        fixed_batch=fixed,
    )


def _sample(source: Declared, title: str, shape: tuple[int, ...] | None) -> tuple[int, ...]:
    """Return the shape of one sample as the model declares it, with open axes from `shape`.

    Raises:
        InputError: an axis stays open, or `shape` contradicts the model.
    """
    where = f"model {title}, input {source.name!r}"
    text = source.shape[1:]
    if len(source.shape) > 8 or any(length == 0 or length > 1 << 24 for length in source.shape):
        raise OnnxError("axes of sensible length", str(source.shape), where)
    if not source.shape and shape is None:
        raise InputShapeOpenError(
            "an input with a batch axis and a fixed shape", "no shape", where, "Say it with --shape"
        )
    if shape is not None:
        fits = not source.shape or (
            len(text) == len(shape) and all(a in (-1, b) for a, b in zip(text, shape, strict=True))
        )
        if not fits or any(length < 1 for length in shape):
            got = ",".join("?" if length < 0 else str(length) for length in text)
            raise InputShapeOpenError(f"a shape of one sample that fits ({got})", ",".join(map(str, shape)), where)
        return shape
    if any(length < 0 for length in text):
        names = [axis or "?" for axis in source.axes[1:]]
        got = ",".join(str(n) if n > 0 else name for n, name in zip(text, names, strict=True))
        do = "Give the shape of one sample, such as --shape " + ",".join(str(n) if n > 0 else "100" for n in text)
        if len(text) == 2 and source.shape[0] > 1:
            do += "; if the open axis is the batch, export the model with batch_first=True"
        raise InputShapeOpenError("a sample of fixed shape", f"open axes ({got})", where, do)
    return text


def _joined(inputs: list[Declared], title: str, constants: dict[str, Array]) -> tuple[list[Declared], list[DraftNode]]:
    """Merge several inputs of columns, as scikit-learn exports tables, into one input of all columns in their order."""
    columns = all(len(i.shape) == 2 and i.shape[1] > 0 and i.dtype == inputs[0].dtype for i in inputs)
    if not columns:
        got = ", ".join(f"{i.name} {i.shape}" for i in inputs[:4])
        raise OnnxError("one input, or several of columns of one type", got, f"model {title}")
    at, nodes = 0, []
    for source in inputs:
        ends = []
        for number in (at, at + source.shape[1], 1):
            ends.append(f"~cut{len(constants)}")
            constants[ends[-1]] = np.asarray([number], np.int64)
        nodes.append(DraftNode("Slice", ["~columns", *ends], [source.name]))
        at += source.shape[1]
    whole = Declared("~columns", inputs[0].dtype, (inputs[0].shape[0], at), ("", ""))
    return [whole], nodes


def _refuse_nan(draft: Draft) -> None:
    """Refuse weights that are not numbers; a choice may be of NaN, and operators of other domains have names."""
    readers = draft.readers()
    for key, array in draft.constants.items():
        weights = any(node.op != "Where" and node.domain in _DOMAINS for node in readers.get(key, []))
        if weights and array.dtype.kind == "f" and np.isnan(array).any():
            raise OnnxError(
                "weights that are numbers", f"{int(np.isnan(array).sum())} that are not (NaN) in {key!r}",
                f"model {draft.name}", "Training diverged: lower the learning rate and export again",
            )  # fmt: skip


def _refuse_infinite(draft: Draft) -> None:
    """Refuse infinite weights; bounds and thresholds may be infinite."""
    for node in draft.nodes:
        for key in node.inputs[1:] if node.kind in WEIGHTED else ():
            array = draft.constants.get(key)
            if array is not None and array.dtype.kind == "f" and not np.isfinite(array).all():
                raise OnnxError(
                    "weights that are numbers", f"{int((~np.isfinite(array)).sum())} that are infinite",
                    f"model {draft.name}, {node.where}", "Training diverged: lower the learning rate and export again",
                )  # fmt: skip


def _refuse_text(draft: Draft) -> None:
    for key, array in draft.constants.items():
        if array.dtype.kind not in "fiub":
            raise OnnxError("numbers as constants", "text", f"model {draft.name}, constant {key!r}")
