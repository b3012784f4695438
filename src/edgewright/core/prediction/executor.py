"""Running a graph in NumPy: prepared once, then a list of calls over numbered slots."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import DecisionError, InputError, OnnxError, SampleShapeError, error_line
from edgewright.core.operators import Function, prepare, where
from edgewright.core.records.data import Floats
from edgewright.core.records.device import DecisionSpec
from edgewright.core.records.network import Array, Graph, Node, Value

Run = Callable[[NDArray[Any]], dict[str, Array]]
# What NumPy raises when an operator gets shapes or types that do not go together.
_MISFIT = (ValueError, TypeError, IndexError, AttributeError, ArithmeticError, MemoryError)


@dataclass(frozen=True)
class _Step:
    """One node: its function, the slots it reads and writes, and the slots nobody reads afterwards."""

    node: Node
    function: Function
    inputs: tuple[int, ...]
    output: int
    frees: tuple[int, ...] = ()


def compile_graph(
    graph: Graph, outputs: Sequence[str] | None = None, *, own: Mapping[str, Function] | None = None
) -> Run:
    """Prepare a graph for many runs.

    Nodes whose inputs are all constants are worked out now; a value is dropped after its last use.

    Args:
        graph: with one input, batch first.
        outputs: names of the values to give, interior ones included; the graph's own outputs when None.
        own: functions of operators that only this graph has, by their names.

    Returns:
        A function of the input, shape (n, *input shape), cast to the type the graph declares, that gives the values
        by name. It keeps nothing between calls, so threads may share it.

    Raises:
        UnknownNameError: for an operator that is not known, naming the node.
        InputError: for a graph that is not whole, or a value that no node gives.
    """
    if len(graph.inputs) != 1:
        raise OnnxError("a graph with one input", f"{len(graph.inputs)}", f"graph {graph.name}")
    source = graph.inputs[0]
    wanted = tuple(v.name for v in graph.outputs) if outputs is None else tuple(outputs)
    slots, template = _slots(graph)
    steps = _steps(_needed(graph, wanted), slots, template, own or {})
    for name in wanted:
        if name not in slots:
            raise OnnxError("a value of the graph", repr(name), f"graph {graph.name}")
    places = tuple((name, slots[name]) for name in wanted)
    return _runner(_freed(steps, {slot for _, slot in places}), template, source, slots[source.name], places)


def _slots(graph: Graph) -> tuple[dict[str, int], list[Any]]:
    """Return a number for every value, and the list of values with the constants in place; slot 0 is 'left out'."""
    slots: dict[str, int] = {"": 0}
    template: list[Any] = [None]
    for name, array in graph.constants.items():
        slots[name] = len(template)
        template.append(array)
    names = [graph.inputs[0].name, *(output for node in graph.nodes for output in node.outputs)]
    for name in names:
        if name and name in slots:
            raise OnnxError("names of values that differ", f"{name!r} twice", f"graph {graph.name}")
        slots[name] = len(template)
        template.append(None)
    slots[""] = 0
    return slots, template


def _needed(graph: Graph, wanted: Sequence[str]) -> list[Node]:
    """Return the nodes that the wanted values depend on, in their order."""
    needed, kept = set(wanted), []
    for node in reversed(graph.nodes):
        if needed.intersection(node.outputs):
            needed.update(node.inputs)
            kept.append(node)
    return kept[::-1]


def _steps(nodes: list[Node], slots: dict[str, int], template: list[Any], own: Mapping[str, Function]) -> list[_Step]:
    steps: list[_Step] = []
    known = {name for name, slot in slots.items() if template[slot] is not None}
    computed = {slot for name, slot in slots.items() if name and template[slot] is None}
    computed -= {slots[output] for node in nodes for output in node.outputs}
    for node in nodes:
        if len([name for name in node.outputs if name]) != 1:
            raise OnnxError("one output", str(len(node.outputs)), where(node))
        missing = [n for n in node.inputs if n not in slots or (n and n not in known and slots[n] not in computed)]
        if missing:
            raise OnnxError("inputs that an earlier node gives", repr(missing[0]), where(node))
        inputs, output = tuple(slots[name] for name in node.inputs), slots[node.outputs[0]]
        constants = [template[slot] for slot in inputs]
        step = _Step(node, own.get(node.op) or _prepared(node, constants), inputs, output)
        if all(name == "" or name in known for name in node.inputs) and node.inputs:
            template[output] = _call(step, constants)
            known.add(node.outputs[0])
        else:
            steps.append(step)
            computed.add(output)
    return steps


def _prepared(node: Node, constants: list[Any]) -> Function:
    try:
        return prepare(node, constants)
    except _MISFIT as error:
        raise OnnxError("inputs and attributes the operator takes", error_line(error), where(node)) from None


def _call(step: _Step, values: list[Any]) -> Array:
    try:
        with np.errstate(all="ignore"):
            return np.asarray(step.function(*values))
    except _MISFIT as error:
        raise OnnxError("constants that fit", error_line(error), where(step.node)) from None


def _freed(steps: list[_Step], kept: set[int]) -> list[_Step]:
    last: dict[int, int] = {}
    for index, step in enumerate(steps):
        last.update(dict.fromkeys((*step.inputs, step.output), index))
    outputs = {step.output for step in steps}
    return [
        _Step(
            step.node,
            step.function,
            step.inputs,
            step.output,
            tuple({s for s in (*step.inputs, step.output) if s in outputs and s not in kept and last[s] == index}),
        )
        for index, step in enumerate(steps)
    ]


def _runner(
    steps: list[_Step], template: list[Any], value: Value, source: int, places: tuple[tuple[str, int], ...]
) -> Run:
    # Plain tuples, two inputs spelled out: this loop is most of the time of a small network.
    plan = [
        (s.function, len(s.inputs), (*s.inputs, 0, 0)[0], (*s.inputs, 0, 0)[1], s.inputs, s.output, s.frees)
        for s in steps
    ]
    by_output = {s.output: s for s in steps}
    shape, rank, dtype = value.shape, len(value.shape) + 1, np.dtype(value.dtype)
    free_axes = any(length < 0 for length in shape)

    def run(x: NDArray[Any]) -> dict[str, Array]:
        if x.ndim != rank or (x.shape[1:] != shape and not free_axes):
            raise SampleShapeError(f"input of shape (n, {', '.join(map(str, shape))})", f"shape {x.shape}")
        slots = template.copy()
        slots[source] = x if x.dtype is dtype else x.astype(dtype)
        output = 0
        try:
            with np.errstate(all="ignore"):
                for function, count, a, b, inputs, output, frees in plan:
                    if count == 2:
                        slots[output] = function(slots[a], slots[b])
                    elif count == 1:
                        slots[output] = function(slots[a])
                    else:
                        slots[output] = function(*[slots[i] for i in inputs])
                    for slot in frees:
                        slots[slot] = None
        except _MISFIT as error:
            raise _misfit(by_output[output], slots, error) from None
        return {name: slots[slot] for name, slot in places}

    return run


def _misfit(step: _Step, slots: list[Any], error: BaseException) -> InputError:
    shapes = ", ".join("none" if slots[i] is None else str(np.shape(slots[i])) for i in step.inputs)
    return SampleShapeError("shapes and types that go together", f"{shapes}: {error_line(error)}", where(step.node))


# Times come of clocks and of divisions: a refractory time is over when no more than this is missing, in seconds.
SLACK = 1e-6
_MAX_COUNT = 1000


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What is decided changed.

    Attributes:
        label: its place among the labels.
        confidence: averaged probability of the label, float32.
        time: of the window that made it so, in seconds of the stream.
        alarm: whether it calls for somebody.
    """

    label: int
    confidence: float
    time: float
    alarm: bool


