"""Rewriting of a .tflite file to the forms that its reader knows, without a change of a single value.

Quantisers store weights as float16, int8 or int4 and convert them where they are used, turn int8 values to float around
operators that only move them, and leave uint8 at the ends; TensorFlow writes a dilated convolution as three operators.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgewright.core.errors import TfliteError
from edgewright.core.records.network import Array
from edgewright.graph.from_tflite_file import Operator, Placement, Tensor, TfliteFile

# Operators whose outputs are inputs at other positions, or the largest of some.
_MOVES = frozenset({"RESHAPE", "EXPAND_DIMS", "SQUEEZE", "TRANSPOSE", "SLICE", "STRIDED_SLICE", "PAD", "MAX_POOL_2D",
                    "REDUCE_MAX", "SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND"})  # fmt: skip
# Functions of one value that have a form for int8.
_FUNCTIONS = frozenset({"RELU", "RELU6", "LOGISTIC", "TANH", "ELU", "EXP", "GELU", "HARD_SWISH", "LEAKY_RELU", "LOG"})
_SHAPES = frozenset({"RESHAPE", "EXPAND_DIMS", "SQUEEZE"})
_CONVOLUTIONS = {"CONV_2D": (4, 5), "DEPTHWISE_CONV_2D": (5, 6)}
_VALID = 1
_BYTE = 128


def simplify(file: TfliteFile) -> TfliteFile:
    """Rewrite a file.

    Raises:
        InputError: an int8 model computes with float values inside; the message names the operator.
    """
    draft = _Draft(list(file.tensors), list(file.operators))
    _widen(draft)
    _make_signed(draft)
    inputs, outputs = _move_quantise_first(draft, file.inputs), file.outputs
    _keep_integers(draft, outputs)
    _join_equal_grids(draft, outputs)
    _dilate(draft)
    return replace(file, tensors=tuple(draft.tensors), operators=tuple(draft.operators), inputs=inputs, outputs=outputs)


class _Draft:
    """Tensors and operators that are changed."""

    def __init__(self, tensors: list[Tensor], operators: list[Operator]) -> None:
        self.tensors, self.operators = tensors, operators

    def new(self, tensor: Tensor) -> int:
        """Append a tensor and return its number."""
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def readers(self) -> dict[int, list[Operator]]:
        """Return the operators that read each tensor."""
        readers: dict[int, list[Operator]] = {}
        for operator in self.operators:
            for tensor in operator.inputs:
                readers.setdefault(tensor, []).append(operator)
        return readers


def reals_of(tensor: Tensor) -> Array:
    """Return the real values of a constant of float16 or of integers with scales.

    Raises:
        InputError: for scales and zero points that do not fit the constant.
    """
    array = tensor.array
    if array is None or array.dtype.kind == "f":
        return np.asarray(array, np.float32)
    scale, zero, axis = tensor.scale, tensor.zero, tensor.axis
    count = array.shape[axis] if 0 <= axis < array.ndim else 0
    fits = scale.size in (1, count) and zero.size in (0, 1, scale.size) and np.isfinite(scale).all()
    if not fits or (array.ndim == 0 and scale.size > 1):
        got = f"{scale.size} scales and {zero.size} zero points"
        raise TfliteError(f"1 or {count} scales", got, f".tflite tensor {tensor.name!r}")
    along = [1] * array.ndim
    if scale.size > 1:
        along[axis] = scale.size
    shifted = array.astype(np.int64) - (zero.reshape(along) if zero.size == scale.size > 1 else zero[:1].sum())
    return np.asarray(shifted.astype(np.float32) * (scale.reshape(along) if scale.size > 1 else scale[0]), np.float32)


def _widen(draft: _Draft) -> None:
    """Replace DEQUANTIZE of a constant by the constant's real values."""
    kept = []
    for operator in draft.operators:
        source = draft.tensors[operator.inputs[0]] if operator.inputs and operator.inputs[0] >= 0 else None
        if operator.name == "DEQUANTIZE" and source is not None and source.array is not None:
            target = operator.outputs[0]
            draft.tensors[target] = replace(draft.tensors[target], array=reals_of(source))
        else:
            kept.append(operator)
    draft.operators = kept


