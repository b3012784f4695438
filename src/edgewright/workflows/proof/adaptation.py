"""What learns: the same labelled examples through Python and through compiled `NAME_adapt_learn`."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.adaptation.affine import AffineFactory, AffineLearner, axes_of, turned
from edgewright.core.adaptation.factory import Factory, Numbers
from edgewright.core.adaptation.learner import Learner
from edgewright.core.adaptation.predictor import FORM, hidden_of, origin_of
from edgewright.core.adaptation.slots import state_bytes
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.package import Package
from edgewright.export.c99_code.parts import filled
from edgewright.export.c99_learning.adapt import REPLAY_LAYER, REPLAY_WINDOWS, write_adapt_c99, write_affine_c99
from edgewright.proof.form import Stages
from edgewright.proof.stream import Rule, StreamForm, StreamSubject, prove_stream
from edgewright.schema.data import Floats
from edgewright.schema.proof import AbsentForm, ProofRecord
from edgewright.workflows.proof.c_calls import Change, compilers, replay_compiled, replay_emulated
from edgewright.workflows.proof.forms import Subject
from edgewright.workflows.proof.rows import Chosen

_REPLAY = "learning_replay"
PYTHON, ANSWERS, STATE = "Python learner", "answers after learning", "learned state"
# Examples of a replay: all kept examples of most packages are replaced at least once.
_EXAMPLES = 96
Bytes = NDArray[np.uint8]
_HEADER = "#include <stdint.h>\nvoid learning_replay(const int8_t *row, uint8_t *out);\n"
_FAR = slice(7, None, 12)
# Windows are long: more would not fit into the memory of every emulated board.
_WINDOW_EXAMPLES = 48
# The way z,x,y mirrored: no swap of two axes, which undoes itself.
_WORN = 31
_WINDOW_HEADER = "#include <stdint.h>\nvoid learning_replay(const float *row, uint8_t *out);\n"


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
    examples, count = replay.examples.reshape(1, -1), replay.answers.size
    size = count + len(replay.state)

    def split(out: Bytes) -> Stages:
        return _stages(out[:count].view(np.int8).reshape(replay.answers.shape), out[count:])

    def form(name: str, run: Callable[[], Bytes], note: str) -> StreamForm:
        return StreamForm(name=name, run=lambda: (expected, split(run()[0])), note=note)

    absent: list[AbsentForm] = []
    forms = [
        form(f"C99 learner by {name}", partial(replay_compiled, files, _REPLAY, command, examples, size), note)
        for name, command, note in compilers(absent)
    ]
    if subject.device in importlib.import_module("edgewright.export.emulator").devices():
        emulated = partial(replay_emulated, files, _REPLAY, subject.device, examples, size)
        forms.append(form(f"C99 learner on an emulated {subject.device}", emulated, ""))
    exact = Rule(numbers="int8")
    whole = StreamSubject(
        name=f"{package.manifest.name}, learning", path=location,
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
    # Bytes far from the data, to which answers are sure.
    ends = np.random.default_rng(0).choice([-128, 127], hidden[_FAR].shape) - factory.spec.zero
    hidden[_FAR] = ends
    given[_FAR] = Learner(factory).outputs(ends)
    last = slice(3 * len(labels) // 4, None, 3)
    labels[last] = (labels[last] + 1) % classes
    examples = np.concatenate([hidden + factory.spec.zero, given, labels[:, None]], axis=1).astype(np.int8)
    learner, answers, used = Learner(factory), [], 0
    for row, outputs, label in zip(hidden, given, labels, strict=True):
        learner.learn(row, int(outputs.argmax()), int(label))
        used += learner.state.used
        answers.append(learner.outputs(row[None])[0] if learner.state.used else outputs)
    files = {
        **write_adapt_c99(factory, name="learning"), "learning_replay.h": _HEADER,
        "learning_replay.c": filled(REPLAY_LAYER, count=len(order)),
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


@dataclass(frozen=True)
class Replay:
    """Labelled examples, and what a device makes of them.

    Attributes:
        files: C with `learning_replay(row, out)`: the answers, then the state.
        examples: as C receives them, one row an example.
        answers: after each example, int8, shape (n, bytes).
        state: after all.
        order: places of the examples among the chosen samples.
        used: examples after which what was learned is used.
        shape: of an example.
    """

    files: Mapping[str, str]
    examples: NDArray[Any]
    answers: NDArray[np.int8]
    state: NDArray[np.uint8]
    order: NDArray[np.int64]
    used: int
    shape: tuple[int, ...]


def spaced(count: int, maximum: int) -> NDArray[np.int64]:
    """Return at most so many places, evenly spaced."""
    return np.linspace(0, count - 1, min(maximum, count)).round().astype(np.int64)


def whole_windows(factory: AffineFactory, chosen: Chosen) -> NDArray[np.int64]:
    """Return places of the windows without missing values on the watched axes."""
    axes = chosen.samples[:, axes_of(factory.spec)]
    return np.flatnonzero(np.isfinite(axes).all(axis=(1, 2))).astype(np.int64)


def axes_replay(factory: AffineFactory, chosen: Chosen) -> Replay:
    """Return windows that are worn turned and mirrored, with the nearest class of the training data as their label."""
    spec = factory.spec
    whole = whole_windows(factory, chosen)
    order = whole[spaced(len(whole), _WINDOW_EXAMPLES)]
    windows = np.ascontiguousarray(chosen.samples[order], np.float32)
    labels = np.array([_nearest(factory, window) for window in windows], np.int64)
    last = slice(3 * len(labels) // 4, None, 3)
    labels[last] = (labels[last] + 1) % spec.classes
    worn = turned(spec, windows, _WORN)
    learner, answers, used = AffineLearner(factory), [], 0
    for window, label in zip(worn, labels, strict=True):
        hashed = np.frombuffer(_hash(learner.turned(window[None]).tobytes()).to_bytes(4, "little"), np.int8)
        learner.learn(window, int(label))
        used += learner.state.used
        answers.append(np.concatenate([[1, learner.state.used], hashed]))
    size = int(np.prod(windows.shape[1:]))
    files = {
        **write_affine_c99(factory, name="learning"), "learning_replay.h": _WINDOW_HEADER,
        "learning_replay.c": filled(REPLAY_WINDOWS, count=len(order), size=size),
    }  # fmt: skip
    examples = np.concatenate([worn.reshape(len(worn), size), labels[:, None]], axis=1).astype(np.float32)
    return Replay(files, examples, np.array(answers, np.int8), np.frombuffer(state_bytes(learner.state), np.uint8),
                  order, used, windows.shape[1:])  # fmt: skip


def _nearest(factory: AffineFactory, window: Floats) -> int:
    """Return the class whose training moments a window as it was recorded is nearest to."""
    rows = []
    for label in range(factory.spec.classes):
        learner = AffineLearner(factory)
        learner.learn(window, label)
        rows.append(learner.distance)
    return int(np.argmin(rows))


def _hash(data: bytes) -> int:
    """Return the 32-bit FNV-1a hash (Fowler, Noll and Vo)."""
    value = 2166136261
    for byte in data:
        value = ((value ^ byte) * 16777619) & 0xFFFFFFFF
    return value
