"""A .tflite file operator by operator: the values and operators of the network that it holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from edgewright.core.errors import TfliteError
from edgewright.core.records.network import Array, IntegerNetwork, IntegerOperator, IntegerValue
from edgewright.graph.from_tflite_file import Operator, Tensor, TfliteFile
from edgewright.graph.from_tflite_simplify import simplify

# A whole pipeline of ours has operators that are no network's, and label and confidence beside the probabilities.
_WHOLE = "Of a whole pipeline, give the file with its network alone: the rest is not read back"
_OTHERWISE = "Import the model's .onnx, or leave these operators out of the file"
# Operators of a GRU that is written out sample by sample, by us and by Keras's converter.
_GRU = frozenset({"SPLIT", "MUL", "TANH"})
_UNROLLED = "A GRU that is written out sample by sample is not read: import its .onnx, or use the package of its run"


@dataclass(frozen=True)
class Contents:
    """A network, and what a file has after it.

    Attributes:
        network: ends at the first output.
        outputs: numbers of the values that the outputs are, or are computed from.
        names: of the outputs.
        tails: for each output, functions of the real values that follow the network: SOFTMAX, LOGISTIC.
    """

    network: IntegerNetwork
    outputs: tuple[int, ...]
    names: tuple[str, ...]
    tails: tuple[tuple[str, ...], ...]

    @property
    def is_network(self) -> bool:
        """Whether the network is all that the file has."""
        return len(self.outputs) == 1 and not any(self.tails)


# Kinds whose output at a position depends on their inputs at that position alone.
_BY_VALUE = frozenset({"add", "multiply", "quantise", "relu", "logistic", "table", "elu", "exp", "gelu", "hard_swish",
                       "leaky_relu", "log", "tanh"})  # fmt: skip


class Walk:
    """Goes through the operators in the file's order and collects values and operators."""

    def __init__(self, file: TfliteFile, name: str) -> None:
        self.file, self.name = simplify(file), name
        self.values: list[IntegerValue] = []
        self.operators: list[IntegerOperator] = []
        # Tensor with the lowest number around it -> value inside, and pads (top, left, bottom, right): for a max pool.
        self.lowest: dict[int, tuple[int, tuple[int, ...]]] = {}
        # Tensor of indices of a table -> the value whose bytes they are, and what was added to them.
        self.indices: dict[int, tuple[int, int]] = {}
        self._numbers: dict[int, int] = {}

    def read(self) -> Contents:
        """Return the network and its outputs.

        Raises:
            InputError: naming what is not known.
        """
        file = self.file
        if len(file.inputs) != 1 or not file.outputs:
            got = f"{len(file.inputs)} inputs and {len(file.outputs)} outputs"
            raise TfliteError("a model with one input, and an output", got, f"model {self.name}")
        ends, tails = zip(*(self._end(output) for output in file.outputs), strict=True)
        needed = self._needed(ends)
        self._refuse_unknown(needed)
        floats = file.tensors[file.inputs[0]].dtype == "float32"
        if not floats or not any(o.name == "QUANTIZE" and o.inputs[:1] == file.inputs for o in needed):
            self.begin(file.inputs[0])
        for operator in needed:
            READERS[operator.name](self, operator)
        if not self.operators:
            raise TfliteError("a model with operators", "none", f"model {self.name}")
        outputs = tuple(self.value(end) for end in ends)
        network = IntegerNetwork(
            name=self.name,
            rounding="none",
            values=tuple(self.values),
            operators=self._used(outputs),
            input=0,
            output=outputs[0],
        )
        names = tuple(file.tensors[output].name for output in file.outputs)
        return Contents(network, outputs, names, tails)

    def _end(self, output: int) -> tuple[int, tuple[str, ...]]:
        """Return the tensor where the network ends, and the functions of real values after it."""
        makers = {tensor: operator for operator in self.file.operators for tensor in operator.outputs}
        names, operator, tensor = list[str](), makers.get(output), output
        while operator is not None and operator.name in ("SOFTMAX", "LOGISTIC"):
            names.insert(0, operator.name)
            tensor = operator.inputs[0]
            operator = makers.get(tensor)
        is_tail = operator is not None and operator.name == "DEQUANTIZE"
        return (operator.inputs[0], tuple(names)) if operator is not None and is_tail else (output, ())

    def _used(self, outputs: tuple[int, ...]) -> tuple[IntegerOperator, ...]:
        """Return the operators that the outputs depend on."""
        needed, kept = set(outputs), list[IntegerOperator]()
        for operator in reversed(self.operators):
            if operator.output in needed:
                needed.update(operator.inputs)
                kept.append(operator)
        return tuple(kept[::-1])

    def _needed(self, ends: tuple[int, ...]) -> list[Operator]:
        """Return operators that the ends depend on; what only computes the shape of a RESHAPE is not among them."""
        wanted, kept = set(ends), []
        for operator in reversed(self.file.operators):
            if wanted.intersection(operator.outputs):
                shaping = operator.name in ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
                wanted.update(operator.inputs[:1] if shaping else operator.inputs)
                kept.append(operator)
        return kept[::-1]

    def _refuse_unknown(self, operators: list[Operator]) -> None:
        unknown: dict[str, list[str]] = {}
        for operator in operators:
            if operator.name not in READERS:
                unknown.setdefault(operator.name, []).append(self.file.tensors[operator.outputs[0]].name)
            elif not operator.inputs or operator.inputs[0] < 0:
                raise TfliteError("an operator with an input", "none", f"model {self.name}, {operator.name}")
        if unknown:
            got = "; ".join(
                f"{op} (gives {', '.join(map(repr, names[:3]))})" for op, names in list(unknown.items())[:4]
            )
            unrolled = {operator.name for operator in operators} >= _GRU
            do = _UNROLLED if unrolled else _WHOLE if len(self.file.outputs) > 1 else _OTHERWISE
            raise TfliteError("operators that are known (docs/importing.md)", got, f"model {self.name}", do)

    def begin(self, tensor: int) -> None:
        """Read the network's input."""
        if self.values:
            raise TfliteError("a single start of the network", "two", f"model {self.name}")
        self._numbers[tensor] = self._new(self.declared(tensor), tensor)

    def value(self, tensor: int) -> int:
        """Return the number of the value that a tensor is.

        Raises:
            InputError: for a constant, or a tensor that no earlier operator gives.
        """
        if tensor not in self._numbers:
            got = "nothing" if tensor < 0 else repr(self.file.tensors[tensor].name)
            if tensor in self.lowest:
                raise TfliteError("a max pool after padding with the lowest number", got, f"model {self.name}")
            raise TfliteError("an input that an earlier operator computes", got, f"model {self.name}")
        return self._numbers[tensor]

    def alias(self, tensor: int, value: int) -> None:
        """Let a tensor be a value that is there.

        Raises:
            InputError: when the file says another shape.
        """
        if self.declared(tensor) != self.values[value].shape:
            got = f"{self.declared(tensor)} of {self.file.tensors[tensor].name!r}"
            raise TfliteError(f"the shape {self.values[value].shape}", got, f"model {self.name}")
        self._numbers[tensor] = value

    def shape(self, value: int) -> tuple[int, ...]:
        """Shape of a value, without the batch axis."""
        return self.values[value].shape

    def declared(self, tensor: int) -> tuple[int, ...]:
        """Shape of a tensor as the file says it, without the batch axis.

        Raises:
            InputError: for a batch of another length than 1, or an empty axis.
        """
        shape = self.file.tensors[tensor].shape
        if len(shape) < 2 or shape[0] != 1 or min(shape) < 1:
            got = f"shape {shape} of {self.file.tensors[tensor].name!r}"
            raise TfliteError("a batch axis of 1 and fixed lengths", got, f"model {self.name}")
        return shape[1:]

    def integers(self, operator: Operator, index: int) -> tuple[int, ...]:
        """Return the constant integers of an input.

        Raises:
            InputError: for computed ones, or very many.
        """
        array: Array | None = None
        if len(operator.inputs) > index and operator.inputs[index] >= 0:
            array = self.file.tensors[operator.inputs[index]].array
        if array is None or array.dtype.kind != "i" or array.size > 64:
            raise TfliteError("constant integers", "computed ones", f"{operator.name}, input {index}")
        return tuple(int(n) for n in array.ravel())

    def grid(self, tensor: int, shape: tuple[int, ...]) -> IntegerValue:
        """Return the value that a tensor is, with its scale and zero point."""
        return _grid(self.file.tensors[tensor], shape, self.name)

    def append(self, value: IntegerValue) -> int:
        """Add a value that no tensor of the file holds; return its number."""
        self.values.append(value)
        return len(self.values) - 1

    def _new(self, shape: tuple[int, ...], tensor: int) -> int:
        self.values.append(_grid(self.file.tensors[tensor], shape, self.name))
        kinds = {bool(value.scale) for value in self.values}
        if len(kinds) > 1:
            got = f"{self.file.tensors[tensor].name!r} of the other kind"
            raise TfliteError("values that are all float32 or all int8", got, f"model {self.name}")
        return len(self.values) - 1

    def transposed(self, value: int, order: tuple[int, ...]) -> int:
        """Return a value with its axes in another order; two transposes in a row become one or none."""
        before = self._maker(value, "transpose")
        if before is not None:
            order = tuple(before.numbers["order"][axis] for axis in order)
            value = before.inputs[0]
        if order == tuple(range(len(order))):
            return value
        shape = tuple(self.values[value].shape[axis] for axis in order)
        return self._moved(
            value, shape, IntegerOperator(kind="transpose", inputs=(), output=-1, numbers={"order": order})
        )

    def reshaped(self, value: int, shape: tuple[int, ...]) -> int:
        """Return a value in another shape; two reshapes in a row become one or none."""
        before = self._maker(value, "reshape")
        if before is not None:
            value = before.inputs[0]
        if self.values[value].shape == shape:
            return value
        return self._moved(value, shape, IntegerOperator(kind="reshape", inputs=(), output=-1))

    def _maker(self, value: int, kind: str) -> IntegerOperator | None:
        """Return the operator of a kind that gives a value."""
        return next((o for o in reversed(self.operators) if o.output == value and o.kind == kind), None)

    def _moved(self, value: int, shape: tuple[int, ...], move: IntegerOperator) -> int:
        number = self.append(msgspec.structs.replace(self.values[value], shape=shape))
        self.operators.append(msgspec.structs.replace(move, inputs=(value,), output=number))
        return number

    def _before_moves(self, inputs: tuple[int, ...]) -> tuple[tuple[int, ...], list[IntegerOperator]]:
        """Return the values before reshapes and transposes that all inputs share, and these, the last of them first.

        An operator on single values may stand before them: between convolutions, the values then keep their height.
        """
        moves: list[IntegerOperator] = []
        while True:
            makers = [self._maker(value, "reshape") or self._maker(value, "transpose") for value in inputs]
            known = [maker for maker in makers if maker is not None]
            alike = {(maker.kind, maker.numbers.get("order"), self.values[maker.inputs[0]].shape) for maker in known}
            if len(known) < len(inputs) or len(alike) != 1:
                return inputs, moves
            moves.append(known[0])
            inputs = tuple(maker.inputs[0] for maker in known)

    def add(
        self,
        operator: Operator,
        kind: str,
        inputs: tuple[int, ...],
        shape: tuple[int, ...],
        *,
        final: tuple[int, ...] | None = None,
        **settings: Any,  # noqa: ANN401 - fields of IntegerOperator
    ) -> None:
        """Append an operator; `final` is the shape its output takes afterwards.

        Raises:
            InputError: when the file says another shape.
        """
        tensor = operator.outputs[0]
        if self.declared(tensor) != (final or shape):
            got = f"{self.declared(tensor)} of {self.file.tensors[tensor].name!r}"
            raise TfliteError(f"the shape {final or shape}", got, f"model {self.name}, {operator.name}")
        if tensor in self._numbers:
            raise TfliteError("tensors that are given once", repr(self.file.tensors[tensor].name), f"model {self.name}")
        moves: list[IntegerOperator] = []
        # The passes of a float graph do the same.
        if (
            kind in _BY_VALUE
            and self.values[inputs[0]].scale
            and len({self.values[value].shape for value in inputs} | {shape}) == 1
        ):
            inputs, moves = self._before_moves(inputs)
        number = self._new(self.values[inputs[0]].shape if moves else shape, tensor)
        self.operators.append(IntegerOperator(kind=kind, inputs=inputs, output=number, **settings))
        for move in reversed(moves):
            number = self._moved(number, self.values[move.output].shape, move)
        self._numbers[tensor] = number if final in (None, shape) else self.reshaped(number, final or shape)

    def replace(self, operator: Operator, changed: IntegerOperator, shape: tuple[int, ...]) -> None:
        """Take an operator into the one before it, which gives its output instead.

        Raises:
            InputError: when the file says another shape.
        """
        tensor = operator.outputs[0]
        if self.declared(tensor) != shape:
            got = f"{self.declared(tensor)} of {self.file.tensors[tensor].name!r}"
            raise TfliteError(f"the shape {shape}", got, f"model {self.name}, {operator.name}")
        self.operators[-1] = changed
        self.values[changed.output] = _grid(self.file.tensors[tensor], shape, self.name)
        self._numbers = {key: number for key, number in self._numbers.items() if number != changed.output}
        self._numbers[tensor] = changed.output

    def weights(self, operator: Operator, rank: int, axis: int) -> dict[str, Array]:
        """Return weights, bias and scales of an operator; `axis` is that of the output channels.

        Raises:
            InputError: for weights of another type or shape, that are computed, or are not numbers.
        """
        integer = bool(self.values[self.value(operator.inputs[0])].scale)
        if len(operator.inputs) < 2 or operator.inputs[1] < 0:
            raise TfliteError("weights", "none", f"model {self.name}, {operator.name}")
        tensor = self.file.tensors[operator.inputs[1]]
        # Weights as bytes among float values: read as the numbers they stand for (docs/adr/0014).
        hybrid = not integer and tensor.dtype == "int8" and tensor.scale.size > 0
        array = constant(tensor, "int8" if integer or hybrid else "float32", self.name)
        if array.ndim != rank or min(array.shape) < 1:
            raise TfliteError(
                f"weights of {rank} axes", f"shape {array.shape} of {tensor.name!r}", f"model {self.name}"
            )
        arrays, channels = {"weights": array}, array.shape[axis]
        if integer or hybrid:
            good = tensor.scale.size in (1, channels) and np.isfinite(tensor.scale).all() and (tensor.scale > 0).all()
            if not good or tensor.zero.any() or (tensor.scale.size > 1 and tensor.axis != axis):
                got = f"{tensor.scale.size} of {tensor.name!r}"
                raise TfliteError(f"1 or {channels} scales above 0, zero points 0", got, f"model {self.name}")
            if integer:
                arrays["weight_scale"] = tensor.scale
            else:
                along = tuple(channels if i == axis and tensor.scale.size > 1 else 1 for i in range(rank))
                arrays["weights"] = array.astype(np.float32) * tensor.scale.reshape(along)
        if len(operator.inputs) > 2 and operator.inputs[2] >= 0:
            bias = constant(self.file.tensors[operator.inputs[2]], "int32" if integer else "float32", self.name)
            if bias.size != channels:
                raise TfliteError(f"a bias of {channels}", f"{bias.size}", f"model {self.name}, {operator.name}")
            arrays["bias"] = bias.reshape(-1)
        return arrays


