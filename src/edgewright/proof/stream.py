"""Proof of stateful forms: compares streams row by row up to the first stage that differs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgewright.core.records.proof import (
    AbsentForm,
    Difference,
    FormRecord,
    Numbers,
    PairRecord,
    ProofRecord,
    StageVerdict,
    UncomparedStage,
)
from edgewright.proof.prove import earliest, stopped
from edgewright.proof.stage import StageComparison, distance, judge, shown
from edgewright.proof.tolerance import Stages, ToleranceReference


@dataclass(frozen=True)
class Rule:
    """Tolerance between two forms at a stage.

    Attributes:
        words: tolerance and its reason in words.
        relative: allowed difference as a fraction of the reference value.
        absolute: additional allowed difference, in the unit of the values.
        numbers: 'label' for facts and counts, 'int8' for bytes, 'float' for other numbers.
        kinds: whether the first value of a row defines the meaning of the others; where it differs, the others are
            not compared.
    """

    words: str = "bit-exact"
    relative: float = 0.0
    absolute: float = 0.0
    numbers: Literal["float", "int8", "label"] = "float"
    kinds: bool = False


EXACT = Rule()


@dataclass(frozen=True)
class StreamForm:
    """A form that is compared with the reference.

    Attributes:
        name: display name.
        run: returns the stages of the reference and of this form, each of shape (rows, ...). Where numbers have a
            tolerance, the reference makes its decisions from the numbers of this form, so that decisions are compared
            exactly.
        note: note for the report.
    """

    name: str
    run: Callable[[], tuple[Stages, Stages]]
    note: str = ""


@dataclass(frozen=True)
class StreamSubject:
    """Artefact whose forms are compared.

    Attributes:
        name: name of the artefact.
        path: path as given by the user.
        source: description of the source of the rows.
        origins: description of the origin of each row.
        reference: name of the form that all others are compared with.
        numbers: number type of the network.
        rules: stage -> tolerance, in the order of the stages.
        names: stage -> names of its values.
        shape: shape of one row.
        labels: class names; empty for a regression.
        notes: notes for the report.
        absent: forms that are not available here.
    """

    name: str
    path: str
    source: str
    origins: Sequence[str]
    reference: str
    numbers: Numbers
    rules: Mapping[str, Rule]
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    shape: tuple[int, ...] = ()
    labels: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    absent: tuple[AbsentForm, ...] = ()


def prove_stream(subject: StreamSubject, forms: Sequence[StreamForm]) -> ProofRecord:
    """Run every form and compare it with the reference.

    Args:
        subject: artefact whose forms are compared.
        forms: forms other than the reference.
    """
    started = time.perf_counter()
    tolerance_reference = ToleranceReference({}, {}, dict(subject.names), tuple(subject.origins), subject.labels)
    records: list[FormRecord] = []
    pairs: list[PairRecord] = []
    uncompared: list[UncomparedStage] = []
    absent = list(subject.absent)
    for form in forms:
        begun = time.perf_counter()
        try:
            expected, actual = form.run()
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - an error of the code that is proven
            # One call gives every stage of a stream: none is given, from the first on.
            absent.append(stopped(form.name, error, lambda: next(iter(subject.rules), "")))
            continue
        seconds = time.perf_counter() - begun
        if not records:
            records.append(_record(subject, subject.reference, expected, 0.0, ""))
        records.append(_record(subject, form.name, actual, seconds, form.note))
        pairs.append(compare_streams((subject.reference, form.name), (expected, actual), subject, tolerance_reference))
        compared = {stage.stage for stage in pairs[-1].stages if stage.samples}
        uncompared += [
            UncomparedStage(form=form.name, stage=stage, reason="every row differs at an earlier stage"
                            if stage in subject.rules else "no rule compares it")
            for stage in dict.fromkeys((*expected, *actual))
            if stage not in compared
        ]  # fmt: skip
    if not pairs:
        uncompared = [
            UncomparedStage(form=subject.reference, stage=stage, reason="no other form ran") for stage in subject.rules
        ]
    first = earliest(records, pairs)
    failed = tuple(form.name for form in absent if form.needed)
    return ProofRecord(
        name=subject.name,
        subject=subject.path,
        source=subject.source,
        samples=len(subject.origins),
        shape=subject.shape,
        labels=subject.labels,
        forms=tuple(records),
        absent=tuple(absent),
        pairs=tuple(pairs),
        failed=failed,
        passed=first is None and not failed,
        breaks=None if first is None else first.breaks,
        broken=() if first is None else (first.first, first.second),
        odd=_odd(pairs),
        uncompared=tuple(uncompared),
        notes=subject.notes,
        seconds=time.perf_counter() - started,
    )


def compare_streams(
    names: tuple[str, str],
    values: tuple[Stages, Stages],
    subject: StreamSubject,
    tolerance_reference: ToleranceReference,
) -> PairRecord:
    """Compare a form with the reference; from the first row that breaks a rule on, no later stage is compared."""
    expected, actual = values
    every = np.ones(len(subject.origins), np.bool_)
    verdicts: list[StageVerdict] = []
    differs: Difference | None = None
    breaks: Difference | None = None
    for stage, rule in subject.rules.items():
        if stage not in expected and stage not in actual:
            continue
        a, b = _broadcast(expected.get(stage), actual.get(stage))
        compared = _judge(stage, rule, a, b, every)
        verdicts.append(compared.verdict)
        differs = differs or shown(compared, a, b, compared.differing, tolerance_reference)
        breaks = breaks or shown(compared, a, b, compared.beyond, tolerance_reference)
        if compared.beyond.any():
            every[int(np.argmax(compared.beyond)) :] = False
    verdict: Literal["bit-exact", "within tolerance", "broken", "nothing shared"] = "nothing shared"
    if verdicts:
        verdict = "broken" if breaks is not None else "bit-exact" if differs is None else "within tolerance"
    return PairRecord(
        first=names[0], second=names[1], verdict=verdict, exact_from_boundary=None, stages=tuple(verdicts),
        differs=differs, breaks=breaks,
    )  # fmt: skip


def _odd(pairs: Sequence[PairRecord]) -> str:
    """Return the one form that differs from the reference where another one does not; empty where nobody can tell.

    Where all differ, the mistake may be in the reference or in the code that one writer gave to all of them.
    """
    broken = [pair.second for pair in pairs if pair.breaks is not None]
    return broken[0] if len(broken) == 1 < len(pairs) else ""


def _judge(stage: str, rule: Rule, a: NDArray[Any], b: NDArray[Any], compared: NDArray[np.bool_]) -> StageComparison:
    difference = distance(a, b)
    allowed = rule.absolute + rule.relative * np.abs(np.nan_to_num(a.astype(np.float64)))
    if rule.kinds:
        # Where the kinds differ, the remaining values of the row are not comparable.
        difference[..., 1:] = np.where(difference[..., :1] > 0, 0.0, difference[..., 1:])
    return judge(stage, rule.numbers, difference, np.broadcast_to(allowed, difference.shape), compared, rule.words)


def _broadcast(a: NDArray[Any] | None, b: NDArray[Any] | None) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return both arrays with one shape; an absent array or one of another shape becomes infinite."""
    if a is None or b is None or a.shape != b.shape:
        like = np.zeros(1) if a is None and b is None else a if a is not None else b
        like = np.asarray(like)
        other = np.full(like.shape, np.inf)
        return (like, other) if a is not None else (other, like)
    return a, b


def _record(subject: StreamSubject, name: str, stages: Stages, seconds: float, note: str) -> FormRecord:
    return FormRecord(
        name=name,
        numbers=subject.numbers,
        rounding="ours" if subject.numbers == "int8" else "",
        stages=tuple(stage for stage in subject.rules if stage in stages),
        samples=len(subject.origins),
        seconds=seconds,
        note=note,
    )
