"""Forms of something that remembers what came before, row by row, to the first stage that differs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgewright.proof.form import Stages, Yardstick
from edgewright.proof.prove import earliest, odd_one
from edgewright.proof.stage import Compared, distance, judge, shown
from edgewright.schema.errors import CheckFailedError, InputError
from edgewright.schema.proof import (
    AbsentForm,
    Difference,
    FormRecord,
    Numbers,
    PairRecord,
    ProofRecord,
    StageVerdict,
    UncomparedStage,
)


@dataclass(frozen=True)
class Rule:
    """How far apart two forms may be at a stage.

    Attributes:
        words: the tolerance and its reason.
        relative: share of the reference's value that is allowed.
        absolute: allowed in any case, in the unit of the values.
        numbers: 'label' for facts and counts, 'int8' for bytes, 'float' for other numbers.
        kinds: whether the first value of a row says what the others mean; where it differs they do not count.
    """

    words: str = "bit-exact"
    relative: float = 0.0
    absolute: float = 0.0
    numbers: Literal["float", "int8", "label"] = "float"
    kinds: bool = False


EXACT = Rule()


@dataclass(frozen=True)
class StreamForm:
    """One form beside the reference.

    Attributes:
        name: for a reader.
        run: gives the stages of the reference and of this form, each of shape (rows, ...). Where numbers have a
            tolerance, the reference decides over this form's numbers, so that decisions are compared exactly.
        note: what a reader should know of it.
    """

    name: str
    run: Callable[[], tuple[Stages, Stages]]
    note: str = ""


@dataclass(frozen=True)
class StreamSubject:
    """What is compared.

    Attributes:
        name: of the artefact.
        place: path that was given.
        source: of the rows, in words.
        origins: of each row, in words.
        reference: name of the form that the others stand beside.
        numbers: of its network.
        rules: stage -> how it is compared; the stages in order.
        names: stage -> names of its values.
        shape: of one row.
        labels: of the classes; empty for numbers.
        notes: further sentences.
        absent: forms that cannot exist here.
    """

    name: str
    place: str
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
        subject: what is compared.
        forms: beside the reference.
    """
    started = time.perf_counter()
    yard = Yardstick({}, {}, dict(subject.names), tuple(subject.origins), subject.labels)
    records: list[FormRecord] = []
    pairs: list[PairRecord] = []
    uncompared: list[UncomparedStage] = []
    absent = list(subject.absent)
    for form in forms:
        begun = time.perf_counter()
        try:
            expected, found = form.run()
        except (InputError, CheckFailedError) as error:
            absent.append(AbsentForm(name=form.name, reason=str(error)))
            continue
        seconds = time.perf_counter() - begun
        if not records:
            records.append(_record(subject, subject.reference, expected, 0.0, ""))
        records.append(_record(subject, form.name, found, seconds, form.note))
        pairs.append(compare_streams((subject.reference, form.name), (expected, found), subject, yard))
        judged = {stage.stage for stage in pairs[-1].stages if stage.samples}
        uncompared += [
            UncomparedStage(form=form.name, stage=stage, reason="every row differs from the reference earlier"
                            if stage in subject.rules else "no rule compares it")
            for stage in dict.fromkeys((*expected, *found))
            if stage not in judged
        ]  # fmt: skip
    if not pairs:
        uncompared = [
            UncomparedStage(form=subject.reference, stage=stage, reason="no other form ran") for stage in subject.rules
        ]
    first = earliest(records, pairs)
    return ProofRecord(
        name=subject.name,
        subject=subject.place,
        source=subject.source,
        samples=len(subject.origins),
        shape=subject.shape,
        labels=subject.labels,
        forms=tuple(records),
        absent=tuple(absent),
        pairs=tuple(pairs),
        passed=first is None,
        breaks=None if first is None else first.breaks,
        broken=() if first is None else (first.first, first.second),
        odd=odd_one(pairs),
        uncompared=tuple(uncompared),
        notes=subject.notes,
        seconds=time.perf_counter() - started,
    )


def compare_streams(
    names: tuple[str, str], values: tuple[Stages, Stages], subject: StreamSubject, yard: Yardstick
) -> PairRecord:
    """Judge a form beside the reference. After a row that breaks a rule no later row is judged at a later stage."""
    expected, found = values
    judged = np.ones(len(subject.origins), np.bool_)
    verdicts: list[StageVerdict] = []
    differs: Difference | None = None
    breaks: Difference | None = None
    for stage, rule in subject.rules.items():
        if stage not in expected and stage not in found:
            continue
        a, b = _beside(expected.get(stage), found.get(stage))
        compared = _judge(stage, rule, a, b, judged)
        verdicts.append(compared.verdict)
        differs = differs or shown(compared, a, b, compared.differing, yard)
        breaks = breaks or shown(compared, a, b, compared.beyond, yard)
        if compared.beyond.any():
            judged[int(np.argmax(compared.beyond)) :] = False
    verdict: Literal["bit-exact", "within tolerance", "broken", "nothing shared"] = "nothing shared"
    if verdicts:
        verdict = "broken" if breaks is not None else "bit-exact" if differs is None else "within tolerance"
    return PairRecord(
        first=names[0], second=names[1], verdict=verdict, exact_from_boundary=None, stages=tuple(verdicts),
        differs=differs, breaks=breaks,
    )  # fmt: skip


def _judge(stage: str, rule: Rule, a: NDArray[Any], b: NDArray[Any], judged: NDArray[np.bool_]) -> Compared:
    apart = distance(a, b)
    allowed = rule.absolute + rule.relative * np.abs(np.nan_to_num(a.astype(np.float64)))
    if rule.kinds:
        # What is no event has no label that could be another one.
        apart[..., 1:] = np.where(apart[..., :1] > 0, 0.0, apart[..., 1:])
    return judge(stage, rule.numbers, apart, np.broadcast_to(allowed, apart.shape), judged, rule.words)


def _beside(a: NDArray[Any] | None, b: NDArray[Any] | None) -> tuple[NDArray[Any], NDArray[Any]]:
    """Both of one shape; what one form does not have is no number there."""
    if a is None or b is None or a.shape != b.shape:
        one = np.zeros(1) if a is None and b is None else a if a is not None else b
        one = np.asarray(one)
        other = np.full(one.shape, np.inf)
        return (one, other) if a is not None else (other, one)
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
