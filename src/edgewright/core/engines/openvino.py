"""OpenVINO on its CPU plugin, one thread. Its telemetry is left out of the import: nothing reaches the network."""

from __future__ import annotations

import importlib
import re
import sys
import threading
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.engines import Answer, Engine, installation_time, is_installed
from edgewright.core.engines.onnxruntime import saturates
from edgewright.core.errors import EngineFailedError, SampleShapeError, error_line

_LIBRARY, _TELEMETRY = "openvino", "openvino_telemetry"
# Exact float32, also where the processor multiplies bfloat16; one answer at a time.
_SETTINGS = {
    "INFERENCE_NUM_THREADS": 1,
    "INFERENCE_PRECISION_HINT": "f32",
    "PERFORMANCE_HINT": "LATENCY",
    "NUM_STREAMS": 1,
    # Else weights of dense layers meet inputs that are rounded anew, by groups.
    "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
}
# Without VNNI its sums of products of bytes saturate at 16 bits, where weights are signed.
_FLOATS = {"LP_TRANSFORMS_MODE": False}
_KEPT_FLOAT = re.compile("Reduce|Subtract")
_FACTORS, _ROUNDS = re.compile("Multiply|Divide|Clamp|Maximum|Minimum"), "FakeQuantize"
_lock = threading.Lock()


def library() -> Any:  # noqa: ANN401 - an untyped module
    """Import OpenVINO, whose package reports its own import over the network unless its telemetry cannot be found."""
    with _lock:
        if _LIBRARY in sys.modules:
            return sys.modules[_LIBRARY]
        kept = sys.modules.get(_TELEMETRY)
        # An entry of None is a module that is not installed; OpenVINO then takes a stub of its own.
        sys.modules[_TELEMETRY] = None  # type: ignore[assignment]
        try:
            return importlib.import_module(_LIBRARY)
        finally:
            if kept is None:
                del sys.modules[_TELEMETRY]
            else:
                sys.modules[_TELEMETRY] = kept


def _load(model: bytes) -> Answer:
    openvino = library()
    try:
        core = openvino.Core()
        read = core.read_model(model)
        source = read.input(0)
        shape = [openvino.Dimension(-1), *list(source.partial_shape)[1:]]
        read.reshape({source: openvino.PartialShape(shape)})
        outputs = len(read.outputs)
        read.add_outputs(_separated(read))
        settings = _SETTINGS | (_FLOATS if saturates() or _misreads_bytes(read) else {})
        request = core.compile_model(read, "CPU", settings).create_infer_request()
    except RuntimeError as error:
        raise EngineFailedError("a model that OpenVINO can run", _short(error)) from None
    names = [next(iter(sorted(output.names)), "") for output in request.model_outputs[:outputs]]
    row = tuple(length.get_length() for length in shape[1:] if length.is_static)

    def answer(x: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        # OpenVINO casts what it is given and broadcasts a missing axis.
        if x.ndim != len(shape) or (len(row) == len(shape) - 1 and x.shape[1:] != row):
            raise SampleShapeError(f"input of shape (n, {', '.join(map(str, row))})", f"shape {x.shape}")
        try:
            values = request.infer([np.ascontiguousarray(x)], share_inputs=True)
        except RuntimeError as error:
            raise SampleShapeError("an input that the model takes", f"shape {x.shape}: {_short(error)}") from None
        return {name: np.array(value) for name, value in zip(names, values.values(), strict=False)}

    return answer


def _misreads_bytes(model: Any) -> bool:  # noqa: ANN401 - of OpenVINO
    """Return whether 2026.4.1 answers wrongly where this model's layers compute in bytes.

    It takes bytes into an LSTM or a GRU and is off by half the range. Of a mean of bytes over time it joins the zero
    point to the sum; then only the first rows are right, as many as there are channels.
    """
    rounded: set[str] = set()
    for op in model.get_ordered_ops():
        kind = op.get_type_name()
        if kind.startswith(("LSTM", "GRU")):
            return True
        if kind == _ROUNDS or any(value.get_node().get_friendly_name() in rounded for value in op.input_values()):
            if kind == "ReduceMean":
                return True
            rounded.add(op.get_friendly_name())
    return False


def _separated(model: Any) -> list[Any]:  # noqa: ANN401 - of OpenVINO
    """Return what must be kept apart from what follows it.

    Within one kernel 2026.4.1 adds garbage to a largest value, takes a large mean off only after the factor, where
    digits are gone, and with AVX2 quantises by wrong factors where each channel has its own.
    """
    outputs = {}
    for op in model.get_ordered_ops():
        if _KEPT_FLOAT.match(op.get_type_name()):
            outputs[op.get_friendly_name()] = op.output(0)
        elif op.get_type_name() == _ROUNDS:
            source = op.input_value(0)
            if _FACTORS.match(source.get_node().get_type_name()):
                outputs[source.get_node().get_friendly_name()] = source
    return list(outputs.values())


def _short(error: Exception) -> str:
    # The lines before the last one name sources of OpenVINO.
    return error_line(str(error).strip().rpartition("\n")[2] or error)


ENGINE = Engine(
    name="openvino", available=partial(is_installed, _LIBRARY), load=_load, start=0.5, call=3e-5, extra="accelerators",
    version=lambda _key: installation_time(_LIBRARY),
)  # fmt: skip
