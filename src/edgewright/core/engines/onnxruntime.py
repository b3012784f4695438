"""ONNX Runtime, loaded only when it answers: the base install does without it. All sessions are opened here."""

from __future__ import annotations

import importlib
import platform
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.engines import Answer, Engine, installation_time, is_installed
from edgewright.core.errors import EngineFailedError, InputError, MissingExtraError, SampleShapeError, error_line
from edgewright.core.prediction.objects import cpu_features

_LIBRARY = "onnxruntime"
_CPU = "CPUExecutionProvider"
_ERRORS_ONLY, _FATAL_ONLY = 3, 4
# Models of others, and older files of ours, hold signed weights. x86-64 multiplies unsigned by signed bytes; without
# VNNI instructions pairs of products saturate at 16 bits. With this entry weights are made unsigned: exact products.
_EXACT = ("session.x64quantprecision", "1")
# Integer layers computed in float32: exact as well, and slower.
_FLOAT_LAYERS = ("session.disable_quant_qdq", "1")
_TYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
}
_VNNI = frozenset({"avx512_vnni", "avx_vnni"})


def open_session(model: bytes | Path, *, threads: int = 1, where: str = "") -> Any:  # noqa: ANN401 - untyped library
    """Open a session that computes exact products of bytes on every processor.

    Args:
        model: ONNX bytes, or the path of a model that keeps its weights in further files.
        threads: of the session. One is fastest for networks of this size: waking others costs more than they save.
        where: of the message.

    Returns:
        An `onnxruntime.InferenceSession`.

    Raises:
        InputError: ONNX Runtime cannot run the model.
        MissingExtraError: it is not installed.
    """
    if not saturates():
        return _opened(model, _options(threads), where)
    try:
        exact = _opened(model, _options(threads, _EXACT, quiet=True), where)
    except InputError:
        # ONNX Runtime 1.31 fails over signed weights that share a zero point.
        return _opened(model, _options(threads, _FLOAT_LAYERS), where)
    if _answers(exact):
        return exact
    # It fails when it runs over scales a channel without any zero point; or zeros are no input of this model at all.
    separate = _opened(model, _options(threads, _FLOAT_LAYERS, quiet=True), where)
    return separate if _answers(separate) else exact


def open_plain(model: bytes | Path) -> Any:  # noqa: ANN401 - untyped library
    """Open a session as somebody does who knows nothing of this product: with default options, but without notes.

    Raises:
        InputError: ONNX Runtime cannot run the model.
        MissingExtraError: it is not installed.
    """
    options = _library().SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    return _opened(model, options)


def _load(model: bytes) -> Answer:
    return answers(open_session(model))


def load_plain(model: bytes) -> Answer:
    """Return the answers of `open_plain`, with arguments and errors as of `Engine.load`."""
    return answers(open_plain(model))


def answers(session: Any) -> Answer:  # noqa: ANN401 - of ONNX Runtime
    """Return a function that answers by a session."""
    failures = _failures()
    name = session.get_inputs()[0].name
    outputs = [output.name for output in session.get_outputs()]
    run = session.run

    def answer(x: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        try:
            values = run(outputs, {name: x})
        except failures as error:
            raise SampleShapeError("an input that the model takes", f"shape {x.shape}: {error_line(error)}") from None
        return dict(zip(outputs, values, strict=True))

    return answer


def saturates() -> bool:
    """Return whether products of bytes saturate here as ONNX Runtime makes them; assumed where nobody says."""
    return platform.machine().lower() in ("x86_64", "amd64") and not _VNNI.intersection(cpu_features())


def _library() -> Any:  # noqa: ANN401 - an untyped module
    if not is_installed(_LIBRARY):
        raise MissingExtraError("engines", f"{_LIBRARY}, which runs models,")
    return importlib.import_module(_LIBRARY)


def _opened(model: bytes | Path, options: Any, where: str = "") -> Any:  # noqa: ANN401
    library = _library()
    try:
        return library.InferenceSession(str(model) if isinstance(model, Path) else model, options, [_CPU])
    except _failures() as error:
        raise EngineFailedError("a model that ONNX Runtime can run", error_line(error), where) from None


def _options(threads: int, entry: tuple[str, str] | None = None, *, quiet: bool = False) -> Any:  # noqa: ANN401
    library = _library()
    options = library.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.execution_mode = library.ExecutionMode.ORT_SEQUENTIAL
    # Where another session is tried after this one, its errors are nobody's.
    options.log_severity_level = _FATAL_ONLY if quiet else _ERRORS_ONLY
    if entry:
        options.add_session_config_entry(*entry)
    return options


def _answers(session: Any) -> bool:  # noqa: ANN401 - of ONNX Runtime
    """Return whether a session gives anything at all for zeros, an open axis as one."""
    values = session.get_inputs()
    if any(value.type not in _TYPES for value in values):
        return False
    try:
        session.run(None, {value.name: _zeros(value) for value in values})
    except _failures():
        return False
    return True


def _zeros(value: Any) -> NDArray[Any]:  # noqa: ANN401 - an input of ONNX Runtime
    return np.zeros([length if isinstance(length, int) else 1 for length in value.shape], _TYPES[value.type])


def _failures() -> tuple[type[Exception], ...]:
    """Return the exceptions ONNX Runtime raises: it gives them no common base of their own."""
    module = importlib.import_module(f"{_LIBRARY}.capi.onnxruntime_pybind11_state")
    own = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    return (*own, RuntimeError, ValueError)


ENGINE = Engine(
    name="onnxruntime", available=partial(is_installed, _LIBRARY), load=_load, start=0.05, call=4e-6, extra="engines",
    version=lambda _key: installation_time(_LIBRARY),
)  # fmt: skip
