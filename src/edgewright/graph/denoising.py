"""The file of a denoiser, and a denoiser at work on a stream; with the base install."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgewright.core.archive import from_npy, pack_parts, read_file, to_npy, unpack_parts
from edgewright.core.files import write_atomic
from edgewright.core.integer.network import to_integers, to_reals
from edgewright.core.onnx.reader import read_onnx
from edgewright.graph.extract import integer_network
from edgewright.graph.streaming import NetworkStream
from edgewright.schema.data import Floats
from edgewright.schema.denoise import DENOISER_VERSION, DenoiserSpec
from edgewright.schema.errors import InputError
from edgewright.schema.integer import IntegerNetwork

SPEC, FLOAT, INT8 = "denoiser.json", "model.onnx", "model.int8.onnx"
_GIVEN, _TAKEN = "arrays/test_in.npy", "arrays/test_out.npy"
_DAMAGED = "Create it again with: edgewright denoise train CLEAN --noise white --out FILE"
# Steps of a whole recording that are in memory at once.
_PIECE = 8192
_MOST_CHANNELS, _MOST_HOP, _MOST_REACH = 64, 4096, 1 << 20


@dataclass(frozen=True)
class DenoiserFile:
    """What was read and checked.

    Attributes:
        spec: as `denoiser.json` says it.
        network: integers, read from the int8 model.
        float_model: ONNX of the window form.
        int8_model: the same in int8.
        test_in: (rows, channels), float32.
        test_out: what must come out of it, bit by bit.
    """

    spec: DenoiserSpec
    network: IntegerNetwork
    float_model: bytes
    int8_model: bytes
    test_in: Floats
    test_out: Floats

    def start(self) -> Denoiser:
        """At work, at the beginning of a stream."""
        return Denoiser(self.spec, self.network)


class Denoiser:
    """Takes rows as they come and gives them back with less noise, `delay` rows later.

    Args:
        spec: of the file.
        network: its integers.

    Raises:
        InputError: a network that is no stream, or another than the spec says.
    """

    def __init__(self, spec: DenoiserSpec, network: IntegerNetwork) -> None:
        self.spec = spec
        self._stream = NetworkStream(network)
        steps = self._stream.steps
        channels = len(spec.columns)
        if (steps.hop, steps.channels, steps.outputs) != (spec.hop, channels, spec.hop * channels):
            raise InputError(f"a network with steps of {spec.hop} samples of {channels} channels",
                             f"{steps.hop} of {steps.channels}", spec.name)  # fmt: skip
        self._ends = network.values[network.input], network.values[network.output]
        self._mean = np.asarray(spec.mean, np.float32)
        self._deviation = np.asarray(spec.deviation, np.float32)
        self._unit = np.float32(1.0) / self._deviation
        self.reset()

    @property
    def remembered(self) -> int:
        """Bytes of the memories of the network's layers."""
        return self._stream.steps.remembered

    def reset(self) -> None:
        """Begin anew: as if zeros had come before."""
        self._stream.reset()
        channels = len(self.spec.columns)
        self._late = np.zeros((self.spec.delay, channels), np.float32)
        self._rest = np.zeros((0, channels), np.float32)

    def push(self, rows: Floats) -> Floats:
        """Take rows, of any number, and gives those that are finished; whole steps only.

        A missing value (NaN) stays one; the network sees the mean of its channel there.

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
            raise InputError(f"rows of {channels} channels", f"shape {rows.shape}", self.spec.name)
        taken = np.concatenate([self._rest, np.asarray(rows, np.float32)])
        whole = len(taken) // self.spec.hop * self.spec.hop
        taken, self._rest = taken[:whole], taken[whole:].copy()
        limit = np.float32(self.spec.limit)
        with np.errstate(invalid="ignore", over="ignore"):
            scaled = np.minimum(np.maximum((taken - self._mean) * self._unit, -limit), limit)
        answer = self._stream.push(to_integers(self._ends[0], scaled))
        noise = to_reals(self._ends[1], answer).reshape(whole, channels) * self._deviation
        waiting = np.concatenate([self._late, taken])
        self._late = waiting[whole:].copy()
        return np.asarray(waiting[:whole] - noise, np.float32)

    def whole(self, rows: Floats) -> Floats:
        """Return a recording from its beginning to its end, each row in its place: shape (n, channels)."""
        self.reset()
        late = self.spec.delay + (-len(rows)) % self.spec.hop
        every = np.concatenate([np.asarray(rows, np.float32), np.zeros((late, rows.shape[1]), np.float32)])
        piece = _PIECE * self.spec.hop
        made = [self.push(every[at : at + piece]) for at in range(0, max(len(every), 1), piece)]
        return np.concatenate(made)[self.spec.delay : self.spec.delay + len(rows)]


def with_test(spec: DenoiserSpec, float_model: bytes, int8_model: bytes, rows: Floats) -> DenoiserFile:
    """Return a denoiser with the vectors of its test.

    Args:
        spec: of the file.
        float_model: ONNX of the window form.
        int8_model: the same in int8.
        rows: that are pushed, (n, channels).
    """
    network = integer_network(read_onnx(int8_model), spec.rounding)
    return DenoiserFile(spec, network, float_model, int8_model, rows, Denoiser(spec, network).push(rows))


def denoiser_bytes(made: DenoiserFile) -> bytes:
    """Return the bytes of its file; the same denoiser gives the same bytes."""
    test = {_GIVEN: to_npy(made.test_in), _TAKEN: to_npy(made.test_out)}
    return pack_parts(SPEC, made.spec, {}, {FLOAT: made.float_model, INT8: made.int8_model, **test})


def write_denoiser(path: Path, made: DenoiserFile) -> int:
    """Write the file and give its length in bytes.

    Raises:
        OutputError: it cannot be written.
    """
    return write_atomic(path, denoiser_bytes(made))


def is_denoiser(data: bytes) -> bool:
    """Return whether bytes are meant to be a denoiser's file."""
    return data.startswith(b"PK") and SPEC.encode() in data


