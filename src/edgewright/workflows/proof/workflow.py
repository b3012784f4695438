"""`prove`: the same raw rows through every form that exists here, stage by stage."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.executor import compile_graph
from edgewright.core.input_ranges import outside
from edgewright.core.objects import read_objects
from edgewright.graph.mask import without_mask
from edgewright.graph.stages import float_part, preprocessing
from edgewright.proof.form import (
    BYTES,
    CLASSES,
    PREDICTION,
    PROBABILITIES,
    Form,
    Samples,
    Stages,
    ToleranceReference,
)
from edgewright.proof.perturbed_graph import rounded, with_perturbed_results
from edgewright.proof.prove import common_form, earliest, prove
from edgewright.proof.tolerance import (
    last_digits,
    perturbed_readings,
    perturbed_synthetic_readings,
    spreads,
    wide_digits,
)
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Graph
from edgewright.schema.proof import AbsentForm, FileRecord, ProofRecord
from edgewright.workflows.proof.adaptation import adaptation_proof
from edgewright.workflows.proof.adversarial import with_constructed
from edgewright.workflows.proof.forms import Subject, forms_of
from edgewright.workflows.proof.provers import ProofRequest, prover_of
from edgewright.workflows.proof.rows import Chosen, choose_rows
from edgewright.workflows.proof.stages import all_values, boundary_value, renamed
from edgewright.workflows.proof.stream import stream_proof
from edgewright.workflows.proof.subject import read_subject, with_artefacts

ROWS = 1000
# All stages of all forms are held at once: more values than this a form, and fewer rows are taken. The same where the
# stages before the network compute more than this, `DRAWS` times with perturbed results.
_VALUES, _PERTURBED = 30_000_000, 200_000_000


def prove_place(
    location: str,
    *,
    data: str | None = None,
    rows: int = ROWS,
    device: str = "",
    seed: int = 0,
    given: Sequence[str] = (),
    serial: str = "",
) -> ProofRecord:
    """Prove a run, a package or a model, with every model that lies beside it; or a file that works on its own.

    Args:
        location: run folder, `.edge`, `.onnx` or `.tflite` file, or the file of a prover.
        data: rows to prove with: CSV, .npy, or whatever the run's own data may be.
        rows: most rows or windows.
        device: profile whose processor is emulated as one more form; empty for none.
        seed: of the choice of rows.
        given: further files and folders whose models are proven as they lie there.
        serial: line to a board that runs the exported library; empty for none.

    Raises:
        InputError: for what cannot be read, rows that do not fit, or a line that cannot be opened.
        CheckFailedError: the board runs another model.
        OutputError: the board does not answer, or answers something else.
    """
    prover = prover_of(Path(location))
    if prover is not None:
        if serial:
            raise InputError("--serial with a run, a package or a model", serial, location, "Omit --serial")
        if given:
            raise InputError("--with a run, a package or a model", given[0], location, "Omit --with")
        return prover.prove(ProofRequest(Path(location), data or "", rows, device))
    subject = with_artefacts(read_subject(Path(location), device), Path(location), given)
    subject = replace(subject, serial=serial, place=Path(location))
    chosen = choose_rows(subject, Path(location), data, rows, seed)
    record = prove_subject(subject, location, with_constructed(subject, chosen))
    stream = stream_proof(subject, location, chosen)
    learning = adaptation_proof(subject, location, chosen)
    record = record if stream is None else _shipped(record, subject, stream)
    parts = tuple(part for part in (stream, learning) if part is not None)
    return joined(record, parts) if parts else record


def _shipped(record: ProofRecord, subject: Subject, stream: ProofRecord) -> ProofRecord:
    """Return the record with the forms of a stream that ran with the bytes of files that were read."""
    ran: dict[str, tuple[str, ...]] = {}
    for artefact in subject.of_kind("stream"):
        names = tuple(form.name for form in stream.forms if form.name.startswith(f"{artefact.name} "))
        for name in artefact.shown if names else ():
            ran[name] = (*ran.get(name, ()), *names)
    files = tuple(
        msgspec.structs.replace(file, forms=(*file.forms, *ran[file.name]), not_proven="") if file.name in ran else file
        for file in record.files
    )
    failed = tuple(name for name in record.failed if name not in ran)
    return msgspec.structs.replace(record, files=files, failed=failed, passed=record.breaks is None and not failed)


def joined(record: ProofRecord, parts: Sequence[ProofRecord]) -> ProofRecord:
    """Join a proof with those of its parts: it holds where all hold, and breaks where the first breaks."""
    broken = next((part for part in (record, *parts) if part.breaks is not None), record)
    return msgspec.structs.replace(
        record, passed=record.passed and all(part.passed for part in parts), breaks=broken.breaks,
        broken=broken.broken, odd=broken.odd, parts=(*record.parts, *parts),
        failed=(*record.failed, *(name for part in parts for name in part.failed)),
        seconds=record.seconds + sum(part.seconds for part in parts),
    )  # fmt: skip


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
        raise InputError(f"samples of shape {reference.inputs[0].shape}", f"{chosen.samples.shape[1:]}", location)
    chosen, notes = _bounded(subject, chosen)
    samples = chosen.samples
    forms = forms_of(subject) if forms is None else forms
    boundary = boundary_value(reference, samples)
    tolerance_reference = measure_tolerance_reference(subject, chosen)
    data = tolerance_reference.data(len(samples))
    proven = prove(forms, samples, boundary, tolerance_reference)
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
        odd=common_form(proven.pairs),
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
    made = []
    for file in subject.files:
        names = tuple(form.name for form in forms if (file.same or file.name) in form.files and form.name in ran)
        reasons = (form.reason for form in absent if form.name.startswith(f"{file.name} "))
        why = file.not_proven or ("" if names else next(reasons, "no form here runs it"))
        made.append(msgspec.structs.replace(file, forms=names, not_proven=why))
    return tuple(made)


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
    return ToleranceReference(
        spread=spread,
        digits=digits,
        names=_names(subject),
        origins=chosen.origins,
        labels=graph.labels,
        int8_tolerance=_ends_tolerance(subject),
        before=frozenset(first),
        constructed=chosen.constructed,
        unanswered=None if mask is None else mask.unanswered(chosen.samples),
        step=0.0 if grid is None else float(grid.scale),
        objects=read_objects(graph.metadata),
    )


def _ends_tolerance(subject: Subject) -> float:
    """Return the package's own tolerance of int8, or what two steps of the raw output make of a probability."""
    named = 0.08 if subject.manifest is None else subject.manifest.tolerance.get("int8", 0.08)
    if subject.network is None:
        return named
    # The steepest slope of the logistic function is a quarter.
    return max(named, 2 * subject.network.values[subject.network.output].scale / 4)


