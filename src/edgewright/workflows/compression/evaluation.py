"""The rows of the table: every form on the validation samples, for choosing, and once on the test samples."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.compression.report import flips_by_class, weight_bytes
from edgewright.core.engines import choose
from edgewright.core.package import model_file
from edgewright.data.targets import as_text
from edgewright.export.targets.tflite import to_tflite
from edgewright.graph.cost import cost
from edgewright.graph.extract import float_network, integer_network
from edgewright.pipeline.cost.measure import latency
from edgewright.pipeline.package.variants import answering, engine_flips
from edgewright.schema.compress import CompressRow
from edgewright.schema.data import Floats
from edgewright.schema.errors import InputError
from edgewright.schema.trace import Interval
from edgewright.training import metrics
from edgewright.training.permutation_test import of_sums, probabilities
from edgewright.workflows.compression.forms import CompressForm
from edgewright.workflows.compression.subject import Subject


def front(points: Sequence[Sequence[float]]) -> tuple[bool, ...]:
    """Mark points that no other beats: at least as small in every figure and smaller in one.

    Args:
        points: figures of each form, the smaller the better; equal points do not beat each other.
    """
    return tuple(not any(_beats(other, point) for other in points) for point in points)


def _beats(other: Sequence[float], point: Sequence[float]) -> bool:
    pairs = list(zip(other, point, strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


@dataclass(frozen=True)
class Seen:
    """What a form answers: to the validation samples and to the test samples."""

    validation: Floats
    test: Floats


def rows_of(
    subject: Subject, forms: list[CompressForm], advance: Callable[[int], None] = lambda count: None
) -> tuple[CompressRow, ...]:
    """Return a row for each form, float first; the Pareto front is marked.

    The front is over what does not change from one measurement to the next: accuracy on the validation samples, bytes
    of the file, its bytes after zlib, and multiply-accumulates.

    Args:
        subject: what was compressed.
        forms: float first.
        advance: told of every row.
    """
    sides = subject.material.sides
    rows: list[CompressRow] = []
    errors: dict[str, NDArray[np.float64]] = {}
    first: Seen | None = None
    for form in forms:
        answer = answering(form.model)
        X = subject.material.samples.X
        seen = Seen(answer(X[sides.validation]), answer(X[sides.test]))
        first = first or seen
        rows.append(_row(subject, form, seen, first, rows[0] if rows else None))
        errors[form.name] = _errors(subject, sides.test, seen.test)
        advance(1)
    rows = _tested(rows, errors, test_groups(subject))
    marks = front([_figures(row) for row in rows])
    return tuple(msgspec.structs.replace(row, front=mark) for row, mark in zip(rows, marks, strict=True))


def test_groups(subject: Subject) -> NDArray[np.generic] | None:
    """Group of each test sample; None where fewer than two are known."""
    groups = subject.material.samples.groups
    own = None if groups is None else groups[subject.material.sides.test]
    return None if own is None or len(np.unique(own)) < 2 else own


def _tested(
    rows: list[CompressRow], errors: dict[str, NDArray[np.float64]], groups: NDArray[np.generic] | None
) -> list[CompressRow]:
    """Return the rows with each form's loss on test samples: an interval and, with few groups, an exact test."""
    first, *others = rows
    classes = first.accuracy is not None
    names, numbers = np.unique(np.arange(len(errors[first.name])) if groups is None else groups, return_inverse=True)

    def figure(total: float, samples: int) -> float:
        return total / samples if classes else math.sqrt(total / samples)

    def lost(name: str) -> Callable[[NDArray[np.int64]], float]:
        def of(indices: NDArray[np.int64]) -> float:
            own, float_own = (figure(float(errors[n][indices].sum()), len(indices)) for n in (name, first.name))
            return own - float_own if classes else _grown(own, float_own)

        return of

    accuracies: dict[str, float] = {}
    if groups is not None and len(names) <= metrics.FEW_GROUPS:
        sums = {name: np.bincount(numbers, each).astype(np.float64) for name, each in errors.items()}
        whole = partial(figure, samples=len(numbers))
        pairs = {row.name: of_sums(sums[row.name], sums[first.name], whole) for row in others}
        accuracies = probabilities(pairs, len(names))
    forms = [first]
    for row in others:
        by = "sample" if groups is None else "group"
        interval = metrics.group_interval(numbers, lost(row.name), by=by)
        forms.append(msgspec.structs.replace(row, drop_interval=interval, p=accuracies.get(row.name)))
    return forms