def read_denoiser(path: Path) -> DenoiserFile:
    """Read a file, check it and run its test.

    Raises:
        InputError: missing, damaged, altered, of a newer format, or it does not answer as it did where it was made.
    """
    return parse_denoiser(read_file(path, "a denoiser's file", absent=_DAMAGED), str(path))


def parse_denoiser(data: bytes, where: str) -> DenoiserFile:
    """Read a denoiser from bytes; `where` names them in messages."""
    spec, files = unpack_parts(data, where, SPEC, DenoiserSpec, DENOISER_VERSION, "denoiser", _DAMAGED)
    _check(spec, where)
    if files.keys() != {FLOAT, INT8, _GIVEN, _TAKEN}:
        raise InputError("two models and the vectors of a test", ", ".join(sorted(files)) or "none", where, _DAMAGED)
    given, taken = (from_npy(files[name], f"{where}, {name}") for name in (_GIVEN, _TAKEN))
    shape = (len(given) // spec.hop * spec.hop, len(spec.columns))
    if given.dtype != np.float32 or given.ndim != 2 or taken.dtype != np.float32 or taken.shape != shape:
        raise InputError(f"float32 of shape {shape}", f"{taken.dtype} {taken.shape}", f"{where}, {_TAKEN}", _DAMAGED)
    network = integer_network(read_onnx(files[INT8]), spec.rounding)
    read_onnx(files[FLOAT])
    made = DenoiserFile(spec, network, files[FLOAT], files[INT8], given, taken)
    if not np.array_equal(made.start().push(given), taken, equal_nan=True):
        raise InputError("the answers of its own test", "others", where, _DAMAGED)
    return made


def _check(spec: DenoiserSpec, where: str) -> None:
    channels, numbers = len(spec.columns), (*spec.mean, *spec.deviation, spec.rate, spec.limit)
    fits = 1 <= channels <= _MOST_CHANNELS and len(spec.mean) == len(spec.deviation) == channels
    fits = fits and all(map(math.isfinite, numbers)) and min(*spec.deviation, spec.rate, spec.limit) > 0
    sizes = 1 <= spec.hop <= _MOST_HOP and 0 <= spec.delay <= _MOST_REACH and 1 <= spec.reach <= _MOST_REACH
    if not fits or not sizes or spec.delay % spec.hop or spec.window % spec.hop or spec.window < spec.hop:
        raise InputError("channels with a mean and a deviation, whole frames", "others", f"{where}, {SPEC}", _DAMAGED)
