"""Conversion of ONNX models and of files of LightGBM and XGBoost to a graph in the dialect. See docs/adr/0014."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path

import msgspec
import numpy as np

from edgewright.core.onnx.reader import read_onnx
from edgewright.graph.draft import Draft, DraftNode
from edgewright.graph.ensembles import Format, format_of, read_ensemble
from edgewright.graph.from_onnx_answers import WEIGHTED, finished
from edgewright.graph.from_onnx_parse import Declared, Parsed, parse
from edgewright.graph.library_comparison import compare_with_library
from edgewright.graph.normalise import normalise
from edgewright.schema.errors import DataWarning, InputError
from edgewright.schema.graph import Array, Graph, Value

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
        raise InputError("a missing value of boosted trees", f"{missing:g}", f"model {title}", "Omit --missing")
    parsed = read_ensemble(data, title) or parse(data, lambda entries: _outside(entries, folder))
    if any(key.startswith("edgewright.") for key in parsed.metadata) and shape is None:
        return _named(read_onnx(data), labels), ()
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
            raise InputError("a model of at most 1 GiB", f"{path.stat().st_size} bytes", str(path))
        return path.read_bytes(), path.parent
    except OSError as error:
        raise InputError("an ONNX model", error.strerror or str(error), str(path)) from None


def _outside(entries: dict[str, str], folder: Path | None) -> bytes:
    """Return the values of a constant from a file next to the model; its name must not point to another folder."""
    name = entries.get("location", "")
    if folder is None or not name or Path(name).name != name:
        raise InputError("constants inside the model or in a file next to it", repr(name), "external data")
    try:
        start, length = int(entries.get("offset", "0")), int(entries.get("length", "-1"))
        # The length is compared with that of the file before memory is allocated.
        there = (folder / name).stat().st_size - start
        with (folder / name).open("rb") as file:
            file.seek(start)
            return file.read(max(0, min(length if length >= 0 else LARGEST_FILE, there, LARGEST_FILE)))
    except (OSError, ValueError) as error:
        got = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError("the model's file of constants", got, str(folder / name)) from None


def _named(graph: Graph, labels: tuple[str, ...]) -> Graph:
    if labels and len(labels) != len(graph.labels):
        raise InputError(f"{len(graph.labels)} names of classes", str(len(labels)), f"model {graph.name}")
    return msgspec.structs.replace(graph, labels=labels) if labels else graph


def _draft(parsed: Parsed, title: str, shape: tuple[int, ...] | None) -> Draft:
    if not parsed.outputs:
        raise InputError("a model with an output", "none", f"model {title}")
    inputs, nodes, constants = parsed.inputs, parsed.nodes, dict(parsed.constants)
    extra: list[DraftNode] = []
    if len(inputs) > 1:
        inputs, extra = _joined(inputs, title, constants)
    if len(inputs) != 1:
        raise InputError("a model with one input", "none", f"model {title}")
    source = inputs[0]
    given = _sample(source, title, shape)
    if source.dtype not in _TYPES:
        raise InputError(
            f"an input of type {', '.join(_TYPES)}", source.dtype or "no tensor",
            f"model {title}, input {source.name!r}", "Export the model with float32 inputs",
        )  # fmt: skip
    known = {source.name, *constants, *(output for node in nodes for output in node.outputs)}
    absent = [output for output in parsed.outputs if output not in known]
    if absent:
        raise InputError("outputs that a node gives", repr(absent[0]), f"model {title}")
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
        raise InputError("axes of sensible length", str(source.shape), where)
    if not source.shape and shape is None:
        raise InputError("an input with a batch axis and a fixed shape", "no shape", where, "Say it with --shape")
    if shape is not None:
        fits = not source.shape or (
            len(text) == len(shape) and all(a in (-1, b) for a, b in zip(text, shape, strict=True))
        )
        if not fits or any(length < 1 for length in shape):
            got = ",".join("?" if length < 0 else str(length) for length in text)
            raise InputError(f"a shape of one sample that fits ({got})", ",".join(map(str, shape)), where)
        return shape
    if any(length < 0 for length in text):
        names = [axis or "?" for axis in source.axes[1:]]
        got = ",".join(str(n) if n > 0 else name for n, name in zip(text, names, strict=True))
        do = "Give the shape of one sample, such as --shape " + ",".join(str(n) if n > 0 else "100" for n in text)
        if len(text) == 2 and source.shape[0] > 1:
            do += "; if the open axis is the batch, export the model with batch_first=True"
        raise InputError("a sample of fixed shape", f"open axes ({got})", where, do)
    return text


def _joined(inputs: list[Declared], title: str, constants: dict[str, Array]) -> tuple[list[Declared], list[DraftNode]]:
    """Merge several inputs of columns, as scikit-learn exports tables, into one input of all columns in their order."""
    columns = all(len(i.shape) == 2 and i.shape[1] > 0 and i.dtype == inputs[0].dtype for i in inputs)
    if not columns:
        got = ", ".join(f"{i.name} {i.shape}" for i in inputs[:4])
        raise InputError("one input, or several of columns of one type", got, f"model {title}")
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
            raise InputError(
                "weights that are numbers", f"{int(np.isnan(array).sum())} that are not (NaN) in {key!r}",
                f"model {draft.name}", "Training diverged: lower the learning rate and export again",
            )  # fmt: skip


def _refuse_infinite(draft: Draft) -> None:
    """Refuse infinite weights; bounds and thresholds may be infinite."""
    for node in draft.nodes:
        for key in node.inputs[1:] if node.kind in WEIGHTED else ():
            array = draft.constants.get(key)
            if array is not None and array.dtype.kind == "f" and not np.isfinite(array).all():
                raise InputError(
                    "weights that are numbers", f"{int((~np.isfinite(array)).sum())} that are infinite",
                    f"model {draft.name}, {node.where}", "Training diverged: lower the learning rate and export again",
                )  # fmt: skip


def _refuse_text(draft: Draft) -> None:
    for key, array in draft.constants.items():
        if array.dtype.kind not in "fiub":
            raise InputError("numbers as constants", "text", f"model {draft.name}, constant {key!r}")
