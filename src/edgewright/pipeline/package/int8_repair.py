"""An int8 form that loses too much is repaired: by a scale per channel, then by training with its rounding.

Training and validation samples choose the repair, validation samples alone where there is an amount to predict. Where
none helps, the form is left out and the package is float. Test samples judge what is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.compression import qat
from edgewright.compression.qat import Shaped
from edgewright.compression.retraining import finished, lesson, trained, with_parameters
from edgewright.core.prediction.objects import MAPPED
from edgewright.data.targets import as_text
from edgewright.graph.onnx_writer import to_onnx
from edgewright.models.base import Network
from edgewright.pipeline.fitting import Flow
from edgewright.pipeline.material import Material, subset_rows
from edgewright.pipeline.package.variants import Form, answering, calibration_rows, make_forms
from edgewright.pipeline.run_folder.job import Job
from edgewright.pipeline.whole_graph import graph_of
from edgewright.schema.graph import Graph

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
    sides, y = material.sides, material.samples.y
    others = (fitted.flow.rows(sides.validation), y[sides.validation]) if len(sides.validation) else None
    plan = lesson(model, fitted.flow.rows(sides.train), y[sides.train], others)
    features = fitted.flow.array(calibration_rows(material))
    ranges = qat.find_ranges(model, features, method=given.method, percentile=given.percentile)
    apply = Shaped(model.network(), None, qat.rounding_of(model, ranges, per_channel="always"))
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