def _figures(row: CompressRow) -> tuple[float, ...]:
    score = -row.validation.value if row.validation is not None else row.validation_error or 0.0
    return score, row.file_bytes, row.compressed_bytes, row.macs


def _row(subject: Subject, form: CompressForm, seen: Seen, first: Seen, float_row: CompressRow | None) -> CompressRow:
    engine = choose(None)
    ask, sample = engine.load(form.model), np.ascontiguousarray(subject.material.samples.X[:1], np.float32)
    p50, p99 = latency(lambda: ask(sample))
    row = CompressRow(
        name=form.name,
        recipe=form.recipe,
        file=model_file(form.name),
        drop=0.0,
        validation_drop=0.0,
        weight_bytes=weight_bytes(form.graph),
        file_bytes=len(form.model),
        compressed_bytes=len(zlib.compress(form.model, 9)),
        tflite_bytes=_tflite_bytes(form),
        macs=cost(form.base.graph).network.macs,
        latency_p50_us=p50,
        latency_p99_us=p99,
        engine=engine.name,
        seconds=form.seconds,
    )
    if not subject.graph.labels:
        on_validation, on_test = (_error(subject, side, a) for side, a in _sides(subject, seen))
        row = msgspec.structs.replace(row, validation_error=on_validation, error=on_test)
        if float_row is None:
            return row
        return msgspec.structs.replace(
            row,
            drop=_grown(on_test, float_row.error),
            validation_drop=_grown(on_validation, float_row.validation_error),
        )
    validation, test = (_accuracy(subject, side, a) for side, a in _sides(subject, seen))
    flips = flips_by_class(np.argmax(first.test, axis=1), np.argmax(seen.test, axis=1), subject.graph.labels)
    row = msgspec.structs.replace(
        row,
        validation=validation,
        accuracy=test,
        flips=sum(n for _, n in flips),
        flips_by_class=flips,
        engine_flips=engine_flips(form.model, subject.material.samples.X[subject.material.sides.test], seen.test),
    )
    if float_row is None or float_row.accuracy is None or float_row.validation is None:
        return row
    return msgspec.structs.replace(
        row,
        drop=float_row.accuracy.value - test.value,
        validation_drop=float_row.validation.value - validation.value,
    )


def _sides(subject: Subject, seen: Seen) -> tuple[tuple[NDArray[np.int64], Floats], ...]:
    sides = subject.material.sides
    return (sides.validation, seen.validation), (sides.test, seen.test)


def _accuracy(subject: Subject, side: NDArray[np.int64], answers: Floats) -> Interval:
    samples, labels = subject.material.samples, subject.graph.labels
    places = {label: index for index, label in enumerate(labels)}
    true = np.asarray([places[str(label)] for label in as_text(samples.y[side])], np.int64)
    groups = None if samples.groups is None else samples.groups[side]
    return metrics.accuracy_interval(true, np.argmax(answers, axis=1), groups)


def _errors(subject: Subject, side: NDArray[np.int64], answers: Floats) -> NDArray[np.float64]:
    """Of each sample: whether its class is wrong, or its squared error."""
    truth, labels = subject.material.samples.y[side], np.asarray(subject.graph.labels)
    if len(labels) == 0:
        return np.square(np.ravel(answers).astype(np.float64) - np.asarray(truth, np.float64))
    wrong: NDArray[np.float64] = (labels.astype(str)[np.argmax(answers, axis=1)] != as_text(truth)).astype(np.float64)
    return wrong


def _error(subject: Subject, side: NDArray[np.int64], answers: Floats) -> float:
    return metrics.regression(np.asarray(subject.material.samples.y[side], np.float64), np.ravel(answers))["rmse"]


def _grown(error: float, before: float | None) -> float:
    return error / before - 1.0 if before else 0.0


def _tflite_bytes(form: CompressForm) -> int | None:
    """Return the network alone as .tflite, with float ends; None where it has no such form."""
    try:
        if form.integer:
            return len(to_tflite(integer_network(form.graph), float_ends=True))
        return len(to_tflite(float_network(form.graph)))
    except InputError:
        return None
