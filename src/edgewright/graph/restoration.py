"""File of a network that restores signals or pictures, and its use; both need only the base install.

A denoiser runs on a stream; an upscaler runs on whole signals and pictures. Version 1 files hold `denoiser.json` or
`upscaler.json` instead of `restorer.json`; they are read as well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import msgspec
import numpy as np

from edgewright.core.archive import from_npy, pack_parts, read_file, to_npy, unpack_parts
from edgewright.core.errors import GraphError
from edgewright.core.files import write_atomic
from edgewright.core.integer.network import to_integers, to_reals
from edgewright.core.integer.qdq import compile_fused
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.data import Floats
from edgewright.core.records.network import IntegerNetwork
from edgewright.graph.extract import integer_network
from edgewright.graph.restoration_records import RESTORER_VERSION, DenoiserSpec, UpscalerSpec
from edgewright.graph.streaming import NetworkStream

SPEC = "restorer.json"
EARLIER_SPECS = ("denoiser.json", "upscaler.json")
_SPEC_NAMES: dict[str, Any] = {
    SPEC: DenoiserSpec | UpscalerSpec, EARLIER_SPECS[0]: DenoiserSpec, EARLIER_SPECS[1]: UpscalerSpec
}  # fmt: skip
_FLOAT, _INT8 = "model.onnx", "model.int8.onnx"
_GIVEN, _EXPECTED = "arrays/test_in.npy", "arrays/test_out.npy"
_DAMAGED = "Create it again with: edgewright restore denoise, or restore upscale"
_MAX_CHANNELS, _MAX_HOP, _MAX_REACH = 64, 4096, 1 << 20
_STREAM_STEPS, _WINDOW_BATCH = 8192, 64  # processed at once
# The interpolation around an upscaler's network is float32, summed in another order on other processors.
_TOLERANCE = 1e-4

S = TypeVar("S", DenoiserSpec, UpscalerSpec)


@dataclass(frozen=True)
class RestorerFile(Generic[S]):
    """Checked content of a file.

    Attributes:
        spec: description.
        network: integer network, read from the int8 model.
        float_model: float model for windows, as ONNX bytes.
        int8_model: int8 model for windows, as ONNX bytes.
        test_in: input of the self-test, float32: rows of a denoiser, or one window of an upscaler with its halo.
        test_out: its output.
    """

    spec: S
    network: IntegerNetwork
    float_model: bytes
    int8_model: bytes
    test_in: Floats
    test_out: Floats

    def packed(self) -> bytes:
        """Return the bytes of the file; equal contents give equal bytes."""
        spec = msgspec.structs.replace(self.spec, version=RESTORER_VERSION)
        test = {_GIVEN: to_npy(self.test_in), _EXPECTED: to_npy(self.test_out)}
        return pack_parts(SPEC, spec, {}, {_FLOAT: self.float_model, _INT8: self.int8_model, **test})


@dataclass(frozen=True)
class DenoiserFile(RestorerFile[DenoiserSpec]):
    """File of a denoiser; its self-test has rows, shape (rows, channels)."""

    def start(self) -> Denoiser:
        """Return the denoiser at the beginning of a stream."""
        return Denoiser(self.spec, self.network)

    def run_test(self) -> Floats:
        """Return the output of the int8 network for the input of the self-test."""
        return self.start().push(self.test_in)

    def check(self, where: str) -> None:
        """Check sizes and channels, and run the self-test."""
        spec, channels = self.spec, len(self.spec.columns)
        numbers = (*spec.mean, *spec.deviation, spec.rate, spec.limit)
        fits = 1 <= channels <= _MAX_CHANNELS and len(spec.mean) == len(spec.deviation) == channels
        fits = fits and all(map(math.isfinite, numbers)) and min(*spec.deviation, spec.rate, spec.limit) > 0
        sizes = 1 <= spec.hop <= _MAX_HOP and 0 <= spec.delay <= _MAX_REACH and 1 <= spec.reach <= _MAX_REACH
        if not fits or not sizes or spec.delay % spec.hop or spec.window % spec.hop or spec.window < spec.hop:
            raise GraphError(
                "channels with a mean and a deviation, whole frames", "others", f"{where}, {SPEC}", _DAMAGED
            )
        shape = (len(self.test_in) // spec.hop * spec.hop, channels)
        if self.test_in.ndim != 2 or self.test_out.shape != shape:
            raise GraphError(f"float32 of shape {shape}", f"{self.test_out.shape}", f"{where}, {_EXPECTED}", _DAMAGED)
        if not np.array_equal(self.run_test(), self.test_out, equal_nan=True):
            raise GraphError("the output of its self-test", "another", where, _DAMAGED)


@dataclass(frozen=True)
class UpscalerFile(RestorerFile[UpscalerSpec]):
    """File of an upscaler; its self-test has one window with its halo."""

    def start(self, form: str = "int8") -> Upscaler:
        """Return the upscaler, ready to run; `form` is 'int8' or 'float'."""
        return Upscaler(self, form)

    def run_test(self) -> Floats:
        """Return the output of the int8 network for the input of the self-test."""
        return self.start().windows(self.test_in)

    def check(self, where: str) -> None:
        """Check the shape of the window, and run the self-test."""
        spec, runner = self.spec, self.start()
        axes = len(runner.shape) - 1
        shape = (1, len(spec.columns), *(spec.window + 2 * spec.halo,) * axes)
        if spec.window < 1 or spec.halo < 0 or axes not in (1, 2) or self.test_in.shape != shape:
            raise GraphError(f"a test of shape {shape}", f"{self.test_in.shape}", f"{where}, {SPEC}", _DAMAGED)
        answer, size = runner.windows(self.test_in), float(np.abs(self.test_in).max(initial=1e-30))
        close = answer.shape == self.test_out.shape and np.allclose(
            answer, self.test_out, rtol=0.0, atol=_TOLERANCE * size
        )
        if not close:
            raise GraphError("the output of its self-test", "another", f"{where}, {_EXPECTED}", _DAMAGED)


class Denoiser:
    """Receives rows of a stream and returns them with less noise, `delay` rows later.

    Args:
        spec: specification from the file.
        network: integer network from the file.

    Raises:
        InputError: the network cannot run on a stream, or does not match the specification.
    """

    def __init__(self, spec: DenoiserSpec, network: IntegerNetwork) -> None:
        self.spec = spec
        self._stream = NetworkStream(network)
        steps = self._stream.steps
        channels = len(spec.columns)
        if (steps.hop, steps.channels, steps.outputs) != (spec.hop, channels, spec.hop * channels):
            raise GraphError(f"a network with steps of {spec.hop} samples of {channels} channels",
                             f"{steps.hop} of {steps.channels}", spec.name)  # fmt: skip
        self._ends = network.values[network.input], network.values[network.output]
        self._mean = np.asarray(spec.mean, np.float32)
        self._deviation = np.asarray(spec.deviation, np.float32)
        self._unit = np.float32(1.0) / self._deviation
        self.reset()

    @property
    def remembered(self) -> int:
        """Bytes of the buffers of the network's layers."""
        return self._stream.steps.remembered

    def reset(self) -> None:
        """Reset to the beginning of a stream, as after rows of zeros."""
        self._stream.reset()
        channels = len(self.spec.columns)
        self._late = np.zeros((self.spec.delay, channels), np.float32)
        self._rest = np.zeros((0, channels), np.float32)

    def push(self, rows: Floats) -> Floats:
        """Take any number of rows and return the finished ones, in whole steps.

        A missing value (NaN) stays missing; the network receives the mean of the channel instead.

        Args:
            rows: shape (n, channels).

        Returns:
            float32, shape (m, channels); the first is that of the first row, after `delay` rows that are zeros less
            what the network took for noise in them.

        Raises:
            InputError: another number of channels.
        """
        channels = len(self.spec.columns)
        if rows.ndim != 2 or rows.shape[1] != channels:
            raise GraphError(f"rows of {channels} channels", f"shape {rows.shape}", self.spec.name)
        waiting_rows = np.concatenate([self._rest, np.asarray(rows, np.float32)])
        whole = len(waiting_rows) // self.spec.hop * self.spec.hop
        waiting_rows, self._rest = waiting_rows[:whole], waiting_rows[whole:].copy()
        limit = np.float32(self.spec.limit)
        with np.errstate(invalid="ignore", over="ignore"):
            scaled = np.minimum(np.maximum((waiting_rows - self._mean) * self._unit, -limit), limit)
        answer = self._stream.push(to_integers(self._ends[0], scaled))
        noise = to_reals(self._ends[1], answer).reshape(whole, channels) * self._deviation
        waiting = np.concatenate([self._late, waiting_rows])
        self._late = waiting[whole:].copy()
        return np.asarray(waiting[:whole] - noise, np.float32)

    def whole(self, rows: Floats) -> Floats:
        """Return a whole denoised recording without delay, shape (n, channels)."""
        self.reset()
        late = self.spec.delay + (-len(rows)) % self.spec.hop
        every = np.concatenate([np.asarray(rows, np.float32), np.zeros((late, rows.shape[1]), np.float32)])
        piece = _STREAM_STEPS * self.spec.hop
        pieces = [self.push(every[at : at + piece]) for at in range(0, max(len(every), 1), piece)]
        return np.concatenate(pieces)[self.spec.delay : self.spec.delay + len(rows)]


