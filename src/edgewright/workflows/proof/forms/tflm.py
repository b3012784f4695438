""".tflite in TFLM's interpreter: what firmware of the field runs, where the `tflite_micro` wheel is."""

from __future__ import annotations

import importlib
import importlib.util
import math
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import InputError, ProofError, error_line
from edgewright.graph.from_tflite_file import parse_tflite
from edgewright.proof.tolerance import Form
from edgewright.workflows.proof.forms import Forms, Run, Subject
from edgewright.workflows.proof.forms.litert import (
    Network,
    network_file,
    network_places,
    network_run,
    networks,
    whole_file,
    whole_stages,
)

_LIBRARY, _RUNTIME = "tflite_micro", "tflite_micro.python.tflite_micro.runtime"
# Its kernels are plain loops: a device's, not a desk's.
MAX_SAMPLES = 300
# Bytes of the arena beside the values: of the interpreter, and of each tensor and its operator, freely counted.
_KEPT, _EACH = 1 << 20, 1 << 10
Key = TypeVar("Key", int, str)


def _make(subject: Subject) -> Iterator[Form]:
    if importlib.util.find_spec(_LIBRARY) is None or importlib.util.find_spec("ai_edge_litert") is None:
        subject.missing(".tflite in TFLM", "tflite-micro is not installed; it comes with edgewright[dev] on x86-64")
        return
    for network in networks(subject):
        ours = network.network is None or network.network.rounding != "litert"
        name = f"{network.numbers} .tflite in TFLM"
        try:
            run, note = _whole(network), ""
        except InputError as whole:
            try:
                run, note = _network(network, ours), f"the network alone: {whole}"
            except InputError as error:
                subject.missing(name, str(error))
                continue
        yield Form(name, network.numbers, run, ours=ours, whole=not note, note=note, max_samples=MAX_SAMPLES)


def _whole(network: Network) -> Run:
    """Return the whole pipeline's run.

    Raises:
        InputError: for an operator that .tflite or TFLM has not.
    """
    file = whole_file(network)
    program = interpreter(file.model)
    return lambda samples, boundary: whole_stages(network, run_rows(program, samples, file.places))


def _network(subject: Network, ours: bool) -> Run:
    """Return the run of the network alone.

    Raises:
        InputError: where there is none, or one that TFLM does not take.
    """
    network = subject.network
    if network is None:
        raise ProofError(
            "a whole pipeline or a network that .tflite supports", "neither", f"the {subject.numbers} form"
        )
    model = network_file(network)
    places, program = network_places(model, network), interpreter(model)
    if not places:
        raise ProofError("one operator of .tflite for each of the network's", "several", "TFLM")
    return network_run(subject, network, lambda source: run_rows(program, source, places), ours)


def interpreter(model: bytes) -> Any:  # noqa: ANN401 - of a library without types
    """Return an interpreter that keeps every tensor.

    Raises:
        InputError: for a file that TFLM does not take.
    """
    runtime = importlib.import_module(_RUNTIME)
    size = _KEPT + _activations(model)
    try:
        program = runtime.Interpreter.from_bytes(
            model, arena_size=size, intrepreter_config=runtime.InterpreterConfig.kPreserveAllTensors
        )
        # Some of its kernels say only when they run which types they do not take; what is in the arena is anything.
        source = program.get_input_details(0)
        program.set_input(np.zeros(source["shape"], source["dtype"]), 0)
        program.invoke()
    except RuntimeError as error:
        raise ProofError("a .tflite that TFLM takes", error_line(error)) from None
    return program


def _activations(model: bytes) -> int:
    """Return bytes of all tensors, were they 4 bytes a value, with what is kept of each."""
    return sum(_EACH + 4 * math.prod(tensor.shape) for tensor in parse_tflite(model).tensors)


def run_rows(
    interpreter: Any,  # noqa: ANN401 - of a library without types
    source: NDArray[Any],
    places: Mapping[Key, int],
) -> dict[Key, NDArray[Any]]:
    """Run rows, shape (n, ...), one by one and read the tensor of each key, shape (n, ...)."""
    rows: dict[Key, list[NDArray[Any]]] = {key: [] for key in places}
    for row in source:
        interpreter.set_input(np.ascontiguousarray(row[None]), 0)
        # States stay from run to run.
        interpreter.reset()
        interpreter.invoke()
        for key, tensor in places.items():
            rows[key].append(np.array(interpreter.GetTensor(tensor, 0)["tensor_data"][0]))
    return {key: np.stack(outputs) for key, outputs in rows.items()}


FORMS = Forms(rank=45, make=_make, targets=("tflite",))
