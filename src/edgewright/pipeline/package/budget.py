"""The model against its device, and the last cards of the data flow."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path

import msgspec

from edgewright.core.engines import choose
from edgewright.core.formatting import percent, plural
from edgewright.core.predictor import Answers, Predictor
from edgewright.pipeline.cost.footprint import fill_bytes, form_footprint
from edgewright.pipeline.cost.measure import Cost, measured
from edgewright.pipeline.material import Material
from edgewright.pipeline.package.variants import Form
from edgewright.pipeline.plan import Plan
from edgewright.pipeline.run_folder.cards import number
from edgewright.profiles.footprint import estimate
from edgewright.schema.trace import CompressionRecord, DeviceRecord, Interval, PredictionRecord, StageRecord

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
