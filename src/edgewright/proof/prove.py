"""Proof run: runs every form on the same samples and compares every pair of forms."""

from __future__ import annotations

import os
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import CheckFailedError, InputError, StoppedError
from edgewright.core.prediction.objects import find_objects
from edgewright.core.records.package import ObjectMap
from edgewright.core.records.proof import AbsentForm, FormRecord, PairRecord, UncomparedStage
from edgewright.proof.pair import Limits, compare
from edgewright.proof.stage import flags_of, stage_order
from edgewright.proof.tolerance import (
    CLASSES,
    FLAGS,
    LABEL,
    OBJECTS,
    PREDICTION,
    PROBABILITIES,
    RANDOM_BYTES,
    RANGE,
    Form,
    Samples,
    Stages,
    ToleranceReference,
)

# Number of pairs compared in parallel.
_THREADS = 4
# Stages that hold facts about a form instead of values on the way of a sample.
_FACTS = (RANGE, CLASSES, RANDOM_BYTES)
# Sources in two pairs at least, of which one is in both.
_ALONE = 2


@dataclass(frozen=True)
class ProofResult:
    """Result of a proof.

    Attributes:
        forms: that ran.
        absent: forms that could not run.
        pairs: all of them.
        uncompared: stages that no pair compared.
        odd: the form, or the source of several, in which the difference is; empty where nobody can tell.
    """

    forms: tuple[FormRecord, ...]
    absent: tuple[AbsentForm, ...]
    pairs: tuple[PairRecord, ...]
    uncompared: tuple[UncomparedStage, ...]
    odd: str = ""

    @property
    def passed(self) -> bool:
        """Whether at least one stage was compared and no tolerance is exceeded."""
        return any(pair.stages for pair in self.pairs) and all(pair.verdict != "broken" for pair in self.pairs)


def common_form(pairs: Sequence[PairRecord], sources: Mapping[str, str]) -> str:
    """Return the form, or the source of several, that alone is in every pair that exceeds a tolerance; or empty.

    Forms of one source vote once: where C by two compilers differs from Python, either may be wrong.

    Args:
        pairs: all pairs.
        sources: form -> what it shares with other forms; its own name, or nothing, where it shares nothing.
    """
    broken = [{pair.first, pair.second} for pair in pairs if pair.breaks is not None]
    if not broken:
        return ""
    for name in sorted(set.intersection(*broken)):
        others = {sources.get(other) or other for names in broken for other in names - {name}}
        if len(others) > 1:
            return name
    by_source = [{sources.get(name) or name for name in names} for names in broken]
    common = set.intersection(*by_source)
    return common.pop() if len(common) == 1 and len(set.union(*by_source)) > _ALONE else ""


def earliest(forms: Sequence[FormRecord], pairs: Sequence[PairRecord]) -> PairRecord | None:
    """Return the pair that exceeds a tolerance at the earliest stage; None where no pair does."""
    broken = [(pair, pair.breaks.stage) for pair in pairs if pair.breaks is not None]
    if not broken:
        return None
    # Forms of the network alone start later, so the order is that of the forms that show the most stages.
    order = {stage: index for index, stage in enumerate(stage_order(form.stages for form in forms))}
    return min(broken, key=lambda entry: order[entry[1]])[0]


def stopped(name: str, error: Exception, stage: Callable[[], str], *, needed: bool = False) -> AbsentForm:
    """Return the form that gave no answer because of an error.

    Args:
        name: name of the form.
        error: a reason why it cannot run here, or what its code did instead of answering.
        stage: returns the first one that it did not give, asked where its code stopped and does not say so.
        needed: whether the proof fails without it in any case.
    """
    runs_here = isinstance(error, StoppedError) or not isinstance(error, InputError | CheckFailedError)
    reason = str(error)
    if not isinstance(error, InputError | CheckFailedError):
        last = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"{type(error).__name__} in {Path(last.filename).name}:{last.lineno}: {error}"
    known = (getattr(error, "stage", "") or stage()) if runs_here else ""
    return AbsentForm(name=name, reason=reason, needed=needed or runs_here, stage=known, stopped=runs_here)


