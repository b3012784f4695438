"""Forms that a proof compares, tolerances between the values of two of them, and their reasons."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.operators import Function
from edgewright.core.prediction.executor import Run, compile_graph
from edgewright.core.records.network import Graph, Node
from edgewright.core.records.package import ObjectMap
from edgewright.core.records.proof import Numbers
from edgewright.graph.builder import leading_to
from edgewright.graph.extract import BYTES, OUTPUT

# Engines round float32 in different orders of operations: a value may differ by this fraction of itself plus this
# fraction of its spread, because a difference of large numbers loses relative precision.
RELATIVE = SPREAD = 1e-5
# After the boundary the rounding errors of all previous layers accumulate. The tolerance scales with the RMS of the
# layer: a ReLU output that is nearly always 0 has no spread, but its sums are as large as those of its neighbours.
NETWORK_SPREAD = 1e-4
PROBABILITY = 1e-4
# Allowed difference of readings in units in the last place (ulp). The effect is measured with a perturbation of
# `DIGIT_STEP` ulp, because a single ulp can vanish in a sum.
LAST_DIGITS, DIGIT_STEP = 2.0, 4.0
# Number of runs with randomly perturbed intermediate results: for 1 value in 2,500 all 8 runs show less than half a
# standard deviation. Of two sums each has its own of `_PATTERNS` patterns of signs over the runs, so that they move
# together in one run at least, and against each other in another.
DRAWS = 8
_PATTERNS = 2 ** (DRAWS - 1)
# With fewer samples, the spread of the whole stage replaces the spread of each value.
_FEW = 16
# Readings of synthetic samples are perturbed by the fraction `PERTURBATION`, `_PERTURBATIONS` times. The tolerance is
# the fraction `CONSTRUCTED` of the resulting change, which is about 16 ulp of the readings. A value that changes by
# more than the fraction `_DECIDED` is not compared.
PERTURBATION, _PERTURBATIONS, CONSTRUCTED, _DECIDED = np.float32(1e-4), 6, 0.02, 0.05
# Largest float32. Behind such a reading sums overflow, in each engine at another one.
EXTREME = np.finfo(np.float32).max
PREPROCESSING = (
    "float32 order of operations: relative 1e-5 + 1e-5 of the spread + 2 ulp of all earlier values, "
    "for a sum as many as its terms can lose"
)
NETWORK = (
    "float32 order of operations in every layer: relative 1e-5 + 1e-4 of the layer's RMS, that of the sample or the "
    "value's spread"
)
CHANCE = "accumulated rounding of all layers: 1e-4 + 2 ulp of the readings"
CHANCE_OF_RANGE = "accumulated rounding of all layers: relative 1e-5 + 1e-4 of the range + 2 ulp of the readings"
EXACT = "same rounding: bit-exact"
ONE_STEP = "different rounding: one step for equal input bytes"
# A state passes its rounding on from sample to sample: LiteRT's and TFLM's cells, and floats between bytes.
STATE_STEPS = 4.0
OF_STATE = "different rounding at every sample: 4 steps for equal input bytes"
_STATES = (" lstm", " gru")
ELSEWHERE = "reported only: this form is compared with the reference"
ENDS = "different rounding in every layer: {:g} of a probability, or of the prediction range"
SAME = "the same label"
# Operator that moves a result, and that of a sum with the sum of its terms' sizes and one of its terms' arrays.
_MOVE, _MOVE_SUM = "MovedResult", "MovedSum"
_SUMS = ("ReduceSum", "ReduceMean")


def has_state(stage: str) -> bool:
    """Return whether a stage is a layer with a state."""
    return stage.startswith("layer ") and stage.endswith(_STATES)


def spreads(stages: Stages) -> Stages:
    """Return the standard deviation of every value over the samples, shape (1, ...), float64."""
    spread: Stages = {}
    for stage, values in stages.items():
        if values.dtype.kind != "f" or not len(values):
            continue
        axis = 0 if len(values) >= _FEW else None
        with np.errstate(all="ignore"), warnings.catch_warnings():
            # A value that is NaN in every sample has no spread.
            warnings.simplefilter("ignore", RuntimeWarning)
            deviation = np.nanstd(values, axis=axis, dtype=np.float64, keepdims=True) if values.size else np.zeros(1)
        spread[stage] = np.nan_to_num(deviation)
    return spread


def perturbed_results(generator: np.random.Generator) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Return a function that perturbs each value of an array by `DIGIT_STEP` ulp, randomly up or down.

    Applied after every operation of a graph, it shows the effect of rounding on the result: Monte Carlo arithmetic
    (Parker, Monte Carlo Arithmetic, UCLA CSD-970002, 1997). Integers and booleans stay unchanged.
    """
    factors = (1 + DIGIT_STEP * np.finfo(np.float32).eps * np.array([-1, 1])).astype(np.float32)

    def move(values: NDArray[Any]) -> NDArray[Any]:
        if values.dtype != np.float32:
            return values
        return np.asarray(values * factors[generator.integers(0, 2, values.shape, np.uint8)])

    return move


