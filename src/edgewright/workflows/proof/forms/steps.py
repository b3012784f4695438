"""A network with a state, or of causal convolutions, step by step: in Python, in C by every compiler, and emulated.

Every window is a stream of its own, so its last answer must be that of the whole window. In C the power goes once in
each window: the state is saved, overwritten, and restored.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import InputError, ProofError
from edgewright.core.integer.network import run_values, to_integers, to_reals
from edgewright.core.records.network import IntegerNetwork
from edgewright.graph.extract import layers
from edgewright.graph.streaming import NetworkStream, Steps, remembers, steps_of
from edgewright.proof.tolerance import BYTES, OUTPUT, Form, Samples, Stages
from edgewright.workflows.proof.artifacts import compilers, replay_compiled, replay_emulated
from edgewright.workflows.proof.forms import Forms, Subject
from edgewright.workflows.proof.forms.integers import drawn_rows, drawn_stage, shapes_of
from edgewright.workflows.proof.stages import in_a_row, layer_layout, tail

EVERY, SAVED = "answers of every step", "saved state"
# A window in Python takes its samples one by one, and an emulated core some ten million instructions a second.
_ROWS = 100
# Damaged copies of the state that are offered in each window.
_DAMAGED = 8
Int8 = NDArray[np.int8]
# (bytes of windows, shape (n, samples, channels)) -> bytes of every step, and of copies of the state, a row a window.
Replay = Callable[[Int8], NDArray[Any]]
_HEADER = "#include <stdint.h>\nvoid steps_replay(const int8_t *in, int8_t *out);\n"


def _make(subject: Subject) -> Iterator[Form]:
    network = subject.network
    if network is None or not remembers(network):
        return
    try:
        steps = steps_of(network)
        count = _count(network, steps)
    except InputError as error:
        subject.missing("the network step by step", str(error))
        return

    def form(name: str, replay: Replay, note: str, rows: int = 0, files: tuple[str, ...] = ()) -> Form:
        def run(samples: Samples, boundary: Samples) -> Stages:
            return _stages(subject, network, count, replay, samples, boundary)

        return Form(name, "int8", run, whole=False, note=note, max_samples=rows, files=files)

    yield form("integers step by step", _in_python(network), "each window is a stream", _ROWS)
    written = importlib.import_module("edgewright.export.c99_stream.stream").write_network_stream_c99
    own = steps_files(written(network, name="model_steps"), "model_steps", steps, count)
    size = count * steps.outputs + 2
    here = list(compilers([]))
    for name, command, note in here:
        replay = partial(replay_compiled, own, "steps_replay", command, size=size)
        yield form(f"C99 step by step by {name}", replay, f"{note}; a power cut in each window")
    for artefact in subject.of_kind("steps"):
        name = f"{artefact.name} in C99"
        if not here:
            subject.missing(name, "no C compiler: apt-get install gcc")
            continue
        texts = {file: content.decode("utf-8", "replace") for file, content in artefact.files.items()}
        lying = steps_files(texts, Path(artefact.name).stem, steps, count)
        replay = partial(replay_compiled, lying, "steps_replay", here[0][1], size=size)
        yield form(name, replay, here[0][2], files=artefact.shown)
    tools = importlib.import_module("edgewright.export.emulator")
    if subject.device in tools.devices():
        name = f"C99 step by step on an emulated {subject.device}"
        replay = partial(replay_emulated, own, "steps_replay", subject.device, size=size)
        yield form(name, replay, "a power cut in each window", _ROWS)


def steps_files(files: Mapping[str, str], word: str, steps: Steps, count: int) -> dict[str, str]:
    """Return sources of a network as a stream with what replays windows in them.

    Args:
        files: NAME.h and NAME.c.
        word: their NAME.
        steps: of the network.
        count: of steps in a window.
    """
    numbers = {"hop": steps.hop, "channels": steps.channels, "outputs": steps.outputs, "count": count}
    replayed = importlib.import_module("edgewright.export.c99_stream.stream").write_replay_c99
    return {**files, "steps_replay.h": _HEADER, "steps_replay.c": replayed(word, damaged=_DAMAGED, **numbers)}


def _count(network: IntegerNetwork, steps: Steps) -> int:
    """Return the steps of a window.

    Raises:
        InputError: a window that is no whole number of steps.
    """
    samples = network.values[steps.source].shape[1]
    count, left = divmod(samples, steps.hop)
    if left or int(np.prod(network.values[network.output].shape)) not in (steps.outputs, count * steps.outputs):
        raise ProofError(f"windows of whole steps of {steps.hop} samples", f"{samples} samples", network.name)
    return count


def _stages(
    subject: Subject, network: IntegerNetwork, count: int, replay: Replay, samples: Samples, boundary: Samples
) -> Stages:
    """Return bytes at the boundary, every answer, and what the graph makes of the answer to the whole window."""
    first, last = network.values[network.input], network.values[network.output]
    given = to_integers(first, np.reshape(boundary, (len(boundary), *first.shape)))
    windows = run_values(network, given)[steps_of(network).source]
    steps = replay(np.ascontiguousarray(windows[:, 0])).view(np.int8)
    random_bytes = run_values(network, drawn_rows(network, len(given)))[steps_of(network).source]
    others = replay(np.ascontiguousarray(random_bytes[:, 0])).view(np.int8)[:, :-2]
    every, saved = steps[:, :-2], steps[:, -2:]
    width = int(np.prod(last.shape))
    answer = every[:, every.shape[1] - width :].reshape(len(steps), *last.shape)
    shape = shapes_of(subject).get(OUTPUT, last.shape)
    number = layers(network)[OUTPUT]
    stages = {BYTES: given, EVERY: every, SAVED: saved, OUTPUT: layer_layout(network, number, answer, shape)}
    stages |= tail(subject.graphs["int8"], network)(in_a_row(to_reals(last, answer)), samples)
    return {**stages, **drawn_stage(others[:, others.shape[1] - width :], len(steps))}


def _in_python(network: IntegerNetwork) -> Replay:
    def run(windows: Int8) -> Int8:
        stream, steps = NetworkStream(network), []
        for window in windows:
            stream.reset()
            # No damaged copy may be taken, and the whole one must be.
            steps.append([*stream.push(window).ravel(), _DAMAGED, 1])
        return np.array(steps, np.int8)

    return run


FORMS = Forms(rank=54, make=_make, targets=("c99",))
