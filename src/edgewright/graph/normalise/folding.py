"""Passes that fold constants and normalisation into weights, and standardise pools and dense layers."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import GraphError
from edgewright.core.operators._attributes import geometry, same_padding
from edgewright.core.records.network import Array, Node
from edgewright.graph.draft import Chain, Draft, DraftNode, rewrite
from edgewright.graph.normalise.operators import Values, everything, known, start, step

_SHAPES = frozenset({"Shape", "Size"})
_FILLS = frozenset({"ConstantOfShape", "Expand", "Tile"})


def fold_constants(draft: Draft) -> None:
    """Fold them.

    Raises:
        InputError: naming the operators the dialect has no word for, or an input that does not fit.
    """
    values = start(draft)
    from_shapes = set(draft.constants)
    kept: list[DraftNode] = []
    for node in draft.nodes:
        if not known(node) or (node.op == "Tile" and node.inputs[0] not in from_shapes):
            draft.refuse_unknown()
        step(node, values)
        name = node.outputs[0]
        alone = bool(node.inputs) and all(not n or n in from_shapes for n in node.inputs)
        # Weights that are stored as bytes stay bytes.
        if node.op in _SHAPES or (alone and node.op != "DequantizeLinear"):
            from_shapes.add(name)
            if all((value[name].shape, value[name].tobytes()) == _of(values[0], name) for value in values):
                draft.constants[name] = values[0][name]
                continue
            if node.op in _FILLS and not draft.fixed_batch:
                kept += _repeated(draft, node, values)
                continue
        if node.op == "Reshape":
            node.inputs[1] = draft.integers(target(values, name, node, draft.fixed_batch))
            node.attributes.pop("allowzero", None)
            for value in values:
                value[node.inputs[1]] = draft.constants[node.inputs[1]]
        kept.append(node)
    draft.nodes = kept


def _repeated(draft: Draft, node: DraftNode, values: list[Values]) -> list[DraftNode]:
    """Return a constant repeated for each sample, by a Where between the constant and itself with the batch length."""
    results = [value[node.outputs[0]] for value in values]
    row = results[0][:1]
    if any(
        value.shape[1:] != row.shape[1:] or not np.array_equal(value, np.broadcast_to(row, value.shape))
        for value in results
    ):
        return [node]
    chain = Chain(draft)
    flat = chain.op("Reshape", draft.source.name, [-1, math.prod(draft.source.shape)])
    first = chain.op("Gather", flat, [0], axis=1)
    tall = chain.op("Reshape", chain.op("Equal", first, first), [-1, *(1,) * (row.ndim - 1)])
    constant = draft.constant(row)
    nodes = chain.end(chain.op("Where", tall, constant, constant), node.outputs[0])
    for value in values:
        del value[node.outputs[0]]
        value.update({name: draft.constants[name] for part in nodes for name in part.inputs if name in draft.constants})
    for part in nodes:
        step(part, values)
    return nodes


def _of(values: Values, name: str) -> tuple[tuple[int, ...], bytes]:
    return values[name].shape, values[name].tobytes()


def target(values: list[Values], name: str, node: DraftNode, fixed: int) -> tuple[int, ...]:
    """Return the shape of a value as Reshape takes it: -1 for the axis that grows with the batch.

    Raises:
        InputError: when more than one axis does.
    """
    shapes = [value[name].shape for value in values]
    if fixed:
        first = values[0][node.inputs[0]]
        return (-1, *shapes[0][1:]) if shapes[0][:1] == first.shape[:1] == (fixed,) else shapes[0]
    grows = [axis for axis, lengths in enumerate(zip(*shapes, strict=True)) if len(set(lengths)) > 1]
    if len(grows) > 1:
        raise GraphError("one axis that grows with the batch", f"axes {grows}", node.where)
    return tuple(-1 if axis in grows else length for axis, length in enumerate(shapes[0]))


_GLOBAL = {"ReduceMean": "GlobalAveragePool", "ReduceMax": "GlobalMaxPool"}
_PLACED = frozenset({"Conv", "MaxPool", "AveragePool"})


def standardise_pools(draft: Draft) -> None:
    """Rewrite reductions over every axis after the channels, padding of pools, and a Pad with zeros before a Conv."""
    values = everything(draft)[0]
    nodes: list[DraftNode] = []
    for node in draft.nodes:
        if node.kind in _PLACED:
            _explicit(node, values)
            if node.kind == "Conv":
                _padded(draft, node)
            else:
                nodes += _pool(draft, node, values[node.inputs[0]].shape[2:])
        nodes += _pooled(draft, node, values) if node.kind in _GLOBAL else [node]
    draft.nodes = nodes


def _pooled(draft: Draft, node: DraftNode, values: Values) -> list[DraftNode]:
    x = values[node.inputs[0]]
    axes = draft.array(node.inputs[1]) if len(node.inputs) > 1 and node.inputs[1] else None
    if axes is None or x.ndim not in (3, 4) or x.dtype != np.float32:
        return [node]
    if sorted(int(a) % x.ndim for a in axes.ravel()) != list(range(2, x.ndim)):
        return [node]
    keep = node.attributes.get("keepdims", 1)
    pooled = node.outputs[0] if keep else draft.fresh("pool")
    nodes = [DraftNode(_GLOBAL[node.op], [node.inputs[0]], [pooled])]
    if not keep:
        nodes.append(DraftNode("Reshape", [pooled, draft.integers([-1, x.shape[1]])], list(node.outputs)))
    return nodes


def _explicit(node: DraftNode, values: Values) -> None:
    """`auto_pad` as numbers: the formula is that of the ONNX standard."""
    shape, mode = values[node.inputs[0]].shape[2:], node.attributes.pop("auto_pad", "NOTSET")
    kernel = node.attributes.get("kernel_shape") or (values[node.inputs[1]].shape[2:] if node.op == "Conv" else ())
    node.attributes["kernel_shape"] = tuple(int(k) for k in kernel)
    if mode in ("NOTSET", "VALID", ""):
        return
    rank = len(shape)
    strides = node.attributes.get("strides") or (1,) * rank
    dilations = node.attributes.get("dilations") or (1,) * rank
    less, more = zip(*map(same_padding, shape, kernel, strides, dilations), strict=True)
    node.attributes["pads"] = (*more, *less) if mode == "SAME_LOWER" else (*less, *more)


def _pool(draft: Draft, node: DraftNode, shape: tuple[int, ...]) -> list[DraftNode]:
    """Take `ceil_mode` and `count_include_pad` from a pool; give the Pad that stands before it where padding counts.

    Args:
        draft: of the node.
        node: MaxPool or AveragePool.
        shape: shape of the pooled axes.
    """
    kernel = tuple(node.attributes["kernel_shape"])
    plain = Node(op=node.op, inputs=(), outputs=tuple(node.outputs), attributes=dict(node.attributes))
    beyond = geometry(plain, kernel).overhang(shape)
    node.attributes.pop("ceil_mode", None)
    rank = len(kernel)
    pads = tuple(node.attributes.get("pads") or (0,) * (2 * rank))
    nodes: list[DraftNode] = []
    if node.attributes.pop("count_include_pad", 0) and any(pads):
        padded = draft.fresh("padded")
        widths = draft.integers((0, 0, *pads[:rank], 0, 0, *pads[rank:]))
        nodes.append(DraftNode("Pad", [node.inputs[0], widths, draft.floats(0.0)], [padded]))
        node.inputs[0], pads = padded, (0,) * (2 * rank)
    node.attributes["pads"] = (*pads[:rank], *(a + b for a, b in zip(pads[rank:], beyond, strict=True)))
    return nodes


def _padded(draft: Draft, node: DraftNode) -> None:
    """Merge a padding with zeros around height and width into the convolution that is its only reader."""
    before = draft.producers().get(node.inputs[0])
    if before is None or before.kind != "Pad" or before.attributes.get("mode", "constant") != "constant":
        return
    widths, value = draft.array(before.inputs[1]), draft.array((*before.inputs, "", "")[2])
    left_out = len(before.inputs) > 2 and before.inputs[2] != "" and value is None
    if widths is None or left_out or (value is not None and np.any(value)) or len(before.inputs) > 3:
        return
    rank = len(node.attributes["kernel_shape"]) + 2
    if widths.size != 2 * rank or widths[:2].any() or widths[rank : rank + 2].any() or (widths < 0).any():
        return
    own = node.attributes.get("pads") or (0,) * (2 * (rank - 2))
    extra = (*widths[2:rank], *widths[rank + 2 :])
    node.attributes["pads"] = tuple(int(a + b) for a, b in zip(own, extra, strict=True))
    node.inputs[0] = before.inputs[0]


def fold_batch_norm(draft: Draft) -> None:
    """Rewrite every BatchNormalization, in float64."""
    if not any(node.kind == "BatchNormalization" for node in draft.nodes):
        return
    values = everything(draft)[0]
    gone = {id(node) for node in draft.nodes if node.kind == "BatchNormalization" and _fuse(draft, node)}
    draft.nodes = [node for node in draft.nodes if id(node) not in gone]
    rewrite(draft, {"BatchNormalization": lambda chain, node: _broadcast(chain, node, values)})


def _norm_factors(draft: Draft, node: DraftNode) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Factor and offset of each channel: y = x * factor + offset."""
    arrays = [draft.array(name) for name in node.inputs[1:5]]
    if len(arrays) < 4 or any(array is None for array in arrays):
        raise GraphError("constant scale, bias, mean and variance", "computed ones", node.where)
    scale, bias, mean, variance = (np.asarray(array, np.float64).ravel() for array in arrays)
    epsilon = float(node.attributes.get("epsilon", 1e-5))
    if not (variance + epsilon > 0).all():
        raise GraphError("variances above zero", f"{variance.min():g}", node.where)
    factor = scale / np.sqrt(variance + epsilon)
    return factor, bias - mean * factor


