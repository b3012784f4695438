"""ONNX Runtime on one thread, loaded only when it answers: the base install does without it."""

from __future__ import annotations

import importlib
import importlib.util
import platform
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.runtime.engines import Answer, Engine
from edgewright.runtime.processor import cpu_features
from edgewright.schema.errors import InputError

_LIBRARY = "onnxruntime"
_PROVIDERS = ["CPUExecutionProvider"]
_ERRORS_ONLY, _FATAL_ONLY = 3, 4
# x86-64 multiplies unsigned by signed bytes; where it has no VNNI instructions pairs of products saturate at 16 bits.
# With this entry weights are made unsigned, and products are exact.
_EXACT = ("session.x64quantprecision", "1")
# Integer layers computed in float32: exact as well, and slower.
_APART = ("session.disable_quant_qdq", "1")
_VNNI = frozenset({"avx512_vnni", "avx_vnni"})


def _available() -> bool:
    return importlib.util.find_spec(_LIBRARY) is not None


def _version(key: str) -> str:
    """When it was installed: importing it to ask its version would take longer than answering."""
    found = importlib.util.find_spec(_LIBRARY)
    return str(Path(found.origin).stat().st_mtime_ns) if found and found.origin else ""


def _load(model: bytes) -> Answer:
    library = importlib.import_module(_LIBRARY)
    failures = _failures()
    try:
        session = _session(library, model, failures)
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


def saturates() -> bool:
    """Whether products of bytes saturate here as ONNX Runtime makes them; assumed where nobody says."""
    return platform.machine().lower() in ("x86_64", "amd64") and not _VNNI.intersection(cpu_features())


def _session(library: Any, model: bytes, failures: tuple[type[Exception], ...]) -> Any:  # noqa: ANN401 - untyped
    if not saturates():
        return library.InferenceSession(model, _options(library), providers=_PROVIDERS)
    try:
        made = library.InferenceSession(model, _options(library, _EXACT, quiet=True), providers=_PROVIDERS)
        # ONNX Runtime 1.31 fails over weights that share a zero point, and later over scales a channel without any.
        made.run(None, {value.name: _zeros(value) for value in made.get_inputs()})
    except failures:
        return library.InferenceSession(model, _options(library, _APART), providers=_PROVIDERS)
    return made


def _options(library: Any, entry: tuple[str, str] | None = None, *, quiet: bool = False) -> Any:  # noqa: ANN401
    made = library.SessionOptions()
    # One thread: networks of this size lose more by waking others than they win, and a device keeps its cores.
    made.intra_op_num_threads = made.inter_op_num_threads = 1
    made.execution_mode = library.ExecutionMode.ORT_SEQUENTIAL
    # Where another session is tried after this one, its errors are nobody's.
    made.log_severity_level = _FATAL_ONLY if quiet else _ERRORS_ONLY
    if entry:
        made.add_session_config_entry(*entry)
    return made


def _zeros(value: Any) -> NDArray[np.float32]:  # noqa: ANN401 - an input of ONNX Runtime
    return np.zeros([length if isinstance(length, int) else 1 for length in value.shape], np.float32)


def _failures() -> tuple[type[Exception], ...]:
    """The exceptions ONNX Runtime raises: it gives them no common base of their own."""
    module = importlib.import_module(f"{_LIBRARY}.capi.onnxruntime_pybind11_state")
    own = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    return (*own, RuntimeError, ValueError)


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else text[:197] + "..."


ENGINE = Engine(
    name="onnxruntime", available=_available, load=_load, start=0.1, call=4e-6, extra="engines", version=_version
)
