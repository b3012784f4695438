"""Every form of an upscaler on the same windows, up to what the network tells."""

from __future__ import annotations

import numpy as np

from edgewright.core.onnx.reader import read_onnx
from edgewright.graph.upscaling import SPEC, UpscalerFile, read_upscaler
from edgewright.schema.data import Floats
from edgewright.schema.errors import InputError
from edgewright.schema.proof import ProofRecord
from edgewright.workflows.proof.comparison import prove_subject
from edgewright.workflows.proof.forms import forms_of
from edgewright.workflows.proof.provers import ProofRequest, Prover
from edgewright.workflows.proof.provers.denoiser import network_graph
from edgewright.workflows.proof.rows import Chosen
from edgewright.workflows.proof.subject import subject_of

_WINDOWS = 40


def prove_upscaler(request: ProofRequest) -> ProofRecord:
    """Compare all forms of the network, stage by stage, on its own test and on drawn windows.

    Raises:
        InputError: a file that is no upscaler, or rows of somebody's own.
    """
    if request.data:
        raise InputError("an upscaler without --data", request.data, str(request.path), "Omit --data")
    upscaler = read_upscaler(request.path)
    graphs = {form: network_graph(read_onnx(model), upscaler.network, "Mul") for form, model in
              (("float", upscaler.float_model), ("int8", upscaler.int8_model))}  # fmt: skip
    subject = subject_of(upscaler.spec.name, graphs, network=upscaler.network, device=request.device)
    windows = drawn_windows(upscaler)[: request.rows]
    origins = tuple(f"window {number + 1}" for number in range(len(windows)))
    chosen = Chosen(windows, origins, "its own test with noise of changing loudness")
    return prove_subject(subject, str(request.path), chosen, forms_of(subject))


def drawn_windows(upscaler: UpscalerFile, seed: int = 0) -> Floats:
    """Return the window of the test, and others with noise from little to more than the network sees."""
    rng, own = np.random.default_rng(seed), upscaler.test_in
    loud = 10.0 ** rng.uniform(-2, 1, (_WINDOWS - 1, *(1,) * (own.ndim - 1))) * max(float(own.std()), 1e-3)
    noise = rng.standard_normal((_WINDOWS - 1, *own.shape[1:])) * loud
    return np.asarray(np.concatenate([own, own + noise]), np.float32)


PROVER = Prover(SPEC, prove_upscaler)
