"""The whole model as one C source: portable code before and after the network, the network for this machine."""

from __future__ import annotations

import hashlib
import math
import os
from importlib import resources
from pathlib import Path

import msgspec
import numpy as np

from edgewright.core.engines.extension import Description
from edgewright.core.errors import ExportError, InputError, OutputError
from edgewright.core.integer.network import rounding_of
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.prediction.objects import cache_folder, model_key
from edgewright.core.records.network import Graph, IntegerNetwork, IntegerValue, Value
from edgewright.export._extension.build import Blob, compile_module, compiler, flags
from edgewright.export._extension.network import NetworkWriter, supported
from edgewright.export.c99_code.header import CodeOptions
from edgewright.export.c99_code.parts import filled, parts
from edgewright.export.c99_code.pipeline import write_c99
from edgewright.export.c99_graph.graph import network_end
from edgewright.graph.builder import Mask, without_mask
from edgewright.graph.extract import float_network, integer_network

SECONDS = 60.0
MAIN = "model.c"
C = parts(__file__, "answer.c") | parts(__file__, "constants.c")


def build_model(model: bytes, *, cache: Path | None = None, seconds: float = SECONDS) -> Path:
    """Generate C for a model and compile it, or find what was compiled from the same sources before.

    Args:
        model: ONNX bytes; the engine 'extension' finds the module by them.
        cache: instead of `XDG_CACHE_HOME`, or `~/.cache` where that is not set.
        seconds: longest time the compiler may take.

    Returns:
        Path of the compiled module.

    Raises:
        InputError: for a model that cannot be read or written as C.
        UnknownNameError: for an operator that has no C form.
        CheckFailedError: without a compiler, when it fails, or takes too long.
        OutputError: when the cache cannot be written.
    """
    files, main = compose(read_onnx(model))
    target = cache_folder(cache) / f"{model_key(model)}-{_content(files)}.so"
    if target.exists():
        # The newest is the one that is found.
        os.utime(target)
        return target
    _folder(target.parent)
    compile_module(files, main, target, seconds)
    return target


def compose(graph: Graph, features: frozenset[str] | None = None) -> tuple[dict[str, bytes], str]:
    """Return sources of the extension by name, and the one to compile.

    Args:
        graph: a whole pipeline, float or in QDQ form; its metadata may name the rounding of its integers.
        features: of the processor that runs it; of this one where none are given.

    Raises:
        InputError: for a graph whose input has no fixed lengths, or an output the extension cannot give.
        UnknownNameError: for an operator that has no C form.
    """
    values, count = _values(graph)
    graph, mask = without_mask(graph)
    quantised = any(n.op == "QuantizeLinear" and n.inputs[0] == graph.boundary for n in graph.nodes)
    network = integer_network(graph, rounding_of(graph)) if quantised else _floats(graph)
    blob = Blob()
    files: dict[str, bytes] = {}
    if network is not None and supported(network) and _parts_alone(graph, network):
        body, kind = (
            _split(graph, network, NetworkWriter(network, blob, features), files),
            "int8" if quantised else "float",
        )
    else:
        body, kind = _whole(graph, network if quantised else None, files), "portable"
    body += _masked(mask, _classifies(graph), split=kind != "portable")
    description = Description(input=graph.inputs[0].shape, outputs=graph.outputs, values=values, network=kind)
    ends = (network.values[network.input], network.values[network.output]) if network and quantised else None
    definitions = [
        f"#define INPUTS {math.prod(graph.inputs[0].shape)}",
        f"#define VALUES {count}",
        f"#define CLASSIFIES {int(_classifies(graph))}",
        f"#define FEATURES {math.prod(network.values[network.input].shape) if network and kind != 'portable' else 0}",
        f"#define NETWORK_INPUTS {math.prod(ends[0].shape) if ends else 0}",
        f"#define NETWORK_OUTPUTS {math.prod(ends[1].shape) if ends else 0}",
        f"#define DESCRIPTION {_quoted(msgspec.json.encode(description).decode())}",
    ]
    head = [
        "#define PY_SSIZE_T_CLEAN",
        "#ifdef EDGEWRIGHT_STABLE",
        '#include "python_abi.h"',
        "#else",
        "#include <Python.h>",
        "#endif",
        "#include <float.h>",
        *definitions,
        '#include "kernels.h"',
        C["constants"],
    ]
    answer = "struct answer { int64_t label; float confidence; float values[VALUES]; };"
    text = "\n".join([*head, answer, body, '#include "module.c"', ""])
    own = resources.files(__package__)
    files |= {name: (own / name).read_bytes() for name in ("kernels.h", "module.c", "python_abi.h")}
    files |= {MAIN: text.encode(), "constants.bin": blob.bytes()}
    return files, MAIN


def _masked(mask: Mask | None, classifies: bool, *, split: bool) -> str:
    """Return the function that answers: nothing for a row that misses too many values, else what the model gives."""
    numbers: dict[str, object] = {"split": int(split), "masked": int(mask is not None), "classifies": int(classifies)}
    if mask is not None:
        nothing = "made->label = -1; made->confidence = 0.0f;" if classifies else ""
        numbers |= {"groups": mask.channels, "readings": mask.readings, "needed": mask.needed, "nothing": nothing}
        numbers["none"] = "0.0f" if classifies else "NAN"
    return "\n" + filled(C["evaluate"], **numbers)


