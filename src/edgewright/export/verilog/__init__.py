"""How operators become steps of a sequential machine in Verilog. Every module of this folder is a family of operators.

A step is one walk of the machine over its activations: loops over outputs around loops over taps, a sum or a maximum
for each output, and one requantisation. `kernel` registers what gives the steps of a kind of integer operator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgewright.core import catalogue
from edgewright.core.errors import ExportError, UnknownNameError
from edgewright.core.records.network import IntegerNetwork, IntegerOperator, IntegerValue

# Steps and rows of factors have numbers of their own; a shift has six bits.
_LARGEST_SHIFT = 63


@dataclass(frozen=True)
class Factor:
    """How a sum becomes a byte: times `multiplier`, over 2**first (halves up), over 2**second (halves away from zero).

    A shift of 0 rounds nothing.
    """

    bias: int = 0
    multiplier: int = 1
    first: int = 0
    second: int = 0


@dataclass(frozen=True)
class Loop:
    """One loop of a step: how often it turns, and how far it moves the addresses that are read and written."""

    count: int
    read: int
    write: int = 0


@dataclass(frozen=True)
class Buffer:
    """Bytes in the activation memory: number of a network's value, or of a padded copy below zero; and an offset."""

    number: int
    offset: int = 0


@dataclass(frozen=True)
class Step:
    """One walk of the machine.

    Attributes:
        read, write: first bytes.
        taps: loops for one output, innermost first.
        outputs: loops over outputs, innermost first; the first is that of the channels.
        factors: one for each channel, or one for all.
        weights: int8, in the order of the taps of each channel; None where the inputs themselves are summed.
        table: whether `weights` are 256 bytes that the input selects.
        second: first byte of a second input that is read after the first at each place, by the innermost taps; None for
            one. The taps then are the digits of 8 bits of a sum, the highest first, and `weights` the digits of both
            inputs for each byte, in the order of the taps.
        maximum: whether the largest input is kept instead of a sum.
        zero: taken off each input.
        target: zero point added to each output; low, high: its limits.
        keeps: whether the sum is the output: nothing is multiplied or shifted.
        value: number of the network's value that is ready after this step; None while more steps follow.
    """

    read: Buffer
    write: Buffer
    taps: tuple[Loop, ...]
    outputs: tuple[Loop, ...]
    factors: tuple[Factor, ...] = (Factor(),)
    weights: NDArray[np.int8] | None = field(default=None, repr=False)
    table: bool = False
    second: Buffer | None = None
    maximum: bool = False
    zero: int = 0
    target: int = 0
    low: int = -128
    high: int = 127
    keeps: bool = False
    value: int | None = None

    @property
    def writes(self) -> NDArray[np.int64]:
        """Places behind the buffer's first byte in the order in which they are written."""
        offsets = np.zeros(1, np.int64)
        for loop in self.outputs:
            offsets = (np.arange(loop.count)[:, None] * loop.write + offsets).ravel()
        return offsets + self.write.offset


@dataclass(frozen=True)
class Site:
    """An integer operator with what stands around it.

    Attributes:
        operator: to become steps.
        values: of the inputs, and of the output as the last.
        name: of the operator in messages.
        spare: number of a buffer that nothing else has, below zero.
    """

    operator: IntegerOperator
    values: tuple[IntegerValue, ...]
    name: str
    spare: int

    @property
    def source(self) -> Buffer:
        """The first input."""
        return Buffer(self.operator.inputs[0])

    @property
    def result(self) -> Buffer:
        """The output."""
        return Buffer(self.operator.output)

    def factors(self) -> tuple[Factor, ...]:
        """Return a factor for each bias and multiplier of the operator.

        Raises:
            InputError: for a shift that the machine does not have.
        """
        own = self.operator.arrays
        bias = np.ravel(own["bias"]) if "bias" in own else np.zeros(1, np.int64)
        once = bool(self.operator.numbers.get("single", (0,))[0])
        parts = np.broadcast_arrays(bias, np.ravel(own["multiplier"]), np.ravel(own["shift"]))
        return tuple(self.factor(int(b), int(m), int(s), once=once) for b, m, s in zip(*parts, strict=True))

    def factor(self, bias: int, multiplier: int, shift: int, *, once: bool) -> Factor:
        """Return one factor as `requantise.once` or `twice` has it.

        Raises:
            InputError: for a shift that the machine does not have.
        """
        first, second = (0, shift) if once else (31 - max(shift, 0), max(-shift, 0))
        if not (0 <= first <= _LARGEST_SHIFT and 0 <= second <= _LARGEST_SHIFT):
            raise ExportError(f"a shift from 0 to {_LARGEST_SHIFT}", str(shift), self.name, "Export it to c99")
        return Factor(bias, multiplier, first, second)


Writer = Callable[[Site], Iterable[Step]]
"""Gives the steps of an operator; the last of them has `value`. None where the output is the input's memory."""
kernel = catalogue.Registry[Writer](__name__)
"""Registers what gives the steps of kinds of integer operators."""
Memory = Literal["block", "huge"]


def image(value: IntegerValue) -> tuple[int, int, int]:
    """Return height, width and channels of a value; a row of features is one place."""
    height, width, channels = (*(1,) * (3 - len(value.shape)), *value.shape)
    return height, width, channels


