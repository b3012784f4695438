"""What learns: the same labelled examples through Python and through compiled `NAME_adapt_learn`."""

from __future__ import annotations

import ctypes
import importlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.adaptation.affine import AffineFactory
from edgewright.core.adaptation.factory import Factory, Numbers
from edgewright.core.adaptation.learner import Learner
from edgewright.core.adaptation.predictor import FORM, hidden_of, origin_of
from edgewright.core.adaptation.slots import state_bytes
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.package import Package
from edgewright.export.c99_learning.adapt import write_adapt_c99
from edgewright.proof.form import Stages
from edgewright.proof.stream import Rule, StreamForm, StreamSubject, prove_stream
from edgewright.schema.errors import InputError
from edgewright.schema.proof import AbsentForm, ProofRecord
from edgewright.workflows.proof.axes import Replay, axes_replay, spaced, whole_windows
from edgewright.workflows.proof.forms import Subject
from edgewright.workflows.proof.provers import Change, compilers
from edgewright.workflows.proof.rows import Chosen

PYTHON, ANSWERS, STATE = "Python learner", "answers after learning", "learned state"
# Examples of a replay: all kept examples of most packages are replaced at least once.
_EXAMPLES = 96
Bytes = NDArray[np.uint8]
_HEADER = "#include <stdint.h>\nvoid learning_replay(const int8_t *row, uint8_t *out);\n"
_SOURCE = """\
#include "learning_adapt.h"
#include "learning_replay.h"
#include <string.h>

void learning_replay(const int8_t *row, uint8_t *out) {
    static learning_adapt_state state;
    learning_undo(&state);
    learning_adapt_use(&state);
    for (int k = 0; k < %(count)d; ++k) {
        int8_t given[LEARNING_ADAPT_CLASSES];
        const int8_t *factory = row + LEARNING_ADAPT_WIDTH;
        (void)learning_adapt_learn(&state, row, factory, factory[LEARNING_ADAPT_CLASSES]);
        memcpy(given, factory, sizeof given);
        learning_adapt_layer(row, given);
        memcpy(out, given, sizeof given);
        out += sizeof given;
        row += LEARNING_ADAPT_WIDTH + LEARNING_ADAPT_CLASSES + 1;
    }
    memcpy(out, &state, LEARNING_ADAPT_BYTES);
}
"""


def adaptation_proof(
    subject: Subject, location: str, chosen: Chosen, change: Change | None = None
) -> ProofRecord | None:
    """Prove what a package learns from the chosen samples; None where there is no package that learns.

    One class is moved towards another, which the last layer has to learn; axes are worn mirrored. Some of the last
    examples contradict that.

    Args:
        subject: of the proof, with its package.
        location: where it was read from.
        chosen: samples that are learned from.
        change: of the files before they are compiled, to plant a fault.
    """
    package = subject.package
    if package is None or not package.learns or not len(chosen.samples):
        return None
    factory = origin_of(package)
    if isinstance(factory, AffineFactory) and not len(whole_windows(factory, chosen)):
        return None
    replay = axes_replay(factory, chosen) if isinstance(factory, AffineFactory) else _replay(package, factory, chosen)
    expected, files = _stages(replay.answers, replay.state), replay.files
    files = dict(change(files)) if change else files
    examples, count = replay.examples, replay.answers.size
    size = count + len(replay.state)

    def split(out: Bytes) -> Stages:
        return _stages(out[:count].view(np.int8).reshape(replay.answers.shape), out[count:])

    def form(name: str, run: Callable[[], Bytes], note: str) -> StreamForm:
        return StreamForm(name=name, run=lambda: (expected, split(run())), note=note)

    absent: list[AbsentForm] = []
    forms = [
        form(f"C99 learner by {name}", _compiled(files, command, examples, size), note)
        for name, command, note in compilers(absent)
    ]
    forms += [form(name, run, "") for name, run in _emulated(subject.device, files, examples, size)]
    exact = Rule(numbers="int8")
    whole = StreamSubject(
        name=f"{package.manifest.name}, learning", place=location,
        source=f"{len(replay.order)} labelled examples of {chosen.source}",
        origins=tuple(chosen.origins[index] for index in replay.order), reference=PYTHON, numbers="int8",
        rules={ANSWERS: exact, STATE: exact}, shape=replay.shape, labels=package.manifest.labels,
        notes=(f"the learned layer answers after {replay.used} of {len(replay.order)} examples",),
        absent=tuple(absent),
    )  # fmt: skip
    return prove_stream(whole, forms)


