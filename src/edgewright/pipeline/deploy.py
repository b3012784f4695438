"""From the fitted steps to a package: models, their comparison, and whether the device takes them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgewright.compression.weights import NETWORK_FOR_INT8, missing_integer_form, weight_bytes
from edgewright.core.package import model_file, read_package
from edgewright.core.prediction.objects import MAPPED
from edgewright.core.records.footprint import Budget
from edgewright.core.records.package import IntervalSpec, PictureSpec
from edgewright.core.records.trace import CompressionRecord, DeviceRecord, RefitRecord
from edgewright.core.records.trace_flow import ClassSamples, DebounceRecord
from edgewright.data.audited_labels import sentence_of
from edgewright.monitor.drift.stream_monitor import unnoticed
from edgewright.pipeline.cost import fill_bytes, holder, measured
from edgewright.pipeline.debounce import debounce_of
from edgewright.pipeline.evaluation.class_metric import class_samples
from edgewright.pipeline.fitting import graph_of
from edgewright.pipeline.learning import Evaluated
from edgewright.pipeline.package.budget import (
    FLOAT,
    Fitted,
    Repair,
    budgets,
    package_card,
    repaired_forms,
    with_estimates,
)
from edgewright.pipeline.package.packaging import build_package, recording_columns, vector_limit
from edgewright.pipeline.package.variants import Form, compare, conformal_interval
from edgewright.pipeline.refit import Fit, agreement, refit
from edgewright.pipeline.run_folder.folder import EVALUATED
from edgewright.pipeline.run_folder.store import Job, loader_text, save_fitted
from edgewright.profiles.footprint import refusal, takes_programs
from edgewright.trace.sentences.facts import refit_text, scores_text
from edgewright.trace.sentences.readiness import NO_MODEL, NOTHING, REMEDY, is_chance


@dataclass(frozen=True)
class Deployed:
    """What deployment gave.

    Attributes:
        compression, device: records; accuracies are those of the judged fit, bytes those of the package.
        package: its path; `sha256` its hash, empty where there is none.
        refused: why there is no package; empty when there is one.
        refit: the fit that is packaged; None where that is the judged one.
        debounce: how the windows that must agree before a decision changes were chosen; None where they were not.
        samples: one of each class, answered by the float form that is left behind.
        unnoticed: kinds of drift that the checks of the package cannot see; none without one.
    """

    compression: CompressionRecord
    device: DeviceRecord
    package: Path
    sha256: str
    refused: str
    refit: RefitRecord | None
    debounce: DebounceRecord | None
    samples: ClassSamples | None
    unnoticed: tuple[str, ...]


def deploy(job: Job, fit: Fit, evaluated: Evaluated, folder: Path, debounce: DebounceRecord | None) -> Deployed:
    """Write the fitted stages, the models and the package into a run folder; refitted ones where that is asked for.

    A package is refused, and not left behind, when nothing beats chance, when the exported model does not give the
    Python pipeline's answers, when int8 loses more than `compression.max_drop`, or when the low end of an estimate
    already exceeds the device's budget.

    Args:
        job: configuration and listener.
        fit: judged.
        evaluated: what the test samples say of it.
        folder: of the run.
        debounce: how the windows that must agree before a decision changes were chosen; None where they were not.
    """
    config, material = job.config, fit.material
    path, agreeing = folder / f"{config.name}.edge", debounce_of(config.decision, debounce)
    with job.listener.doing("Compressing and packaging"):
        packed = measured(lambda: _forms(job, fit, evaluated))
    forms, compression, repair = packed.value
    refused = compression.disagreement
    if not refused and is_chance(evaluated.evaluation):
        refused = f"{NO_MODEL}: {NOTHING}. {REMEDY}"
    if not refused and not compression.within:
        refused = f"int8 loses {compression.drop:.4f}, more than max_drop {compression.max_drop}"
    again, final, interval = None, fit, conformal_interval(evaluated.evaluation)
    if config.refit and not refused:
        again, refitted, refitted_forms = refit(job, fit, evaluated.evaluation, repair)
        if refitted is None:
            job.warnings.append(f"the package has the tested fit, not the one on all samples: {again.why}")
        else:
            (folder / EVALUATED).mkdir()
            _write(job, fit, forms, compression, folder / EVALUATED, None, agreeing, interval)
            final, forms, compression = refitted, refitted_forms, _resized(compression, refitted_forms)
    digest = _write(job, final, forms, compression, folder, again, agreeing, interval, packaged=not refused)
    compression = with_estimates(job.plan, material, forms, compression)
    deployed = compression.variants[-1].latency_p50_us
    device = budgets(job.plan, material, forms[-1], path, deployed)
    if not refused and (refused := refusal(device)) and takes_programs(job.plan.profile):
        graph = forms[-1].graph
        refused += f"; {holder(graph, Budget(), fill_bytes(job.plan.profile, graph, config.window))}"
    job.listener.compression(compression)
    if config.cards.package:
        names = evaluated.predictions[0].feature_names
        record = package_card(job.plan, material, forms, compression, packed.cost, path, names)
        reported = (*(() if again is None else (refit_text(again),)), *(() if debounce is None else (debounce.why,)))
        job.card(msgspec.structs.replace(record, notes=reported))
    job.listener.device(device)
    if refused:
        path.unlink(missing_ok=True)
        digest = ""
    shown = class_samples(material, forms[0].graph, tuple(final.flow.context.names))
    missed = () if refused else unnoticed(read_package(path).manifest)
    return Deployed(compression, device, path, digest, refused, again, debounce, shown, missed)


def _forms(job: Job, fit: Fit, evaluated: Evaluated) -> tuple[list[Form], CompressionRecord, str]:
    """Return the forms of a fit, how they compare on the test samples, and how int8 was repaired."""
    config, material = job.config, fit.material
    graph = graph_of(fit.steps, tuple(material.samples.X.shape[1:]), config.name, material.samples.columns)
    forms, repair = repaired_forms(job, Fitted(graph, material, fit.flow, fit.model))
    compression = compare(config.compression, forms, material)
    if config.compression.repair and not compression.within and material.task not in MAPPED:
        lost = f"int8 loses {100 * compression.drop:.1f} points on the test samples; the package stays float"
        forms, repair = forms[:1], Repair(FLOAT, "; ".join(filter(None, (repair.note, lost))))
        compression = compare(config.compression, forms, material)
    X = material.samples.X[material.compared]
    same = agreement(forms[0], X, evaluated.features, evaluated.answers)
    missing = missing_integer_form(graph) if config.compression.int8 else ""
    if missing and config.model.kind != "network":
        missing += f"; {NETWORK_FOR_INT8}"
    notes = (same.sentence, f"no int8 form: {missing}" if missing else "", repair.note, *compression.notes)
    compression = msgspec.structs.replace(
        compression,
        notes=tuple(filter(None, notes)),
        disagreement="" if same.whole else f"the exported model differs from the Python pipeline: {same.sentence}",
    )
    return forms, compression, repair.name


def _resized(compression: CompressionRecord, forms: list[Form]) -> CompressionRecord:
    """Return the comparison of the judged forms with the bytes of those that are packaged: trees and rules may grow."""
    variants = tuple(
        msgspec.structs.replace(variant, weight_bytes=weight_bytes(form.graph), file_bytes=len(form.model))
        for variant, form in zip(compression.variants, forms, strict=True)
    )
    return msgspec.structs.replace(compression, variants=variants)


def _write(
    job: Job,
    fit: Fit,
    forms: list[Form],
    compression: CompressionRecord,
    folder: Path,
    again: RefitRecord | None,
    debounce: int,
    interval: IntervalSpec | msgspec.UnsetType,
    *,
    packaged: bool = True,
) -> str:
    """Write fitted stages, models and package; give the hash of the package, empty where there is none."""
    config, material = job.config, fit.material
    (folder / "pipeline").mkdir()
    contexts, columns = fit.flow.contexts, material.samples.columns
    save_fitted(folder / "pipeline", job.plan, material.task, fit.steps, contexts, columns)
    for form in forms:
        (folder / model_file(form.name)).write_bytes(form.model)
    if not packaged:
        return ""
    refitted = again is not None and again.kept
    return build_package(
        folder / f"{config.name}.edge",
        name=config.name,
        material=material,
        refitted=refitted,
        window=config.window,
        picture=PictureSpec(fit=str(config.data.get("fit", "crop"))) if material.samples.X.ndim == 4 else msgspec.UNSET,
        models={form.name: form.model for form in forms},
        default=forms[-1].name,
        confidence=config.device.confidence,
        max_vector_bytes=vector_limit(config.device),
        provenance={
            "config": job.plan.sha256,
            "data": material.sha256,
            "loader": loader_text(config.data),
            "seed": str(config.seed),
            "result": _result(job, compression) + (f"; {refit_text(again)}" if again is not None and refitted else ""),
            **({"labels": "; ".join(map(sentence_of, material.labels))} if material.labels else {}),
        },
        seed=config.seed,
        interval=interval,
        adapt=None if isinstance(config.adapt, msgspec.UnsetType) else config.adapt,
        recordings=recording_columns(material.plan, material.samples.rate, material.dataset.recordings),
        debounce=debounce,
    )


def _result(job: Job, compression: CompressionRecord) -> str:
    if job.crossed is not None and job.crossed.scores:
        return scores_text(job.crossed.scores, job.crossed.folds)
    last = compression.variants[-1]
    if not isinstance(last.f1, msgspec.UnsetType):
        return f"F1 of centres {last.f1.value:.4f} ({last.f1.low:.4f} to {last.f1.high:.4f})"
    if last.accuracy is None:
        return f"rmse {last.error:.6g}"
    return f"accuracy {last.accuracy.value:.4f} ({last.accuracy.low:.4f} to {last.accuracy.high:.4f})"
