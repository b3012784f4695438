"""The integer kernels word by word as docs/adr/0010-requantisation.md defines them: slow, and in int64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from edgewright.core.arithmetic import (
    INT32_MAX,
    divide_by_power,
    high_product,
    once,
    one_over_one_plus,
    sigmoid,
    sigmoid_of_sum,
    sigmoid_of_table,
    tanh,
    tanh_of_sum,
    tanh_of_table,
    twice,
)
from edgewright.core.records.network import IntegerNetwork, IntegerOperator, IntegerValue

Ints = NDArray[np.int64]
Values = Sequence[IntegerValue]
Run = Callable[[IntegerOperator, Values, IntegerValue, Sequence[Ints]], Any]


def reference_values(network: IntegerNetwork, x: NDArray[np.int8]) -> dict[int, NDArray[np.int8]]:
    """All values of a network with a rounding, by number."""
    values_of: dict[int, NDArray[np.int8]] = {network.input: x}
    for operator in network.operators:
        values = [network.values[i] for i in operator.inputs]
        arrays = [values_of[i].astype(np.int64) for i in operator.inputs]
        result = _RUNS[operator.kind](operator, values, network.values[operator.output], arrays)
        values_of[operator.output] = np.asarray(result, np.int8)
    return values_of


def _windows(operator: IntegerOperator, x: Ints, fill: int) -> Ints:
    numbers = operator.numbers
    (kh, kw), (sh, sw), (dh, dw) = numbers["kernel"], numbers["strides"], numbers.get("dilations", (1, 1))
    top, left, bottom, right = numbers["pads"]
    x = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill)
    view = sliding_window_view(x, ((kh - 1) * dh + 1, (kw - 1) * dw + 1), axis=(1, 2))
    return np.asarray(np.moveaxis(view[:, ::sh, ::sw, :, ::dh, ::dw], 3, -1))


def _clamped(x: Ints, operator: IntegerOperator, output: IntegerValue) -> Ints:
    return np.asarray(np.clip(x + output.zero, operator.low, operator.high), np.int64)


def _scaled(x: Ints, operator: IntegerOperator, output: IntegerValue) -> Ints:
    rule = once if operator.numbers["single"][0] else twice
    return _clamped(rule(x, operator.arrays["multiplier"], operator.arrays["shift"]), operator, output)


def _dense(operator: IntegerOperator, inputs: Values, output: IntegerValue, arrays: Sequence[Ints]) -> Ints:
    total = (arrays[0] - inputs[0].zero) @ operator.arrays["weights"].T.astype(np.int64)
    return _scaled(total + operator.arrays.get("bias", np.int64(0)), operator, output)


def _conv(operator: IntegerOperator, inputs: Values, output: IntegerValue, arrays: Sequence[Ints]) -> Ints:
    weights, groups = operator.arrays["weights"].astype(np.int64), operator.numbers["groups"][0]
    seen = _windows(operator, arrays[0] - inputs[0].zero, 0)
    parts = [
        np.einsum("nijhwc,fhwc->nijf", own, filters)
        for own, filters in zip(np.split(seen, groups, axis=-1), np.split(weights, groups), strict=True)
    ]
    return _scaled(np.concatenate(parts, axis=-1) + operator.arrays.get("bias", np.int64(0)), operator, output)


def _depthwise(operator: IntegerOperator, inputs: Values, output: IntegerValue, arrays: Sequence[Ints]) -> Ints:
    weights = operator.arrays["weights"].astype(np.int64)
    seen = _windows(operator, arrays[0] - inputs[0].zero, 0)
    total = np.einsum("nijhwc,hwc->nijc", np.repeat(seen, weights.shape[2] // seen.shape[-1], axis=-1), weights)
    return _scaled(total + operator.arrays.get("bias", np.int64(0)), operator, output)


def _average_pool(operator: IntegerOperator, inputs: Values, output: IntegerValue, arrays: Sequence[Ints]) -> Ints:
    total = _windows(operator, arrays[0], 0).sum(axis=(3, 4))
    count = _windows(operator, np.ones_like(arrays[0]), 0).sum(axis=(3, 4))
    mean = np.where(total > 0, (total + count // 2) // count, -((-total + count // 2) // count))
    return np.asarray(np.clip(mean, operator.low, operator.high), np.int64)


def _max_pool(operator: IntegerOperator, inputs: Values, output: IntegerValue, arrays: Sequence[Ints]) -> Ints:
    largest = _windows(operator, arrays[0], -128).max(axis=(3, 4))
    return np.asarray(np.clip(largest, operator.low, operator.high), np.int64)


def _mean(operator: IntegerOperator, inputs: Values, output: IntegerValue, arrays: Sequence[Ints]) -> Ints:
    return _scaled((arrays[0] - inputs[0].zero).sum(axis=(1, 2), keepdims=True), operator, output)


def _add(operator: IntegerOperator, inputs: Values, output: IntegerValue, arrays: Sequence[Ints]) -> Ints:
    multiplier, shift = operator.arrays["multiplier"], operator.arrays["shift"]
    parts = [
        twice((x - value.zero) << 20, multiplier[i], shift[i])
        for i, (value, x) in enumerate(zip(inputs, arrays, strict=True))
    ]
    return _clamped(twice(parts[0] + parts[1], multiplier[2], shift[2]), operator, output)


def _multiply(operator: IntegerOperator, inputs: Values, output: IntegerValue, arrays: Sequence[Ints]) -> Ints:
    return _scaled((arrays[0] - inputs[0].zero) * (arrays[1] - inputs[1].zero), operator, output)


def _again(operator: IntegerOperator, inputs: Values, output: IntegerValue, arrays: Sequence[Ints]) -> Ints:
    return _scaled(arrays[0] - inputs[0].zero, operator, output)


def _logistic(operator: IntegerOperator, inputs: Values, output: IntegerValue, arrays: Sequence[Ints]) -> Ints:
    return np.asarray(operator.arrays["table"][arrays[0] + 128], np.int64)


def _softmax(operator: IntegerOperator, inputs: Values, output: IntegerValue, arrays: Sequence[Ints]) -> Ints:
    x = arrays[0]
    powers = operator.arrays["table"][x.max(axis=-1, keepdims=True) - x]
    counted = powers >= 0
    total = np.where(counted, divide_by_power(powers, 12), 0).sum(axis=-1, keepdims=True)
    headroom = 32 - np.frexp(total)[1].astype(np.int64)
    reciprocal = one_over_one_plus((total << headroom) - (1 << 31))
    value = divide_by_power(high_product(reciprocal, np.minimum(powers, INT32_MAX)), 12 - headroom + 31 - 8)
    return np.where(counted, np.clip(value - 128, -128, 127), -128)


def _pad(operator: IntegerOperator, inputs: Values, output: IntegerValue, arrays: Sequence[Ints]) -> Ints:
    top, left, bottom, right = operator.numbers["pads"]
    return np.pad(arrays[0], ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=output.zero)


def _concat(operator: IntegerOperator, inputs: Values, output: IntegerValue, arrays: Sequence[Ints]) -> Ints:
    return np.concatenate(arrays, axis=operator.numbers["axis"][0] + 1)


def _reshape(operator: IntegerOperator, inputs: Values, output: IntegerValue, arrays: Sequence[Ints]) -> Ints:
    return arrays[0].reshape(len(arrays[0]), *output.shape)


def _slice(operator: IntegerOperator, inputs: Values, output: IntegerValue, arrays: Sequence[Ints]) -> Ints:
    first = operator.numbers["begin"][0]
    return np.take(arrays[0], range(first, operator.numbers["end"][0]), axis=operator.numbers["axis"][0] + 1)


def _transpose(operator: IntegerOperator, inputs: Values, output: IntegerValue, arrays: Sequence[Ints]) -> Ints:
    return arrays[0].transpose(0, *(axis + 1 for axis in operator.numbers["order"]))


def _lstm(operator: IntegerOperator, inputs: Values, output: IntegerValue, arrays: Sequence[Ints]) -> Ints:
    """Gate by gate, with the zero points taken off the bytes."""
    own, units = operator.arrays, operator.arrays["recurrent"].shape[1]
    exponent, table = operator.numbers["cell"][0], operator.numbers["table"][0]
    bends, opens = (tanh_of_table, sigmoid_of_table) if table else (tanh, sigmoid)
    weights, recurrent = (np.split(own[name].astype(np.int64), 4) for name in ("weights", "recurrent"))
    bias = np.split(own["bias"].astype(np.int64), 4)

    def bits16(v: Ints) -> Ints:
        return np.clip(v, -(2**15), 2**15 - 1)

    def half(v: Ints, down: int) -> Ints:
        return bits16(divide_by_power((v + 1) >> 1, down - 1) if table else divide_by_power(v, down))

    state, cell = (np.zeros((len(arrays[0]), units), np.int64) for _ in range(2))
    every = []
    for x in np.moveaxis(arrays[0][:, 0] - inputs[0].zero, 1, 0):
        gates_of = []
        for gate in range(4):
            coming = twice(x @ weights[gate].T + bias[gate], own["multiplier"][gate], own["shift"][gate])
            recurrent_sum = twice(state @ recurrent[gate].T, own["multiplier"][4 + gate], own["shift"][4 + gate])
            gates_of.append(bits16(bits16(coming) + (bits16(recurrent_sum) if table else recurrent_sum)))
        opened, shown, kept = (opens(gate) for gate in gates_of[:3])
        cell = bits16(half(kept * cell, 15) + half(opened * bends(gates_of[3], 3), 30 + exponent))
        clip = operator.numbers.get("clip", (2**15,))[0]
        cell = np.clip(cell, -clip, clip)
        given = twice(shown * bends(cell, 15 + exponent), own["multiplier"][8], own["shift"][8])
        every.append(np.clip(given + output.zero, -128, 127))
        state = every[-1] - output.zero
    return np.stack(every, axis=1)[:, None] if operator.numbers["sequence"][0] else every[-1]


def _gru(operator: IntegerOperator, inputs: Values, output: IntegerValue, arrays: Sequence[Ints]) -> Ints:
    """Gate by gate, each operator of LiteRT on its own, with the zero point taken off the bytes."""
    own, units = operator.arrays, operator.arrays["recurrent"].shape[1]
    upwards = operator.numbers["upwards"][0]
    weights, recurrent = (np.split(own[name].astype(np.int64), 3) for name in ("weights", "recurrent"))
    bias = np.split(own["bias"].astype(np.int64), 6)

    def bits16(v: Ints) -> Ints:
        return np.clip(v, -(2**15), 2**15 - 1)

    def product(x: Ints, y: Ints) -> Ints:
        return bits16(twice(x * y, 2**30, -14))

    def gate(x: Ints, rows: Ints, index: int) -> Ints:
        total = (x @ rows.T + bias[index]) * own["multiplier"][index]
        half = np.int64(1) << (own["shift"][index] - 1)
        return bits16((total + half if upwards else total + half - (total < 0)) >> own["shift"][index])

    state = np.zeros((len(arrays[0]), units), np.int64)
    every = []
    for x in np.moveaxis(arrays[0][:, 0] - inputs[0].zero, 1, 0):
        coming = [gate(x, weights[index], index) for index in range(3)]
        recurrent_sums = [gate(state, recurrent[index], 3 + index) for index in range(2)]
        kept, seen = (sigmoid_of_sum(bits16(coming[index] + recurrent_sums[index])) for index in range(2))
        if operator.numbers.get("before") == (1,):
            given = gate(product(seen, state), recurrent[2], 5)
        else:
            given = product(seen, gate(state, recurrent[2], 5))
        fresh = tanh_of_sum(bits16(coming[2] + given))
        state = bits16(bits16(fresh - product(kept, fresh)) + product(kept, state))
        every.append(np.clip(twice(state, *own["given"]) + output.zero, -128, 127))
    return np.stack(every, axis=1)[:, None] if operator.numbers["sequence"][0] else every[-1]


_RUNS: dict[str, Run] = {
    "dense": _dense, "conv": _conv, "depthwise": _depthwise, "average_pool": _average_pool, "max_pool": _max_pool,
    "mean": _mean, "add": _add, "relu": _again, "quantise": _again, "logistic": _logistic, "table": _logistic,
    "multiply": _multiply, "softmax": _softmax,
    "lstm": _lstm, "gru": _gru, "pad": _pad, "concat": _concat, "reshape": _reshape, "transpose": _transpose,
    "slice": _slice,
}  # fmt: skip
