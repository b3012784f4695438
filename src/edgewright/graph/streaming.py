"""Execution of an integer network sample by sample, with the minimum memory for each layer.

At each step, a causal convolution over (1, samples, channels) needs `stride` new samples and the earlier samples that
its kernel still covers. These are kept in memory, which initially holds the padding of the window form (the integer for
the real number 0). The same kernels then run on the same numbers, so every byte equals that of the window form. An LSTM
or GRU keeps its state. If it gives its last state, it gives that after every step, and dense layers may follow. Dense
layers may also follow the last sample of convolutions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import GraphError, InputError
from edgewright.core.kernels import Recurrence, State, kernel
from edgewright.core.records.network import IntegerNetwork, IntegerOperator, IntegerValue

Int8 = NDArray[np.int8]
# Kinds of operators that use one sample at a time, and kinds whose kernel moves over samples.
_POINTS, _KERNELS = ("add", "relu", "quantise", "logistic"), ("conv", "depthwise")
_ROWS = ("dense", "softmax")
_TURNS = ("reshape", "transpose")


@dataclass(frozen=True)
class Moment:
    """An operator at one step of a stream.

    Attributes:
        operator: the operator without padding.
        values: its inputs and, last, its output, with the shapes of a step.
        kept: number of input samples in its memory; an operator with a state keeps the state instead.
        fresh: number of new samples per step.
    """

    operator: IntegerOperator
    values: tuple[IntegerValue, ...]
    kept: int
    fresh: int


@dataclass(frozen=True)
class Steps:
    """A network in the form for a stream.

    Attributes:
        moments: operators in order; their values are numbered as in the network.
        source: number of the input value, of shape (1, hop, channels).
        target: number of the output value.
        hop: number of samples per step.
        channels: number of channels of the signal.
        outputs: number of output bytes per step.
        remembered: total bytes of memory.
    """

    moments: tuple[Moment, ...]
    source: int
    target: int
    hop: int
    channels: int
    outputs: int

    @property
    def remembered(self) -> int:
        """Bytes that are kept from one step to the next."""
        lines = sum(moment.kept * moment.values[0].shape[-1] for moment in self.moments)
        states = (_recurrence(moment) for moment in self.moments)
        return lines + sum(state.remembered for state in states if state is not None)


def has_state(operator: IntegerOperator) -> bool:
    """Return whether an operator has a state besides kept samples."""
    return kernel(operator.kind).recurrence is not None


def remembers(network: IntegerNetwork) -> bool:
    """Return whether a network has a state, or is a stream whose convolutions keep samples from step to step."""
    if any(map(has_state, network.operators)):
        return True
    try:
        return steps_of(network).remembered > 0
    except InputError:
        return False


def _recurrence(moment: Moment) -> Recurrence | None:
    make = kernel(moment.operator.kind).recurrence
    return None if make is None else make(moment.operator, moment.values[-1])


def steps_of(network: IntegerNetwork) -> Steps:
    """Return how a network over windows runs in steps; the length of a step is the product of all strides.

    Args:
        network: integer network on (channels, samples) of causal convolutions and operators on single samples.

    Raises:
        InputError: an operator needs later samples or the whole window; the message names it.
    """
    if network.rounding == "none":
        raise GraphError("an integer network", "a float one", f"network {network.name}")
    operators = list(network.operators)
    source = network.input
    while operators and operators[0].kind in _TURNS:
        source = operators.pop(0).output
    if len(network.values[source].shape) != 3 or network.values[source].shape[0] != 1:
        raise GraphError("windows of (channels, samples)", f"{network.values[source].shape}", f"network {network.name}")
    strides = [operator.numbers["strides"][1] for operator in operators if operator.kind in _KERNELS]
    hop = int(np.prod(strides, dtype=np.int64)) if strides else 1
    lengths = {source: hop}
    moments = [_moment(network, operator, lengths) for operator in operators]
    channels = network.values[source].shape[-1]
    last = network.values[network.output]
    return Steps(tuple(moments), source, network.output, hop, channels, lengths[network.output] * last.shape[-1])


def _moment(network: IntegerNetwork, operator: IntegerOperator, lengths: dict[int, int]) -> Moment:
    """Return the operator for one step, and store in `lengths` the number of output samples per step."""
    fresh = lengths[operator.inputs[0]]
    kept, given, channels = 0, fresh, network.values[operator.inputs[0]].shape[-1:]
    if operator.kind in _KERNELS:
        (height, width), (_, stride) = operator.numbers["kernel"], operator.numbers["strides"]
        kept = (width - 1) * operator.numbers["dilations"][1] + 1 - stride
        top, left, bottom, right = operator.numbers["pads"]
        if (height, top, bottom, right) != (1, 0, 0, 0) or left != kept or kept < 0:
            raise GraphError("padding = 'causal'", f"pads {operator.numbers['pads']}", f"{operator.kind} of a stream",
                             "Nothing may depend on a later sample")  # fmt: skip
        given = fresh // stride
        operator = msgspec.structs.replace(operator, numbers={**operator.numbers, "pads": (0, 0, 0, 0)})
    elif has_state(operator):
        given = fresh if operator.numbers["sequence"][0] else 1
    elif operator.kind == "slice" and _takes_last(network, operator):
        given = 1
        operator = msgspec.structs.replace(operator, numbers={"axis": (1,), "begin": (fresh - 1,), "end": (fresh,)})
    elif operator.kind == "reshape" and fresh == 1 and network.values[operator.output].shape == channels:
        given = 1
    elif operator.kind in _ROWS and len(network.values[operator.inputs[0]].shape) == 1:
        # After a last state, the input is the features of one step.
        given = 1
    elif operator.kind not in _POINTS or any(lengths[i] != fresh for i in operator.inputs):
        raise GraphError("convolutions and what works on single samples", operator.kind, "a network as a stream",
                         "It needs the whole window")  # fmt: skip
    lengths[operator.output] = given
    inputs = tuple(
        msgspec.structs.replace(value, shape=(1, fresh + kept, value.shape[-1]))
        for value in (network.values[i] for i in operator.inputs)
    )
    output = network.values[operator.output]
    moment = msgspec.structs.replace(output, shape=(1, given, output.shape[-1]))
    return Moment(operator, (*inputs, moment), kept, fresh)


def _takes_last(network: IntegerNetwork, operator: IntegerOperator) -> bool:
    """Return whether an operator gives only the last sample of a window."""
    samples = network.values[operator.inputs[0]].shape[1]
    return operator.numbers == {"axis": (1,), "begin": (samples - 1,), "end": (samples,)}


class NetworkStream:
    """A network that runs on a stream of bytes.

    Args:
        network: network that `steps_of` accepts.
    """

    def __init__(self, network: IntegerNetwork) -> None:
        self.steps = steps_of(network)
        self._functions = [
            kernel(m.operator.kind).build(m.operator, m.values[:-1], m.values[-1]) for m in self.steps.moments
        ]
        self._memory: list[Int8] = []
        self._states: dict[int, State] = {}
        recurrences = enumerate(map(_recurrence, self.steps.moments))
        self._recurrences = {index: recurrence for index, recurrence in recurrences if recurrence is not None}
        self.reset()

    def reset(self) -> None:
        """Reset every memory to the real number 0."""
        self._memory = [
            np.full((1, 1, moment.kept, moment.values[0].shape[-1]), moment.values[0].zero, np.int8)
            for moment in self.steps.moments
        ]
        self._states = {index: recurrence.first(1) for index, recurrence in self._recurrences.items()}

    def push(self, x: Int8) -> Int8:
        """Take samples and return the outputs of the network.

        Args:
            x: int8, shape (samples, channels), a whole number of steps.

        Returns:
            int8, shape (steps, outputs).

        Raises:
            InputError: another shape, or numbers that are no bytes.
        """
        steps = self.steps
        if x.dtype != np.int8:
            raise GraphError("bytes (int8)", str(x.dtype), "a network as a stream", "Quantise with the input's scale")
        if x.ndim != 2 or x.shape[1] != steps.channels or len(x) % steps.hop:
            raise GraphError(f"whole steps of {steps.hop} samples of {steps.channels} channels", f"shape {x.shape}")
        count = len(x) // steps.hop
        if not count:
            return np.zeros((0, steps.outputs), np.int8)
        values: dict[int, Int8] = {steps.source: x[None, None]}
        for index, moment in enumerate(steps.moments):
            arrays: Sequence[Int8] = [values[i] for i in moment.operator.inputs]
            if index in self._recurrences:
                values[moment.operator.output] = self._stepped(index, arrays[0])
                continue
            if moment.operator.kind in ("slice", "reshape"):
                values[moment.operator.output] = arrays[0][:, :, moment.fresh - 1 :: moment.fresh]
                continue
            if moment.kept:
                seen = np.concatenate([self._memory[index], arrays[0]], axis=2)
                self._memory[index] = seen[:, :, seen.shape[2] - moment.kept :].copy()
                arrays = [seen]
            values[moment.operator.output] = self._functions[index](*arrays)
        return np.asarray(values[steps.target].reshape(count, steps.outputs), np.int8)

    def _stepped(self, index: int, x: Int8) -> Int8:
        """Update a state with samples (1, 1, count, channels); return it after every sample, or after every step."""
        moment, every = self.steps.moments[index], []
        for sample in x[0, 0]:
            given, self._states[index] = self._recurrences[index].step(sample[None], self._states[index])
            every.append(given)
        window = np.stack(every, axis=1)[:, None]
        return window if moment.operator.numbers["sequence"][0] else window[:, :, moment.fresh - 1 :: moment.fresh]