class Upscaler:
    """Upscales signals or pictures of any size, window by window.

    Args:
        file: content of its file.
        form: 'int8' or 'float'.
    """

    def __init__(self, file: UpscalerFile, form: str = "int8") -> None:
        graph = read_onnx(file.int8_model if form == "int8" else file.float_model)
        self.spec, self.shape = file.spec, graph.inputs[0].shape
        self._name, self._run = graph.outputs[0].name, (compile_fused if form == "int8" else compile_graph)(graph)

    def windows(self, values: Floats) -> Floats:
        """Return the answers to windows with their halo: (n, channels, ...) in and out."""
        return np.asarray(self._run(values)[self._name], np.float32)

    def whole(self, values: Floats) -> Floats:
        """Return a whole signal (channels, samples) or picture (channels, rows, columns), `factor` times as long.

        Beyond its ends a signal or picture goes on with its last value. A missing value (NaN) of a signal leaves its
        neighbourhood missing.

        Raises:
            InputError: other channels, or nothing in it.
        """
        spec, axes = self.spec, len(self.shape) - 1
        if values.ndim != axes + 1 or len(values) != self.shape[0] or not values.size:
            raise GraphError(f"{self.shape[0]} channels with {axes} axes of values", f"shape {values.shape}", spec.name)
        sizes, window = values.shape[1:], spec.window
        counts = [-(-size // window) for size in sizes]
        ends = [(spec.halo, spec.halo + count * window - size) for count, size in zip(counts, sizes, strict=True)]
        padded = np.pad(np.asarray(values, np.float32), [(0, 0), *ends], mode="edge")
        answer = np.empty((len(values), *(spec.factor * window * count for count in counts)), np.float32)
        places = list(np.ndindex(*counts))
        for start in range(0, len(places), _WINDOW_BATCH):
            piece = places[start : start + _WINDOW_BATCH]
            cuts = [tuple(slice(at * window, (at + 1) * window + 2 * spec.halo) for at in corner) for corner in piece]
            given = self.windows(np.stack([padded[(slice(None), *cut)] for cut in cuts]))
            long = spec.factor * window
            for corner, part in zip(piece, given, strict=True):
                answer[(slice(None), *(slice(at * long, (at + 1) * long) for at in corner))] = part
        return np.ascontiguousarray(answer[(slice(None), *(slice(0, spec.factor * size) for size in sizes))])


F = TypeVar("F", DenoiserFile, UpscalerFile)


def with_test(
    kind: type[F], spec: DenoiserSpec | UpscalerSpec, float_model: bytes, int8_model: bytes, test: Floats
) -> F:
    """Return a file with its self-test.

    Args:
        kind: `DenoiserFile` or `UpscalerFile`.
        spec: description of the file.
        float_model: float model for windows, as ONNX bytes.
        int8_model: int8 model for windows, as ONNX bytes.
        test: input of the self-test: rows of a denoiser, shape (n, channels), or a window of an upscaler, shape
            (1, channels, ...).
    """
    network = integer_network(read_onnx(int8_model), spec.rounding)
    file = kind(cast(Any, spec), network, float_model, int8_model, test, test)
    return replace(file, test_out=file.run_test())


def write_restorer(path: Path, file: DenoiserFile | UpscalerFile) -> int:
    """Write a file and return its length in bytes.

    Raises:
        OutputError: it cannot be written.
    """
    return write_atomic(path, file.packed())


def is_restorer(data: bytes) -> bool:
    """Return whether bytes are meant to be the file of a denoiser or an upscaler."""
    return data.startswith(b"PK") and any(name.encode() in data for name in _SPEC_NAMES)


def read_restorer(path: Path) -> DenoiserFile | UpscalerFile:
    """Read a file, check it and run its self-test.

    Raises:
        InputError: the file is missing, damaged, altered or of a newer format, or its test fails.
    """
    return parse_restorer(read_file(path, "a file of a denoiser or an upscaler", absent=_DAMAGED), str(path))


def read_as(kind: type[F], path: Path) -> F:
    """Read the file of a denoiser or of an upscaler; errors as of `read_restorer`, and for the other kind."""
    file = read_restorer(path)
    if not isinstance(file, kind):
        names = {DenoiserFile: "a denoiser", UpscalerFile: "an upscaler"}
        raise GraphError(f"the file of {names[kind]}", f"one of {names[type(file)]}", str(path))
    return file


def parse_restorer(data: bytes, where: str) -> DenoiserFile | UpscalerFile:
    """Read a file from bytes; `where` names it in messages. Errors as of `read_restorer`."""
    name = next((name for name in _SPEC_NAMES if name.encode() in data), SPEC)
    spec: DenoiserSpec | UpscalerSpec
    spec, files = unpack_parts(data, where, name, _SPEC_NAMES[name], RESTORER_VERSION, "restorer", _DAMAGED)
    if files.keys() != {_FLOAT, _INT8, _GIVEN, _EXPECTED}:
        got = ", ".join(sorted(files)) or "none"
        raise GraphError("two models and the vectors of a test", got, where, _DAMAGED)
    arrays = [from_npy(files[name], f"{where}, {name}") for name in (_GIVEN, _EXPECTED)]
    for name, array in zip((_GIVEN, _EXPECTED), arrays, strict=True):
        if array.dtype != np.float32:
            raise GraphError("float32", str(array.dtype), f"{where}, {name}", _DAMAGED)
    read_onnx(files[_FLOAT])
    kind: type[RestorerFile[Any]] = DenoiserFile if isinstance(spec, DenoiserSpec) else UpscalerFile
    network = integer_network(read_onnx(files[_INT8]), spec.rounding)
    file = cast(DenoiserFile | UpscalerFile, kind(spec, network, files[_FLOAT], files[_INT8], arrays[0], arrays[1]))
    file.check(where)
    return file