def perturbed_sums(number: int) -> Callable[..., NDArray[Any]]:
    """Return a function that perturbs a sum or mean by what float32 can lose when it adds one term to the other.

    Each value moves up or down at random in the first run; the later runs move it the same way or the other.

    The error of such a sum of n terms is at most (n - 1) / 2 ulp of the sum of their sizes (Higham, Accuracy and
    Stability of Numerical Algorithms, 2002, section 4.2). Engines that add in blocks lose less; LiteRT's and TFLM's
    reference kernels come near the bound where small terms follow a large one, because each is rounded the same way.

    Args:
        number: number of the sum in its graph, from 0.
    """
    generator, runs = np.random.default_rng(number), count()
    plain, first = perturbed_results(generator), generator.integers(2**32)

    def move(values: NDArray[Any], sizes: NDArray[Any], terms: NDArray[Any]) -> NDArray[Any]:
        if values.dtype != np.float32:
            return values
        added = max(1, terms.size // max(1, values.size))
        turned = number % _PATTERNS >> next(runs) % DRAWS & 1
        signs = np.random.default_rng(first).integers(0, 2, values.shape, np.uint8) ^ np.uint8(turned)
        bound = np.float32((added - 1) / 2 * np.finfo(np.float32).eps * (DIGIT_STEP / LAST_DIGITS))
        with np.errstate(all="ignore"):
            lost = np.nan_to_num(bound * sizes, posinf=0.0) * np.array([-1, 1], np.float32)[signs]
            return plain(np.asarray(values + lost, np.float32))

    return move


def perturbed_readings(samples: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Yield the samples with all readings `DIGIT_STEP` ulp higher, then with each randomly higher or lower.

    The first perturbation shows its effect in means, the second in sums that cancel. One of them exists at a time,
    because samples can be millions of rows.
    """
    with np.errstate(all="ignore"):
        step = np.float32(DIGIT_STEP) * np.spacing(np.abs(samples))
    yield _moved(samples, step)
    step *= np.random.default_rng(0).choice(np.array([-1, 1], np.float32), samples.shape)
    yield _moved(samples, step)


def perturbed_synthetic_readings(
    samples: NDArray[np.float32], data: NDArray[np.float32]
) -> Iterator[NDArray[np.float32]]:
    """Yield the synthetic samples several times, with each reading randomly higher or lower.

    The step is `PERTURBATION` times the largest reading of the channel in the sample or in the data, because rounding
    errors do not scale with a single reading, such as a zero next to large readings.
    """
    axes = tuple(range(2, samples.ndim))
    with np.errstate(all="ignore"):
        usual = np.where(np.isfinite(data), np.abs(data), 0).max(axis=(0, *axes), keepdims=True)
        size = np.where(np.isfinite(samples), np.abs(samples), 0).max(axis=axes, keepdims=True)
        step = PERTURBATION * np.maximum(size, usual)
        for seed in range(_PERTURBATIONS):
            signs = np.random.default_rng(seed).choice(np.array([-1, 1], np.float32), samples.shape)
            yield _moved(samples, signs * step)


def _moved(samples: NDArray[np.float32], step: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return samples with moved readings; what was finite stays so."""
    with np.errstate(all="ignore"):
        moved = np.asarray(samples + step, np.float32)
        return np.asarray(np.clip(moved, -EXTREME, EXTREME, out=moved, where=np.isfinite(samples)))


def wide_digits(given: Stages, shaken: Sequence[Stages], spread: Stages) -> Stages:
    """Return the tolerance of each value of the synthetic samples for changes of their readings.

    A value that depends mainly on the perturbation, such as the skewness of a constant channel, has no limit.
    """
    digits: Stages = {}
    for stage, values in given.items():
        if values.dtype.kind != "f":
            continue
        with np.errstate(all="ignore"):
            changes = [np.abs(other[stage].astype(np.float64) - values) for other in shaken]
            change = np.nan_to_num(np.max(changes, axis=0), nan=np.inf)
            size = np.abs(values.astype(np.float64)) + spread.get(stage, np.zeros(1))
            digits[stage] = np.where(change > _DECIDED * size, np.inf, CONSTRUCTED * change)
    return digits


def last_digits(given: Stages, moved: Sequence[Stages]) -> Stages:
    """Return the largest change of each value for `LAST_DIGITS` ulp in readings and intermediate results.

    Args:
        given: stages of the unperturbed samples.
        moved: stages, all or some, of runs perturbed by `DIGIT_STEP` ulp.
    """
    digits: Stages = {}
    for stage, values in given.items():
        if values.dtype.kind != "f":
            continue
        upper = np.zeros(values.shape)
        for other in moved:
            if stage not in other:
                continue
            with np.errstate(all="ignore"):
                change = np.abs(other[stage].astype(np.float64) - values) * (LAST_DIGITS / DIGIT_STEP)
            upper = np.maximum(upper, np.nan_to_num(change, posinf=0.0))
        digits[stage] = upper
    return digits


def allowed(
    stage: str, values: NDArray[Any], tolerance_reference: ToleranceReference
) -> tuple[NDArray[np.float64], str]:
    """Return the tolerance of each float value at a stage.

    Returns:
        Tolerances with the shape of `values`, and the tolerance in words.
    """
    expected = np.abs(values.astype(np.float64))
    spread = _shaped_as(tolerance_reference.spread.get(stage, np.zeros(1)), values)
    if stage == PROBABILITIES:
        limits, words = np.full(values.shape, PROBABILITY), CHANCE
    elif stage == PREDICTION:
        unit = _range(values[tolerance_reference.data(len(values))]) or 1.0
        limits, words = RELATIVE * expected + PROBABILITY * unit, CHANCE_OF_RANGE
    elif stage in tolerance_reference.before:
        limits, words = RELATIVE * expected + SPREAD * spread, PREPROCESSING
    else:
        limits = RELATIVE * expected + NETWORK_SPREAD * np.maximum(
            spread, _sizes(expected, tolerance_reference.data(len(values)))
        )
        words = NETWORK
    digits = tolerance_reference.digits.get(stage)
    digits = None if digits is None else _shaped_as(digits, values)
    if digits is not None and digits.shape[1:] == values.shape[1:]:
        limits = limits + digits[: len(values)]
    if np.isnan(limits.sum()):
        limits = np.nan_to_num(limits, posinf=np.inf)
    return np.broadcast_to(limits, values.shape), words


def of_equal_outputs(
    stage: str, values: NDArray[Any], tolerance_reference: ToleranceReference
) -> NDArray[np.float64]:  # fmt: skip
    """Return the tolerance of answers that forms compute from the same bits: of one stage, as in preprocessing."""
    spread = _shaped_as(tolerance_reference.spread.get(stage, np.zeros(1)), values)
    # Some engines flush what is below the smallest normal number to zero.
    return RELATIVE * np.abs(values.astype(np.float64)) + SPREAD * spread + np.finfo(np.float32).tiny


def _shaped_as(reference: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
    """Return a reference in the shape of a form that has no axis of length one, as after a pool over the window."""
    rest = values.shape[1:]
    if reference.ndim == values.ndim or not len(reference):
        return reference
    if reference[0].size == math.prod(rest):
        return reference.reshape(len(reference), *rest)
    return reference.reshape(len(reference), *(1,) * len(rest)) if reference[0].size == 1 else reference


def int8_form_tolerance(
    stage: str, values: NDArray[Any], tolerance_reference: ToleranceReference
) -> tuple[NDArray[np.float64], str]:
    """Return the tolerance between two int8 forms with different rounding."""
    unit = 1.0 if stage in (PROBABILITIES, LABEL) else _range(values[tolerance_reference.data(len(values))]) or 1.0
    return np.full(values.shape, tolerance_reference.int8_tolerance * unit), ENDS.format(
        tolerance_reference.int8_tolerance
    )


def _sizes(values: NDArray[np.float64], data: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the RMS of a layer per sample: over all data, or its own where its sums are larger."""
    shape = (len(values), *(1,) * (values.ndim - 1))
    if not values.size:
        return np.zeros(shape)
    rows = values.reshape(len(values), -1)
    with np.errstate(all="ignore"):
        own = np.sqrt(np.mean(np.square(rows), axis=1))
    for row in np.flatnonzero(~np.isfinite(own)):
        own[row] = _size(rows[row])
    return np.asarray(np.maximum(own, _size(values[data])), np.float64).reshape(shape)


def _size(values: NDArray[np.float64]) -> float:
    """Return the root mean square of the finite values."""
    finite = values.reshape(-1)
    with np.errstate(all="ignore"):
        if not np.isfinite(finite.sum()):
            finite = finite[np.isfinite(finite)]
    return float(np.sqrt(np.mean(np.square(finite)))) if finite.size else 0.0


def _range(values: NDArray[Any]) -> float:
    return float(np.ptp(values)) if values.size else 0.0


def rounded(
    graph: Graph, values: Sequence[str], samples: NDArray[np.float32], *, until: Sequence[str] = ()
) -> Iterator[dict[str, NDArray[Any]]]:
    """Yield some values of a graph `DRAWS` times, with other rounding of every result on the way each time.

    Args:
        graph: with one input.
        values: that are given.
        samples: of the input, shape (n, ...).
        until: as of `with_perturbed_results`.
    """
    generator = np.random.default_rng(0)
    run = with_perturbed_results(graph, values, perturbed_results(generator), perturbed_sums, until=until)
    return (run(samples) for _ in range(DRAWS))


def with_perturbed_results(
    graph: Graph,
    values: Sequence[str],
    move: Function,
    move_sum: Callable[[int], Function],
    *,
    until: Sequence[str] = (),
) -> Run:
    """Prepare a graph in which every result on the way to some of its values goes through a function.

    Args:
        graph: with one input.
        values: that are given.
        move: of a result, such as `perturbed_results` of `proof.tolerance`.
        move_sum: returns, for the number of a sum or mean, a function of the sum, the same of its terms' sizes, and its
            terms, such as `perturbed_sums`.
        until: values on whose way results go through a function, and none behind them; `values` when empty.
    """
    moved = {name for node in leading_to(graph, until or values) for name in node.outputs}
    nodes: list[Node] = []
    moving = {_MOVE: move}
    for node in graph.nodes:
        if moved.isdisjoint(node.outputs):
            nodes.append(node)
            continue
        exact = tuple(name and f"{name} exact" for name in node.outputs)
        nodes.append(msgspec.structs.replace(node, outputs=exact))
        if node.op in _SUMS:
            (name,), (terms, *axes) = node.outputs, node.inputs
            sizes, total = f"{name} sizes", f"{name} total"
            nodes.append(Node(op="Abs", inputs=(terms,), outputs=(sizes,)))
            nodes.append(msgspec.structs.replace(node, inputs=(sizes, *axes), outputs=(total,)))
            operator = f"{_MOVE_SUM}{len(moving)}"
            moving[operator] = move_sum(len(moving) - 1)
            nodes.append(Node(op=operator, inputs=(exact[0], total, terms), outputs=(name,)))
            continue
        pairs = zip(exact, node.outputs, strict=True)
        nodes += [Node(op=_MOVE, inputs=(inside,), outputs=(name,)) for inside, name in pairs if name]
    return compile_graph(msgspec.structs.replace(graph, nodes=tuple(nodes)), tuple(values), own=moving)


__all__ = [
    "BYTES",
    "CLASSES",
    "FLAGS",
    "GENERATED",
    "LABEL",
    "MISSING",
    "OBJECTS",
    "OUTPUT",
    "PREDICTION",
    "PROBABILITIES",
    "RANDOM_BYTES",
    "RANGE",
    "UNSURE",
    "Form",
    "Samples",
    "Stages",
    "ToleranceReference",
]  # fmt: skip
# Stage -> values, shape (n, ...): float32 is compared by tolerance, int8 by quantisation steps, int64 as labels.
Stages = dict[str, NDArray[Any]]
Samples = NDArray[np.float32]
# Names of common stages.
RANGE = "out of range"
PROBABILITIES, PREDICTION, LABEL = "probabilities", "prediction", "label"
# Raw output of an integer network for bytes that no sample makes of it: those of row i are drawn, whatever sample i is.
RANDOM_BYTES = "raw output of drawn bytes"
# Objects that are found in the map of an answer: label, x, y and score of each, -1 behind the last.
OBJECTS = "objects"
# Flags of an answer: that there is none, and that it is not sure enough.
FLAGS = "flags"
MISSING, UNSURE = 4, 8
# Stage with the class names of a form: forms with equal class indices can still have different names.
CLASSES = "class names"
# Source of forms whose code one writer gave, whatever compiles it.
GENERATED = "the generated C"


@dataclass(frozen=True)
class Form:
    """A form of a pipeline.

    Attributes:
        name: display name.
        numbers: number type of its network: 'float' or 'int8'.
        run: function of (raw samples, float32 inputs at the quantisation boundary) that returns the stages in order. A
            form of the whole pipeline uses the first argument, a form of the network alone the second.
        ours: whether an int8 form uses the reference rounding; all such forms must be bit-exact to each other.
        whole: whether the form starts from raw rows.
        note: note for the report.
        max_samples: maximum number of samples; further ones are skipped; 0 for all.
        notes: notes that `run` adds.
        labels: class names in order; empty where the form returns numbers only.
        files: files on disk that the form runs, by their names in the record; empty for a form generated in memory.
        needed: whether the proof fails when it cannot run, as the user asked for it.
        source: what forms of one writer share, such as C for several compilers: one mistake in it is in all of them.
            Empty for a form of its own.
        targets: of `export` whose files it runs.
    """

    name: str
    numbers: Numbers
    run: Callable[[Samples, Samples], Stages]
    ours: bool = True
    whole: bool = True
    note: str = ""
    max_samples: int = 0
    notes: list[str] = field(default_factory=list)
    labels: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    needed: bool = False
    source: str = ""
    targets: tuple[str, ...] = ()


@dataclass(frozen=True)
class ToleranceReference:
    """Reference data for tolerances.

    Attributes:
        spread: stage -> standard deviation of each value over the samples, broadcastable to (n, ...).
        digits: stage -> effect of rounding errors in readings and intermediate results, shape (n, ...).
        names: stage -> names of its features or channels.
        origins: origin of each sample, shape (n,).
        labels: class names.
        int8_tolerance: maximum difference of a probability between int8 engines with different rounding; for a
            prediction, relative to the range of the predictions.
        before: names of the float preprocessing stages.
        constructed: mask of synthetic samples, shape (n,); None for none. They do not widen tolerances of the data.
        unanswered: mask of samples with too many missing values for an answer, shape (n,); None for none. Only their
            final stages are compared.
        extreme: mask of samples with the largest float32, shape (n,); None for none. Only `filled` is compared of them,
            because sums behind it overflow in every engine at another number.
        filled: first stage, which fills missing values.
        objects: how the map of an answer is read; None where nothing is looked for.
        step: real value of one quantisation step at the int8 boundary; 0 without one.
        confidence: below it an answer is unsure.
        splits: last stage before a model of comparisons, such as trees, which rounds nothing before it decides; empty
            where it takes the raw rows, None for other models.
    """

    spread: Stages
    digits: Stages
    names: dict[str, tuple[str, ...]]
    origins: tuple[str, ...]
    labels: tuple[str, ...]
    int8_tolerance: float = 0.08
    before: frozenset[str] = field(default_factory=frozenset)
    constructed: NDArray[np.bool_] | None = None
    unanswered: NDArray[np.bool_] | None = None
    extreme: NDArray[np.bool_] | None = None
    filled: str = ""
    step: float = 0.0
    objects: ObjectMap | None = None
    confidence: float = 0.0
    splits: str | None = None

    def data(self, count: int) -> NDArray[np.bool_]:
        """Return which of the first `count` samples are data and not synthetic, shape (count,)."""
        return np.ones(count, np.bool_) if self.constructed is None else ~self.constructed[:count]