class Decider:
    """Decides over the answers to successive windows of one stream.

    All arithmetic is float32, in this order:

    1. Mean. The probabilities of the last `smoothing` windows, of fewer at the beginning, are added from the oldest
       to the newest, label by label, and the sum is divided once by their number. With `full_mean` a window that
       has fewer decides nothing.
    2. Choice. Of the labels with a threshold of their own whose mean reaches it, the one with the largest
       mean / threshold: the choice of least expected cost where missing a label costs 1 / threshold. Where there is
       none, the label with the largest mean, if it has no threshold of its own and its mean reaches `threshold`. The
       first of equals. Else the window decides nothing.
    3. Debounce. A label that is chosen by `debounce` windows in a row is decided. A window that decides nothing
       breaks the row; the last decision stays.
    4. Alarm. A decision that differs from the last one and whose label is among `alarms` is an alarm, unless the
       same label's last alarm is less than `refractory` seconds ago. Such a decision stays a decision.

    A hole in the stream (`gap`), probabilities of which one is not finite, and those of which none is above 0 (no
    answer: too many values are missing) empty the mean and break the row: nothing is averaged over a hole. Decision
    and refractory times stay. An answer that the package calls unsure counts as any other; `threshold` says what is
    too little here.

    Args:
        spec: how to decide.
        labels: classes in the order of the probabilities.

    Raises:
        InputError: as `check_decision`, and for no labels.
    """

    KEPT = ("_last", "_candidate", "_row", "decided", "_alarmed", "means")

    def __init__(self, spec: DecisionSpec, labels: Sequence[str]) -> None:
        check_decision(spec, labels)
        if not labels:
            raise DecisionError("a model with classes", "one that gives a number", "decision")
        self.spec, self.labels = spec, tuple(labels)
        self._own = own_thresholds(spec, labels)
        self._threshold = np.float32(spec.threshold)
        self._needed = spec.smoothing if spec.full_mean is True else 1
        self._alarms = frozenset(index for index, label in enumerate(labels) if label in spec.alarms)
        self.reset()

    def reset(self) -> None:
        """Forget everything, as at the start."""
        self._last: deque[Floats] = deque(maxlen=self.spec.smoothing)
        self._candidate, self._row, self.decided = -1, 0, -1
        self._alarmed: dict[int, float] = {}
        self.means: Floats = np.zeros(len(self.labels), np.float32)

    def gap(self) -> None:
        """Say that rows are missing between the last window and the next."""
        self._last.clear()
        self._candidate, self._row = -1, 0

    def push(self, probabilities: Floats, time: float) -> Decision | None:
        """Take the answer to the next window.

        Args:
            probabilities: shape (labels,), float32.
            time: of the window's last row, in seconds; not before the last one.

        Returns:
            The new decision where it changed, else None. `means` are then the averaged probabilities, `decided` the
            place of the label that holds, -1 for none yet.

        Raises:
            InputError: for another number of probabilities.
        """
        values = np.array(probabilities, np.float32).reshape(-1)
        if len(values) != len(self.labels):
            raise SampleShapeError(f"{len(self.labels)} probabilities", str(len(values)), "decision")
        if not _answered(values):
            self.gap()
            return None
        self._last.append(values)
        with np.errstate(all="ignore"):
            self.means = _mean(self._last, np.float32(len(self._last)))
            label = int(self._chosen(self.means[None])[0]) if len(self._last) >= self._needed else -1
        return None if self._settled(label, 0, 1) is None else self._decision(label, self.means, time)

    def push_all(self, answers: Floats, times: Sequence[float]) -> dict[int, Decision]:
        """Take the answers to the next windows, as `push` takes each, but sooner done.

        Args:
            answers: probabilities, shape (windows, labels), float32.
            times: of each window's last row.

        Returns:
            The new decisions, each under the number of the window that made it.

        Raises:
            InputError: for another number of probabilities, or of times.
        """
        values = np.array(answers, np.float32)
        shape = (len(times), len(self.labels))
        if values.shape != shape:
            raise SampleShapeError(f"probabilities of shape {shape}", str(values.shape), "decision")
        sure = _answered(values)
        decisions: dict[int, Decision] = {}
        for start, end in equal_runs(sure):
            if not sure[start]:
                self.gap()
                continue
            with np.errstate(all="ignore"):
                means = self._means(values[start:end])
                labels = self._chosen(means)
            labels[: max(0, self._needed - 1 - len(self._last))] = -1
            for first, after in equal_runs(labels):
                at = self._settled(int(labels[first]), first, after)
                if at is not None:
                    decisions[start + at] = self._decision(int(labels[first]), means[at], times[start + at])
            self._last.extend(values[start:end])
            self.means = means[-1]
        return decisions

    def _means(self, values: Floats) -> Floats:
        """Return the mean behind each of the next windows; zeros, which change no sum, stand before the first."""
        smoothing, known = self.spec.smoothing, len(self._last)
        before = np.zeros((smoothing, len(self.labels)), np.float32)
        if known:
            before[-known:] = self._last
        rows = np.concatenate((before, values))
        counts = np.minimum(known + np.arange(1, len(values) + 1), smoothing).astype(np.float32)
        return _mean([rows[shift : shift + len(values)] for shift in range(1, smoothing + 1)], counts[:, None])

    def _chosen(self, means: Floats) -> NDArray[np.int64]:
        """Return the label that each row of means chooses, -1 for none."""
        best = means.argmax(1)
        sure = (self._own[best] == 0) & (means.max(1) >= self._threshold)
        chosen = np.where(sure, best, -1)
        reached = (self._own > 0) & (means >= self._own)
        if not reached.any():
            return chosen
        shares = np.divide(means, self._own, out=np.zeros_like(means), where=reached)
        return np.where(reached.any(1), shares.argmax(1), chosen)

    def _settled(self, label: int, first: int, after: int) -> int | None:
        """Take windows from `first` to `after` that choose one label; return the one that decides it anew, or None."""
        before = self._row if label == self._candidate else 0
        self._candidate, self._row = label, 0 if label < 0 else min(before + after - first, self.spec.debounce)
        if label in (-1, self.decided) or self._row < self.spec.debounce:
            return None
        return first + max(self.spec.debounce - before, 1) - 1

    def _decision(self, label: int, means: Floats, time: float) -> Decision:
        self.decided = label
        return Decision(label=label, confidence=float(means[label]), time=time, alarm=self._alarm(label, time))

    def _alarm(self, label: int, time: float) -> bool:
        if label not in self._alarms:
            return False
        before = self._alarmed.get(label)
        if before is not None and time - before < self.spec.refractory - SLACK:
            return False
        self._alarmed[label] = time
        return True


