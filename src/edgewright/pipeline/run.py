"""One execution of a pipeline: from data to a run folder, heard by a listener."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.compression.weights import float_layers
from edgewright.core.errors import CheckFailedError, PipelineError, located
from edgewright.core.input.samples import unanswered
from edgewright.core.prediction.objects import MAPPED
from edgewright.core.records.config import PipelineConfig
from edgewright.core.records.data import DataSet
from edgewright.core.records.race import RaceRecord
from edgewright.core.records.trace import Insight, Provenance, ScalingPoint, ScalingRecord, StageRecord, Trace
from edgewright.core.records.trace_flow import TrainableNetwork
from edgewright.data.splits import shared
from edgewright.data.targets import in_pieces
from edgewright.models.base import Network
from edgewright.pipeline.cost import Cost, measured, tell_ahead
from edgewright.pipeline.debounce import choose_debounce, refuse_decision
from edgewright.pipeline.deploy import Deployed, deploy
from edgewright.pipeline.evaluation.robustness import inflation
from edgewright.pipeline.explanation.explain import run_html
from edgewright.pipeline.fitting import Flow, fit_stages, limit_of
from edgewright.pipeline.learning import Evaluated, judge, learn, training_record
from edgewright.pipeline.leave_one_out import leave_one_out
from edgewright.pipeline.material import Material, prepare
from edgewright.pipeline.package.budget import prediction_card
from edgewright.pipeline.plan import Plan, resolve
from edgewright.pipeline.refit import Fit
from edgewright.pipeline.run_folder.folder import FINISHED_EPOCHS, new_run_folder, remove_stopped
from edgewright.pipeline.run_folder.journal import Listener
from edgewright.pipeline.run_folder.store import Crossed, Job, kept_trainings, provenance, stopped_run
from edgewright.trace.page_model import leave_page, write_trace
from edgewright.trace.sentences.insight import trace_insight
from edgewright.trace.sentences.readiness import verdict

_PIECE, _PIECE_BYTES = 65_536, 32 * 2**20


def answerable(job: Job, material: Material, flow: Flow) -> Material:
    """Return the material with those test samples that have an answer; a warning says how many have none.

    Raises:
        InputError: no test sample has an answer.
    """
    test = material.sides.test
    limit = limit_of(flow.steps)
    none = _unanswered(material, test, limit)
    count = int(none.sum())
    if not count:
        return material
    of = "a channel's readings" if material.samples.X.ndim > 2 else "a row's values"
    text = f"{count:,} of {len(test):,} test samples lack more than {100 * limit:g} % of {of} and have no answer"
    if count == len(test):
        raise PipelineError(
            "test samples that have an answer", text, f"{job.config.name} [[stages]]",
            "Drop sparse columns, or raise the `limit` of the stage 'fill' or 'impute'",
        )  # fmt: skip
    job.warnings.append(f"{text} and are not scored; the fill or impute stage sets the limit")
    return replace(material, sides=msgspec.structs.replace(material.sides, test=test[~none]))


def _unanswered(material: Material, rows: NDArray[np.int64], limit: float) -> NDArray[np.bool_]:
    X: Any = material.samples.X  # an array, or rows in a file
    step = max(1, len(rows))
    if in_pieces(X) is not None:
        step = max(1, min(_PIECE, _PIECE_BYTES // (4 * math.prod(X.shape[1:]))))
    masks = [unanswered(np.asarray(X[rows[i : i + step]], np.float32), limit) for i in range(0, len(rows), step)]
    return np.concatenate(masks) if masks else np.zeros(0, np.bool_)


@dataclass(frozen=True)
class RunResult:
    """What a run left.

    Attributes:
        folder, trace: its folder and its record.
        package, refused: the package, or None and why it was refused.
        page: `trace.html`; None where the extra `[trace]` is not installed.
    """

    folder: Path
    trace: Trace
    package: Path | None
    refused: str
    page: Path | None

    @property
    def figures(self) -> dict[str, float]:
        """Measures of the test samples by name, and size of the packaged form.

        `accuracy`, `macro_f1` and `f1_LABEL`, or `rmse`, `mae` and `r2`; `int8_accuracy`; `weights` and, on a
        microcontroller, `flash` of the whole program (estimated), in bytes.
        """
        record, figures = self.trace.evaluation, dict[str, float]()
        if record is not None:
            measures = {"accuracy": record.accuracy, "macro_f1": record.macro_f1}
            figures |= {name: interval.value for name, interval in measures.items() if interval is not None}
            figures |= {f"f1_{row.label}": row.f1 for row in record.classes} | record.regression
        forms = {form.name: form for form in (self.trace.compression.variants if self.trace.compression else ())}
        if (packaged := forms.get("int8") or forms.get("float")) is not None:
            if packaged.name == "int8" and packaged.accuracy is not None:
                figures["int8_accuracy"] = packaged.accuracy.value
            figures["weights"] = packaged.weight_bytes
            if packaged.device_flash is not None:
                figures["flash"] = packaged.device_flash.value
        return figures

    def _repr_html_(self) -> str | None:
        return run_html(self.folder, self.trace, self.refused)


def run_pipeline(
    config: PipelineConfig,
    *,
    data: str | None = None,
    dataset: DataSet | None = None,
    out: Path | str = "runs",
    force: bool = False,
    listener: Listener | None = None,
    command: str = "",
    crossed: Crossed | None = None,
    race: RaceRecord | None = None,
    replaces: Path | None = None,
    resume: bool = False,
    leads: bool = False,
) -> RunResult:
    """Run a pipeline.

    Args:
        config: checked.
        data: path that overrides `[data]`.
        dataset: recordings of `[data]` that were read already; then nothing is read.
        out: folder of runs; the run's own folder is made in it.
        force: replace a run folder of this name.
        listener: hears every part of the record as soon as it stands.
        command: for the provenance.
        crossed: what folds found of the model before: they judge it then.
        race: that the model won, for the record.
        replaces: folder of an earlier run that this one takes the place of.
        resume: go on with the run of this name that was stopped while it trained.
        leads: leave other runs of this name that were stopped: the race of the model goes on and may choose theirs.

    Returns:
        The folder and record. A run whose int8 form loses more than `compression.max_drop`, or which does not fit its
        device, is whole but has no package; `refused` says why.

    Raises:
        InputError: the configuration or the data is wrong; nothing is left behind.
        CheckFailedError: the split leaks, and the configuration does not allow it.
    """
    started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    plan = resolve(config)
    name, job = plan.data.name, Job(plan, listener or Listener(), crossed=crossed)
    stopped = stopped_run(Path(out), name, plan.sha256) if resume else None
    with new_run_folder(Path(out), name, force=force, replaces=replaces, stopped=stopped) as location:
        folder = location.work
        job.listener.start(name, plan.title, plan.config.device.profile)
        with job.listener.doing("Reading data"):
            material = prepare(plan.data, data, dataset, spool=folder, audited=True)
        with kept_trainings(folder, plan.sha256, material.sha256, resumed=resume):
            fit, evaluated, scaling = _learned(job, material, data)
            deployed = deploy(job, fit, evaluated, folder, choose_debounce(job, fit))
            _show_predictions(job, fit.material, evaluated, deployed)
            source = provenance(
                plan, material.dataset, samples=material.sha256, labels=material.labels, command=command,
                started=started, package=deployed.sha256, data=data,
            )  # fmt: skip
            trace = _record(job, fit, evaluated, deployed, scaling, race, source)
            write_trace(trace, folder / "trace.json")
            job.listener.insight(trace.insight)
    if not leads:
        remove_stopped(Path(out), name, FINISHED_EPOCHS)
    # The run stands by now: whatever becomes of its page, `edgewright show` makes it anew.
    page = leave_page(trace, location.final)
    job.listener.finish(trace, location.final)
    package = None if deployed.refused else location.final / deployed.package.name
    return RunResult(location.final, trace, package, deployed.refused, page)


def _learned(job: Job, material: Material, data: str | None) -> tuple[Fit, Evaluated, ScalingRecord | None]:
    """Return stages and model fitted on the training samples, what the test samples say, and the growth of data."""
    refuse_decision(job.plan, material.task)
    _refuse_leaks(job, material)
    job.card(material.card)
    began = time.perf_counter()
    flow = _fitted(job, material)
    material = answerable(job, material, flow)
    fit_s, scaling = time.perf_counter() - began, _grow(job, flow, data)
    began = time.perf_counter()
    model = learn(job, material, flow)
    if job.crossed is None:
        job.left_out = leave_one_out(job, material, fit_s + time.perf_counter() - began)
    return Fit(material, flow, model), judge(job, material, flow, model), scaling


def _show_predictions(job: Job, material: Material, evaluated: Evaluated, deployed: Deployed) -> None:
    """Add the card of a prediction, answered by the package, and give the traced predictions to the listener."""
    if title := job.config.cards.prediction:
        job.card(prediction_card(title, material, evaluated.predictions[0], deployed.package))
    for prediction in evaluated.predictions:
        job.listener.prediction(prediction)


def _record(
    job: Job,
    fit: Fit,
    evaluated: Evaluated,
    deployed: Deployed,
    scaling: ScalingRecord | None,
    race: RaceRecord | None,
    source: Provenance,
) -> Trace:
    """Return the whole record of a run, with its verdict and key insight."""
    layers, evaluation = fit.model.layer_records(), evaluated.evaluation
    compression, device = deployed.compression, deployed.device
    trace = Trace(
        name=job.plan.data.name,
        title=job.plan.title,
        task=fit.material.task,
        verdict=verdict(evaluation=evaluation, compression=compression, device=device),
        insight=Insight(sentence="", numbers={}),
        stages=tuple(job.cards),
        layers=layers,
        training=training_record(fit.model),
        evaluation=evaluation,
        predictions=evaluated.predictions,
        compression=compression,
        device=device,
        scaling=scaling,
        race=race,
        refit=deployed.refit,
        debounce=deployed.debounce,
        samples=deployed.samples,
        trainable=None if job.config.keep_samples is False else _trainable(fit),
        provenance=source,
        warnings=tuple(job.warnings),
        unnoticed=deployed.unnoticed,
        config=msgspec.json.decode(msgspec.json.encode(job.config)),
    )
    return msgspec.structs.replace(trace, insight=trace_insight(trace))


def _fitted(job: Job, material: Material) -> Flow:
    """Return the samples behind the fitted stages, as the layers of the plan take them."""
    plan = job.plan
    with job.listener.doing("Fitting stages"):
        flow = fit_stages(
            material.samples, material.fitted_on, plan.stages, material.task, job.config.seed, material.extra, job.card,
            material.sides.train,
        )  # fmt: skip
    job.warnings.extend(_check_layers(plan, material.task, flow))
    return flow


def _refuse_leaks(job: Job, material: Material) -> None:
    """End the run when the same person or overlapping windows stand on both sides, with what that would flatter.

    Raises:
        CheckFailedError: unless `split.allow_leakage` is set.
    """
    window = material.plan.window
    findings = shared(material.samples, material.sides, window.samples if window else None)
    if not findings:
        return
    text = "the split leaks: " + "; ".join(finding.sentence for finding in findings)
    measured_gain = None
    if material.task not in MAPPED:
        with job.listener.doing("Measuring the effect of the leak"):
            measured_gain = inflation(material.samples, material.task, material.plan.seed)
    if measured_gain is not None:
        gain = measured_gain.difference
        text += (
            f"; this inflates accuracy by {100 * gain.value:+.1f} points "
            f"({100 * gain.low:+.1f} to {100 * gain.high:+.1f})"
        )
    if not job.config.split.allow_leakage:
        raise CheckFailedError(text, do="Split by group, or set split.allow_leakage = true to continue anyway")
    job.warnings.append(text)


def _check_layers(plan: Plan, task: str, flow: Flow) -> list[str]:
    """Refuse layers that do not fit the features before training; return what keeps the network from becoming int8.

    Raises:
        InputError: naming the file and the layer.
    """
    model, config = plan.build_model(task), plan.config
    if not isinstance(model, Network):
        return []
    with located(f"{config.name}.toml"):
        network = model.planned(flow.context.shape, 2)
        network.initialise(np.random.default_rng(config.seed))  # too little memory for the weights ends the run here
    names = float_layers(network) if config.compression.int8 else []
    return [f"the package stays float: {', '.join(names)} has no integer form"] if names else []


def _trainable(fit: Fit) -> TrainableNetwork | None:
    if not isinstance(fit.model, Network):
        return None
    from edgewright.pipeline.explanation.trainable import trainable_network  # noqa: PLC0415 - of networks only

    return trainable_network(fit.material, fit.flow, fit.model)


def _grow(job: Job, flow: Flow, data: str | None) -> ScalingRecord | None:
    """Return the comparison over data sizes, where the configuration asks for one."""
    wanted = job.config.scaling
    if wanted is None:
        return None
    from edgewright.pipeline.scaling import scale, scaling_s  # noqa: PLC0415 - of runs with [scaling] only

    total = len(wanted.rows) * len(wanted.architectures)
    tell_ahead(job.listener.ahead, "Training at growing sizes", scaling_s(job.plan, wanted, flow.context.shape))
    with job.listener.doing("Training at growing sizes", total) as advance:

        def point(record: ScalingPoint, done: int, of: int) -> None:
            advance(1)
            job.listener.scaling_point(record, done, of)

        done = measured(lambda: scale(job.plan, wanted, data, point))
    if job.config.cards.architecture:
        job.card(_architecture_card(job, done.value, done.cost))
    job.listener.scaling(done.value)
    return done.value


def _architecture_card(job: Job, record: ScalingRecord, cost: Cost) -> StageRecord:
    before = job.cards[-1]
    chosen = job.config.architecture or "model.layers"
    sizes = {point.architecture: point.parameters for point in record.points}
    return StageRecord(
        name=job.config.cards.architecture,
        kind="architecture",
        shape_in=before.shape_out,
        shape_out=before.shape_out,
        why=f"'{chosen}' continues: {record.sentence}",
        names_after=before.names_after,
        notes=(", ".join(f"'{name}' has {count:,} parameters" for name, count in sizes.items()),),
        **msgspec.structs.asdict(cost),
    )
