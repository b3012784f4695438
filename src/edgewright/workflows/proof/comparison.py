"""The same raw rows through every form of a subject, stage by stage."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import SampleShapeError, StoppedError
from edgewright.core.input.samples import outside
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.prediction.objects import read_objects
from edgewright.core.records.network import Graph
from edgewright.core.records.proof import AbsentForm, FileRecord, ProofRecord
from edgewright.graph.builder import without_mask
from edgewright.graph.extract import float_part, preprocessing
from edgewright.proof.prove import earliest, prove
from edgewright.proof.tolerance import (
    BYTES,
    CLASSES,
    EXTREME,
    PREDICTION,
    PROBABILITIES,
    Form,
    Samples,
    Stages,
    ToleranceReference,
    last_digits,
    perturbed_readings,
    perturbed_synthetic_readings,
    rounded,
    spreads,
    wide_digits,
    with_perturbed_results,
)
from edgewright.workflows.proof.forms import Subject, forms_of
from edgewright.workflows.proof.stages import all_values, boundary_value, comparisons, first_failing, renamed
from edgewright.workflows.proof.subject import Chosen

# All stages of all forms are held at once: more values than this a form, and fewer rows are taken. The same where the
# stages before the network compute more than this, `DRAWS` times with perturbed results.
_VALUES, _PERTURBED = 30_000_000, 200_000_000


def prove_subject(subject: Subject, location: str, chosen: Chosen, forms: Sequence[Form] | None = None) -> ProofRecord:
    """Prove what was read already.

    Args:
        subject: what is proven.
        location: where it was read from.
        chosen: samples.
        forms: to compare; all that exist here when None.
    """
    started = time.perf_counter()
    reference = subject.reference
    if chosen.samples.shape[1:] != tuple(reference.inputs[0].shape):
        raise SampleShapeError(f"samples of shape {reference.inputs[0].shape}", f"{chosen.samples.shape[1:]}", location)
    forms = forms_of(subject) if forms is None else forms

    def stops_at(form: Form | None) -> str:
        numbers = form.numbers if form is not None else "float" if "float" in subject.graphs else "int8"
        network = subject.network if numbers == "int8" else None
        return first_failing(subject.graphs[numbers], network, chosen.samples)

    try:
        chosen, notes = _bounded(subject, chosen)
        boundary = boundary_value(reference, chosen.samples)
        tolerance_reference = measure_tolerance_reference(subject, chosen)
    except MemoryError:
        raise
    except Exception as error:
        stage = stops_at(None)
        if not stage:
            raise
        raise StoppedError(f"Python stops at the stage {stage}: {str(error) or type(error).__name__}", stage) from error
    samples = chosen.samples
    data = tolerance_reference.data(len(samples))
    proven = prove(forms, samples, boundary, tolerance_reference, stops_at)
    absent = (*subject.absent, *proven.absent)
    files = _files(subject, forms, {form.name for form in proven.forms}, absent)
    failed = tuple(f.name for f in files if f.not_proven and f.name in {a.name for a in subject.artefacts})
    failed += tuple(form.name for form in absent if form.needed)
    first = earliest(proven.forms, proven.pairs)
    flags: NDArray[np.bool_] = outside(samples[data], subject.ranges)
    counts = zip(subject.ranges, flags.sum(axis=0).tolist(), strict=True)
    return ProofRecord(
        name=subject.name,
        subject=location,
        source=chosen.source,
        samples=int(data.sum()),
        constructed=int((~data).sum()),
        shape=tuple(int(n) for n in samples.shape[1:]),
        labels=reference.labels,
        forms=proven.forms,
        absent=absent,
        pairs=proven.pairs,
        out_of_range=int(flags.any(axis=1).sum()),
        out_of_range_by_column=tuple((name, count) for (name, _, _), count in counts if count),
        ranges=sum(low is not None or high is not None for _, low, high in subject.ranges),
        passed=proven.passed and not failed,
        breaks=None if first is None else first.breaks,
        broken=() if first is None else (first.first, first.second),
        odd=proven.odd,
        uncompared=proven.uncompared,
        files=files,
        failed=failed,
        notes=(*chosen.notes, *notes),
        seconds=time.perf_counter() - started,
    )


def _files(
    subject: Subject, forms: Sequence[Form], ran: Collection[str], absent: Sequence[AbsentForm]
) -> tuple[FileRecord, ...]:
    """Every file that was read, with the forms that ran with its bytes, or why none did."""
    files = []
    for file in subject.files:
        names = tuple(form.name for form in forms if (file.same or file.name) in form.files and form.name in ran)
        reasons = (form.reason for form in absent if form.name.startswith(f"{file.name} "))
        why = file.not_proven or ("" if names else next(reasons, "no form here runs it"))
        files.append(msgspec.structs.replace(file, forms=names, not_proven=why))
    return tuple(files)


def measure_tolerance_reference(subject: Subject, chosen: Chosen) -> ToleranceReference:
    """Spreads, the effect of last digits, and names, from the float graph in the NumPy engine."""
    graph = subject.reference
    network = float_part(graph) if "float" in subject.graphs else subject.network
    stages = all_values(graph, network)
    run = compile_graph(graph, tuple(stages.values()))
    given = renamed(run(chosen.samples), stages)
    moved = [renamed(run(samples), stages) for samples in perturbed_readings(chosen.samples)]
    first = preprocessing(graph)
    if first:
        # What stages before the network lose goes through the network; what its layers lose has a share of their size.
        chance = rounded(graph, tuple(stages.values()), chosen.samples, until=tuple(first.values()))
        moved += [renamed(values, stages) for values in chance]
    odd = chosen.constructed
    data = slice(None) if odd is None else ~odd
    spread, digits = spreads({stage: values[data] for stage, values in given.items()}), last_digits(given, moved)
    if odd is not None:
        shaken = [
            renamed(run(x), stages) for x in perturbed_synthetic_readings(chosen.samples[odd], chosen.samples[data])
        ]
        wide = wide_digits({stage: values[odd] for stage, values in given.items()}, shaken, spread)
        for stage, values in wide.items():
            # A value that readings hardly change, such as the skewness of one impulse, is rounded nevertheless.
            digits[stage][odd] = np.maximum(digits[stage][odd], values)
    _, mask = without_mask(graph)
    grid = None if subject.network is None else subject.network.values[subject.network.input]
    flat = chosen.samples.reshape(len(chosen.samples), -1)
    return ToleranceReference(
        spread=spread,
        digits=digits,
        names=_names(subject),
        origins=chosen.origins,
        labels=graph.labels,
        int8_tolerance=int8_ends_tolerance(subject),
        before=frozenset(first),
        constructed=chosen.constructed,
        unanswered=None if mask is None else mask.unanswered(chosen.samples),
        extreme=(np.abs(flat) == EXTREME).any(axis=1),
        filled=next(iter(first), ""),
        step=0.0 if grid is None else float(grid.scale),
        objects=read_objects(graph.metadata),
        confidence=subject.confidence,
        splits=_splits(graph, first),
    )


def _splits(graph: Graph, first: dict[str, str]) -> str | None:
    """Return the last stage before a model of comparisons, empty for the raw rows; None for another model."""
    last = next(reversed(first.values()), graph.inputs[0].name)
    if float_part(graph) is not None or not comparisons(graph, last):
        return None
    return next(reversed(first), "")


def int8_ends_tolerance(subject: Subject) -> float:
    """Return the package's own tolerance of int8, or what two steps of the raw output make of a probability."""
    named = 0.08 if subject.manifest is None else subject.manifest.tolerance.get("int8", 0.08)
    if subject.network is None:
        return named
    # The steepest slope of the logistic function is a quarter.
    return max(named, 2 * subject.network.values[subject.network.output].scale / 4)


