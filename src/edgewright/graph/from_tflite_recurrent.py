"""LSTM of a .tflite file: UNIDIRECTIONAL_SEQUENCE_LSTM without peepholes, projection and norms."""

from __future__ import annotations

import msgspec
import numpy as np

from edgewright.graph.from_tflite_file import Operator, Tensor
from edgewright.graph.from_tflite_walk import Walk, constant, reads
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array

# The file's gates are input, forget, cell, output; ours input, output, forget, cell.
_ORDER = (0, 3, 1, 2)
_WEIGHTS, _RECURRENT, _BIAS, _STATE, _CELL = 1, 5, 12, 18, 19
_TANH = 4


@reads("UNIDIRECTIONAL_SEQUENCE_LSTM")
def lstm(walk: Walk, operator: Operator) -> None:
    """Every state of a window of one sequence, samples first.

    Raises:
        InputError: for a form that is not the one Keras's LSTM becomes.
    """
    _refuse_other(operator)
    source = walk.value(operator.inputs[0])
    shape = walk.shape(source)
    if len(shape) != 2:
        raise InputError("samples and channels", str(shape), operator.name)
    samples, channels = shape
    integer = bool(walk.values[source].scale)
    arrays: dict[str, Array] = {}
    for name, first in (("weights", _WEIGHTS), ("recurrent", _RECURRENT), ("bias", _BIAS)):
        dtype = "int32" if first == _BIAS else "int8"
        tensors = [walk.file.tensors[operator.inputs[first + gate]] for gate in _ORDER]
        parts = [_gate(walk, tensor, dtype if integer else "float32") for tensor in tensors]
        if len({part.shape for part in parts}) != 1:
            raise InputError("gates of one size", ", ".join(str(part.shape) for part in parts), operator.name)
        arrays[name] = np.concatenate(parts)
        if integer and first != _BIAS:
            arrays[f"{name.removesuffix('s')}_scale"] = np.array([_scale(t) for t in tensors], np.float32)
    units = arrays["recurrent"].shape[-1]
    if arrays["weights"].shape != (4 * units, channels) or arrays["bias"].shape != (4 * units,):
        raise InputError(f"weights for {channels} channels", str(arrays["weights"].shape), operator.name)
    numbers = {"cell": (_exponent(walk, operator) if integer else 0,), "sequence": (1,)}
    clip = _clip(operator)
    if integer and clip:
        # As LiteRT brings it to the cell's step.
        numbers["clip"] = (min(int(np.float32(clip) / np.float32(2.0 ** numbers["cell"][0])), 2**15 - 1),)
    wide = walk.reshaped(source, (1, samples, channels))
    final = (samples, units)
    walk.add(operator, "lstm", (wide,), (1, samples, units), final=final, numbers=numbers, arrays=arrays)


def last_state(walk: Walk, operator: Operator, starts: tuple[int, ...], masks: list[int]) -> bool:
    """Let an LSTM give its last state where a STRIDED_SLICE alone reads it, from -1 on along the samples.

    Args:
        walk: at the slice.
        operator: the slice.
        starts: of its axes.
        masks: of starts, ends, ellipsis, new and dropped axes.

    Returns:
        Whether it was such a slice.
    """
    tensor, last = operator.inputs[0], walk.operators[-2:]
    if [part.kind for part in last] != ["lstm", "reshape"] or last[1].output != walk.value(tensor):
        return False
    samples, units = walk.shape(last[1].output)
    alone = sum(tensor in other.inputs for other in walk.file.operators) == 1 and tensor not in walk.file.outputs
    if not alone or masks != [5, 5, 0, 0, 2] or len(starts) != 3 or starts[1] not in (-1, samples - 1):
        return False
    grids = [
        (part.scale.tolist(), part.zero.tolist())
        for part in (walk.file.tensors[tensor], walk.file.tensors[operator.outputs[0]])
    ]
    if grids[0] != grids[1]:
        return False
    walk.operators.pop()
    numbers = {**last[0].numbers, "sequence": (0,)}
    walk.replace(operator, msgspec.structs.replace(last[0], numbers=numbers), (units,))
    return True


def _gate(walk: Walk, tensor: Tensor, dtype: str) -> Array:
    """Return the constants of a gate; bytes among float values are read as the numbers they stand for."""
    if dtype != "float32" or tensor.dtype != "int8":
        return constant(tensor, dtype, walk.name)
    return constant(tensor, "int8", walk.name).astype(np.float32) * _scale(tensor)


def _refuse_other(operator: Operator) -> None:
    given = [index for index, tensor in enumerate(operator.inputs) if tensor >= 0]
    extra = sorted(set(given) & {9, 10, 11, 16, 17, 20, 21, 22, 23})
    wanted = {0, *range(_WEIGHTS, _WEIGHTS + 8), *range(_BIAS, _BIAS + 4), _STATE, _CELL}
    if extra or not wanted <= set(given):
        got = f"inputs {', '.join(map(str, given))}"
        raise InputError("an LSTM of four gates without peepholes, projection and norms", got, operator.name)
    activation = operator.option(0, "i8")
    if activation != _TANH or operator.option(3, "u8"):
        got = f"activation {activation}, time_major {operator.option(3, 'u8')}"
        raise InputError("tanh, the batch first", got, operator.name)


def _clip(operator: Operator) -> float:
    """Return where cells end; TensorFlow's converter writes 10, which Keras does not have, and a float one is left out.

    Raises:
        InputError: for one that is no number of cells.
    """
    clip = 0.0 if operator.options is None else float(operator.options.value(1, "f32"))
    if not 0 <= clip < np.inf:
        raise InputError("cells that end above 0", f"{clip:g}", operator.name)
    return clip


def _exponent(walk: Walk, operator: Operator) -> int:
    """Return the power of two that is the step of the cell; the state has the grid of the output."""
    places = operator.inputs[_CELL], operator.inputs[_STATE], operator.outputs[0]
    cell, state, given = (walk.file.tensors[i] for i in places)
    step = float(_scale(cell))
    exponent = int(np.rint(np.log2(step)))
    if cell.dtype != "int16" or 2.0**exponent != step or not -15 <= exponent <= -9:
        raise InputError("cells of 16 bits in steps of 2**-15 to 2**-9", f"{cell.dtype}, {step:g}", operator.name)
    alike = [state, *(walk.file.tensors[i] for i in operator.between[4:5])]
    if any((_scale(part), _zero(part)) != (_scale(given), _zero(given)) for part in alike):
        raise InputError("one scale and zero point of state and output", "two", operator.name)
    return exponent


def _scale(tensor: Tensor) -> np.float32:
    if tensor.scale.size != 1 or not 0 < tensor.scale[0] < np.inf:
        raise InputError("one scale above 0", f"{tensor.scale.size} scales", f"tensor {tensor.name!r}")
    return np.float32(tensor.scale[0])


def _zero(tensor: Tensor) -> int:
    return int(tensor.zero[0]) if tensor.zero.size else 0