def prove(
    forms: Sequence[Form],
    samples: Samples,
    boundary: Samples,
    tolerance_reference: ToleranceReference,
    stops_at: Callable[[Form], str] = lambda _: "",
) -> ProofResult:
    """Run every form and compare every pair.

    Args:
        forms: forms to compare; each pair is reported in this order.
        samples: raw rows or windows, shape (n, ...), float32.
        boundary: inputs at the quantisation boundary, for forms of the network alone.
        tolerance_reference: reference data for tolerances.
        stops_at: returns the first stage that a form does not give that stopped; empty where nobody knows.
    """
    results: list[tuple[Form, Stages]] = []
    records: list[FormRecord] = []
    absent: list[AbsentForm] = []
    known: dict[str, list[NDArray[Any]]] = {}
    for form in forms:
        started = time.perf_counter()
        try:
            maximum = form.max_samples or len(samples)
            stages = form.run(samples[:maximum], boundary[:maximum])
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - an error of the code that is proven
            without = stopped(form.name, error, partial(stops_at, form), needed=form.needed)
            absent.append(msgspec.structs.replace(without, targets=form.targets))
            continue
        seconds = time.perf_counter() - started
        if tolerance_reference.objects is not None and PREDICTION in stages and OBJECTS not in stages:
            stages = {**stages, OBJECTS: objects_listed(stages[PREDICTION], tolerance_reference.objects)}
        stages = with_flags(stages, tolerance_reference)
        if form.labels and tolerance_reference.labels:
            stages = {
                **stages,
                CLASSES: class_indices(form.labels, tolerance_reference.labels, len(next(iter(stages.values())))),
            }
        results.append(
            (form, {stage: _shared(values, known.setdefault(stage, [])) for stage, values in stages.items()})
        )
        records.append(_record(form, stages, seconds, tolerance_reference))
    reference = _reference(results)

    def compared(index: int) -> list[PairRecord]:
        """Compare a form with each one behind it."""
        (form, stages), limits = results[index], Limits()
        return [
            compare((form, other), (stages, theirs), tolerance_reference, reference, limits)
            for other, theirs in results[index + 1 :]
            if is_comparable(form, other)
        ]

    # NumPy releases the GIL for large arrays, so threads help.
    with ThreadPoolExecutor(max_workers=min(_THREADS, os.cpu_count() or 1)) as pool:
        pairs = tuple(pair for of_form in pool.map(compared, range(len(results))) for pair in of_form)
    odd = common_form(pairs, {form.name: form.source for form in forms})
    return ProofResult(_with_hidden(records), tuple(absent), pairs, tuple(_uncompared(records, pairs)), odd)


def _shared(values: NDArray[Any], known: list[NDArray[Any]]) -> NDArray[Any]:
    """Return values of an earlier form where they have the same bits, so that many forms take the memory of a few."""
    for other in known:
        if other.dtype == values.dtype and other.shape == values.shape:
            ours, theirs = (np.ascontiguousarray(each).reshape(-1).view(np.uint8) for each in (values, other))
            if np.array_equal(ours, theirs):
                return other
    known.append(values)
    return values


def _reference(results: Sequence[tuple[Form, Stages]]) -> Stages:
    """Return the layers of the int8 form with reference rounding that shows the most; the first one of equals."""
    layers = [
        {stage: values for stage, values in stages.items() if values.dtype == np.int8}
        for form, stages in results
        if form.numbers == "int8" and form.ours
    ]
    return max(layers, key=len, default={})