def _replay(package: Package, factory: Factory, chosen: Chosen) -> Replay:
    classes, order = factory.spec.classes, spaced(len(chosen.samples), _EXAMPLES)
    hidden, given = hidden_of(read_onnx(package.model(FORM)), chosen.samples[order])
    labels = given.argmax(axis=1)
    hidden, given = _moved(hidden, labels, given, Learner(factory))
    last = slice(3 * len(labels) // 4, None, 3)
    labels[last] = (labels[last] + 1) % classes
    examples = np.concatenate([hidden + factory.spec.zero, given, labels[:, None]], axis=1).astype(np.int8)
    learner, answers, used = Learner(factory), [], 0
    for one, outputs, label in zip(hidden, given, labels, strict=True):
        learner.learn(one, int(outputs.argmax()), int(label))
        used += learner.state.used
        answers.append(learner.outputs(one[None])[0] if learner.state.used else outputs)
    files = {
        **write_adapt_c99(factory, name="learning"), "learning_replay.h": _HEADER,
        "learning_replay.c": _SOURCE % {"count": len(order)},
    }  # fmt: skip
    return Replay(files, examples, np.array(answers, np.int8), np.frombuffer(state_bytes(learner.state), np.uint8),
                  order, used, (factory.spec.width,))  # fmt: skip


def _moved(
    hidden: Numbers, labels: NDArray[np.int64], given: NDArray[np.int8], factory: Learner
) -> tuple[Numbers, NDArray[np.int8]]:
    """Return what the layer receives and gives with the second most frequent class moved towards the first."""
    counts = np.bincount(labels, minlength=2)
    first, second = np.argsort(-counts, kind="stable")[:2]
    mine = labels == second
    if not mine.any():
        return hidden, given
    hidden, given = hidden.copy(), given.copy()
    middle = hidden[labels == first].sum(axis=0) // counts[first]
    hidden[mine] = (3 * hidden[mine] + 7 * middle) // 10
    given[mine] = factory.outputs(hidden[mine])
    return hidden, given


def _stages(answers: NDArray[np.int8], state: Bytes) -> Stages:
    """Return the answers, and the state cut into as many rows, so that each row is compared."""
    width = -(-len(state) // len(answers))
    padded = np.zeros(width * len(answers), np.uint8)
    padded[: len(state)] = state
    return {ANSWERS: answers, STATE: padded.view(np.int8).reshape(len(answers), width)}


def _compiled(files: Mapping[str, str], command: str, examples: NDArray[Any], size: int) -> Callable[[], Bytes]:
    def run() -> Bytes:
        host = importlib.import_module("edgewright.export.c99_host.host")
        out = np.zeros(size, np.uint8)
        with tempfile.TemporaryDirectory(prefix="edgewright-learning-") as folder:
            library = ctypes.CDLL(str(host.compile_c99(files, Path(folder), compiler=command, taps=False)))
            library.learning_replay(ctypes.c_void_p(examples.ctypes.data), ctypes.c_void_p(out.ctypes.data))
        return out

    return run


def _emulated(
    device: str, files: Mapping[str, str], examples: NDArray[Any], size: int
) -> Iterator[tuple[str, Callable[[], Bytes]]]:
    """Yield the learner on an emulated processor, where one is asked for that there is an emulator of."""
    tools = importlib.import_module("edgewright.export.emulator")
    if not device or device not in tools.devices():
        return

    def run() -> Bytes:
        entry = tools.Entry("learning_replay.h", "learning_replay(in, out);", examples.nbytes, size)
        done = tools.run_on_device(files, entry, device, examples.reshape(1, -1))
        found: Bytes = done.outputs[0]
        if len(found) != size:
            raise InputError(f"{size} bytes", str(len(found)), device)
        return found

    yield f"C99 learner on an emulated {device}", run