def _fuse(draft: Draft, node: DraftNode) -> bool:
    before = draft.producers().get(node.inputs[0])
    alone = len(draft.readers().get(node.inputs[0], [])) == 1 and node.inputs[0] not in draft.outputs
    if before is None or before.kind not in ("Conv", "Gemm") or not alone:
        return False
    if before.op == "Gemm" and any(before.attributes.get(k, 1.0) != 1.0 for k in ("alpha", "beta")):
        return False
    weights = draft.array(before.inputs[1])
    has_bias = len(before.inputs) > 2 and before.inputs[2] != ""
    bias = draft.array(before.inputs[2]) if has_bias else None
    if weights is None or (has_bias and bias is None):
        return False
    factor, offset = _norm_factors(draft, node)
    rows = before.op == "Gemm" and not before.attributes.get("transB", 0)
    if weights.shape[1 if rows else 0] != factor.size:
        raise GraphError(f"{factor.size} channels", str(weights.shape), node.where)
    wide = factor.reshape(1, -1) if rows else factor.reshape(-1, *(1,) * (weights.ndim - 1))
    old = np.zeros(1) if bias is None else bias.astype(np.float64)
    before.inputs = [
        before.inputs[0],
        draft.constant((weights.astype(np.float64) * wide).astype(weights.dtype)),
        draft.constant((old * factor + offset).reshape(-1).astype(weights.dtype)),
    ]
    before.outputs = list(node.outputs)
    return True


