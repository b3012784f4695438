"""Operators that other ones say as well once the lengths of their inputs are known: resizing, sums so far, Einsum, ...

Every value is computed on the way for two batch lengths, as in `constants`: a later operator may ask for the lengths
that an earlier one gives.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import GraphError
from edgewright.core.records.network import Array
from edgewright.graph.draft import Chain, Draft, DraftNode, Rewritten, applied
from edgewright.graph.normalise.operators import Values, known, start, step

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Seen:
    """Inputs of a node, those left out as None or ().

    Attributes:
        node: of the draft.
        shapes: for the first batch length that is tried.
        others: for the second one; the same where the model has its batch fixed.
        constants: what does not depend on the data.
        fixed: length of the batch where the model has it fixed, else 0.
    """

    node: DraftNode
    shapes: tuple[Shape, ...]
    others: tuple[Shape, ...]
    constants: tuple[Array | None, ...]
    fixed: int = 0

    def constant(self, index: int, name: str) -> Array | None:
        """Return an input that does not depend on the data; None where it is left out.

        Raises:
            InputError: for one that does.
        """
        if len(self.node.inputs) <= index or not self.node.inputs[index]:
            return None
        if self.constants[index] is None:
            raise GraphError(f"constant {name}", f"the computed value {self.node.inputs[index]!r}", self.node.where)
        return self.constants[index]

    def grows(self, index: int = 0) -> int:
        """Return the axis of an input that is the batch; -1 where none is seen to be.

        Of a model with a fixed batch it is the first one, if that has the batch's length.
        """
        if self.fixed:
            computed = self.constants[index] is None
            return 0 if computed and self.shapes[index][:1] == (self.fixed,) else -1
        pairs = zip(self.shapes[index], self.others[index], strict=True)
        return next((axis for axis, (a, b) in enumerate(pairs) if a != b), -1)


Rule = Callable[[Chain, DraftNode, Seen], Rewritten]


Lengths = tuple[int, ...]


def _transposed(chain: Chain, node: DraftNode, seen: Seen) -> Rewritten:
    weights, bias = seen.constant(1, "weights"), seen.constant(2, "bias")
    shape = seen.shapes[0]
    if weights is None or weights.ndim not in (3, 4) or weights.ndim != len(shape):
        raise GraphError("constant weights for one or two axes", f"an input of {len(shape)} axes", node.where)
    groups = int(node.attributes.get("group", 1))
    if groups < 1 or shape[1] != weights.shape[0] or weights.shape[0] % groups:
        raise GraphError(f"{weights.shape[0]} channels in {groups} groups", str(shape[1]), node.where)
    rank = weights.ndim - 2
    strides, dilations = (_transposed_lengths(node, name, rank, 1) for name in ("strides", "dilations"))
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


def _transposed_lengths(node: DraftNode, name: str, rank: int, fill: int) -> Lengths:
    lengths = tuple(int(n) for n in node.attributes.get(name) or (fill,) * rank)
    if len(lengths) != rank or min(lengths) < fill:
        raise GraphError(f"{rank} {name} from {fill}", str(lengths), node.where)
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
    more = _transposed_lengths(node, "output_padding", rank, 0)
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
    pads = _transposed_lengths(node, "pads", 2 * rank, 0) if auto == "NOTSET" else (0,) * (2 * rank)
    out = tuple(f - b - a for f, b, a in zip(full, pads[:rank], pads[rank:], strict=True))
    if min(out) < 1:
        raise GraphError("padding less than the output", f"pads {pads}", node.where)
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


TRANSPOSED_CONVOLUTION_RULES: dict[str, Rule] = {"ConvTranspose": _transposed}


# Coordinates are those of the ONNX standard, worked out in float32 as ONNX Runtime does, since places in the middle
# between two values are chosen by the last digit.
_LARGEST_PICTURE = 1 << 16
_ELSEWHERE = "Export the model with mode nearest or linear"


def _resize(chain: Chain, node: DraftNode, seen: Seen) -> Rewritten:
    given = node.attributes
    mode = str(given.get("mode", "nearest"))
    if mode not in ("nearest", "linear"):
        raise GraphError("mode nearest or linear", repr(mode), node.where, _ELSEWHERE)
    for name, plain in (("antialias", 0), ("keep_aspect_ratio_policy", "stretch"), ("exclude_outside", 0)):
        if given.get(name, plain) != plain:
            raise GraphError(f"{name} {plain}", repr(given[name]), node.where, f"Export the model without {name}")
    value = node.inputs[0]
    for axis, (length, scale) in _lengths(node, seen).items():
        before = seen.shapes[0][axis]
        if length == before and scale == 1:
            continue
        if axis == 0:
            raise GraphError("a batch that stays", f"{length} samples for {before}", node.where)
        places = _coordinates(node, before, length, scale)
        if mode == "nearest":
            chosen = _nearest(node, places, before, shrinks=length < before)
            value = chain.op("Gather", value, chosen, axis=axis)
            continue
        value = _between(chain, value, np.clip(places, 0, before - 1), axis, len(seen.shapes[0]))
    return value


def _lengths(node: DraftNode, seen: Seen) -> dict[int, tuple[int, np.float32]]:
    """Return the length of each axis afterwards, and how many times the one before it is.

    Raises:
        InputError: where neither is given, or the result is none.
    """
    shape = seen.shapes[0]
    scales, sizes = seen.constant(2, "scales"), seen.constant(3, "sizes")
    axes = [int(axis) % len(shape) for axis in node.attributes.get("axes", range(len(shape)))]
    lengths: dict[int, tuple[int, np.float32]] = {}
    if sizes is not None and sizes.size == len(axes):
        for axis, size in zip(axes, sizes.ravel().tolist(), strict=True):
            lengths[axis] = int(size), np.float32(size) / np.float32(shape[axis])
    elif scales is not None and scales.size == len(axes):
        for axis, scale in zip(axes, scales.ravel().astype(np.float32), strict=True):
            lengths[axis] = int(np.floor(np.float32(shape[axis]) * scale)), scale
    else:
        raise GraphError(f"{len(axes)} scales or sizes", "others", node.where)
    if any(not 1 <= length <= _LARGEST_PICTURE for length, _ in lengths.values()):
        raise GraphError(f"lengths from 1 to {_LARGEST_PICTURE}", str([n for n, _ in lengths.values()]), node.where)
    return lengths


def _coordinates(node: DraftNode, before: int, after: int, scale: np.float32) -> NDArray[np.float32]:
    """Where each new value lies on the axis as it was."""
    mode = str(node.attributes.get("coordinate_transformation_mode", "half_pixel"))
    x, half, unit = np.arange(after, dtype=np.float32), np.float32(0.5), np.float32(1)
    if mode == "asymmetric":
        return x / scale
    if mode == "align_corners":
        return x * np.float32(before - 1) / np.float32(after - 1) if after > 1 else np.zeros(1, np.float32)
    if mode == "pytorch_half_pixel" and after == 1:
        return np.zeros(1, np.float32)
    if mode in ("half_pixel", "pytorch_half_pixel"):
        return (x + half) / scale - half
    if mode == "half_pixel_symmetric":
        middle = np.float32(before) / np.float32(2)
        return middle * (unit - np.float32(after) / (scale * np.float32(before))) + (x + half) / scale - half
    if mode == "tf_half_pixel_for_nn":
        return (x + half) / scale
    got = "coordinates asymmetric, align_corners, half_pixel, half_pixel_symmetric or pytorch_half_pixel"
    raise GraphError(got, repr(mode), node.where, _ELSEWHERE)


def _nearest(node: DraftNode, places: NDArray[np.float32], before: int, *, shrinks: bool) -> NDArray[np.int64]:
    """Which value is taken for each place; 'simple' is what opset 10 and Upsample do in ONNX Runtime."""
    mode = str(node.attributes.get("nearest_mode", "round_prefer_floor"))
    half = np.float32(0.5)
    rounded: dict[str, NDArray[np.float32]] = {
        "round_prefer_floor": np.ceil(places - half),
        "round_prefer_ceil": np.floor(places + half),
        "floor": np.floor(places),
        "ceil": np.ceil(places),
        "simple": np.ceil(places) if shrinks else np.floor(places),
    }
    if mode not in rounded:
        raise GraphError(f"nearest_mode {', '.join(rounded)}", repr(mode), node.where)
    return np.clip(rounded[mode], 0, before - 1).astype(np.int64)


def _between(chain: Chain, value: str, places: NDArray[np.float32], axis: int, rank: int) -> str:
    """Return the two values beside each place, the nearer one with the larger weight."""
    low = np.floor(places).astype(np.int64)
    weights = (places - low).astype(np.float32).reshape(-1, *(1,) * (rank - 1 - axis))
    first = chain.op("Gather", value, low, axis=axis)
    if not weights.any():
        return first
    second = chain.op("Gather", value, low + (weights.ravel() > 0), axis=axis)
    first = chain.op("Mul", first, np.float32(1) - weights)
    return chain.op("Add", first, chain.op("Mul", second, weights))


_SIZES: dict[str, Rule] = {"Resize": _resize}


_TERM = re.compile(r"[A-Za-z]*")


def _einsum(chain: Chain, node: DraftNode, seen: Seen) -> Rewritten:
    terms, out = _equation(node, seen)
    lengths = {letter: n for term, shape in zip(terms, seen.shapes, strict=True)
               for letter, n in zip(term, shape, strict=True)}  # fmt: skip
    batch = {terms[i][seen.grows(i)] for i in range(len(terms)) if seen.grows(i) >= 0}
    value, term = node.inputs[0], terms[0]
    for index in range(1, len(terms)):
        needed = set(out).union(*terms[index + 1 :])
        value, term = _product(chain, (value, node.inputs[index]), (term, terms[index]), needed, lengths, batch)
    value, term = _summed(chain, value, term, set(out))
    return _ordered(chain, value, term, out)


def _equation(node: DraftNode, seen: Seen) -> tuple[list[str], str]:
    """Return letters of the inputs and of the output.

    Raises:
        InputError: for an equation that is none, or has an ellipsis or a letter twice in a term.
    """
    equation = str(node.attributes.get("equation", "")).replace(" ", "")
    left, arrow, out = equation.partition("->")
    terms = left.split(",")
    if not arrow:
        out = "".join(sorted(letter for letter in set(left) - {","} if left.count(letter) == 1))
    good = len(terms) == len(seen.shapes) and all(map(_TERM.fullmatch, (*terms, out)))
    good = good and all(len(set(term)) == len(term) for term in (*terms, out)) and set(out) <= set(left)
    if not good or any(len(term) != len(shape) for term, shape in zip(terms, seen.shapes, strict=True)):
        got = "an equation of letters, each once in a term"
        raise GraphError(got, repr(equation), node.where, "Write it with MatMul and Transpose")
    return terms, out


def _summed(chain: Chain, value: str, term: str, needed: set[str]) -> tuple[str, str]:
    """Return the sum over letters that nothing needs any more."""
    gone = [axis for axis, letter in enumerate(term) if letter not in needed]
    if not gone:
        return value, term
    value = chain.op("ReduceSum", value, gone, keepdims=0)
    return value, "".join(letter for letter in term if letter in needed)


def _ordered(chain: Chain, value: str, term: str, wanted: str) -> str:
    if term == wanted:
        return value
    return chain.op("Transpose", value, perm=tuple(term.index(letter) for letter in wanted))


def _product(
    chain: Chain,
    values: tuple[str, str],
    terms: tuple[str, str],
    needed: set[str],
    lengths: dict[str, int],
    batch: set[str],
) -> tuple[str, str]:
    """Two inputs as one product of matrices, and its letters: those of both, of the first, of the second."""
    if batch.intersection(terms[1]) and not batch.intersection(terms[0]):
        # Constants stand second, as weights do.
        values, terms = values[::-1], terms[::-1]
    first, term = _summed(chain, values[0], terms[0], needed.union(terms[1]))
    second, other = _summed(chain, values[1], terms[1], needed.union(terms[0]))
    both = "".join(letter for letter in term if letter in other and letter in needed)
    over = "".join(letter for letter in term if letter in other and letter not in needed)
    mine, its = ("".join(c for c in t if c not in both + over) for t in (term, other))
    # A batch that only the first has stays an axis of its own, so that a sample keeps its rows together.
    own = "".join(batch.intersection(mine)) if len(both + mine) > 1 else ""
    mine = "".join(letter for letter in mine if letter not in own)

    def length(letters: str) -> int:
        return -1 if batch.intersection(letters) else math.prod(lengths[letter] for letter in letters)

    def shaped(value: str, term: str, order: str, *tail: str) -> str:
        ahead = [length(letter) for letter in order if letter not in "".join(tail)]
        shape = chain.draft.integers([*ahead, *map(length, tail)])
        return chain.op("Reshape", _ordered(chain, value, term, order), shape)

    left = shaped(first, term, own + both + mine + over, mine, over)
    right = shaped(second, other, both + over + its, over, its)
    layout = own + both + mine + its
    product = chain.op("MatMul", left, right)
    return chain.op("Reshape", product, [length(letter) for letter in layout]), layout


_SUMS_OF_PRODUCTS: dict[str, Rule] = {"Einsum": _einsum}


_MODES = {"reflect": "reflect", "edge": "edge", "wrap": "wrap"}


def _pad(chain: Chain, node: DraftNode, seen: Seen) -> Rewritten:
    mode = str(node.attributes.get("mode", "constant"))
    widths = _widths(node, seen)
    if mode == "constant":
        return [node] if min(map(min, widths.values()), default=0) >= 0 else _cut(chain, node, seen, widths)
    if mode not in _MODES:
        raise GraphError("mode constant, reflect, edge or wrap", repr(mode), node.where)
    value = node.inputs[0]
    for axis, (before, after) in widths.items():
        if before or after:
            places = _places(node, seen.shapes[0][axis], before, after, mode)
            value = chain.op("Gather", value, places, axis=axis)
    return value


def _widths(node: DraftNode, seen: Seen) -> dict[int, tuple[int, int]]:
    """Return values before and after each axis that is named.

    Raises:
        InputError: for widths that do not fit, or padding of the batch.
    """
    pads, axes = seen.constant(1, "pads"), seen.constant(3, "axes")
    rank = len(seen.shapes[0])
    named = range(rank) if axes is None else [int(axis) % rank for axis in axes.ravel()]
    numbers = () if pads is None else [int(n) for n in pads.ravel()]
    if len(numbers) != 2 * len(named):
        raise GraphError(f"{2 * len(named)} widths", str(len(numbers)), node.where)
    lengths = dict(zip(named, zip(numbers[: len(named)], numbers[len(named) :], strict=True), strict=True))
    if any(lengths.get(0, ())):
        raise GraphError("padding of each sample", f"{lengths[0]} samples more", node.where)
    return lengths


def _places(node: DraftNode, length: int, before: int, after: int, mode: str) -> NDArray[np.int64]:
    """Which entries of an axis stand where after padding; a negative width leaves entries out."""
    maximum = length - 1 if mode == "reflect" else length if mode == "wrap" else 1 << 20
    if max(before, after) > maximum or length + min(0, before) + min(0, after) < 1:
        raise GraphError(f"at most {maximum} values more by {mode}", f"{before} and {after}", node.where)
    inner = np.arange(length)[max(0, -before) : length + min(0, after)]
    around: NDArray[np.int64] = np.pad(inner, (max(0, before), max(0, after)), mode=mode)  # type: ignore[call-overload]
    return around


def _cut(chain: Chain, node: DraftNode, seen: Seen, widths: dict[int, tuple[int, int]]) -> str:
    """Leave entries out first, then pads with what is above 0."""
    value = node.inputs[0]
    shape = seen.shapes[0]
    for axis, (before, after) in widths.items():
        if min(before, after) < 0:
            ends = (max(0, -before), shape[axis] + min(0, after), axis)
            if ends[0] >= ends[1]:
                raise GraphError(f"less than {shape[axis]} values left out", f"{before} and {after}", node.where)
            value = chain.op("Slice", value, *([n] for n in ends))
    around = [[max(0, widths.get(axis, (0, 0))[end]) for axis in range(len(shape))] for end in (0, 1)]
    return chain.op("Pad", value, [*around[0], *around[1]], *node.inputs[2:3])


def _cumulative(chain: Chain, node: DraftNode, seen: Seen) -> Rewritten:
    number, shape = seen.constant(1, "axis"), seen.shapes[0]
    if number is None or number.size != 1:
        raise GraphError("one axis", "others", node.where)
    axis = int(number.ravel()[0]) % len(shape)
    if axis in (0, seen.grows()):
        raise GraphError("sums within each sample", "sums over the samples", node.where)
    value = node.inputs[0]
    back = bool(node.attributes.get("reverse", 0))
    if node.attributes.get("exclusive", 0):
        value = _shifted(chain, value, shape, axis, 1, back)
    width = 1
    while width < shape[axis]:
        value = chain.op("Add", value, _shifted(chain, value, shape, axis, width, back))
        width *= 2
    return value


def _shifted(chain: Chain, value: str, shape: tuple[int, ...], axis: int, width: int, back: bool) -> str:
    """Return the value moved by `width` along an axis, towards its beginning where `back`, with zeros behind it."""
    length = shape[axis]
    start, end = (width, length) if back else (0, length - width)
    kept = chain.op("Slice", value, *([n] for n in (start, end, axis)))
    around = [0] * (2 * len(shape))
    around[axis + (len(shape) if back else 0)] = width
    return chain.op("Pad", kept, around)


def _gather(chain: Chain, node: DraftNode, seen: Seen) -> Rewritten:
    places, shape, grows = seen.constant(1, "places"), seen.shapes[0], seen.grows()
    if places is None or node.attributes.get("batch_dims", 0) or not 1 <= places.shape[-1] <= len(shape):
        raise GraphError("constant places without batch_dims", "others", node.where)
    count = places.shape[-1]
    chosen = shape[:count]
    if 0 <= grows < count:
        raise GraphError("a choice within each sample", f"one among the samples, axis {grows}", node.where)
    lengths = np.asarray(chosen, np.int64)
    if np.any(places < -lengths) or np.any(places >= lengths):
        raise GraphError(f"places within {chosen}", f"{places.min()} to {places.max()}", node.where)
    line = np.asarray(np.ravel_multi_index(np.moveaxis(places % lengths, -1, 0), chosen), np.int64)
    value = node.inputs[0]
    if count > 1:
        rest = [-1 if axis == grows else n for axis, n in enumerate(shape) if axis >= count]
        value = chain.op("Reshape", value, [math.prod(chosen), *rest])
    return chain.op("Gather", value, line, axis=0)


def _split(chain: Chain, node: DraftNode, seen: Seen) -> Rewritten:
    axis = int(node.attributes.get("axis", 0))
    length = seen.shapes[0][axis]
    given = seen.constant(1, "lengths")
    sizes = [int(n) for n in (given if given is not None else node.attributes.get("split", ()))]
    if not sizes:
        each = -(-length // len(node.outputs))
        sizes = [each] * (len(node.outputs) - 1)
        sizes.append(length - sum(sizes))
    if len(sizes) != len(node.outputs) or sum(sizes) != length or min(sizes) < 0:
        raise GraphError(f"parts of a length of {length}", str(sizes), node.where)
    parts, at = [], 0
    for size, output in zip(sizes, node.outputs, strict=True):
        if output:
            ends = [chain.draft.integers([n]) for n in (at, at + size, axis)]
            parts.append(DraftNode("Slice", [node.inputs[0], *ends], [output]))
        at += size
    return parts


_LARGEST = 1 << 20


def _tile(chain: Chain, node: DraftNode, seen: Seen) -> Rewritten:
    """Return entries by index, over and over; what is a constant stays for `constants`."""
    if seen.constants[0] is not None:
        return [node]
    repeats, shape = seen.constant(1, "repeats"), seen.shapes[0]
    if repeats is None or repeats.size != len(shape) or not repeats.min() >= 1 or repeats.prod() > _LARGEST:
        raise GraphError(f"{len(shape)} repeats from 1", "others", node.where)
    if repeats.ravel()[0] != 1:
        raise GraphError("a batch that stays", f"repeated {repeats.ravel()[0]} times", node.where)
    value = node.inputs[0]
    for axis, times in enumerate(repeats.ravel().tolist()):
        if times > 1:
            value = chain.op("Gather", value, np.tile(np.arange(shape[axis]), times), axis=axis)
    return value


def _depth_to_space(chain: Chain, node: DraftNode, seen: Seen) -> Rewritten:
    """Return blocks of channels to places, as the phases of a transposed convolution are."""
    shape, block, mode = seen.shapes[0], int(node.attributes["blocksize"]), str(node.attributes.get("mode", "DCR"))
    if len(shape) != 4 or block < 1 or shape[1] % (block * block) or mode not in ("DCR", "CRD"):
        raise GraphError("channels for blocks, mode DCR or CRD", f"{shape}, {block}, {mode}", node.where)
    value, filters = node.inputs[0], shape[1] // (block * block)
    if mode == "DCR":
        # (n, blocks, channels, places) to (n, channels, blocks, places).
        value = chain.op("Reshape", value, [-1, block * block, filters, shape[2] * shape[3]])
        value = chain.op("Transpose", value, perm=(0, 2, 1, 3))
        value = chain.op("Reshape", value, [-1, *shape[1:]])
    return in_order(chain, value, filters, (block, block), shape[2:])


def _space_to_depth(chain: Chain, node: DraftNode, seen: Seen) -> Rewritten:
    """Every block-th row and column by itself, one after the other along the channels."""
    shape, block = seen.shapes[0], int(node.attributes["blocksize"])
    if len(shape) != 4 or block < 1 or shape[2] % block or shape[3] % block:
        raise GraphError("height and width in blocks", f"{shape} by {block}", node.where)
    parts = []
    for row in range(block):
        for column in range(block):
            settings = ([row, column], list(shape[2:]), [2, 3], [block, block])
            parts.append(chain.op("Slice", node.inputs[0], *settings))
    return chain.op("Concat", *parts, axis=1)


def _triangle(chain: Chain, node: DraftNode, seen: Seen) -> Rewritten:
    """Return zeros below or above a diagonal."""
    shape, offset = seen.shapes[0], seen.constant(1, "k")
    if seen.grows() >= len(shape) - 2 or len(shape) < 2:
        raise GraphError("a matrix in each sample", f"shape {shape}", node.where)
    k = 0 if offset is None else int(np.clip(offset.ravel()[0], -_LARGEST, _LARGEST))
    mask = np.ones(shape[-2:], bool)
    kept = np.triu(mask, k) if node.attributes.get("upper", 1) else np.tril(mask, k)
    return chain.op("Where", kept, node.inputs[0], 0.0)


def _one_hot(chain: Chain, node: DraftNode, seen: Seen) -> Rewritten:
    """On where the value is the place, off elsewhere; places below 0 count from the end."""
    depth, pair = seen.constant(1, "depth"), seen.constant(2, "values")
    count = 0 if depth is None or depth.size != 1 else int(depth.ravel()[0])
    if pair is None or pair.size != 2 or not 1 <= count <= _LARGEST:
        raise GraphError("a constant depth and two values", "others", node.where)
    axis = int(node.attributes.get("axis", -1))
    rank = len(seen.shapes[0]) + 1
    value = chain.op("Cast", node.inputs[0], to=6)
    below = chain.op("Less", value, np.asarray(0, np.int32))
    value = chain.op("Where", below, chain.op("Add", value, np.asarray(count, np.int32)), value)
    wide = chain.op("Unsqueeze", value, [axis])
    places = np.arange(count, dtype=np.int32).reshape(-1, *(1,) * (rank - 1 - axis % rank))
    same = chain.op("Equal", wide, places)
    off, on = (chain.draft.constant(number) for number in pair.ravel())
    return chain.op("Where", same, on, off)


_MOVES: dict[str, Rule] = {
    "Tile": _tile,
    "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _space_to_depth,
    "Trilu": _triangle,
    "OneHot": _one_hot,
    "Split": _split,
    "GatherND": _gather,
    "CumSum": _cumulative,
    "Pad": _pad,
}


RULES: dict[str, Rule] = {**_MOVES, **_SIZES, **TRANSPOSED_CONVOLUTION_RULES, **_SUMS_OF_PRODUCTS}


def rewrite_by_shape(draft: Draft) -> None:
    """Rewrite every operator that has a rule.

    Raises:
        InputError: naming the operator, the attribute and what to do.
    """
    if not any(node.kind in RULES for node in draft.nodes):
        return
    values = start(draft)
    settled = set(draft.constants)
    nodes = []
    for node in draft.nodes:
        rule = RULES.get(node.kind)
        parts = [node] if rule is None else applied(rule, draft, node, _seen(draft, node, values, settled))
        for part in parts:
            if not known(part):
                draft.refuse_unknown(but=RULES)
            fresh = {name: draft.constants[name] for name in part.inputs if name in draft.constants}
            settled.update(fresh)
            for value in values:
                value.update(fresh)
            step(part, values)
            if part.op in ("Shape", "Size") or (part.inputs and settled.issuperset(filter(None, part.inputs))):
                settled.update(part.outputs)
        nodes += parts
    draft.nodes = nodes


def _seen(draft: Draft, node: DraftNode, values: list[Values], settled: set[str]) -> Seen:
    """Look at the inputs of a node.

    Raises:
        InputError: for an input that no earlier node gives.
    """
    missing = [name for name in node.inputs if name and name not in values[0]]
    if missing:
        draft.refuse_unknown(but=RULES)
        raise GraphError("inputs that an earlier node gives", repr(missing[0]), node.where)
    first, last = values[0], values[-1]
    return Seen(
        node,
        tuple(first[name].shape if name else () for name in node.inputs),
        tuple(last[name].shape if name else () for name in node.inputs),
        tuple(first[name] if name in settled else None for name in node.inputs),
        draft.fixed_batch,
    )