def _order(records: Sequence[FormRecord], numbers: str) -> list[str]:
    """Return the stages of all forms of one number type, in the order of the form that shows the most."""
    order = stage_order(form.stages for form in records if form.numbers == numbers)
    return [stage for stage in order if stage not in _FACTS]


def _with_hidden(records: Sequence[FormRecord]) -> tuple[FormRecord, ...]:
    """Return the records with `hidden`: stages that other forms of the same number type show and this form does not."""
    results = []
    for form in records:
        order = _order(records, form.numbers)
        first = min((order.index(stage) for stage in form.stages if stage in order), default=len(order))
        start = first if form.begins == "the boundary" else 0
        results.append(
            msgspec.structs.replace(form, hidden=tuple(stage for stage in order[start:] if stage not in form.stages))
        )
    return tuple(results)


def _uncompared(records: Sequence[FormRecord], pairs: Sequence[PairRecord]) -> Iterator[UncomparedStage]:
    """Yield the stages of a form that no pair compared on any sample, with the reason."""
    compared: dict[str, set[str]] = {}
    for pair in pairs:
        for name in (pair.first, pair.second):
            compared.setdefault(name, set()).update(stage.stage for stage in pair.stages if stage.samples)
    shown = Counter((form.numbers, stage) for form in records for stage in form.stages)
    for form in records:
        for stage in form.stages:
            done = compared.get(form.name, set())
            # For an engine with its own rounding, probabilities are compared and label changes are only counted.
            if stage not in done and not (stage == LABEL and PROBABILITIES in done):
                alone = shown[form.numbers, stage] == 1
                reason = "no other form shows it" if alone else "every sample differs at an earlier stage"
                yield UncomparedStage(form=form.name, stage=stage, reason=reason)


def class_indices(own: Sequence[str], labels: Sequence[str], count: int) -> NDArray[np.int64]:
    """Return the index in `labels` of each class name, -1 for an unknown name; shape (count, len(own))."""
    places = {label: index for index, label in enumerate(labels)}
    return np.tile(np.asarray([places.get(label, -1) for label in own], np.int64), (count, 1))


def objects_listed(maps: NDArray[np.float32], spec: ObjectMap) -> NDArray[np.int64]:
    """Return the objects of each map as `core.objects` finds them: label, x, y and score, -1 behind the last one."""
    listed = np.full((len(maps), spec.max_objects, 4), -1, np.int64)
    for own, objects in zip(listed, find_objects(maps, spec), strict=True):
        for index, instance in enumerate(objects):
            own[index] = instance.label, instance.x, instance.y, instance.score
    return listed


def is_comparable(first: Form, second: Form) -> bool:
    """Return whether a pair is comparable: forms of different number types must both start from raw rows."""
    return first.numbers == second.numbers or (first.whole and second.whole)


def with_flags(stages: Stages, tolerance_reference: ToleranceReference) -> Stages:
    """Return stages with the flags of the answers: those that a form gives, else those that follow from its answers.

    Left out where nothing says which samples have an answer.
    """
    if PROBABILITIES not in stages or tolerance_reference.unanswered is None:
        return {stage: values for stage, values in stages.items() if stage != FLAGS}
    return {**stages, FLAGS: stages.get(FLAGS, flags_of(stages[PROBABILITIES], tolerance_reference.confidence))}


def _record(form: Form, stages: Stages, seconds: float, tolerance_reference: ToleranceReference) -> FormRecord:
    count = len(next(iter(stages.values())))
    outside = None if RANGE not in stages else int(np.count_nonzero(stages[RANGE][tolerance_reference.data(count)]))
    return FormRecord(
        name=form.name,
        numbers=form.numbers,
        rounding="" if form.numbers == "float" else "ours" if form.ours else "own",
        stages=tuple(stages),
        begins="raw rows" if form.whole else "the boundary",
        seconds=seconds,
        out_of_range=outside,
        note="; ".join(text for text in (form.note, *form.notes) if text),
        samples=count,
        targets=form.targets,
    )
