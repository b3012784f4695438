"""Training architectures at growing data sizes: what growth costs, and from where the large one pays."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.engines import choose
from edgewright.core.errors import PipelineError
from edgewright.core.records.config import ModelConfig, ScalingConfig
from edgewright.core.records.data import Samples
from edgewright.core.records.trace import Interval, ScalingPoint, ScalingRecord
from edgewright.core.records.trace_flow import BreakEven, ErrorLaw
from edgewright.data.load import load_data
from edgewright.data.samples import cut, part_of
from edgewright.data.splits import split
from edgewright.data.targets import task_of
from edgewright.graph.onnx_writer import to_onnx
from edgewright.graph.stage import Shape
from edgewright.models.architecture import architecture
from edgewright.pipeline.cost import latency, measured, training_s
from edgewright.pipeline.fitting import Flow, fit_stages, graph_of
from edgewright.pipeline.plan import DataPlan, Plan
from edgewright.training.metrics import Z95, student_t
from edgewright.training.power_law import fit_power_law
from edgewright.training.program import always_compiled

_COSTS = ("seconds", "cpu_seconds", "peak_bytes", "latency_us")
_LEVEL = 0.9
_FEWEST = 3
_DRAWS = 2000
Floats = NDArray[np.float64]


def exponents(points: Sequence[ScalingPoint]) -> dict[str, float]:
    """Slope of log(cost) over log(rows), by least squares: cost grows as rows to that power."""
    if len(points) < 2:
        return {}
    x = np.log([p.rows for p in points])
    return {cost: float(np.polyfit(x, np.log(values), 1)[0]) for cost, values in _positive(points).items()}


def exponent_intervals(points: Sequence[ScalingPoint]) -> dict[str, Interval]:
    """Return the exponents with 90 % intervals (Student's t on the residuals); none for fewer than three sizes."""
    if len(points) < _FEWEST:
        return {}
    x = np.log([p.rows for p in points])
    centred = x - x.mean()
    freedom = len(points) - 2
    intervals: dict[str, Interval] = {}
    for cost, values in _positive(points).items():
        y = np.log(values)
        slope = float(centred @ y / (centred @ centred))
        left = y - y.mean() - slope * centred
        error = math.sqrt(float(left @ left) / freedom / float(centred @ centred))
        half = student_t(freedom, _LEVEL) * error
        method = f"least squares of logarithms, t with {freedom} degrees of freedom, 90 %"
        intervals[cost] = Interval(value=slope, low=slope - half, high=slope + half, method=method)
    return intervals


def _positive(points: Sequence[ScalingPoint]) -> dict[str, Floats]:
    costs = {cost: np.asarray([getattr(p, cost) for p in points], np.float64) for cost in _COSTS}
    return {cost: values for cost, values in costs.items() if (values > 0).all()}


def error_law(sizes: Sequence[int], right: Sequence[Floats]) -> ErrorLaw | None:
    """Return the power laws of an architecture's error; None for fewer than three sizes or where nothing is wrong.

    Args:
        sizes: rows, ascending.
        right: of each size, shape (test samples,): whether an answer is right, or the negative squared error.
    """
    share = all(float(answers.min()) >= 0 for answers in right)
    wrong = [1 - answers if share else -answers for answers in right]
    errors = np.array([float(answers.mean()) for answers in wrong])
    if len(sizes) < _FEWEST or not (errors > 0).all():
        return None
    # Every size is judged by the same samples, but trained once: another training would differ by about as much.
    deviations = np.array([float(answers.std(ddof=1)) / math.sqrt(len(answers)) for answers in wrong])
    law = fit_power_law(np.asarray(sizes, np.float64), errors, deviations)
    prediction = law.at(2.0 * law.last, _LEVEL)
    low, high = law.exponents(_LEVEL)
    method = "weighted power laws, 90 %"
    return ErrorLaw(
        exponent=Interval(value=law.exponent, low=low, high=high, method=method),
        floor=law.floor,
        at=prediction.size,
        predicted=Interval(value=prediction.value, low=prediction.low, high=prediction.high, method=method),
    )


def break_even(sizes: Sequence[int], gains: Sequence[Floats], seed: int) -> BreakEven:
    """From where the larger architecture is the better one at every larger size.

    Args:
        sizes: rows, ascending.
        gains: of each size, shape (test samples,): what it gets right and the smaller does not, paired.
        seed: of the draws about each gain that make the interval.
    """
    x = np.log(np.asarray(sizes, np.float64))
    means = np.array([float(gain.mean()) for gain in gains])
    errors = np.array([float(gain.std(ddof=1)) / math.sqrt(len(gain)) if len(gain) > 1 else 0.0 for gain in gains])
    draws = means + errors * np.random.default_rng(seed).standard_normal((_DRAWS, len(sizes)))
    crossings = np.array([_crossing(x, row) for row in draws])
    low, high = np.quantile(crossings, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2], method="nearest")
    return BreakEven(rows=_rows(_crossing(x, means)), low=_rows(low), high=_rows(high))


