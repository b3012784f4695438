"""The file of a pronunciation coach, and its network on a stream: sound in, log-probabilities of phones out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgewright.core.archive import from_npy, pack_parts, read_file, to_npy, unpack_parts
from edgewright.core.errors import InputError
from edgewright.core.files import write_atomic
from edgewright.core.integer.network import to_integers, to_reals
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.records.data import Floats
from edgewright.core.records.network import Array, IntegerNetwork
from edgewright.graph.extract import integer_network
from edgewright.graph.streaming import NetworkStream
from phones import OUTPUTS, PHONES
from records import COACH_VERSION, CoachSpec
from sound import FRAME, FRAMES, HOP, MELS, REACH, log_mel

# Bytes of a number of each table of an operator.
_WIDTHS = {"weights": 1, "bias": 4, "multiplier": 4, "shift": 1}
SPEC, FLOAT, INT8 = "coach.json", "model.onnx", "model.int8.onnx"
_GIVEN, _EXPECTED = "arrays/test_in.npy", "arrays/test_out.npy"
_DAMAGED = "Create it again with: python coach.py"


def log_softmax(raw: Floats) -> Floats:
    """Return logarithms of the shares of each row."""
    shifted = raw - raw.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)), np.float32)


@dataclass(frozen=True)
class CoachFile:
    """What was read and checked.

    Attributes:
        spec: as `coach.json` says it.
        network: integers, read from the int8 model.
        float_model: ONNX of the window form, from log-mel frames to logits.
        int8_model: the same in int8.
        test_in: log-mel frames, float32.
        test_out: logits that must come out of them, bit by bit.
    """

    spec: CoachSpec
    network: IntegerNetwork
    float_model: bytes
    int8_model: bytes
    test_in: Floats
    test_out: Floats

    @property
    def network_bytes(self) -> int:
        """Bytes of the int8 network as C stores it: weights, biases, multipliers and shifts."""
        return sum(_bytes(operator.arrays) for operator in self.network.operators)


def _bytes(arrays: Mapping[str, Array]) -> int:
    return sum(width * arrays[name].size for name, width in _WIDTHS.items() if name in arrays)


class PhoneStream:
    """Sound at 16 kHz as it comes, log-probabilities of every step out, `delay` steps late.

    Args:
        spec: of the coach.
        network: its integers.
    """

    def __init__(self, spec: CoachSpec, network: IntegerNetwork) -> None:
        self.spec = spec
        self._stream = NetworkStream(network)
        steps = self._stream.steps
        if (steps.hop, steps.channels, steps.outputs) != (FRAMES, MELS, OUTPUTS):
            raise InputError(f"a network with steps of {FRAMES} frames of {MELS} bands",
                             f"{steps.hop} of {steps.channels}", spec.name)  # fmt: skip
        self._ends = network.values[network.input], network.values[network.output]
        self._mean = np.asarray(spec.mean, np.float32)
        self._unit = np.float32(1.0) / np.asarray(spec.deviation, np.float32)
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self._stream.reset()
        self._sound = np.zeros(0, np.float32)
        self._late = self.spec.delay

    def frames(self, frames: Floats) -> Floats:
        """Take log-mel frames, a whole number of steps; give logits, shape (steps, phones + 1)."""
        limit = np.float32(REACH)
        scaled = np.minimum(np.maximum((frames - self._mean) * self._unit, -limit), limit)
        return np.asarray(to_reals(self._ends[1], self._stream.push(to_integers(self._ends[0], scaled))), np.float32)

    def push(self, sound: Floats) -> Floats:
        """Take samples, of any number; give the log-probabilities of steps that are heard now."""
        samples = np.concatenate([self._sound, np.asarray(sound, np.float32)])
        count = max(0, (len(samples) - FRAME) // HOP + 1) // FRAMES * FRAMES
        if not count:
            self._sound = samples
            return np.zeros((0, OUTPUTS), np.float32)
        raw = self.frames(log_mel(samples[: (count - 1) * HOP + FRAME]))
        self._sound = samples[count * HOP :].copy()
        early = min(self._late, len(raw))
        self._late -= early
        return self._logarithms(raw[early:])

    def whole(self, frames: Floats) -> Floats:
        """Return the log-probabilities of a whole recording, each step in its place."""
        self.reset()
        steps = len(frames) // FRAMES
        silence = np.repeat(self._mean[None] - np.float32(REACH) / self._unit, self.spec.delay * FRAMES, axis=0)
        raw = self.frames(np.concatenate([frames[: steps * FRAMES], silence]))
        return self._logarithms(raw[self.spec.delay :])

    def _logarithms(self, raw: Floats) -> Floats:
        return log_softmax(raw + np.asarray(self.spec.offsets, np.float32))


def with_test(spec: CoachSpec, float_model: bytes, int8_model: bytes, frames: Floats) -> CoachFile:
    """Return a coach with the vectors of its test."""
    network = integer_network(read_onnx(int8_model), spec.rounding)
    return CoachFile(spec, network, float_model, int8_model, frames, PhoneStream(spec, network).frames(frames))


def write_coach(path: Path, coach: CoachFile) -> int:
    """Write the file and give its length in bytes; the same coach gives the same bytes.

    Raises:
        OutputError: it cannot be written.
    """
    test = {_GIVEN: to_npy(coach.test_in), _EXPECTED: to_npy(coach.test_out)}
    files = {FLOAT: coach.float_model, INT8: coach.int8_model, **test}
    return write_atomic(path, pack_parts(SPEC, coach.spec, {}, files))


def read_coach(path: Path) -> CoachFile:
    """Read a file, check it and run its test.

    Raises:
        InputError: missing, damaged, of a newer format, or it does not answer as it did where it was made.
    """
    where = str(path)
    data = read_file(path, "a coach's file", absent=_DAMAGED)
    spec, files = unpack_parts(data, where, SPEC, CoachSpec, COACH_VERSION, "coach", _DAMAGED)
    if files.keys() != {FLOAT, INT8, _GIVEN, _EXPECTED} or spec.phones != PHONES:
        raise InputError("two models of the phones of English and a test", ", ".join(sorted(files)), where, _DAMAGED)
    sizes = len(spec.mean), len(spec.deviation), len(spec.offsets)
    given, expected = (from_npy(files[name], f"{where}, {name}") for name in (_GIVEN, _EXPECTED))
    fits = given.dtype == np.float32 and given.ndim == 2 and given.shape[1] == MELS and len(given) % FRAMES == 0
    if sizes != (MELS, MELS, OUTPUTS) or min(spec.deviation) <= 0 or not fits:
        raise InputError("bands of this version", f"sizes {sizes}", where, _DAMAGED)
    read_onnx(files[FLOAT])
    network = integer_network(read_onnx(files[INT8]), spec.rounding)
    coach = CoachFile(spec, network, files[FLOAT], files[INT8], given, expected)
    if not np.array_equal(PhoneStream(spec, network).frames(given), expected):
        raise InputError("the answers of its own test", "others", where, _DAMAGED)
    return coach