def _names(subject: Subject) -> dict[str, tuple[str, ...]]:
    """Return names of what each stage gives, and of the classes."""
    labels = tuple(subject.reference.labels)
    made: dict[str, tuple[str, ...]] = {PROBABILITIES: labels, PREDICTION: ("prediction",), CLASSES: labels}
    if subject.pipeline is None:
        return made
    before = preprocessing(subject.reference)
    names: tuple[str, ...] | None = None
    if subject.manifest is not None:
        names = tuple(column.name for column in subject.manifest.columns)
    for stage, estimator in subject.pipeline.steps[:-1]:
        names = _feature_names(estimator, names)
        made[stage] = names or ()
        if before.get(stage) == subject.reference.boundary:
            made[BYTES] = made[stage]
    return made


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
    one: Samples = chosen.samples[:1]
    values: Stages = compile_graph(graph, tuple(stages.values()))(one)
    held = one.size + sum(array.size for array in values.values())
    maximum, each, word = max(1, _VALUES // held), held, "values"
    perturbed = _perturbed(graph, one)
    if (fewer := max(1, _PERTURBED // max(1, perturbed))) < maximum:
        maximum, each, word = fewer, perturbed, "values to compute"
    total = len(chosen.samples)
    if total <= maximum:
        return chosen, ()
    kept = _spread(chosen, maximum)
    made = None if chosen.constructed is None else chosen.constructed[kept]
    origins = tuple(chosen.origins[row] for row in kept)
    return replace(chosen, samples=chosen.samples[kept], origins=origins, constructed=made), (
        f"{each:,} {word} a sample: {maximum:,} of {total:,} samples are used",
    )


def _perturbed(graph: Graph, one: Samples) -> int:
    """Count the values that a sample's tolerances perturb."""
    first = preprocessing(graph)
    sizes: list[int] = []

    def count(values: NDArray[Any], *_: NDArray[Any]) -> NDArray[Any]:
        sizes.append(values.size)
        return values

    if first:
        with_perturbed_results(graph, tuple(first.values()), count, lambda _: count)(one)
    return sum(sizes)


def _spread(chosen: Chosen, maximum: int) -> NDArray[np.int64]:
    """Choose rows from all of the data, which are in an order, and the first synthetic ones of every kind."""
    total = len(chosen.samples)
    odd = np.zeros(total, bool) if chosen.constructed is None else chosen.constructed
    data, constructed = np.flatnonzero(~odd), np.flatnonzero(odd)
    count = max(1, maximum * len(data) // total)
    return np.sort(np.concatenate([data[np.arange(count) * len(data) // count], constructed[: maximum - count]]))
