"""The file of an upscaler, and its use on signals and pictures; both need the base install alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgewright.core.archive import read_file, unpack_parts
from edgewright.core.files import write_atomic
from edgewright.core.integer.fusion import compile_fused
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.prediction.executor import compile_graph
from edgewright.graph.extract import integer_network
from edgewright.graph.restorer_file import EXPECTED, RestorerFile, read_parts
from edgewright.schema.data import Floats
from edgewright.schema.denoise import UPSCALER_VERSION, UpscalerSpec
from edgewright.schema.errors import InputError

SPEC = "upscaler.json"
_DAMAGED = "Create it again with: edgewright upscale train DATA --out FILE"
# The interpolation around the network is float32, which adds up in another order elsewhere.
_TOLERANCE = 1e-4
# Windows that are computed at once.
_PIECE = 64


@dataclass(frozen=True)
class UpscalerFile(RestorerFile[UpscalerSpec]):
    """Checked content of the file of an upscaler; its test has one window with its halo."""

    def start(self, form: str = "int8") -> Upscaler:
        """Return the upscaler, ready to run; `form` is 'int8' or 'float'."""
        return Upscaler(self, form)


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
            raise InputError(f"{self.shape[0]} channels with {axes} axes of values", f"shape {values.shape}", spec.name)
        sizes, window = values.shape[1:], spec.window
        counts = [-(-size // window) for size in sizes]
        ends = [(spec.halo, spec.halo + count * window - size) for count, size in zip(counts, sizes, strict=True)]
        padded = np.pad(np.asarray(values, np.float32), [(0, 0), *ends], mode="edge")
        answer = np.empty((len(values), *(spec.factor * window * count for count in counts)), np.float32)
        places = list(np.ndindex(*counts))
        for start in range(0, len(places), _PIECE):
            piece = places[start : start + _PIECE]
            cuts = [tuple(slice(at * window, (at + 1) * window + 2 * spec.halo) for at in corner) for corner in piece]
            given = self.windows(np.stack([padded[(slice(None), *cut)] for cut in cuts]))
            long = spec.factor * window
            for corner, part in zip(piece, given, strict=True):
                answer[(slice(None), *(slice(at * long, (at + 1) * long) for at in corner))] = part
        return np.ascontiguousarray(answer[(slice(None), *(slice(0, spec.factor * size) for size in sizes))])


def with_test(spec: UpscalerSpec, float_model: bytes, int8_model: bytes, window: Floats) -> UpscalerFile:
    """Return an upscaler with its test vectors.

    Args:
        spec: specification of the file.
        float_model: float model for windows, as ONNX bytes.
        int8_model: int8 model for windows, as ONNX bytes.
        window: input of the test, shape (1, channels, ...).
    """
    network = integer_network(read_onnx(int8_model), spec.rounding)
    file = UpscalerFile(spec, network, float_model, int8_model, window, window)
    return UpscalerFile(spec, network, float_model, int8_model, window, file.start().windows(window))


def write_upscaler(path: Path, upscaler: UpscalerFile) -> int:
    """Write the file and return its length in bytes.

    Raises:
        OutputError: it cannot be written.
    """
    return write_atomic(path, upscaler.packed(SPEC))


def is_upscaler(data: bytes) -> bool:
    """Return whether bytes are meant to be an upscaler's file."""
    return data.startswith(b"PK") and SPEC.encode() in data


def read_upscaler(path: Path) -> UpscalerFile:
    """Read a file, check it and run its test.

    Raises:
        InputError: the file is missing, damaged, altered or of a newer format, or its test fails.
    """
    where = str(path)
    data = read_file(path, "an upscaler's file", absent=_DAMAGED)
    spec, files = unpack_parts(data, where, SPEC, UpscalerSpec, UPSCALER_VERSION, "upscaler", _DAMAGED)
    upscaler = UpscalerFile(*read_parts(spec, files, where, _DAMAGED))
    runner = upscaler.start()
    side, axes = spec.window + 2 * spec.halo, len(runner.shape) - 1
    shape = (len(spec.columns), *(side,) * axes)
    if spec.window < 1 or spec.halo < 0 or axes not in (1, 2) or upscaler.test_in.shape != (1, *shape):
        raise InputError(f"a test of shape {(1, *shape)}", f"{upscaler.test_in.shape}", f"{where}, {SPEC}", _DAMAGED)
    answer, expected = runner.windows(upscaler.test_in), upscaler.test_out
    size = float(np.abs(upscaler.test_in).max(initial=1e-30))
    if answer.shape != expected.shape or not np.allclose(answer, expected, rtol=0.0, atol=_TOLERANCE * size):
        raise InputError("the answers of its own test", "others", f"{where}, {EXPECTED}", _DAMAGED)
    return upscaler
