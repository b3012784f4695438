"""ONNX Runtime on one thread, loaded only when it answers: the base install does without it."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.runtime.engines import Answer, Engine
from edgewright.schema.errors import InputError

_LIBRARY = "onnxruntime"
_ERRORS_ONLY = 3


def _available() -> bool:
    return importlib.util.find_spec(_LIBRARY) is not None


def _load(model: bytes) -> Answer:
    library = importlib.import_module(_LIBRARY)
    failures = _failures()
    options = library.SessionOptions()
    # One thread: networks of this size lose more by waking others than they win, and a device keeps its cores.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = library.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = _ERRORS_ONLY
    try:
        session = library.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except failures as error:
        raise InputError("a model that ONNX Runtime can run", _short(error)) from None
    name = session.get_inputs()[0].name
    outputs = [output.name for output in session.get_outputs()]
    run = session.run

    def answer(x: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        try:
            values = run(outputs, {name: x})
        except failures as error:
            raise InputError("an input that the model takes", f"shape {x.shape}: {_short(error)}") from None
        return dict(zip(outputs, values, strict=True))

    return answer


def _failures() -> tuple[type[Exception], ...]:
    """The exceptions ONNX Runtime raises: it gives them no common base of their own."""
    module = importlib.import_module(f"{_LIBRARY}.capi.onnxruntime_pybind11_state")
    own = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    return (*own, RuntimeError, ValueError)


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else text[:197] + "..."


ENGINE = Engine(name="onnxruntime", available=_available, load=_load, rank=10, extra="engines")
