"""LiteRT on one thread, for models that are .tflite files: whole pipelines or networks, float or int8."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.engines import Answer, Engine, is_installed
from edgewright.core.errors import EngineFailedError, SampleShapeError, error_line

_STDERR = 2
_NOTE = b"INFO:"
# Descriptor 2 belongs to the whole process: one thread at a time bends it.
_lock = threading.Lock()


@contextmanager
def without_notes() -> Iterator[list[str]]:
    """Hold back lines on descriptor 2 that begin with 'INFO:'; all other bytes are written there afterwards.

    Nothing is lost: what other threads write in the meantime is among it, and comes a little later. Without a
    descriptor 2, or where no temporary file can be made, nothing happens.

    Yields:
        A list that has the notes once the block has ended.
    """
    notes: list[str] = []
    with _lock, ExitStack() as stack:
        try:
            kept = os.dup(_STDERR)
            stack.callback(os.close, kept)
            captured = stack.enter_context(tempfile.TemporaryFile())
        except OSError:
            kept = -1
        if kept >= 0:
            _flush()
            os.dup2(captured.fileno(), _STDERR)
            stack.callback(_back, kept, captured, notes)
        yield notes


def _back(kept: int, captured: IO[bytes], notes: list[str]) -> None:
    """Restore descriptor 2 and write there what was captured and is no note."""
    _flush()
    os.dup2(kept, _STDERR)
    captured.seek(0)
    lines = captured.read().splitlines(keepends=True)
    notes += [line.decode(errors="replace").strip() for line in lines if line.startswith(_NOTE)]
    rest = b"".join(line for line in lines if not line.startswith(_NOTE))
    while rest:
        rest = rest[os.write(_STDERR, rest) :]


def _flush() -> None:
    if sys.stderr is not None:
        sys.stderr.flush()


_LIBRARY = "ai_edge_litert"
# File identifier of a .tflite, bytes 4 to 7 of the flatbuffer.
_MARK = b"TFL3"
# What LiteRT has told already; it tells it once.
_reported: list[str] = []


def _suits(model: bytes) -> bool:
    return model[4:8] == _MARK


def _load(model: bytes) -> Answer:
    if not _suits(model):
        raise EngineFailedError(
            "a .tflite model", "bytes of another kind", "engine 'litert'", "Run ONNX with another engine"
        )
    interpreter = open_model(model)
    sources, targets = interpreter.get_input_details(), interpreter.get_output_details()
    if len(sources) != 1:
        raise EngineFailedError("a model with one input", f"{len(sources)}", "engine 'litert'")
    (source,) = sources
    shape = tuple(int(length) for length in source["shape"])
    if not shape or shape[0] != 1 or min(shape) < 1:
        raise SampleShapeError("a model for one sample a run", f"input shape {shape}", "engine 'litert'")
    location, places = source["index"], [(str(t["name"]), t["index"], t) for t in targets]
    forget = forgetting(interpreter)

    def answer(x: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        if x.shape[1:] != shape[1:]:
            raise SampleShapeError(f"input of shape (n, {', '.join(map(str, shape[1:]))})", f"shape {x.shape}")
        outputs: dict[str, list[NDArray[Any]]] = {name: [] for name, _, _ in places}
        for row in _quantised(np.asarray(x), source):
            interpreter.set_tensor(location, row[None])
            forget()
            interpreter.invoke()
            for name, index, target in places:
                outputs[name].append(_real(interpreter.get_tensor(index), target))
        empty = {name: np.empty((0, *t["shape"][1:]), np.float32) for name, _, t in places}
        return {name: np.concatenate(parts) if parts else empty[name] for name, parts in outputs.items()}

    return answer


def open_model(model: bytes, **settings: Any) -> Any:  # noqa: ANN401 - LiteRT is untyped
    """Return an interpreter of LiteRT on one thread, its tensors allocated.

    LiteRT says on stderr, once a process and with no way to turn it off, that it has a delegate: that is held back.

    Args:
        model: bytes of a .tflite.
        settings: further arguments of LiteRT's `Interpreter`.

    Raises:
        InputError: when LiteRT does not take the model.
    """
    library = importlib.import_module(f"{_LIBRARY}.interpreter")
    with nullcontext() if _reported else without_notes() as notes:
        try:
            interpreter = library.Interpreter(model_content=model, num_threads=1, **settings)
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise EngineFailedError("a model that LiteRT can run", error_line(error)) from None
    _reported.extend(notes or ())
    return interpreter


def forgetting(interpreter: Any) -> Callable[[], None]:  # noqa: ANN401 - LiteRT is untyped
    """Return what sets the states of a model back before a run: LiteRT keeps them; nothing where it has none."""
    # There is no public way to ask for it.
    has_state = any(str(operator["op_name"]).endswith("_LSTM") for operator in interpreter._get_ops_details())
    reset: Callable[[], None] = interpreter.reset_all_variables
    return reset if has_state else lambda: None


def _quantised(x: NDArray[Any], tensor: dict[str, Any]) -> NDArray[Any]:
    """Return samples in the type of the input; on its grid where that is int8, halves rounded away from zero."""
    if tensor["dtype"] is not np.int8:
        return np.ascontiguousarray(x, tensor["dtype"])
    scale, zero = tensor["quantization"]
    steps = np.nan_to_num(x.astype(np.float32) / np.float32(scale))
    whole = np.trunc(steps + np.copysign(np.float32(0.5), steps))
    return np.ascontiguousarray(np.clip(whole + zero, -128, 127), np.int8)


def _real(x: NDArray[Any], tensor: dict[str, Any]) -> NDArray[Any]:
    if tensor["dtype"] is not np.int8:
        return x
    scale, zero = tensor["quantization"]
    return np.asarray((x.astype(np.int32) - zero).astype(np.float32) * np.float32(scale))


ENGINE = Engine(
    name="litert", available=partial(is_installed, _LIBRARY), load=_load, start=0.05, call=2e-6, extra="engines",
    suits=_suits,
)  # fmt: skip