def _crossing(x: Floats, gains: Floats) -> float:
    """Logarithm of the rows after which every gain is above zero; minus infinity when all are, infinity when none."""
    if gains[-1] <= 0:
        return math.inf
    below = np.flatnonzero(gains <= 0)
    if not len(below):
        return -math.inf
    last = int(below[-1])
    part = -gains[last] / (gains[last + 1] - gains[last])
    return float(x[last] + part * (x[last + 1] - x[last]))


def _rows(logarithm: float) -> float | None:
    return float(math.exp(logarithm)) if math.isfinite(logarithm) else None


_TEST_ROWS = 20_000
Rows = NDArray[np.int64]


def scale(
    plan: Plan, wanted: ScalingConfig, data: str | None, on_point: Callable[[ScalingPoint, int, int], None]
) -> ScalingRecord:
    """Train every architecture at every size on the same stages and judges all on the same test samples.

    Args:
        plan: of the pipeline.
        wanted: its `scaling` table.
        data: path that overrides `[data]`.
        on_point: receives each point, how many are done and how many there will be.

    Raises:
        InputError: fewer samples than the smallest size.
    """
    config = plan.config
    samples, train, watch, test = _material(plan.data, wanted, data)
    sizes = sorted({size for size in wanted.rows if size <= len(samples.X)})
    if not sizes:
        raise PipelineError(
            f"at least {min(wanted.rows):,} samples for scaling.rows", f"{len(samples.X):,}", f"{config.name} [scaling]"
        )
    points: list[ScalingPoint] = []
    right: dict[tuple[str, int], NDArray[np.float64]] = {}
    total = len(sizes) * len(wanted.architectures)
    for size in sizes:
        chosen, watched = (np.sort(rows[: max(2, round(size * len(rows) / len(samples.X)))]) for rows in (train, watch))
        for name, layers in wanted.architectures.items():
            model = ModelConfig(kind=config.model.kind, layers=layers)
            point, correct = _point(plan, wanted, model, name, size, samples, chosen, watched, test)
            points.append(point)
            right[name, size] = correct
            on_point(point, len(points), total)
    parameters = {point.architecture: point.parameters for point in sorted(points, key=lambda p: p.parameters)}
    names = sorted(wanted.architectures, key=lambda name: parameters[name])
    pays = _pays_from(names, sizes, right)
    of = {name: [p for p in points if p.architecture == name] for name in names}
    return ScalingRecord(
        points=tuple(points),
        exponents={name: exponents(of[name]) for name in names},
        pays_from=pays,
        sentence=_sentence(names, sizes, points, pays),
        intervals={name: intervals for name in names if (intervals := exponent_intervals(of[name]))},
        laws={name: law for name in names if (law := error_law(sizes, [right[name, size] for size in sizes]))},
        break_even=break_even(sizes, [right[names[-1], s] - right[names[0], s] for s in sizes], config.seed)
        if len(names) > 1
        else None,
    )


def scaling_s(plan: Plan, wanted: ScalingConfig, shape: Shape) -> float:
    """CPU seconds that all of it takes at most: trainings end sooner where their validation loss stops falling.

    Args:
        plan: of the pipeline.
        wanted: its `scaling` table.
        shape: of one sample as the network takes it.
    """
    networks = [architecture(layers, shape, 1) for layers in wanted.architectures.values()]
    share = 1.0 - plan.data.split.test - plan.data.split.validation
    looks = [share * size * _epochs(wanted, size) for size in wanted.rows]
    return sum(training_s(network, seen, plan.config.training.batch) for network in networks for seen in looks)