def _broadcast(chain: Chain, node: DraftNode, values: Values) -> str:
    factor, offset = _norm_factors(chain.draft, node)
    shape = (-1, *(1,) * (values[node.inputs[0]].ndim - 2))
    value = chain.op("Mul", node.inputs[0], factor.astype(np.float32).reshape(shape))
    return chain.op("Add", value, offset.astype(np.float32).reshape(shape))


def standardise_dense_layers(draft: Draft) -> None:
    """Multiply the factors of Gemm into its constants; a MatMul with a constant and a following sum become a Gemm."""
    values = everything(draft)[0]
    readers = draft.readers()
    gone: set[int] = set()
    for node in draft.nodes:
        if node.kind == "Gemm":
            _plain(draft, node)
        weights = draft.array(node.inputs[1]) if node.kind == "MatMul" else None
        if weights is not None and weights.ndim == 2 and values[node.inputs[0]].ndim == 2:
            node.op = "Gemm"
        if node.kind == "Gemm" and len(node.inputs) == 2:
            after = readers.get(node.outputs[0], [])
            bias = _bias(draft, node, after, values)
            if bias is not None and node.outputs[0] not in draft.outputs:
                node.inputs.append(draft.constant(bias))
                node.outputs = list(after[0].outputs)
                gone.add(id(after[0]))
    draft.nodes = [node for node in draft.nodes if id(node) not in gone]


