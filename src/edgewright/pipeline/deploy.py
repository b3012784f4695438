"""From the fitted steps to a package: models, their comparison, and whether the device takes them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgewright.compression.section import missing_integer_form
from edgewright.data.audited import told
from edgewright.pipeline.agreement import agreement
from edgewright.pipeline.budget import budgets, package_card, with_estimates
from edgewright.pipeline.job import Job
from edgewright.pipeline.learning import Judged
from edgewright.pipeline.material import Material
from edgewright.pipeline.measure import measured
from edgewright.pipeline.packaging import build_package
from edgewright.pipeline.provenance import config_hash
from edgewright.pipeline.variants import Form, compare, make_forms
from edgewright.runtime.package import model_file
from edgewright.schema.graph import Graph
from edgewright.schema.trace import CompressionRecord, DeviceRecord


@dataclass(frozen=True)
class Deployed:
    """What deployment gave; `refused` says why there is no package, empty when there is one of hash `sha256`."""

    compression: CompressionRecord
    device: DeviceRecord
    package: Path
    sha256: str
    refused: str


def deploy(job: Job, material: Material, judged: Judged, graph: Graph, folder: Path) -> Deployed:
    """Writes the models and the package into a run folder.

    A package is refused, and not left behind, when the exported model does not give the Python pipeline's answers,
    when int8 loses more than `compression.max_drop`, or when the low end of an estimate already exceeds the device's
    budget.
    """
    config = job.config
    path = folder / f"{config.name}.edge"
    with job.listener.doing("Compressing and packaging"):
        packed = measured(lambda: _pack(job, material, judged, graph, folder))
    forms, compression, digest = packed.value
    refused = compression.disagreement
    if not refused and not digest:
        refused = f"int8 loses {compression.drop:.4f}, more than max_drop {compression.max_drop}"
    compression = with_estimates(config, material, forms, compression)
    deployed = compression.variants[-1].latency_p50_us
    device = budgets(config, material, forms[-1], path, deployed)
    over = [row.name for row in device.rows if 0 < row.available < row.low]
    if over and not refused:
        refused = f"{', '.join(over)} beyond the budget of {device.profile}"
    job.listener.compression(compression)
    if config.cards.package:
        names = judged.predictions[0].feature_names
        job.card(package_card(config, material, forms, compression, packed.cost, path, names))
    job.listener.device(device)
    if refused:
        path.unlink(missing_ok=True)
        digest = ""
    return Deployed(compression, device, path, digest, refused)


def _pack(
    job: Job, material: Material, judged: Judged, graph: Graph, folder: Path
) -> tuple[list[Form], CompressionRecord, str]:
    """Models, their comparison, and the hash of the package; empty where the drop is beyond the limit."""
    config = job.config
    forms = make_forms(config, graph, material)
    compression = compare(config, forms, material)
    X = material.samples.X[material.compared]
    same = agreement(forms[0], X, judged.features, judged.answers)
    missing = missing_integer_form(graph) if config.compression.int8 else ""
    compression = msgspec.structs.replace(
        compression,
        notes=(same.sentence, *((f"no int8 form: {missing}",) if missing else ()), *compression.notes),
        disagreement="" if same.whole else f"the exported model differs from the Python pipeline: {same.sentence}",
    )
    for form in forms:
        (folder / model_file(form.name)).write_bytes(form.model)
    if compression.disagreement or not compression.within:
        return forms, compression, ""
    digest = build_package(
        folder / f"{config.name}.edge",
        name=config.name,
        task=material.task,
        target=material.dataset.target_name,
        samples=material.samples,
        train=material.sides.train,
        window=config.window,
        models={form.name: form.model for form in forms},
        default=forms[-1].name,
        confidence=config.device.confidence,
        licences=tuple(text for text in (material.dataset.licence,) if text),
        provenance={
            "config": config_hash(config),
            "data": material.sha256,
            "kind": str(config.data.get("kind", "")),
            "seed": str(config.seed),
            "result": _result(compression),
            **({"labels": "; ".join(map(told, material.labels))} if material.labels else {}),
        },
        seed=config.seed,
    )
    return forms, compression, digest


def _result(compression: CompressionRecord) -> str:
    last = compression.variants[-1]
    if last.accuracy is None:
        return f"rmse {last.error:.6g}"
    return f"accuracy {last.accuracy.value:.4f} ({last.accuracy.low:.4f} to {last.accuracy.high:.4f})"
