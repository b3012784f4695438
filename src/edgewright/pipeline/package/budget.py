"""The model against its device, and the last cards of the data flow."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.engines import choose
from edgewright.core.formatting import percent, plural
from edgewright.core.prediction.objects import MAPPED
from edgewright.core.predictor import Answers, Predictor
from edgewright.core.records.network import Graph
from edgewright.core.records.trace import CompressionRecord, DeviceRecord, Interval, PredictionRecord, StageRecord
from edgewright.data.targets import as_text
from edgewright.graph.onnx_writer import to_onnx
from edgewright.models.base import Network
from edgewright.pipeline.cost import Cost, fill_bytes, form_footprint, measured
from edgewright.pipeline.fitting import Flow, graph_of
from edgewright.pipeline.material import Material, subset_rows
from edgewright.pipeline.package.variants import Form, answering, calibration_rows, make_forms
from edgewright.pipeline.plan import Plan
from edgewright.pipeline.run_folder.journal import number
from edgewright.pipeline.run_folder.store import Job
from edgewright.profiles.footprint import estimate

# The instruction set of this machine, as profiles name it.
_HERE = {"x86_64": "x86-64", "aarch64": "armv8-a"}.get(platform.machine(), platform.machine())


def budgets(
    plan: Plan,
    material: Material,
    form: Form,
    package: Path | None,
    measured_us: float | None,
) -> DeviceRecord:
    """One form of the model against the profile.

    Args:
        plan: of the run, with its window and profile.
        material: its samples' shape and rate.
        form: the form that is judged.
        package: the package file; its bytes are left out when there is none.
        measured_us: median latency on this machine, used where this machine is of the profile's kind.
    """
    profile, window = plan.profile, plan.config.window
    samples = material.samples
    step = 0 if window is None else (window.step or max(1, window.samples // 2))
    return estimate(
        profile,
        form_footprint(profile, form.graph, buffer_bytes=fill_bytes(profile, form.graph, window)),
        package_bytes=package.stat().st_size if package is not None and package.exists() else 0,
        deadline_us=step / samples.rate * 1e6 if samples.rate and step else 0.0,
        measured_latency_us=measured_us if profile.instruction_set == _HERE else None,
    )


def with_estimates(
    plan: Plan, material: Material, forms: list[Form], compression: CompressionRecord
) -> CompressionRecord:
    """Return the comparison with what each form needs on the device, as a whole program, beside measured figures."""
    variants = []
    for form, variant in zip(forms, compression.variants, strict=True):
        rows = {row.name: row for row in budgets(plan, material, form, None, None).rows}
        spans = {
            name: Interval(value=row.used, low=row.low, high=row.high, method="estimated") for name, row in rows.items()
        }
        # A device with an operating system has a row of storage, which holds an engine for all its models.
        small = "flash" in spans
        variants.append(
            msgspec.structs.replace(
                variant,
                device_us=spans.get("latency"),
                device_flash=spans.get("flash"),
                device_ram=spans.get("RAM") if small else None,
            )
        )
    return msgspec.structs.replace(compression, variants=tuple(variants), device=plan.config.device.profile)


def package_card(
    plan: Plan,
    material: Material,
    forms: list[Form],
    compression: CompressionRecord,
    spent: Cost,
    package: Path,
    names: tuple[str, ...],
) -> StageRecord:
    """Return the card of compression and package; `names` of the features that go on to the card of the prediction."""
    first, last, compressed = compression.variants[0], compression.variants[-1], plan.config.compression
    size = package.stat().st_size if package.exists() else 0
    text = f"{first.weight_bytes:,} bytes of weights become {last.weight_bytes:,}"
    packed = f"; the whole package is {size:,} bytes" if size else "; no package: see the verdict"
    shape = tuple(int(n) for n in material.samples.X.shape[1:])
    return StageRecord(
        name=plan.config.cards.package,
        kind="package",
        shape_in=(1, *shape),
        shape_out=(1, max(1, len(forms[0].graph.labels))),
        why=f"Float32 weights become int8, and everything a device needs goes into one file: {text}{packed}."
        if last.name == "int8"
        else f"Everything a device needs goes into one file{packed}.",
        dtype="int8" if last.name == "int8" else "float32",
        names_after=names,
        settings={"method": compressed.method, "max_drop": compressed.max_drop},
        **msgspec.structs.asdict(spent),
    )


def prediction_card(name: str, material: Material, traced: PredictionRecord, package: Path) -> StageRecord:
    """Return the card of one prediction: answered by the package itself where there is one.

    Args:
        name: of the card.
        material: samples of the run.
        traced: the sample that is answered, with what the network receives of it.
        package: the package file; nothing is answered when it was refused.
    """
    card = StageRecord(
        name=name,
        kind="predict",
        shape_in=(1, *traced.feature_shape),
        shape_out=(1, 1),
        why="No package, no prediction: see the verdict.",
    )
    if not package.exists():
        return card
    # The same in each run, whatever this machine measures.
    predictor = Predictor(package, engine=choose().name)
    sample = material.samples.X[traced.row : traced.row + 1]
    done = measured(lambda: predictor.predict(sample))
    fit = predictor.manifest.fit
    fitted = "; this sample was in its training data" if fit is not None and fit.refitted else ""
    text, figure, value = _answer(done.value, predictor.manifest.labels, predictor.anomaly)
    return msgspec.structs.replace(
        card,
        why=f"{text}, answered by the package's {predictor.form} form through "
        f"{predictor.engine.name} with no network{fitted}.",
        names_after=(figure,),
        sample_before=(tuple(number(v) for v in traced.features[: traced.feature_shape[-1]][:20]),),
        sample_after=((number(value),),),
        **msgspec.structs.asdict(done.cost),
    )


def _answer(answers: Answers, labels: Sequence[str], anomaly: bool) -> tuple[str, str, float]:
    """Return the first answer as text, 'walking, 85 % confidence' or '12.5', and the name and value of its figure.

    That is the last probability of two classes (what a sigmoid gives), the confidence of more, or the prediction.
    """
    if anomaly and answers.predictions is not None:
        above = float(answers.predictions[0])
        return f"{'odd' if above >= 0 else 'good'}, {above:+.2f} from the threshold", "above the threshold", above
    if answers.objects is not None and answers.predictions is not None:
        count = float(answers.predictions[0])
        return plural(int(count), "object"), "objects", count
    if answers.predictions is not None:
        return f"{float(answers.predictions[0]):.6g}", "prediction", float(answers.predictions[0])
    sure = float(answers.confidence[0])
    text = f"{answers.labels[0]}, {percent(sure)} confidence"
    if answers.probabilities.shape[1] == 2:
        return text, f"of {labels[-1]}", float(answers.probabilities[0, 1])
    return text, "confidence", sure


CHANNELS, ROUNDING, FLOAT = "a scale per channel", "training with its rounding", "float"


@dataclass(frozen=True)
class Repair:
    """What was done to a form that lost too much.

    Attributes:
        name: of the repair; empty where none was needed.
        note: what was tried and what each loses, for the record; empty where no repair was needed.
    """

    name: str = ""
    note: str = ""


@dataclass(frozen=True)
class Fitted:
    """A whole float graph, and the material, stages and model that it was made of."""

    graph: Graph
    material: Material
    flow: Flow
    model: Any


def repaired_forms(job: Job, fitted: Fitted) -> tuple[list[Form], Repair]:
    """Return the forms of a fit, with the first repair of int8 that is within the limit, and what was done."""
    compression, material = job.config.compression, fitted.material
    forms = make_forms(compression, fitted.graph, material)
    limit = compression.max_drop
    if len(forms) < 2 or not compression.repair or material.task in MAPPED:
        return forms, Repair()
    rows = _choosing(material)
    lost = partial(_loss, material, rows, answering(forms[0].model))
    first = lost(forms[1])
    if first <= limit:
        return forms, Repair()
    head = f"int8 {_lost(first)} on {len(rows):,} samples that do not test, the limit is {100 * limit:g} points"
    attempts = []
    for name, make in _repairs(job, fitted):
        form = make()
        if form is None or form.model == forms[1].model:
            continue
        loss = lost(form)
        attempts.append(f"{name} {_lost(loss)}")
        if loss <= limit:
            size = f"{len(forms[1].model):,} -> {len(form.model):,} bytes of ONNX"
            return [forms[0], form], Repair(name, f"{head}; {'; '.join(attempts)}, and is taken: {size}")
    return forms[:1], Repair(FLOAT, "; ".join([head, *attempts, "the package stays float"]))


def _choosing(material: Material) -> NDArray[np.int64]:
    """Return the samples that choose, drawn where they are read in parts.

    A fit to amounts is too near to what it was trained on, so validation alone.
    """
    validation = material.sides.validation
    if material.task == "regression" and len(validation):
        return subset_rows(material.samples, validation)
    return subset_rows(material.samples, np.union1d(validation, calibration_rows(material)))


def forms_as_repaired(job: Job, fitted: Fitted, name: str) -> list[Form]:
    """Return the forms of another fit with the repair that the judged fit got."""
    forms = make_forms(job.config.compression, fitted.graph, fitted.material)
    if not name or len(forms) < 2:
        return forms
    form = dict(_repairs(job, fitted)).get(name, lambda: None)()
    return forms[:1] if form is None else [forms[0], form]


def _repairs(job: Job, fitted: Fitted) -> Iterator[tuple[str, Callable[[], Form | None]]]:
    """Yield each repair in the order in which they are tried: the cheapest for the device and the run first."""
    yield CHANNELS, lambda: _per_channel(job, fitted)
    yield ROUNDING, lambda: _trained_with_rounding(job, fitted)


def _per_channel(job: Job, fitted: Fitted) -> Form:
    compression = msgspec.structs.replace(job.config.compression, per_channel="always")
    return make_forms(compression, fitted.graph, fitted.material)[1]


def _trained_with_rounding(job: Job, fitted: Fitted) -> Form | None:
    """Return the form of a network that was trained further with its rounding; None for other models."""
    model, material, given = fitted.model, fitted.material, job.config.compression
    if not isinstance(model, Network):
        return None
    from edgewright.compression import qat  # noqa: PLC0415 - only networks that int8 harms are trained further
    from edgewright.compression.retraining import finished, lesson, trained, with_parameters  # noqa: PLC0415

    sides, y = material.sides, material.samples.y
    others = (fitted.flow.rows(sides.validation), y[sides.validation]) if len(sides.validation) else None
    plan = lesson(model, fitted.flow.rows(sides.train), y[sides.train], others)
    features = fitted.flow.array(calibration_rows(material))
    ranges = qat.find_ranges(model, features, method=given.method, percentile=given.percentile)
    apply = qat.Shaped(model.network(), None, qat.rounding_of(model, ranges, per_channel="always"))
    epochs = job.config.training.epochs
    with job.listener.doing("Training with the rounding of int8", epochs) as advance:

        def on_epoch(record: object) -> bool:
            advance(1)
            return job.listener.cancelled()

        result = trained(model, plan, apply, model.parameters_, epochs=epochs, on_epoch=on_epoch)
    tuned = with_parameters(model, finished(model, plan, apply, result.parameters), model.tables)
    shape, columns = tuple(material.samples.X.shape[1:]), material.samples.columns
    graph = graph_of([*fitted.flow.steps, ("model", tuned)], shape, job.config.name, columns)
    small = qat.as_trained(graph, ranges, features, tuned, per_channel="always")
    return Form("int8", small, to_onnx(small))


def _loss(material: Material, rows: NDArray[np.int64], whole: Callable[..., Any], form: Form) -> float:
    """Return what a form loses of the float form's accuracy, or by how much the root mean squared error grows."""
    X, y = material.samples.X[rows], material.samples.y[rows]
    answers, own = whole(X), answering(form.model)(X)
    if form.graph.labels:
        names, truth = np.asarray(form.graph.labels), as_text(y)
        right = [float(np.mean(names[np.argmax(each, axis=1)] == truth)) for each in (answers, own)]
        return right[0] - right[1]
    errors = [float(np.sqrt(np.mean((np.ravel(each) - np.asarray(y, np.float64)) ** 2))) for each in (answers, own)]
    return errors[1] / errors[0] - 1 if errors[0] else 0.0


def _lost(loss: float) -> str:
    return f"{'loses' if loss > 0 else 'gains'} {abs(100 * loss):.1f} points"