def _make_signed(draft: _Draft) -> None:
    """Read computed uint8 values as int8 values and zero points that are 128 less: the same real values."""
    for number, tensor in enumerate(draft.tensors):
        if tensor.dtype == "uint8" and tensor.scale.size and tensor.array is None:
            zero = tensor.zero if tensor.zero.size else np.zeros(1, np.int64)
            draft.tensors[number] = replace(tensor, dtype="int8", zero=zero - _BYTE)


def _move_quantise_first(draft: _Draft, inputs: tuple[int, ...]) -> tuple[int, ...]:
    """Move the QUANTIZE of a float input before the operators that only move its values."""
    readers = draft.readers()
    if len(inputs) != 1 or draft.tensors[inputs[0]].dtype != "float32":
        return inputs
    path, tensor = list[Operator](), inputs[0]
    while len(readers.get(tensor, [])) == 1 and readers[tensor][0].name in _MOVES - {"PAD"}:
        path.append(readers[tensor][0])
        tensor = path[-1].outputs[0]
    ends = readers.get(tensor, [])
    if not path or not ends or any(end.name != "QUANTIZE" for end in ends):
        return inputs
    grid = draft.tensors[ends[0].outputs[0]]
    if any(not _same_grid(draft.tensors[end.outputs[0]], grid) for end in ends):
        return inputs
    first = draft.new(_on_grid(draft.tensors[inputs[0]], grid))
    changed = {path[0].inputs[0]: first}
    for operator in path:
        changed[operator.outputs[0]] = draft.new(_on_grid(draft.tensors[operator.outputs[0]], grid))
    quantise = replace(ends[0], inputs=inputs, outputs=(first,))
    operators = [quantise]
    for operator in draft.operators:
        if any(operator is part for part in path):
            source, target = changed[operator.inputs[0]], changed[operator.outputs[0]]
            operators.append(replace(operator, inputs=(source, *operator.inputs[1:]), outputs=(target,)))
        elif any(operator is end for end in ends):
            operators.append(replace(operator, inputs=(changed[tensor],)))
        else:
            operators.append(operator)
    draft.operators = operators
    return inputs


def _same_grid(a: Tensor, b: Tensor) -> bool:
    return (a.scale.tolist(), a.zero.tolist()) == (b.scale.tolist(), b.zero.tolist())


def _on_grid(tensor: Tensor, grid: Tensor) -> Tensor:
    return replace(tensor, dtype=grid.dtype, scale=grid.scale, zero=grid.zero, axis=grid.axis)


def _keep_integers(draft: _Draft, outputs: tuple[int, ...]) -> None:
    """Let int8 values stay int8 from a DEQUANTIZE to the next QUANTIZE.

    Raises:
        InputError: an operator in between needs float values.
    """
    readers, operators = draft.readers(), list[Operator]()
    # Float tensor -> the int8 tensor of the same values.
    integers: dict[int, int] = {}
    for operator in draft.operators:
        source, target = operator.inputs[0] if operator.inputs else -1, operator.outputs[0]
        if operator.name == "DEQUANTIZE" and draft.tensors[source].dtype == "int8":
            integers[target] = source
            continue
        if source not in integers or operator.name not in {*_MOVES, *_FUNCTIONS, "QUANTIZE"}:
            operators.append(operator)
            continue
        changed = replace(operator, inputs=(integers[source], *operator.inputs[1:]))
        if operator.name == "QUANTIZE":
            if integers[source] != target:
                operators.append(changed)
            continue
        after = readers.get(target, [])
        if operator.name in _MOVES:
            integers[target] = draft.new(_on_grid(draft.tensors[target], draft.tensors[integers[source]]))
        elif after and all(reader.name == "QUANTIZE" for reader in after) and target not in outputs:
            integers[target] = after[0].outputs[0]
        else:
            operators.append(operator)
            continue
        operators.append(replace(changed, outputs=(integers[target],)))
    # What is still read as float: by the outputs, or by operators that the reader refuses by name.
    for tensor, source in integers.items():
        if tensor in outputs or any(tensor in operator.inputs for operator in operators):
            last = max((i for i, operator in enumerate(operators) if source in operator.outputs), default=-1)
            operators.insert(last + 1, Operator("DEQUANTIZE", (source,), (tensor,), None))
    draft.operators = operators


