"""ConvTranspose as a convolution that gives all values between two of its input side by side, then in their order.

With stride s, value q = a * s + r of the full output is the sum of x[a - m] * w[r + s * m] over m: for each r a
convolution of stride 1 with every s-th weight, backwards. All r together are one convolution with s times the channels.
It has the products of the operator with its kernel rounded up to a multiple of s: 1.8 times as many for 3 x 3 and
stride 2, none more for 4 x 4. Zeros between the values would take s (in two axes s * s) times as many.
"""

from __future__ import annotations

import math

import numpy as np

from edgewright.graph.draft import Chain, DraftNode, Rewritten
from edgewright.graph.normalise._seen import Rule, Seen
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array

Lengths = tuple[int, ...]


def _transposed(chain: Chain, node: DraftNode, seen: Seen) -> Rewritten:
    weights, bias = seen.constant(1, "weights"), seen.constant(2, "bias")
    shape = seen.shapes[0]
    if weights is None or weights.ndim not in (3, 4) or weights.ndim != len(shape):
        raise InputError("constant weights for one or two axes", f"an input of {len(shape)} axes", node.where)
    groups = int(node.attributes.get("group", 1))
    if groups < 1 or shape[1] != weights.shape[0] or weights.shape[0] % groups:
        raise InputError(f"{weights.shape[0]} channels in {groups} groups", str(shape[1]), node.where)
    rank = weights.ndim - 2
    strides, dilations = (_lengths(node, name, rank, 1) for name in ("strides", "dilations"))
    spread = _spread(weights, dilations)
    first, out = _frame(node, shape[2:], spread.shape[2:], strides)
    filters, channels = weights.shape[1] * groups, math.prod(strides)
    kernel = tuple(-(-k // s) for k, s in zip(spread.shape[2:], strides, strict=True))
    # Places before the first input that reach it, and so many behind the last that the output is covered.
    places = tuple(-(-(f + n) // s) for f, n, s in zip(first, out, strides, strict=True))
    after = tuple(max(0, p - n) for p, n in zip(places, shape[2:], strict=True))
    places = tuple(n + a for n, a in zip(shape[2:], after, strict=True))
    inputs = [node.inputs[0], chain.draft.constant(_phases(spread, groups, strides, kernel))]
    if bias is not None:
        inputs.append(chain.draft.constant(np.repeat(bias, channels)))
    pads = (*(k - 1 for k in kernel), *after)
    value = chain.op("Conv", *inputs, kernel_shape=kernel, pads=pads, group=groups)
    value = in_order(chain, value, filters, strides, places)
    for axis, (f, n, s, p) in enumerate(zip(first, out, strides, places, strict=True), 2):
        if (f, n) != (0, p * s):
            value = chain.op("Slice", value, *([i] for i in (f, f + n, axis)))
    return value


def _lengths(node: DraftNode, name: str, rank: int, fill: int) -> Lengths:
    lengths = tuple(int(n) for n in node.attributes.get(name) or (fill,) * rank)
    if len(lengths) != rank or min(lengths) < fill:
        raise InputError(f"{rank} {name} from {fill}", str(lengths), node.where)
    return lengths


def _spread(weights: Array, dilations: Lengths) -> Array:
    """Return weights (in, out of the group, kernel) with zeros where a dilated kernel has gaps."""
    extents = tuple((k - 1) * d + 1 for k, d in zip(weights.shape[2:], dilations, strict=True))
    kernel = np.zeros((*weights.shape[:2], *extents), np.float32)
    kernel[(slice(None), slice(None), *(slice(None, None, d) for d in dilations))] = weights
    return kernel


def _frame(node: DraftNode, shape: Lengths, extents: Lengths, strides: Lengths) -> tuple[Lengths, Lengths]:
    """Return the start and the lengths of the kept output, by the formulas of the ONNX standard."""
    rank, given = len(shape), node.attributes
    more = _lengths(node, "output_padding", rank, 0)
    full = tuple((n - 1) * s + e + m for n, s, e, m in zip(shape, strides, extents, more, strict=True))
    auto = str(given.get("auto_pad", "NOTSET"))
    wanted = tuple(int(n) for n in given.get("output_shape", ()))[-rank:]
    if auto.startswith("SAME") and not wanted:
        wanted = tuple(n * s for n, s in zip(shape, strides, strict=True))
    if wanted:
        total = tuple(max(0, f - w) for f, w in zip(full, wanted, strict=True))
        less = tuple(t // 2 for t in total)
        first = less if auto == "SAME_UPPER" else tuple(t - s for t, s in zip(total, less, strict=True))
        return first, wanted
    pads = _lengths(node, "pads", 2 * rank, 0) if auto == "NOTSET" else (0,) * (2 * rank)
    out = tuple(f - b - a for f, b, a in zip(full, pads[:rank], pads[rank:], strict=True))
    if min(out) < 1:
        raise InputError("padding less than the output", f"pads {pads}", node.where)
    return pads[:rank], out


def _phases(weights: Array, groups: int, strides: Lengths, kernel: Lengths) -> Array:
    """Filter (out * phases, in of the group, kernel): every s-th weight from r on, backwards."""
    ins, outs = weights.shape[0] // groups, weights.shape[1]
    whole = np.zeros((*weights.shape[:2], *(k * s for k, s in zip(kernel, strides, strict=True))), np.float32)
    whole[(slice(None), slice(None), *(slice(0, n) for n in weights.shape[2:]))] = weights
    rank = len(kernel)
    # (groups, in, out, m, r, m, r) to (groups, out, r, r, in, m, m).
    parts = [n for k, s in zip(kernel, strides, strict=True) for n in (k, s)]
    split = whole.reshape(groups, ins, outs, *parts)
    order = (0, 2, *(4 + 2 * i for i in range(rank)), 1, *(3 + 2 * i for i in range(rank)))
    turned = split.transpose(order).reshape(groups * outs * math.prod(strides), ins, *kernel)
    return np.ascontiguousarray(np.flip(turned, tuple(range(2, 2 + rank))))


def in_order(chain: Chain, value: str, filters: int, strides: Lengths, places: Lengths) -> str:
    """Append what brings (n, filter * phases, *places) to (n, filter, *places * strides), the last axis first."""
    done = list(places)
    for axis in reversed(range(len(strides))):
        s = strides[axis]
        if s == 1:
            continue
        left, behind = math.prod(strides[:axis]), math.prod(done[axis + 1 :])
        # (n, filters, s, before and place, behind) to (n, filters, before and place, s, behind).
        shape = [-1, filters * left, s, math.prod(done[: axis + 1])]
        more, order = ([], (0, 1, 3, 2)) if behind == 1 else ([behind], (0, 1, 3, 2, 4))
        value = chain.op("Reshape", value, [*shape, *more])
        value = chain.op("Transpose", value, perm=order)
        done[axis] *= s
        value = chain.op("Reshape", value, [-1, filters * left, *done])
    return value


RULES: dict[str, Rule] = {"ConvTranspose": _transposed}
