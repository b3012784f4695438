"""Files that went wrong: flipped and lost bytes, and files that are whole but say something else.

Mutations that know the structure reach further than flipped bytes, which mostly end at the first length.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import flatbuffers
import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as schema
from onnx import numpy_helper

from edgewright.core.archive import pack, unpack
from edgewright.core.errors import EdgewrightError

# Messages of ONNX, classes made from the schema of .tflite, JSON.
Untyped = Any
NUMBERS = (0, 1, -1, 2, 3, 7, -2, 127, 255, 65536, 10**7, 2**31 - 1, -(2**31), 2**31, 2**40, 2**63 - 1, -(2**63))
SHORT = tuple(n for n in NUMBERS if -(2**31) <= n < 2**31)
REALS = (0.0, -1.0, 1e38, -1e38, 1e-45, float("nan"), float("inf"), float("-inf"))
OPERATORS = ("Expand", "Tile", "ConstantOfShape", "Range", "Pad", "Slice", "Reshape", "Unsqueeze", "Concat", "Cast",
             "Identity", "If", "Loop", "Resize", "Gather", "Transpose", "Squeeze", "ReduceSum", "Softmax", "MatMul",
             "Clip", "Where", "Split", "Constant", "Shape")  # fmt: skip


def changed_bytes(data: bytes, rng: random.Random) -> bytes:
    """Cut short, bits flipped, bytes replaced, or a piece of the file over another."""
    mutated, kind = bytearray(data), rng.randrange(4)
    if kind == 0:
        return data[: rng.randrange(len(data))]
    if kind == 1:
        for _ in range(rng.choice((1, 2, 8))):
            mutated[rng.randrange(len(mutated))] ^= 1 << rng.randrange(8)
    elif kind == 2:
        at = rng.randrange(max(1, len(mutated) - 4))
        mutated[at : at + 4] = (rng.choice(NUMBERS) & 0xFFFFFFFF).to_bytes(4, "little")
    else:
        at, to, count = rng.randrange(len(mutated)), rng.randrange(len(mutated)), rng.randrange(1, 64)
        piece = mutated[at : at + count]
        mutated[to : to + len(piece)] = piece
    return bytes(mutated)


def changed_onnx(data: bytes, rng: random.Random) -> bytes:
    """Return an ONNX model with other names, operators, shapes, attributes or constants."""
    model = onnx.load_from_string(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        rng.choice(_ONNX)(model.graph, rng)
    if rng.random() < 0.05:
        model.opset_import[0].version = rng.choice((0, 6, 9, 13, 25, 2**40))
    return bytes(model.SerializeToString())


def _names(graph: Untyped, rng: random.Random) -> None:
    known = [name for node in graph.node for name in (*node.input, *node.output)] + [i.name for i in graph.initializer]
    node = rng.choice(graph.node)
    names = rng.choice((node.input, node.output))
    if names:
        names[rng.randrange(len(names))] = rng.choice([*known, ""])
    if rng.random() < 0.1:
        rng.choice(graph.output).name = rng.choice([*known, ""])


def _operators(graph: Untyped, rng: random.Random) -> None:
    node, kind = rng.choice(graph.node), rng.randrange(3)
    if kind == 0:
        node.op_type = rng.choice((*OPERATORS, *(other.op_type for other in graph.node)))
    elif kind == 1:
        graph.node.append(node)
    elif len(graph.node) > 1:
        graph.node.remove(node)


def _constants(graph: Untyped, rng: random.Random) -> None:
    if not graph.initializer:
        return
    tensor = rng.choice(graph.initializer)
    if rng.random() < 0.3 and tensor.dims:
        tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(NUMBERS)
        return
    try:
        array = numpy_helper.to_array(tensor).copy()
    except ValueError:
        # Its shape was changed before.
        return
    if array.dtype.kind not in "fi" or not array.size:
        return
    if rng.random() < 0.3 and np.isfinite(array).all() and np.abs(array).max() < 1e6:
        array = rng.choice([array.ravel(), array[None], array.astype(np.float64), array.astype(np.int64), array.T])
    elif array.dtype.kind == "f":
        array.ravel()[rng.randrange(array.size)] = rng.choice(REALS)
    else:
        limits = np.iinfo(array.dtype)
        array.ravel()[rng.randrange(array.size)] = np.clip(rng.choice(NUMBERS), limits.min, limits.max)
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(array), tensor.name))


def _attributes(graph: Untyped, rng: random.Random) -> None:
    attributes = [(node, one) for node in graph.node for one in node.attribute]
    if not attributes:
        return
    node, one = rng.choice(attributes)
    if rng.random() < 0.2:
        node.attribute.remove(one)
    elif one.ints:
        one.ints[rng.randrange(len(one.ints))] = rng.choice(NUMBERS)
    elif one.floats:
        one.floats[rng.randrange(len(one.floats))] = rng.choice(REALS)
    elif one.strings:
        one.strings[rng.randrange(len(one.strings))] = rng.choice((b"", b"LEAF", b"BRANCH_EQ", b"\xff"))
    elif one.type == onnx.AttributeProto.INT:
        one.i = rng.choice(NUMBERS)
    elif one.type == onnx.AttributeProto.FLOAT:
        one.f = rng.choice(REALS)


def _inputs(graph: Untyped, rng: random.Random) -> None:
    kind = rng.choice(graph.input).type.tensor_type
    if rng.random() < 0.2:
        kind.elem_type = rng.randrange(18)
    elif kind.shape.dim:
        kind.shape.dim[rng.randrange(len(kind.shape.dim))].dim_value = rng.choice(NUMBERS)


def _sizes(graph: Untyped, rng: random.Random) -> None:
    """Change a constant that says how large something is."""
    numbers = np.asarray([rng.choice(NUMBERS[:12]) for _ in range(rng.randrange(1, 5))], np.int64)
    graph.initializer.append(numpy_helper.from_array(numbers, "sizes"))
    node = rng.choice(graph.node)
    node.op_type = rng.choice(OPERATORS[:8])
    del node.input[1:], node.attribute[:]
    node.input.append("sizes")


_ONNX = (_names, _names, _operators, _constants, _constants, _attributes, _attributes, _inputs, _sizes)


def tables(data: bytes) -> Untyped:
    """Return a .tflite file as objects that can be changed."""
    return schema.ModelT.InitFromPackedBuf(data, 0)


def packed(model: Untyped) -> bytes:
    """Return the objects as a file again."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def changed_tflite(model: Untyped, rng: random.Random) -> bytes:
    """Return a .tflite file (from `tables`) with other shapes, types, buffers, scales, operators or options."""
    copied = deepcopy(model)
    for _ in range(rng.choice((1, 1, 2, 4))):
        graph = copied.subgraphs[0]
        rng.choice(_TFLITE)(copied, rng.choice(graph.tensors), rng.choice(graph.operators), rng)
    try:
        return packed(copied)
    except TypeError:
        # An option of eight bits cannot hold every number.
        return packed(model)