def _names(subject: Subject) -> dict[str, tuple[str, ...]]:
    """Return names of what each stage gives, and of the classes."""
    labels = tuple(subject.reference.labels)
    known: dict[str, tuple[str, ...]] = {PROBABILITIES: labels, PREDICTION: ("prediction",), CLASSES: labels}
    if subject.pipeline is None:
        return known
    before = preprocessing(subject.reference)
    names: tuple[str, ...] | None = None
    if subject.manifest is not None:
        names = tuple(column.name for column in subject.manifest.columns)
    for stage, estimator in subject.pipeline.steps[:-1]:
        names = _feature_names(estimator, names)
        known[stage] = names or ()
        if before.get(stage) == subject.reference.boundary:
            known[BYTES] = known[stage]
    return known


def _feature_names(estimator: object, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    ask = getattr(estimator, "get_feature_names_out", None)
    if ask is None:
        return None
    try:
        return tuple(str(name) for name in ask(None if names is None else list(names)))
    except (ValueError, TypeError, AttributeError):
        return None


def _bounded(subject: Subject, chosen: Chosen) -> tuple[Chosen, tuple[str, ...]]:
    """Fewer samples where their stages would not fit into memory, or their tolerances would take minutes."""
    graph = subject.reference
    stages = all_values(graph, float_part(graph) if "float" in subject.graphs else subject.network)
    sample: Samples = chosen.samples[:1]
    values: Stages = compile_graph(graph, tuple(stages.values()))(sample)
    memory = sample.size + sum(array.size for array in values.values())
    maximum, each, word = max(1, _VALUES // memory), memory, "values"
    perturbed = _perturbed(graph, sample)
    if (fewer := max(1, _PERTURBED // max(1, perturbed))) < maximum:
        maximum, each, word = fewer, perturbed, "values to compute"
    total = len(chosen.samples)
    if total <= maximum:
        return chosen, ()
    kept = _spread(chosen, maximum)
    constructed = None if chosen.constructed is None else chosen.constructed[kept]
    origins = tuple(chosen.origins[row] for row in kept)
    return replace(chosen, samples=chosen.samples[kept], origins=origins, constructed=constructed), (
        f"{each:,} {word} a sample: {maximum:,} of {total:,} samples are used",
    )


def _perturbed(graph: Graph, sample: Samples) -> int:
    """Count the values that a sample's tolerances perturb."""
    first = preprocessing(graph)
    sizes: list[int] = []

    def count(values: NDArray[Any], *_: NDArray[Any]) -> NDArray[Any]:
        sizes.append(values.size)
        return values

    if first:
        with_perturbed_results(graph, tuple(first.values()), count, lambda _: count)(sample)
    return sum(sizes)


def _spread(chosen: Chosen, maximum: int) -> NDArray[np.int64]:
    """Choose rows from all of the data, which are in an order, and the first synthetic ones of every kind."""
    total = len(chosen.samples)
    odd = np.zeros(total, bool) if chosen.constructed is None else chosen.constructed
    data, constructed = np.flatnonzero(~odd), np.flatnonzero(odd)
    count = max(1, maximum * len(data) // total)
    return np.sort(np.concatenate([data[np.arange(count) * len(data) // count], constructed[: maximum - count]]))