_ACTIVATIONS = {0: "", 1: "relu", 3: "relu6"}


def activation_of(operator: Operator, field: int) -> str:
    """Return the activation that is fused into an operator.

    Raises:
        InputError: for another one than RELU and RELU6.
    """
    number = operator.option(field, "i8")
    if number not in _ACTIVATIONS:
        raise TfliteError("no fused activation, RELU or RELU6", f"number {number}", operator.name)
    return _ACTIVATIONS[number]


def _grid(tensor: Tensor, shape: tuple[int, ...], model: str) -> IntegerValue:
    if tensor.dtype == "float32":
        return IntegerValue(shape=shape)
    where = f"model {model}, tensor {tensor.name!r}"
    if tensor.dtype != "int8":
        raise TfliteError("values of type float32 or int8", tensor.dtype, where, "Convert the model with int8 or float")
    if tensor.scale.size != 1 or tensor.zero.size > 1 or not 0 < tensor.scale[0] < np.inf:
        raise TfliteError("one scale above 0 and one zero point", f"{tensor.scale.size} scales", where)
    zero = int(tensor.zero[0]) if tensor.zero.size else 0
    if not -128 <= zero <= 127:
        raise TfliteError("a zero point from -128 to 127", str(zero), where)
    return IntegerValue(shape=shape, scale=float(tensor.scale[0]), zero=zero)


def constant(tensor: Tensor, dtype: str, model: str) -> Array:
    """Return the numbers of a constant tensor.

    Raises:
        InputError: for a computed tensor, another type, or weights that are not numbers.
    """
    where = f"model {model}, tensor {tensor.name!r}"
    if tensor.array is None or tensor.dtype != dtype:
        got = "computed ones" if tensor.array is None else tensor.dtype
        raise TfliteError(f"constants of type {dtype}", got, where)
    if dtype == "float32" and not np.isfinite(tensor.array).all():
        got = f"{int((~np.isfinite(tensor.array)).sum())} that are not (NaN or infinite)"
        raise TfliteError("weights that are numbers", got, where)
    return tensor.array


Reads = Callable[[Walk, Operator], None]
READERS: dict[str, Reads] = {}


def reads(*names: str) -> Callable[[Reads], Reads]:
    """Register the reader of operators, by their names in the schema."""

    def register(function: Reads) -> Reads:
        READERS.update(dict.fromkeys(names, function))
        return function

    return register
