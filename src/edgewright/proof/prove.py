"""Every form over the same samples, and every pair of forms."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.proof.form import CLASSES, LABEL, PROBABILITIES, RANGE, Form, Samples, Stages, Yardstick
from edgewright.proof.pair import compare
from edgewright.schema.errors import CheckFailedError, InputError
from edgewright.schema.proof import AbsentForm, FormRecord, PairRecord, UncomparedStage

# Pairs that are compared at a time.
_THREADS = 4
# What a form says beside its stages.
_FACTS = (RANGE, CLASSES)


@dataclass(frozen=True)
class Proven:
    """What came of it: forms that ran and those that could not, every pair, and stages that no pair could judge."""

    forms: tuple[FormRecord, ...]
    absent: tuple[AbsentForm, ...]
    pairs: tuple[PairRecord, ...]
    uncompared: tuple[UncomparedStage, ...]

    @property
    def passed(self) -> bool:
        """Whether anything was compared, and no tolerance is broken."""
        return any(pair.stages for pair in self.pairs) and all(pair.verdict != "broken" for pair in self.pairs)


def odd_one(pairs: Sequence[PairRecord]) -> str:
    """Return the one form that stands in every pair that breaks a tolerance; empty where there is none, or no other."""
    broken = [{pair.first, pair.second} for pair in pairs if pair.breaks is not None]
    common = set.intersection(*broken) if len(broken) > 1 else set()
    return common.pop() if len(common) == 1 else ""


def earliest(forms: Sequence[FormRecord], pairs: Sequence[PairRecord]) -> PairRecord | None:
    """Of the pairs that break a tolerance the one that does so at the earliest stage; None where none does."""
    broken = [(pair, pair.breaks.stage) for pair in pairs if pair.breaks is not None]
    if not broken:
        return None
    # Forms of the network alone begin later: the order is that of the forms which show most.
    longest = sorted((form.stages for form in forms), key=len, reverse=True)
    order = {stage: place for place, stage in enumerate(dict.fromkeys(s for stages in longest for s in stages))}
    return min(broken, key=lambda entry: order[entry[1]])[0]


def prove(forms: Sequence[Form], samples: Samples, boundary: Samples, yard: Yardstick) -> Proven:
    """Run every form and compare every pair.

    Args:
        forms: to compare; a pair is reported in their order.
        samples: raw rows or windows, shape (n, ...), float32.
        boundary: what arrives at the boundary, for forms of the network alone.
        yard: what tolerances are measured by.
    """
    made: list[tuple[Form, Stages]] = []
    records: list[FormRecord] = []
    absent: list[AbsentForm] = []
    for form in forms:
        started = time.perf_counter()
        try:
            maximum = form.most or len(samples)
            stages = form.run(samples[:maximum], boundary[:maximum])
        except (InputError, CheckFailedError) as error:
            absent.append(AbsentForm(name=form.name, reason=str(error)))
            continue
        seconds = time.perf_counter() - started
        if form.labels and yard.labels:
            stages = {**stages, CLASSES: called(form.labels, yard.labels, len(next(iter(stages.values()))))}
        made.append((form, stages))
        records.append(_record(form, stages, seconds, yard))
    wished = [(p, q) for p, q in combinations(made, 2) if wanted(p[0], q[0])]
    reference = _reference(made)
    # NumPy works on large arrays without holding the interpreter.
    with ThreadPoolExecutor(max_workers=min(_THREADS, os.cpu_count() or 1)) as pool:
        pairs = tuple(
            pool.map(lambda pair: compare((pair[0][0], pair[1][0]), (pair[0][1], pair[1][1]), yard, reference), wished)
        )
    return Proven(_with_hidden(records), tuple(absent), pairs, tuple(_uncompared(records, pairs)))


def _reference(made: Sequence[tuple[Form, Stages]]) -> Stages:
    """Of the int8 forms that must be bit-exact to each other, the first of those that show most layers."""
    layers = [
        {stage: values for stage, values in stages.items() if values.dtype == np.int8}
        for form, stages in made
        if form.numbers == "int8" and form.ours
    ]
    return max(layers, key=len, default={})


def _order(records: Sequence[FormRecord], numbers: str) -> list[str]:
    """Return stages of the forms of one kind of numbers, in the order of those that show most."""
    shown = sorted((form.stages for form in records if form.numbers == numbers), key=len, reverse=True)
    return list(dict.fromkeys(stage for stages in shown for stage in stages if stage not in _FACTS))


def _with_hidden(records: Sequence[FormRecord]) -> tuple[FormRecord, ...]:
    """Return the records with what others of their kind show and they do not, from where each begins."""
    made = []
    for form in records:
        order = _order(records, form.numbers)
        first = min((order.index(stage) for stage in form.stages if stage in order), default=len(order))
        start = first if form.begins == "the boundary" else 0
        made.append(
            msgspec.structs.replace(form, hidden=tuple(stage for stage in order[start:] if stage not in form.stages))
        )
    return tuple(made)


def _uncompared(records: Sequence[FormRecord], pairs: Sequence[PairRecord]) -> Iterator[UncomparedStage]:
    """Yield stages of a form that no pair judged on any sample, and why."""
    judged: dict[str, set[str]] = {}
    for pair in pairs:
        for name in (pair.first, pair.second):
            judged.setdefault(name, set()).update(stage.stage for stage in pair.stages if stage.samples)
    shown = Counter((form.numbers, stage) for form in records for stage in form.stages)
    for form in records:
        for stage in form.stages:
            done = judged.get(form.name, set())
            # Of an engine with its own rounding the probabilities are judged, and labels counted.
            if stage not in done and not (stage == LABEL and PROBABILITIES in done):
                alone = shown[form.numbers, stage] == 1
                reason = "no other form shows it" if alone else "every sample differs at an earlier stage"
                yield UncomparedStage(form=form.name, stage=stage, reason=reason)


def called(own: Sequence[str], labels: Sequence[str], count: int) -> NDArray[np.int64]:
    """Which of `labels` each class has for a name, -1 for another one; shape (count, len(own))."""
    places = {label: place for place, label in enumerate(labels)}
    return np.tile(np.asarray([places.get(label, -1) for label in own], np.int64), (count, 1))


def wanted(first: Form, second: Form) -> bool:
    """Return whether a pair says something: of two networks that begin at the boundary in other numbers it does not."""
    return first.numbers == second.numbers or (first.whole and second.whole)


def _record(form: Form, stages: Stages, seconds: float, yard: Yardstick) -> FormRecord:
    count = len(next(iter(stages.values())))
    outside = None if RANGE not in stages else int(np.count_nonzero(stages[RANGE][yard.data(count)]))
    return FormRecord(
        name=form.name,
        numbers=form.numbers,
        rounding="" if form.numbers == "float" else "ours" if form.ours else "own",
        stages=tuple(stages),
        begins="raw rows" if form.whole else "the boundary",
        seconds=seconds,
        out_of_range=outside,
        note="; ".join(text for text in (form.note, *form.said) if text),
        samples=count,
    )