def _plain(draft: Draft, node: DraftNode) -> None:
    weights = draft.array(node.inputs[1])
    bias = draft.array(node.inputs[2]) if len(node.inputs) > 2 and node.inputs[2] else None
    if weights is None or node.attributes.get("transA", 0) or (bias is None and len(node.inputs) > 2):
        return
    alpha, beta = float(node.attributes.get("alpha", 1.0)), float(node.attributes.get("beta", 1.0))
    turned = weights.T if node.attributes.get("transB", 0) else weights
    scaled = turned if alpha == 1.0 else turned * weights.dtype.type(alpha)
    inputs = [node.inputs[0], draft.constant(np.ascontiguousarray(scaled))]
    if bias is not None:
        if bias.ndim == 2 and bias.shape[0] > 1:
            return
        row = np.broadcast_to(bias.reshape(-1) * bias.dtype.type(beta), (scaled.shape[1],))
        inputs.append(draft.constant(np.ascontiguousarray(row)))
    node.inputs, node.attributes = inputs, {}


def _bias(draft: Draft, node: DraftNode, after: list[DraftNode], values: Values) -> Array | None:
    """Return the constant that the only reader adds, one number for each output."""
    if len(after) != 1 or after[0].kind != "Add":
        return None
    other = [name for name in after[0].inputs if name != node.outputs[0]]
    bias = draft.array(other[0]) if len(other) == 1 else None
    width = values[node.outputs[0]].shape[-1]
    if bias is None or bias.size not in (1, width) or (bias.ndim > 1 and bias.shape[-1] not in (1, width)):
        return None
    if bias.ndim > 2 or bias.dtype != np.float32:
        return None
    return np.ascontiguousarray(np.broadcast_to(bias.reshape(-1), (width,)))


_WEIGHTED = frozenset({"Conv", "Gemm"})
_AFFINE = frozenset({"Add", "Sub", "Mul", "Div"})
Factors = tuple[NDArray[np.float64], NDArray[np.float64]]


def fold_affine(draft: Draft) -> None:
    """Take such operators in, one after the other."""
    values = everything(draft)[0]
    for _ in range(len(draft.nodes)):
        if not (_after(draft, values) or _before(draft, values)):
            return


def _factors(draft: Draft, node: DraftNode, value: str, shape: tuple[int, ...], axis: int) -> Factors | None:
    """Y = x * factor + offset for each channel, where `node` says that of `value`."""
    others = [name for name in node.inputs if name != value]
    array = draft.array(others[0]) if len(others) == 1 and len(node.inputs) == 2 else None
    if array is None or array.dtype != np.float32 or array.ndim > len(shape):
        return None
    wide = array.reshape((1,) * (len(shape) - array.ndim) + array.shape)
    if any(length != 1 for dimension, length in enumerate(wide.shape) if dimension != axis):
        return None
    numbers = np.broadcast_to(wide.ravel().astype(np.float64), (shape[axis],))
    scale, zero = np.ones_like(numbers), np.zeros_like(numbers)
    first = node.inputs[0] == value
    if node.op == "Add":
        return scale, numbers
    if node.op == "Sub":
        return (scale, -numbers) if first else (-scale, numbers)
    if node.op == "Mul":
        return numbers, zero
    return (1.0 / numbers, zero) if first and bool((numbers != 0).all()) else None