def equal_runs(values: NDArray[Any]) -> Iterator[tuple[int, int]]:
    """Return where each run of equal values begins and ends."""
    return pairwise(sorted({0, *(np.flatnonzero(values[1:] != values[:-1]) + 1).tolist(), len(values)}))


def _answered(probabilities: Floats) -> NDArray[np.bool_]:
    """Return whether probabilities along the last axis are an answer: all finite, one above 0."""
    return np.asarray(np.isfinite(probabilities).all(-1) & (probabilities.max(-1, initial=0.0) > 0))


def _mean(rows: Sequence[Floats], count: Floats | np.float32) -> Floats:
    """Add from the oldest to the newest, and divide once."""
    total = rows[0].copy()
    for row in islice(rows, 1, None):
        total += row
    return np.asarray(total / count, np.float32)


def own_thresholds(spec: DecisionSpec, labels: Sequence[str]) -> Floats:
    """Return the threshold that each label has of its own, float32; 0 for those that have none."""
    return np.array([spec.thresholds.get(label, 0.0) for label in labels], np.float32)


def check_decision(spec: DecisionSpec, labels: Sequence[str], where: str = "decision") -> None:
    """Refuse what cannot be decided by.

    Raises:
        InputError: for counts outside 1 to 1000, a label that is not known, a threshold outside 0 to 1 (a label's own
            one must be more than 0 as float32), or a refractory time that is negative or not finite.
    """
    for name, count in (("smoothing", spec.smoothing), ("debounce", spec.debounce)):
        if not 1 <= count <= _MAX_COUNT:
            raise DecisionError(f"1 to {_MAX_COUNT} windows", str(count), f"{where}.{name}")
    for name, listed in (("thresholds", tuple(spec.thresholds)), ("alarms", spec.alarms)):
        unknown = [label for label in listed if label not in labels]
        if unknown:
            text = ", ".join(labels) or "none, as the model has no classes"
            raise DecisionError(f"labels of the model ({text})", repr(unknown[0]), f"{where}.{name}")
    for label, value in spec.thresholds.items():
        if not (value <= 1 and np.float32(value) > 0):
            raise DecisionError("a threshold above 0, at most 1", f"{value:g}", f"{where}.thresholds.{label}")
    if not 0 <= spec.threshold <= 1:
        raise DecisionError("a threshold from 0 to 1", f"{spec.threshold:g}", f"{where}.threshold")
    if not (spec.refractory >= 0 and math.isfinite(spec.refractory)):
        raise DecisionError("seconds, 0 or more", f"{spec.refractory:g}", f"{where}.refractory")