def copied(read: Buffer, write: Buffer, loops: Sequence[Loop]) -> Step:
    """Return a step that moves bytes."""
    return Step(read=read, write=write, taps=(Loop(1, 0),), outputs=tuple(loops), keeps=True)


@dataclass(frozen=True)
class Program:
    """A network as steps with addresses.

    Attributes:
        network: what it computes.
        steps: in order, none empty.
        addresses: of each buffer.
        activations: bytes of memory for values.
        weights: of all steps, one after the other.
        weight_starts, factor_starts: of each step.
        factors: of all steps.
    """

    network: IntegerNetwork
    steps: tuple[Step, ...]
    addresses: dict[int, int]
    activations: int
    weights: NDArray[np.int8]
    weight_starts: tuple[int, ...]
    factors: tuple[Factor, ...]
    factor_starts: tuple[int, ...]

    @property
    def inputs(self) -> int:
        """Bytes of one sample."""
        return int(np.prod(self.network.values[self.network.input].shape))

    @property
    def outputs(self) -> int:
        """Bytes of one answer."""
        return int(np.prod(self.network.values[self.network.output].shape))


def program_of(network: IntegerNetwork) -> Program:
    """Return the steps of a network.

    Raises:
        UnknownNameError: for a kind of operator that has no Verilog form.
        InputError: for an operator whose settings have none.
    """
    if network.rounding == "none":
        raise ExportError("an int8 network", "a float one", f"network {network.name}", "Export the int8 form")
    steps: list[Step] = []
    home: dict[int, int] = {}
    for position, operator in enumerate(network.operators, 1):
        if operator.kind not in kernel.known:
            raise UnknownNameError(
                "operator for Verilog", operator.kind, kernel.known, f"operator {position} of {network.name}"
            )
        values = tuple(network.values[number] for number in (*operator.inputs, operator.output))
        own = list(
            kernel.known[operator.kind](Site(operator, values, f"operator {position} {operator.kind}", -position))
        )
        if not own:
            home[operator.output] = home.get(operator.inputs[0], operator.inputs[0])
            continue
        own[-1] = replace(own[-1], value=operator.output)
        steps += own
    steps = [_placed(step, home) for step in steps]
    addresses, size = _allocate(steps, home.get(network.input, network.input), home.get(network.output, network.output))
    steps = [_with_second(step, addresses) for step in steps]
    addresses |= {number: addresses[at] for number, at in home.items() if at in addresses}
    weights = [np.zeros(0, np.int8) if step.weights is None else np.ravel(step.weights) for step in steps]
    return Program(
        network=network,
        steps=tuple(steps),
        addresses=addresses,
        activations=size,
        weights=np.concatenate(weights) if weights else np.zeros(0, np.int8),
        weight_starts=_starts([len(part) for part in weights]),
        factors=tuple(factor for step in steps for factor in step.factors),
        factor_starts=_starts([len(step.factors) for step in steps]),
    )


def _placed(step: Step, home: dict[int, int]) -> Step:
    def at(buffer: Buffer) -> Buffer:
        return replace(buffer, number=home.get(buffer.number, buffer.number))

    second = None if step.second is None else at(step.second)
    return replace(step, read=at(step.read), write=at(step.write), second=second)


def _with_second(step: Step, addresses: Mapping[int, int]) -> Step:
    """Return the step whose innermost taps go from its first input to the second, wherever they lie."""
    if step.second is None:
        return step
    away = addresses[step.second.number] - addresses[step.read.number]
    return replace(step, taps=(replace(step.taps[0], read=away), *step.taps[1:]))


def _starts(lengths: Sequence[int]) -> tuple[int, ...]:
    return tuple(int(n) for n in np.concatenate([[0], np.cumsum(lengths)])[: len(lengths)])


def _reach(step: Step) -> tuple[int, int]:
    """Return the bytes behind their first that a step reads and writes."""
    read = step.read.offset + 1 + sum((loop.count - 1) * loop.read for loop in (*step.taps, *step.outputs))
    return read, int(step.writes.max()) + 1


def _allocate(steps: Sequence[Step], first: int, last: int) -> tuple[dict[int, int], int]:
    """Give each buffer a place that nothing else uses while it is in use; the first place that is free."""
    sizes: dict[int, int] = {}
    begin, end = {first: -1}, {first: -1, last: len(steps)}
    for index, step in enumerate(steps):
        read, written = _reach(step)
        used = [(step.read, read), (step.write, written)] + ([] if step.second is None else [(step.second, read)])
        for buffer, size in used:
            sizes[buffer.number] = max(sizes.get(buffer.number, 0), size)
            begin.setdefault(buffer.number, index)
            end[buffer.number] = max(end.get(buffer.number, index), index)
    placed: dict[int, int] = {}
    for number in sorted(sizes, key=lambda n: begin[n]):
        others = sorted(
            (placed[n], placed[n] + sizes[n]) for n in placed if begin[n] <= end[number] and begin[number] <= end[n]
        )
        at = 0
        for low, high in others:
            if at + sizes[number] <= low:
                break
            at = max(at, high)
        placed[number] = at
    return placed, max(placed[n] + sizes[n] for n in placed)