def _epochs(wanted: ScalingConfig, size: int) -> int:
    return wanted.epochs if not wanted.looks else min(wanted.epochs, max(1, wanted.looks // size))


def _material(plan: DataPlan, wanted: ScalingConfig, data: str | None) -> tuple[Samples, Rows, Rows, Rows]:
    """Enough samples for the largest size; training and validation shuffled by the seed, so any first part is fair."""
    table = dict(plan.table)
    if "rows" in table:
        table["rows"] = max(wanted.rows)
    samples = cut(load_data(table, seed=plan.seed, path=data, mixed_rates=True), plan.window)
    window = plan.window.samples if plan.window else None
    sides = split(samples, plan.split, seed=plan.seed, window=window)
    generator = np.random.default_rng(plan.seed)
    train, watch = generator.permutation(sides.train), generator.permutation(sides.validation)
    test = (
        sides.test
        if len(sides.test) <= _TEST_ROWS
        else np.sort(generator.choice(sides.test, _TEST_ROWS, replace=False))
    )
    return samples, train, watch, test


def _point(
    plan: Plan,
    wanted: ScalingConfig,
    layers: ModelConfig,
    name: str,
    size: int,
    samples: Samples,
    train: Rows,
    watch: Rows,
    test: Rows,
) -> tuple[ScalingPoint, NDArray[np.float64]]:
    """One training, its costs, and which test samples it gets right (negative squared errors for a regression)."""
    config, task = plan.config, task_of(samples.y, plan.config.task)
    kept = np.unique(np.concatenate([train, watch, test]))
    part = part_of(samples, kept)
    inside, watched = np.searchsorted(kept, train), np.searchsorted(kept, watch)
    epochs = _epochs(wanted, size)
    training = msgspec.structs.replace(config.training, epochs=epochs, patience=wanted.patience)
    model = plan.build_model(task, training, layers)

    def work() -> Flow:
        flow = fit_stages(part, inside, plan.stages, task, config.seed, None, lambda _: None)
        validation = (flow.rows(watched), part.y[watched]) if wanted.patience and len(watched) else None
        model.fit(flow.rows(inside), part.y[inside], validation=validation)
        return flow

    with always_compiled():
        done = measured(work)
    flow, spent = done.value, model.training_
    X, truth = flow.array(np.searchsorted(kept, test)), samples.y[test]
    answer = np.asarray(model.predict(X))
    correct = (answer == truth).astype(np.float64) if task == "classification" else -((answer - truth) ** 2)
    steps = [*flow.steps, ("model", model)]
    graph = graph_of(steps, tuple(samples.X.shape[1:]), name)
    ask = choose(None).load(to_onnx(graph))
    sample = np.ascontiguousarray(samples.X[test[:1]], np.float32)
    p50, _ = latency(lambda: ask(sample))
    # The median epoch: starting and compiling cost the same at every size and would hide how training grows.
    epoch_s = max(float(np.median([epoch.seconds for epoch in spent.epochs])), 1e-6)
    shares = (spent.cpu_seconds - spent.compile_cpu_seconds) / max(spent.seconds - spent.compile_seconds, 1e-6)
    point = ScalingPoint(
        architecture=name,
        rows=size,
        parameters=sum(layer.parameters for layer in model.layer_records()),
        seconds=epoch_s,
        cpu_seconds=max(epoch_s * shares, 1e-6),
        peak_bytes=done.cost.peak_bytes,
        accuracy=float(correct.mean()),
        latency_us=p50,
    )
    return point, correct


def _pays_from(names: list[str], sizes: list[int], right: dict[tuple[str, int], NDArray[np.float64]]) -> int | None:
    """Smallest size from which on the largest architecture beats the smallest at every size, beyond chance.

    Beyond chance: the 95 % interval of the paired difference on the same test samples lies above zero.
    """
    if len(names) < 2:
        return None
    pays: int | None = None
    for size in reversed(sizes):
        gain: Any = right[names[-1], size] - right[names[0], size]
        half = Z95 * float(gain.std(ddof=1)) / math.sqrt(len(gain)) if len(gain) > 1 else math.inf
        if float(gain.mean()) - half <= 0:
            break
        pays = size
    return pays


def _sentence(names: list[str], sizes: list[int], points: list[ScalingPoint], pays: int | None) -> str:
    if len(names) < 2:
        return f"{names[0]} was trained at {len(sizes)} sizes."
    small, large = names[0], names[-1]
    at = {(p.architecture, p.rows): p for p in points}
    maximum = sizes[-1]
    times = at[large, maximum].cpu_seconds / max(at[small, maximum].cpu_seconds, 1e-9)
    gain = (at[large, maximum].accuracy - at[small, maximum].accuracy) * 100
    text = f"at {maximum:,} rows an epoch of '{large}' takes {times:.1f} times as long as one of '{small}' "
    text += f"for {gain:+.1f} points"
    if pays is None:
        return f"{text}; it is not worth it up to there."
    return f"{text}; it is worth it from {pays:,} rows."