def _join_equal_grids(draft: _Draft, outputs: tuple[int, ...]) -> None:
    """Drop QUANTIZE to the grid that int8 values already have."""
    names, kept = dict[int, int](), list[Operator]()
    for operator in draft.operators:
        inputs = tuple(names.get(tensor, tensor) for tensor in operator.inputs)
        source, target = inputs[0] if inputs else -1, operator.outputs[0]
        pair = draft.tensors[source], draft.tensors[target]
        if operator.name == "QUANTIZE" and pair[0].dtype == "int8" and _same_grid(*pair) and target not in outputs:
            names[target] = source
        else:
            kept.append(replace(operator, inputs=inputs))
    draft.operators = kept


def _dilate(draft: _Draft) -> None:
    """Make one dilated convolution of SPACE_TO_BATCH_ND, a convolution and BATCH_TO_SPACE_ND."""
    readers, gone, added = draft.readers(), set[int](), dict[int, list[Operator]]()
    for operator in draft.operators:
        path = _path(operator, readers) if operator.name == "SPACE_TO_BATCH_ND" else []
        parts = _dilated(draft, path) if path else []
        if parts:
            gone.update(id(part) for part in path)
            added[id(path[-1])] = parts
    operators = []
    for operator in draft.operators:
        operators += added.get(id(operator), [] if id(operator) in gone else [operator])
    draft.operators = operators


def _path(first: Operator, readers: dict[int, list[Operator]]) -> list[Operator]:
    """Return the operators from SPACE_TO_BATCH_ND to BATCH_TO_SPACE_ND, one convolution among reshapes; else none."""
    path = [first]
    while path[-1].name != "BATCH_TO_SPACE_ND":
        after = readers.get(path[-1].outputs[0], [])
        if len(after) != 1 or after[0].name not in {*_SHAPES, *_CONVOLUTIONS, "BATCH_TO_SPACE_ND"}:
            return []
        path.append(after[0])
    return path if sum(part.name in _CONVOLUTIONS for part in path) == 1 else []


def _dilated(draft: _Draft, path: list[Operator]) -> list[Operator]:
    """Return the operators that replace a path; none where its numbers are not those of a dilated convolution."""
    tensors, first, last = draft.tensors, path[0], path[-1]
    (conv,) = (part for part in path if part.name in _CONVOLUTIONS)
    constants = [tensors[index].array for end in (first, last) for index in end.inputs[1:3]]
    before, after, inside = tensors[first.inputs[0]], tensors[last.outputs[0]], tensors[conv.inputs[0]]
    if len(constants) != 4 or any(c is None for c in constants) or len(inside.shape) != 4:
        return []
    block, pads, block_after, crops = (np.asarray(c, np.int64).reshape(-1) for c in constants)
    dilations = tuple(conv.option(field, default=1) for field in _CONVOLUTIONS[conv.name])
    plain = (conv.option(0, "i8"), conv.option(1), conv.option(2), *dilations) == (_VALID, 1, 1, 1, 1)
    good = block.tolist() == block_after.tolist() and len(pads) == len(crops) == 2 * len(block) and min(block) >= 1
    flat = len(before.shape) == 3
    if not plain or not good or len(before.shape) not in (3, 4) or len(block) > len(before.shape) - 2:
        return []
    # Axes of height and width: of a window, the one whose length is not 1 at the convolution.
    along = list(range(len(block))) if not flat else [1 if inside.shape[1] == 1 else 0]
    rates, sides = [1, 1], [0, 0, 0, 0]
    for index, axis in enumerate(along):
        rates[axis] = int(block[index])
        # What is cut off at an end is padding that is not needed there.
        sides[axis] = int(pads[2 * index] - crops[2 * index])
        sides[axis + 2] = int(pads[2 * index + 1] - crops[2 * index + 1])
    if min(sides) < 0:
        return []

    def as_picture(shape: tuple[int, ...]) -> tuple[int, ...]:
        if not flat:
            return shape
        return (shape[0], 1, *shape[1:]) if along == [1] else (*shape[:2], 1, shape[2])

    source, target = first.inputs[0], last.outputs[0]
    parts: list[Operator] = []
    if flat:
        source = draft.new(replace(before, shape=as_picture(before.shape)))
        parts.append(Operator("RESHAPE", (first.inputs[0],), (source,), None))
        target = draft.new(replace(after, shape=as_picture(after.shape)))
    placement = Placement((rates[0], rates[1]), (sides[0], sides[1], sides[2], sides[3]))
    parts.append(replace(conv, inputs=(source, *conv.inputs[1:]), outputs=(target,), placement=placement))
    if flat:
        parts.append(Operator("RESHAPE", (target,), last.outputs, None))
    return parts
