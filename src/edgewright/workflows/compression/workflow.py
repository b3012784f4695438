"""A compression: from a run or a model to a folder with every form, the record of them, and the chosen package."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.compression.weights import flips_by_class, weight_bytes
from edgewright.core.engines import choose
from edgewright.core.errors import CompressionError, InputError
from edgewright.core.package import model_file
from edgewright.core.records.compress import CompressRecord, CompressRow
from edgewright.core.records.config import PipelineConfig
from edgewright.core.records.data import Floats
from edgewright.core.records.trace import Interval
from edgewright.data.targets import as_text
from edgewright.export.targets.tflite import to_tflite
from edgewright.graph.cost import cost
from edgewright.graph.extract import float_network, integer_network
from edgewright.graph.onnx_writer import to_onnx
from edgewright.pipeline.config import config_hash
from edgewright.pipeline.cost import latency
from edgewright.pipeline.package.budget import budgets
from edgewright.pipeline.package.packaging import build_package, recording_columns, vector_limit
from edgewright.pipeline.package.variants import Form, answering, engine_flips
from edgewright.pipeline.plan import Plan, resolve
from edgewright.pipeline.run_folder.folder import FINISHED_EPOCHS, new_run_folder, remove_stopped
from edgewright.pipeline.run_folder.journal import Listener
from edgewright.pipeline.run_folder.store import kept_trainings, loader_text, save_fitted, stopped_run, write_record
from edgewright.profiles.catalogue import load_profile
from edgewright.profiles.footprint import refusal
from edgewright.training import metrics
from edgewright.training.metrics import FEW_GROUPS, of_sums, power, probabilities
from edgewright.workflows.compression.forms import CompressForm, Maker
from edgewright.workflows.compression.subject import Subject, Wanted, names, open_model, open_run


@dataclass(frozen=True)
class Compressed:
    """What a compression left: its folder, its record, and the package (None when it was refused)."""

    folder: Path
    record: CompressRecord
    package: Path | None


def compress(
    source: Path | str,
    wanted: Wanted,
    *,
    out: Path | str,
    data: str | None = None,
    target: str = "",
    group: str = "",
    force: bool = False,
    resume: bool = False,
    listener: Listener | None = None,
) -> Compressed:
    """Compress a run, or a model from elsewhere.

    Args:
        source: run folder or ONNX file.
        wanted: forms to make, and the limit they are held to.
        out: folder to write; a number is added when it exists.
        data: file or folder of the samples; a run knows its own.
        target: column of the labels; only for an imported model.
        group: column of people or machines; only for an imported model.
        force: replace `out` instead.
        resume: go on with the compression of this name that was stopped while it trained.
        listener: hears what is being done.

    Returns:
        The folder and record. Where the chosen form loses more than the limit, or does not fit its device, the folder
        is whole but has no package; the record's `refused` says why.

    Raises:
        InputError: nothing was asked for, or the source or its data are wrong; nothing is left behind.
    """
    if not (wanted.int8 or wanted.trains):
        raise CompressionError("a form to create", "no form", "edgewright compress", "Set --int8, --qat or --prune")
    known = names(wanted)[1:]
    if wanted.keep and wanted.keep not in known:
        raise CompressionError(f"one of {', '.join(known)}", repr(wanted.keep), "--keep")
    if wanted.device:
        load_profile(wanted.device)
    hears = listener or Listener()
    file_path, path = Path(out), Path(source)
    stopped = stopped_run(file_path.parent, file_path.name, str(wanted.options)) if resume else None
    with (
        new_run_folder(file_path.parent, file_path.name, force=force, stopped=stopped) as folder,
        ExitStack() as until_done,
    ):
        with hears.doing("Reading data"):
            subject = _for_device(_open(path, data, target, group), wanted.device)
        on = f"{config_hash(subject.config)} {subject.material.sha256}"
        until_done.enter_context(kept_trainings(folder.work, str(wanted.options), on, resumed=resume))
        maker = Maker(subject, wanted, hears)
        forms = list(maker.forms())
        with hears.doing("Judging forms", len(forms)) as advance:
            rows = rows_of(subject, forms, advance)
        record = _write(subject, wanted, forms, rows, folder.work, "run" if path.is_dir() else "model")
    remove_stopped(file_path.parent, file_path.name, FINISHED_EPOCHS)
    package = None if record.refused else folder.final / f"{subject.config.name}.edge"
    return Compressed(folder.final, record, package)


def _open(path: Path, data: str | None, target: str, group: str) -> Subject:
    if not path.is_dir():
        if not path.exists() or path.suffix != ".onnx":
            got = "no such file" if not path.exists() else f"{path.name!r}"
            raise CompressionError(
                "a run folder or an .onnx file", got, str(path), "Create a run with: edgewright run activity"
            )
        return open_model(path, data, target, group)
    if target or group:
        raise CompressionError(
            "an imported model with --target and --group", "a run, which has its own", "edgewright compress"
        )
    return open_run(path, data)


def _for_device(subject: Subject, profile: str) -> Subject:
    """Return the subject with the budget of another device."""
    if not profile:
        return subject
    config = subject.config
    device = msgspec.structs.replace(config.device, profile=profile)
    return replace(subject, config=msgspec.structs.replace(config, device=device))


def chosen_row(rows: tuple[CompressRow, ...], limit: float, keep: str = "") -> tuple[CompressRow, bool]:
    """Return the smallest file among forms within the limit on the validation samples; of equal ones the more accurate.

    Args:
        rows: float first; it is not chosen.
        limit: largest loss.
        keep: name of the row that is taken whatever the others are; empty for none.

    Returns:
        The row, and whether it is within the limit; without any that is, the one that loses least.
    """
    if keep:
        kept = next(row for row in rows if row.name == keep)
        return kept, kept.validation_drop <= limit
    within = [row for row in rows[1:] if row.validation_drop <= limit]
    if within:
        return min(within, key=lambda row: (row.file_bytes, row.validation_drop, row.compressed_bytes)), True
    return min(rows[1:], key=lambda row: (row.validation_drop, row.file_bytes)), False


def _write(
    subject: Subject,
    wanted: Wanted,
    forms: list[CompressForm],
    rows: tuple[CompressRow, ...],
    folder: Path,
    source: str,
) -> CompressRecord:
    """Fill the folder and give the record."""
    config, sides = subject.config, subject.material.sides
    limit = config.compression.max_drop if wanted.max_drop is None else wanted.max_drop
    row, within = chosen_row(rows, limit, wanted.keep)
    form = next(form for form in forms if form.name == row.name)
    for variant in forms:
        (folder / model_file(variant.name)).write_bytes(variant.model)
    plan = resolve(_with_layers(config, form))
    if form.base.model is not None and subject.flow is not None:
        (folder / "pipeline").mkdir()
        steps = [*subject.flow.steps, ("model", form.base.model)]
        columns = subject.material.samples.columns
        save_fitted(folder / "pipeline", plan, subject.material.task, steps, subject.flow.contexts, columns)
    refused = _refusal(row, within, limit, wanted.keep)
    package = folder / f"{config.name}.edge"
    if not refused:
        _package(subject, plan, form, package, row)
    kind = Form("int8" if form.integer else "float", form.graph, form.model)
    device = budgets(plan, subject.material, kind, package, row.latency_p50_us)
    if not refused and (text := refusal(device)):
        refused = f"{row.name}: {text}"
        package.unlink()
    record = CompressRecord(
        name=config.name,
        source=source,
        task=subject.material.task,
        options=wanted.options,
        rows=rows,
        chosen=row.name,
        max_drop=limit,
        refused=refused,
        device=device.profile,
        budget=device.rows,
        split=f"by {sides.by}: {len(sides.train):,} samples train and calibrate, {len(sides.validation):,} select, "
        f"{len(sides.test):,} are evaluated once for the table",
        data_hash=subject.material.sha256,
        data_path=subject.data_path,
        notes=(
            *([subject.understood] if subject.understood else []),
            *_notes(wanted, rows[0].engine, source),
            *_power(subject),
        ),
    )
    write_record(record, folder)
    return record


def _refusal(row: CompressRow, within: bool, limit: float, keep: str) -> str:
    """Why there is no package; empty where the limit holds on both sides."""

    def lost(drop: float) -> str:
        if row.accuracy is not None:
            return f"loses {100 * drop:.2f} points of accuracy"
        return f"has an error {100 * drop:.2f} % larger"

    text = f"{lost(row.validation_drop)} on the validation samples"
    if not within and keep:
        return f"{row.name} {text}, more than max_drop {100 * limit:g} %"
    if not within:
        return f"no form stays within max_drop {100 * limit:g} %: the closest, {row.name}, {text}"
    if row.drop > limit:
        return f"{row.name} {lost(row.drop)} on the test samples, more than max_drop {100 * limit:g} %"
    return ""


def _with_layers(config: PipelineConfig, form: CompressForm) -> PipelineConfig:
    """Return the configuration with the layers of the form's network."""
    if form.base.model is None:
        return config
    model = msgspec.structs.replace(config.model, layers=tuple(form.base.model.tables))
    return msgspec.structs.replace(config, model=model, architecture="")


