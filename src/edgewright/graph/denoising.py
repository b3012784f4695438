"""The file of a denoiser, and its use on a stream; both need the base install alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgewright.core.archive import read_file, unpack_parts
from edgewright.core.files import write_atomic
from edgewright.core.integer.network import to_integers, to_reals
from edgewright.core.onnx.reader import read_onnx
from edgewright.graph.extract import integer_network
from edgewright.graph.restorer_file import EXPECTED, RestorerFile, read_parts
from edgewright.graph.streaming import NetworkStream
from edgewright.schema.data import Floats
from edgewright.schema.denoise import DENOISER_VERSION, DenoiserSpec
from edgewright.schema.errors import InputError
from edgewright.schema.integer import IntegerNetwork

SPEC = "denoiser.json"
_DAMAGED = "Create it again with: edgewright denoise train CLEAN --noise white --out FILE"
# Maximum number of steps of a recording in memory.
_PIECE = 8192
_MOST_CHANNELS, _MOST_HOP, _MOST_REACH = 64, 4096, 1 << 20


@dataclass(frozen=True)
class DenoiserFile(RestorerFile[DenoiserSpec]):
    """Checked content of the file of a denoiser; its test has rows, shape (rows, channels)."""

    def start(self) -> Denoiser:
        """Return the denoiser at the beginning of a stream."""
        return Denoiser(self.spec, self.network)


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
            raise InputError(f"a network with steps of {spec.hop} samples of {channels} channels",
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
            raise InputError(f"rows of {channels} channels", f"shape {rows.shape}", self.spec.name)
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
        piece = _PIECE * self.spec.hop
        pieces = [self.push(every[at : at + piece]) for at in range(0, max(len(every), 1), piece)]
        return np.concatenate(pieces)[self.spec.delay : self.spec.delay + len(rows)]


def with_test(spec: DenoiserSpec, float_model: bytes, int8_model: bytes, rows: Floats) -> DenoiserFile:
    """Return a denoiser with its test vectors.

    Args:
        spec: specification of the file.
        float_model: float model for windows, as ONNX bytes.
        int8_model: int8 model for windows, as ONNX bytes.
        rows: input rows of the test, shape (n, channels).
    """
    network = integer_network(read_onnx(int8_model), spec.rounding)
    return DenoiserFile(spec, network, float_model, int8_model, rows, Denoiser(spec, network).push(rows))


def denoiser_bytes(denoiser: DenoiserFile) -> bytes:
    """Return the bytes of the file of a denoiser; equal denoisers give equal bytes."""
    return denoiser.packed(SPEC)


def write_denoiser(path: Path, denoiser: DenoiserFile) -> int:
    """Write the file and return its length in bytes.

    Raises:
        OutputError: it cannot be written.
    """
    return write_atomic(path, denoiser_bytes(denoiser))


def is_denoiser(data: bytes) -> bool:
    """Return whether bytes are meant to be a denoiser's file."""
    return data.startswith(b"PK") and SPEC.encode() in data


def read_denoiser(path: Path) -> DenoiserFile:
    """Read a file, check it and run its test.

    Raises:
        InputError: the file is missing, damaged, altered or of a newer format, or its test fails.
    """
    return parse_denoiser(read_file(path, "a denoiser's file", absent=_DAMAGED), str(path))


def parse_denoiser(data: bytes, where: str) -> DenoiserFile:
    """Read a denoiser from bytes; `where` names them in messages."""
    spec, files = unpack_parts(data, where, SPEC, DenoiserSpec, DENOISER_VERSION, "denoiser", _DAMAGED)
    _check(spec, where)
    denoiser = DenoiserFile(*read_parts(spec, files, where, _DAMAGED))
    given, expected = denoiser.test_in, denoiser.test_out
    shape = (len(given) // spec.hop * spec.hop, len(spec.columns))
    if given.ndim != 2 or expected.shape != shape:
        raise InputError(f"float32 of shape {shape}", f"{expected.shape}", f"{where}, {EXPECTED}", _DAMAGED)
    if not np.array_equal(denoiser.start().push(given), expected, equal_nan=True):
        raise InputError("the answers of its own test", "others", where, _DAMAGED)
    return denoiser


def _check(spec: DenoiserSpec, where: str) -> None:
    channels, numbers = len(spec.columns), (*spec.mean, *spec.deviation, spec.rate, spec.limit)
    fits = 1 <= channels <= _MOST_CHANNELS and len(spec.mean) == len(spec.deviation) == channels
    fits = fits and all(map(math.isfinite, numbers)) and min(*spec.deviation, spec.rate, spec.limit) > 0
    sizes = 1 <= spec.hop <= _MOST_HOP and 0 <= spec.delay <= _MOST_REACH and 1 <= spec.reach <= _MOST_REACH
    if not fits or not sizes or spec.delay % spec.hop or spec.window % spec.hop or spec.window < spec.hop:
        raise InputError("channels with a mean and a deviation, whole frames", "others", f"{where}, {SPEC}", _DAMAGED)
