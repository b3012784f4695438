"""A detector's scores and anomalies in Python and in compiled C, row by row."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.adaptation.affine import AffineFactory, AffineLearner, axes_of, state_bytes, turned
from edgewright.core.adaptation.learner import Factory, Learner, Numbers
from edgewright.core.adaptation.predictor import FORM, hidden_of, origin_of
from edgewright.core.errors import StoppedError
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.package import Package
from edgewright.core.records.data import Floats
from edgewright.core.records.proof import AbsentForm, ProofRecord
from edgewright.export.c99_code.parts import filled
from edgewright.export.c99_learning.adapt import REPLAY_LAYER, REPLAY_WINDOWS, write_adapt_c99, write_affine_c99
from edgewright.monitor.detector_stream import DetectorFile, RowVerdict, Watch, pause
from edgewright.proof.stream import Rule, StreamForm, StreamSubject, prove_stream
from edgewright.proof.tolerance import Stages
from edgewright.workflows.proof.artifacts import Change, compilers, in_child, replay_compiled, replay_emulated
from edgewright.workflows.proof.forms import Subject
from edgewright.workflows.proof.stream_rows import StreamRows, inserted
from edgewright.workflows.proof.subject import Chosen

# A detector in float32 beside float64: so much of a score, and of the threshold.
SCORE = 2e-4
# A channel is as much to blame as the first one where no more of its share is missing.
_BLAME = 1e-3
# Rows behind which a row is made that just reaches the threshold; so many neighbours in float32 are tried, up to so
# many last digits away.
_PREFIX, _VARIATIONS, _NEAR = 300, 100, 20
_KINDS = "anomalies at the same rows, from the same threshold and scores"


def detector_rules(name: str, threshold: float) -> dict[str, Rule]:
    """How each stage of a detector is compared.

    Args:
        name: name of the detector, as its stages say it; empty where it is the only one.
        threshold: by which small scores are measured.
    """
    score, odd, channel = stages_of(name)
    words = f"float32 against float64: relative {SCORE:g} + {SCORE:g} of the threshold"
    return {
        score: Rule(words, relative=SCORE, absolute=SCORE * abs(threshold)),
        odd: Rule(_KINDS, numbers="label", kinds=True),
        channel: Rule(f"{_BLAME:g} of the blame: channels to blame alike", absolute=_BLAME),
    }


def detector_names(name: str) -> dict[str, tuple[str, ...]]:
    """Return names of the values of a detector's stages."""
    score, odd, channel = stages_of(name)
    return {score: ("score",), odd: ("anomaly", "threshold"), channel: ("share of the blame",)}


def stages_of(name: str) -> tuple[str, str, str]:
    """Return names of the stages: score, anomalies, and the channel that is blamed."""
    begin = f"detector {name}" if name else "detector"
    return f"{begin} score", f"{begin} anomalies", f"{begin} channel"


def watched(
    file: DetectorFile, values: Floats, times: NDArray[np.float64], scores: NDArray[np.float64]
) -> list[tuple[RowVerdict, float, NDArray[np.float64]]]:
    """Return what Python judges over the scores of another form.

    Args:
        file: of the detector.
        values: its channels, shape (n, channels).
        times: seconds since 1970, shape (n,).
        scores: of the other form, shape (n,), NaN where it judged nothing.

    Returns:
        For each row, or window, that is judged: what is told of it, Python's own score, and each channel's blame.
    """
    again = _Again(file, scores)
    return [(verdict, *again.kept[index]) for index, verdict in enumerate(again.push(values, times))]


def anomalies(
    name: str,
    verdicts: list[tuple[RowVerdict, float, NDArray[np.float64]]],
    scores: NDArray[np.float64],
    channels: Mapping[int, int],
    limits: Mapping[int, float],
    threshold: float,
) -> tuple[Stages, Stages]:
    """Return stages of a detector in Python and in another form.

    Args:
        name: name of the detector.
        verdicts: as `watched` gives it.
        scores: of the other form.
        channels: of its anomalies by row, the detector's own channels.
        limits: the threshold that each of them names.
        threshold: of the detector.
    """
    n = len(scores)
    own, share = np.full(n, np.nan), np.zeros((2, n, 1))
    odd = np.zeros((2, n, 2))
    for verdict, score, blame in verdicts:
        own[verdict.row] = score
        if verdict.alarm:
            odd[0, verdict.row] = 1.0, np.float32(threshold)
            share[:, verdict.row] = blame.max() if verdict.channel >= 0 else 0.0
            channel = channels.get(verdict.row, verdict.channel)
            share[1, verdict.row] = blame[channel] if 0 <= channel < len(blame) else 0.0
    for row, limit in limits.items():
        odd[1, row] = 1.0, limit
    stages = stages_of(name)
    return (
        dict(zip(stages, (own[:, None], odd[0], share[0]), strict=True)),
        dict(zip(stages, (scores[:, None], odd[1], share[1]), strict=True)),
    )


