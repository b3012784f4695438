"""A network as integers: the one description that the reference, the .tflite writer and the C writer read."""

from __future__ import annotations

from typing import Literal

import msgspec

from edgewright.schema.graph import Array

# 'litert': as LiteRT's reference kernels round; 'tflm': as TFLM and CMSIS-NN do; 'none': a float network in this form.
Rounding = Literal["litert", "tflm", "none"]


class IntegerValue(msgspec.Struct, frozen=True, kw_only=True):
    """A value between operators: real = scale * (integer - zero).

    Attributes:
        shape: without the batch axis, channels last: (features,), (height, width, channels).
        scale: a float32 number; 0 where the value is float.
        zero: from -128 to 127.
    """

    shape: tuple[int, ...]
    scale: float = 0.0
    zero: int = 0


class IntegerOperator(msgspec.Struct, frozen=True, kw_only=True):
    """One operator.

    Attributes:
        kind: of kernel, as registered in `core/kernels`.
        inputs: numbers of values.
        output: number of a value.
        activation: fused into the operator: 'relu', 'relu6' or nothing.
        low, high: smallest and largest integer of the output.
        numbers: further settings by name, as the kernel's file says.
        arrays: weights (int8), bias (int32), weight_scale (float32), multiplier and shift (int64), tables.
    """

    kind: str
    inputs: tuple[int, ...]
    output: int
    activation: Literal["", "relu", "relu6"] = ""
    low: int = -128
    high: int = 127
    numbers: dict[str, tuple[int, ...]] = {}
    arrays: dict[str, Array] = {}


class IntegerNetwork(msgspec.Struct, frozen=True, kw_only=True):
    """A network from the boundary to its raw outputs.

    Attributes:
        name: name of the pipeline.
        rounding: which kernels the integers equal.
        values: by number.
        operators: in an order in which they can run.
        input: number of the value at the boundary, shaped as the graph has it: (features,) or (channels, samples).
        output: number of the raw outputs.
    """

    name: str
    rounding: Rounding
    values: tuple[IntegerValue, ...]
    operators: tuple[IntegerOperator, ...]
    input: int
    output: int