def _tensor(model: Untyped, tensor: Untyped, operator: Untyped, rng: random.Random) -> None:
    kind = rng.randrange(4)
    if kind == 0 and tensor.shape is not None and len(tensor.shape):
        tensor.shape = np.array(tensor.shape)
        tensor.shape[rng.randrange(len(tensor.shape))] = rng.choice(SHORT)
    elif kind == 1:
        tensor.shape = np.array([rng.choice((0, 1, 3, 64, 2**20)) for _ in range(rng.randrange(10))], np.int32)
    elif kind == 2:
        tensor.type = rng.randrange(18)
    else:
        tensor.buffer = rng.randrange(len(model.buffers) + 2)


def _scale(model: Untyped, tensor: Untyped, operator: Untyped, rng: random.Random) -> None:
    grid = tensor.quantization
    if grid is None or grid.scale is None or not len(grid.scale):
        return
    if rng.random() < 0.6:
        grid.scale = np.array(grid.scale, np.float32)
        grid.scale[rng.randrange(len(grid.scale))] = rng.choice(REALS)
    else:
        grid.zeroPoint = np.array([rng.choice(SHORT) for _ in range(rng.randrange(3))], np.int64)
        grid.quantizedDimension = rng.choice(SHORT)


def _wiring(model: Untyped, tensor: Untyped, operator: Untyped, rng: random.Random) -> None:
    graph, key = model.subgraphs[0], rng.choice(("inputs", "outputs"))
    places = np.array(getattr(operator, key))
    places[rng.randrange(len(places))] = rng.choice((-1, len(graph.tensors), rng.randrange(len(graph.tensors))))
    setattr(operator, key, places)
    if rng.random() < 0.2:
        graph.operators.append(operator)


def _kind(model: Untyped, tensor: Untyped, operator: Untyped, rng: random.Random) -> None:
    if rng.random() < 0.3:
        code = rng.choice(model.operatorCodes)
        code.builtinCode = rng.randrange(130)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        return
    options = operator.builtinOptions
    names = [n for n, v in vars(options or object()).items() if type(v) is int] if options is not None else []
    if names:
        name = rng.choice(names)
        small = name in ("padding", "fusedActivationFunction", "weightsFormat")
        setattr(options, name, rng.randrange(9) if small else rng.choice(SHORT))


_TFLITE = (_tensor, _tensor, _scale, _scale, _wiring, _kind)


def changed_package(data: bytes, rng: random.Random) -> bytes:
    """Return a package sealed anew, with another manifest or another file."""
    files = unpack(data, "package")
    manifest = json.loads(files["manifest.json"])
    if rng.random() < 0.6:
        path = rng.choice([path_found for path_found in _paths(manifest) if path_found])
        inner = manifest
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = rng.choice((None, 0, -1, 1e308, 2**70, "", [], {}, "../x", "\0", [1, 2], {"a": 1}))
    else:
        entry = rng.choice(manifest["files"])
        change = changed_onnx if entry["name"].endswith(".onnx") else changed_bytes
        changed = files[entry["name"]] = change(files[entry["name"]], rng)
        entry["bytes"], entry["sha256"] = len(changed), hashlib.sha256(changed).hexdigest()
    files["manifest.json"] = json.dumps(manifest).encode()
    try:
        return pack(files)
    except EdgewrightError:
        return data[:-1]


def _paths(value: Untyped, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from _paths(one, (*path, key))