def _floats(graph: Graph) -> IntegerNetwork | None:
    """Return the float network; None where there is none, or one with operators that only the portable code has."""
    if not graph.boundary:
        return None
    try:
        return float_network(graph)
    except InputError:
        return None


def _parts_alone(graph: Graph, network: IntegerNetwork) -> bool:
    """Return whether what stands before and after the network reads nothing but the input and the network's end."""
    first, last = network.values[network.input], network.values[network.output]
    parts = [cut(graph, Value(name=network_end(graph), shape=last.shape), graph.outputs)]
    if graph.boundary != graph.inputs[0].name:
        parts.append(cut(graph, graph.inputs[0], (Value(name=graph.boundary, shape=first.shape),)))
    for part in parts:
        available = {"", part.inputs[0].name, *part.constants, *(name for node in part.nodes for name in node.outputs)}
        if not all(available.issuperset(node.inputs) for node in part.nodes) or not available.issuperset(
            output.name for output in part.outputs
        ):
            return False
    return True


def _split(graph: Graph, network: IntegerNetwork, writer: NetworkWriter, files: dict[str, bytes]) -> str:
    first, last = network.values[network.input], network.values[network.output]
    inputs, size = math.prod(first.shape), math.prod(last.shape)
    turned = len(last.shape) == 3 and 1 not in (last.shape[-1], math.prod(last.shape[:-1]))
    numbers: dict[str, object] = {
        "before": int(graph.boundary != graph.inputs[0].name), "given": f"{'&' if inputs == 1 else ''}seen.prediction",
        "size": size, "count": inputs, "integer": int(network.rounding != "none"),
        "in_scale": f"{float(np.float32(first.scale)).hex()}f", "in_zero": f"{first.zero}.0f",
        "out_scale": f"{float(np.float32(last.scale)).hex()}f", "out_zero": last.zero,
        # A network that ends in a convolution gives its channels last, and the graph has them first.
        "turned": int(turned), "places": math.prod(last.shape[:-1]), "channels": last.shape[-1] if last.shape else 1,
        "copied": _copied(graph),
    }  # fmt: skip
    pieces = []
    if numbers["before"]:
        before = cut(graph, graph.inputs[0], (Value(name=graph.boundary, shape=first.shape),))
        pieces.append(_portable(before, None, "before", files))
    pieces += [f"static float features[{inputs}];", writer.text()]
    files |= writer.files
    after = cut(graph, Value(name=network_end(graph), shape=_graph_shape(last)), graph.outputs)
    if after.nodes:
        pieces.append(_portable(after, None, "after", files))
    return "\n".join([*pieces, filled(C["split"], **numbers, after=len(after.nodes))])


def _graph_shape(last: IntegerValue) -> tuple[int, ...]:
    """Shape of the raw outputs in the graph, which has its channels first; one axis stands as a height of 1."""
    if len(last.shape) != 3:
        return last.shape
    height, width, channels = last.shape
    return (channels, width) if height == 1 else (channels, height, width)


def _whole(graph: Graph, network: IntegerNetwork | None, files: dict[str, bytes]) -> str:
    part = _portable(graph, network, "whole", files)
    return f"{part}\n{filled(C['whole'], integer=int(network is not None), copied=_copied(graph))}"


def _portable(graph: Graph, network: IntegerNetwork | None, name: str, files: dict[str, bytes]) -> str:
    for file, text in write_c99(graph, CodeOptions(name, turned=False), network).items():
        files[file] = text.encode()
    return f'#include "{name}.c"\nstatic {name}_context {name}_memory;'


def _copied(graph: Graph) -> str:
    values, count = _values(graph)
    field = f"{'&' if values == 'prediction' and count == 1 else ''}given.{values}"
    return filled(C["copied"], field=field, classifies=int(_classifies(graph)))


def _classifies(graph: Graph) -> bool:
    return any(output.name == "label" for output in graph.outputs)


def _values(graph: Graph) -> tuple[str, int]:
    """Return the output that holds the numbers, and how many they are."""
    shapes = {output.name: output.shape for output in graph.outputs}
    expected = {"label", "probabilities", "confidence"} if _classifies(graph) else {"prediction"}
    if shapes.keys() != expected:
        raise ExportError(f"the outputs {', '.join(sorted(expected))}", ", ".join(shapes), f"graph {graph.name}")
    name = "probabilities" if _classifies(graph) else "prediction"
    return name, math.prod(shapes[name])


def cut(graph: Graph, source: Value, targets: tuple[Value, ...]) -> Graph:
    """Return the part of a graph between a value and others, without labels, stages and boundary."""
    needed = {value.name for value in targets} - {source.name}
    nodes = []
    for node in reversed(graph.nodes):
        if needed.intersection(node.outputs) and source.name not in node.outputs:
            nodes.append(node)
            needed.update(name for name in node.inputs if name != source.name)
    constants = {name: array for name, array in graph.constants.items() if name in needed}
    return msgspec.structs.replace(
        graph,
        inputs=(source,),
        outputs=targets,
        nodes=tuple(nodes[::-1]),
        constants=constants,
        stages=(),
        boundary="",
    )


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _content(files: dict[str, bytes]) -> str:
    digest = hashlib.sha256(" ".join((*compiler(), *flags())).encode())
    for name in sorted(files):
        digest.update(name.encode() + b"\0" + hashlib.sha256(files[name]).digest())
    return digest.hexdigest()[:16]


def _folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise OutputError("to make the cache", error.strerror or str(error), str(folder)) from None
