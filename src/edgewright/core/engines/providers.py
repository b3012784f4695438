"""Engines that are execution providers of ONNX Runtime in addition to its CPU.

A provider is measured before it is chosen. ONNX Runtime itself goes on without one that cannot be opened, and without
a word: here that is an error, and whoever asked falls back (`core.predictor`) and proves itself again.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.engines import Answer, Engine, onnxruntime
from edgewright.core.errors import InputError, ProviderError

_LIBRARY = "onnxruntime"
# A session with this entry is refused where a single operator would run on the CPU.
_WHOLE = ("session.disable_cpu_ep_fallback", "1")


def provider_engine(name: str, provider: str, *, library: str = "", platform: str = "", call: float) -> Engine:
    """Return the engine of an execution provider.

    Args:
        name: of the engine.
        provider: as ONNX Runtime calls it.
        library: part of the file name of the provider's own library; present where that lies beside ONNX Runtime.
        platform: beginning of `sys.platform` where builds have it inside; they are asked only there, or once ONNX
            Runtime is loaded: importing it to ask takes longer than a small network's answer.
        call: seconds that one answer takes at least.
    """

    def available() -> bool:
        spec = importlib.util.find_spec(_LIBRARY)
        if spec is None or not spec.origin:
            return False
        if library and not any((Path(spec.origin).parent / "capi").glob(f"*onnxruntime_providers_{library}*")):
            return False
        if platform and not sys.platform.startswith(platform) and _LIBRARY not in sys.modules:
            return False
        return provider in importlib.import_module(_LIBRARY).get_available_providers()

    def load(model: bytes) -> Answer:
        return guarded(open_provider(model, provider), provider, model)

    def note(model: bytes) -> str:
        return "" if runs_whole(model, provider) else f"a part of the model runs on the CPU, not on {provider}"

    return Engine(
        name=name, available=available, load=load, start=0.1, call=call, extra="engines",
        version=onnxruntime.ENGINE.version, note=note,
        needs=f"a build of ONNX Runtime with {provider}, and its hardware",
    )  # fmt: skip


def open_provider(model: bytes, provider: str) -> Any:  # noqa: ANN401 - untyped library
    """Open a session on a provider, its CPU for the operators that it lacks.

    Raises:
        ProviderError: it cannot be opened, or ONNX Runtime went on without it.
        InputError: ONNX Runtime cannot run the model at all.
    """
    try:
        session = onnxruntime.open_on(model, [provider, onnxruntime.CPU])
    except InputError as error:
        onnxruntime.open_on(model, [onnxruntime.CPU])
        raise ProviderError(provider, error.got) from None
    if provider not in session.get_providers():
        raise ProviderError(provider, "ONNX Runtime opened the model without it")
    return session


def runs_whole(model: bytes, provider: str) -> bool:
    """Return whether a provider takes every operator."""
    try:
        session = onnxruntime.open_on(model, [provider], _WHOLE)
    except InputError:
        return False
    return provider in session.get_providers()


def guarded(session: Any, provider: str, model: bytes) -> Answer:  # noqa: ANN401 - untyped library
    """Return answers of a session; what fails on its provider and not on the CPU is the provider's failure."""
    run = onnxruntime.answers(session)

    def answer(x: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        try:
            return run(x)
        except InputError as error:
            # An input that the CPU refuses as well is the user's.
            onnxruntime.ENGINE.load(model)(x)
            raise ProviderError(provider, error.got) from None

    return answer


ENGINES = (
    provider_engine("cuda", "CUDAExecutionProvider", library="cuda", call=2e-5),
    provider_engine("tensorrt", "TensorrtExecutionProvider", library="tensorrt", call=2.1e-5),
    provider_engine("xnnpack", "XnnpackExecutionProvider", platform="android", call=9e-6),
)