def _package(subject: Subject, plan: Plan, form: CompressForm, path: Path, row: CompressRow) -> None:
    material, config = subject.material, plan.config
    models = {"int8": form.model} if form.integer else {}
    result = f"rmse {row.error:.6g}" if row.accuracy is None else f"accuracy {row.accuracy.value:.4f}"
    build_package(
        path,
        name=config.name,
        material=material,
        refitted=None if subject.flow is None else False,
        window=config.window,
        models={"float": to_onnx(form.base.graph) if form.integer else form.model, **models},
        default="int8" if form.integer else "float",
        confidence=config.device.confidence,
        max_vector_bytes=vector_limit(config.device),
        provenance={
            "config": plan.sha256,
            "data": material.sha256,
            "loader": loader_text(config.data),
            "seed": str(config.seed),
            "form": form.name,
            "result": result,
        },
        seed=config.seed,
        recordings=recording_columns(plan.data, material.samples.rate, material.dataset.recordings),
        debounce=subject.debounce,
    )


def _power(subject: Subject) -> tuple[str, ...]:
    """Return what a comparison over few test groups can show."""
    groups = test_groups(subject)
    count = 0 if groups is None else len(np.unique(groups))
    if not 2 <= count <= FEW_GROUPS:
        return ()
    return (f"p comes from an exact test over the {count} test groups: {power(count, 'group')}.",)


def _notes(wanted: Wanted, engine: str, source: str) -> tuple[str, ...]:
    """Return what the table does not say by itself."""
    notes = [
        "Pareto front (*): no other form is at least as good in validation accuracy, file size, "
        "compressed size and multiply-accumulates, and better in one of them.",
        "File and zlib: whole ONNX model with preprocessing. Weights and .tflite: the network alone. "
        f"Time: one sample on this machine with {engine}.",
    ]
    if any(cut.kind == "magnitude" for cut in wanted.prune):
        notes.append(
            "Magnitude pruning saves compressed bytes only: the zeros are stored, multiplied and held in memory like "
            "any weight. Structured pruning makes a smaller network."
        )
    if source == "model":
        notes.append(
            "The training samples of the model are unknown: if they are among these, its accuracy is too high."
        )
    return tuple(notes)


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