def _weights(draft: Draft, node: DraftNode) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Constant weights and bias of a node in plain form."""
    array = draft.array(node.inputs[1])
    bias = draft.array(node.inputs[2]) if len(node.inputs) > 2 else None
    if array is None or array.dtype != np.float32 or (bias is None and len(node.inputs) > 2):
        return None
    if node.op == "Gemm" and node.attributes:
        return None
    width = array.shape[0 if node.op == "Conv" else 1]
    if bias is not None and bias.size not in (1, width):
        return None
    old = np.zeros(width) if bias is None else np.broadcast_to(bias.astype(np.float64).ravel(), (width,))
    return array.astype(np.float64), old


def _set(draft: Draft, node: DraftNode, weights: NDArray[np.float64], bias: NDArray[np.float64]) -> None:
    name = draft.constant(np.ascontiguousarray(weights, np.float32))
    node.inputs = [node.inputs[0], name, draft.constant(bias.astype(np.float32))]


def _after(draft: Draft, values: Values) -> bool:
    readers = draft.readers()
    for node in draft.nodes:
        value = node.outputs[0]
        after = readers.get(value, [])
        if node.kind not in _WEIGHTED or len(after) != 1 or after[0].kind not in _AFFINE or value in draft.outputs:
            continue
        shape, weights = values[value].shape, _weights(draft, node)
        factors = _factors(draft, after[0], value, shape, 1) if weights is not None else None
        if weights is None or factors is None or values[after[0].outputs[0]].shape != shape:
            continue
        factor, offset = factors
        wide = factor.reshape(1, -1) if node.op == "Gemm" else factor.reshape(-1, *(1,) * (weights[0].ndim - 1))
        _set(draft, node, weights[0] * wide, weights[1] * factor + offset)
        node.outputs = list(after[0].outputs)
        draft.nodes = [other for other in draft.nodes if other is not after[0]]
        return True
    return False


def _before(draft: Draft, values: Values) -> bool:
    producers, readers = draft.producers(), draft.readers()
    for node in draft.nodes:
        before = producers.get(node.inputs[0]) if node.kind == "Gemm" else None
        if before is None or before.kind not in _AFFINE or len(readers[before.outputs[0]]) != 1:
            continue
        if before.outputs[0] in draft.outputs:
            continue
        sources = [name for name in before.inputs if name not in draft.constants]
        if len(sources) != 1 or not _inside(draft, producers, sources[0]):
            continue
        shape, weights = values[sources[0]].shape, _weights(draft, node)
        factors = _factors(draft, before, sources[0], shape, 1) if weights is not None and len(shape) == 2 else None
        if weights is None or factors is None or values[before.outputs[0]].shape != shape:
            continue
        factor, offset = factors
        _set(draft, node, weights[0] * factor.reshape(-1, 1), weights[1] + offset @ weights[0])
        node.inputs[0] = sources[0]
        draft.nodes = [other for other in draft.nodes if other is not before]
        return True
    return False


def _inside(draft: Draft, producers: dict[str, DraftNode], value: str) -> bool:
    """Return whether weights were applied before this value."""
    seen, waiting = set[str](), [value]
    while waiting:
        node = producers.get(waiting.pop())
        if node is None or node.outputs[0] in seen:
            continue
        if node.kind in _WEIGHTED:
            return True
        seen.add(node.outputs[0])
        waiting += node.inputs
    return False