def tied_rows(
    rows: StreamRows,
    places: Sequence[int],
    detector: Any,  # noqa: ANN401 - `c99_host.probe.CDetector`
    file: DetectorFile,
) -> StreamRows | None:
    """Return what `with_tie` does, in one child process; None also for code that crashes, which its form reports."""
    try:
        return in_child(lambda: with_tie(rows, places, detector, file))
    except StoppedError:
        return None


def with_tie(
    rows: StreamRows,
    places: Sequence[int],
    detector: Any,  # noqa: ANN401 - `c99_host.probe.CDetector`
    file: DetectorFile,
) -> StreamRows | None:
    """Return the rows with one more, whose score in C is the threshold to the bit; None where none was found.

    Args:
        rows: of the stream.
        places: of the detector's channels among its columns.
        detector: compiled.
        file: of it.
    """
    limit = float(np.float32(file.spec.threshold.value))
    scores = detector.run(rows.values[:, places], rows.lost, rows.times)[:, 0]
    finite = np.flatnonzero(np.isfinite(scores))
    begin = _calm(finite[finite < _PREFIX], scores, limit, file.spec.refractory)
    if begin is None:
        return None
    calm, odd = (np.nan_to_num(rows.values[at, places]) for at in (begin, int(finite[np.argmax(scores[finite])])))

    def score(row: Floats) -> float:
        values = np.concatenate([rows.values[:begin, places], row[None]])
        return float(detector.run(values, rows.lost[: begin + 1], rows.times[: begin + 1])[-1, 0])

    pair = reaching(score, calm, odd, limit)
    if pair is None:
        return None
    whole = rows.values[begin].copy()
    whole[list(places)] = pair
    return inserted(rows, begin, whole, f"a row made for a score of {limit:.9g}, the threshold")


def reaching(score: Callable[[Floats], float], calm: Floats, odd: Floats, limit: float) -> Floats | None:
    """Return a row between two, or beyond the second, whose score is the limit to the bit; None where none was found.

    Args:
        score: of a row.
        calm: row, shape (channels,), that scores below the limit.
        odd: row, shape (channels,).
        limit: float32.
    """

    def along(begin: Floats, end: Floats) -> Iterator[Floats]:
        """Yield rows that close in on the limit, and neighbours of the last one."""
        low, high = np.asarray(begin, np.float64), np.asarray(end, np.float64)
        while not np.array_equal(low.astype(np.float32), high.astype(np.float32)):
            middle = (low + high) / 2
            if np.array_equal(middle, low) or np.array_equal(middle, high):
                break
            row = middle.astype(np.float32)
            yield row
            low, high = (middle, high) if score(row) < limit else (low, middle)
        row = high.astype(np.float32)
        for moved in np.random.default_rng(0).integers(-_NEAR, _NEAR + 1, (_VARIATIONS, len(row))):
            yield np.asarray(row + moved * np.spacing(row) * (begin != end), np.float32)

    far = next((row for row in (calm + 2.0**k * (odd - calm) for k in range(12)) if score(_single(row)) >= limit), None)
    if far is None or not score(calm) < limit:
        return None
    ways = [(calm, far)]
    for channel in range(len(calm)):
        trial = calm.copy()
        trial[channel] += 64 * (far - calm)[channel]
        ways += [(calm, trial)] if score(_single(trial)) >= limit else []
    for begin, end in ways:
        for row in along(begin, end):
            if score(row) == limit:
                return row
    return None


def _single(row: Floats) -> Floats:
    return np.asarray(row, np.float32)


def _calm(rows: NDArray[np.int64], scores: NDArray[np.float64], limit: float, refractory: float) -> int | None:
    """Return the last judged row after enough rows below the limit for a new alarm; None for none."""
    odd = scores[rows] >= limit
    free = ~odd
    for at in np.flatnonzero(odd):
        free[at : at + pause(refractory, int(rows[at]) + 1) + 2] = False
    ends = np.flatnonzero(free)
    return int(rows[ends[-1]]) if len(ends) else None


class _Again(Watch):
    """Judges scores that another form gave, and keeps its own."""

    def __init__(self, file: DetectorFile, scores: NDArray[np.float64]) -> None:
        # The threshold as C has it: a score that just reaches it is odd in both.
        limit = msgspec.structs.replace(file.spec.threshold, value=float(np.float32(file.spec.threshold.value)))
        super().__init__(replace(file, spec=msgspec.structs.replace(file.spec, threshold=limit)))
        self._scores = scores
        self.kept: list[tuple[float, NDArray[np.float64]]] = []

    def _score(self, seen: Floats, time: float) -> float:
        own = super()._score(seen, time)
        blame = self._running.blame()
        if self.spec.window is not None:
            blame = blame.reshape(self._channels, -1).sum(1)
        self.kept.append((own, blame))
        return float(self._scores[self._rows - 1])


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
