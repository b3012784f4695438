"""Every example of a stage as a graph, and what tests of generated C compare with: ONNX Runtime, and how far apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgewright.core.engines.onnxruntime import open_session
from edgewright.core.errors import InputError
from edgewright.core.records.network import Graph
from edgewright.export.c99_host import host
from edgewright.graph.builder import Builder
from edgewright.graph.stage import emit
from stage_examples import Floats, built, targets
from support import left_out


def fitted(room: str, kind: str, number: int) -> tuple[Graph, Any, Floats]:
    """Return the graph of a fitted stage, the stage, and its samples."""
    _, estimator, X = built(room, kind, number)
    estimator.fit(X, targets(X))
    builder = Builder("stage", X.shape[1:])
    value = emit(estimator, builder, builder.input)
    builder.stage(kind, value)
    return builder.finish({"prediction": (value, "float32", estimator.transform(X[:2]).shape[1:])}), estimator, X


def need_compiler() -> None:
    """Skip the test if there is no C compiler, not even that of ziglang."""
    need_named_compiler("")


def need_named_compiler(name: str) -> None:
    """Skip the test if a compiler such as "gcc" or "zig" is not installed."""
    try:
        host.compiler_command(name)
    except InputError:
        left_out(name or "a C compiler")


def use_one_compiler(patch: pytest.MonkeyPatch) -> None:
    """Let a proof compile with the first compiler that is here.

    That all of them give the same answers is what test_export_compilers.py is about.
    """
    need_compiler()
    here = [compiler for compiler in host.compilers() if compiler.command]
    patch.setattr(host, "compilers", lambda: (here[0],))


def in_onnxruntime(model: bytes, X: Floats) -> Floats:
    session = open_session(model)
    return np.asarray(session.run(None, {"input": X})[0])


def share_of_tolerance(expected: NDArray[Any], actual: NDArray[Any]) -> float:
    """Largest difference in units of what is allowed: relative 1e-5 plus 1e-5 of the range over the samples."""
    expected, actual = (a.reshape(len(a), -1).astype(np.float64) for a in (expected, actual))
    assert (np.isnan(expected) == np.isnan(actual)).all()
    spread = np.nanmax(expected, axis=0) - np.nanmin(expected, axis=0)
    allowed = 1e-5 * np.abs(expected) + 1e-5 * spread + np.finfo(np.float32).tiny
    return float(np.nanmax(np.abs(expected - actual) / allowed))
