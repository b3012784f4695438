"""What tests of generated C compare with: ONNX Runtime, and how far apart two forms may be."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from edgewright.export._c_host import COMPILERS
from stage_examples import Floats
from support import left_out


def need_compiler() -> None:
    """Leaves the test out where there is no C compiler."""
    if not any(shutil.which(name) for name in COMPILERS):
        left_out("a C compiler")


def in_onnxruntime(model: bytes, X: Floats) -> Floats:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"input": X})[0])


def share_of_tolerance(expected: NDArray[Any], found: NDArray[Any]) -> float:
    """Largest difference in units of what is allowed: relative 1e-5 plus 1e-5 of the range over the samples."""
    expected, found = (a.reshape(len(a), -1).astype(np.float64) for a in (expected, found))
    assert (np.isnan(expected) == np.isnan(found)).all()
    spread = np.nanmax(expected, axis=0) - np.nanmin(expected, axis=0)
    allowed = 1e-5 * np.abs(expected) + 1e-5 * spread + np.finfo(np.float32).tiny
    return float(np.nanmax(np.abs(expected - found) / allowed))
