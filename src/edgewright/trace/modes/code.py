"""Mode 'code': for every stage the Python that does it; each listing runs as it stands."""

from __future__ import annotations

from collections.abc import Callable

from edgewright.schema.lesson import Block, Code, Heading, Paragraph
from edgewright.schema.trace import StageRecord, Trace
from edgewright.trace.anchors import FLOW
from edgewright.trace.modes import Mode
from edgewright.trace.modes._listing import EQUIVALENTS, SAMPLES, beginning, stage_names, through
from edgewright.trace.possible_changes import alone


def tell(trace: Trace) -> tuple[Block, ...]:
    """A heading and a listing a stage."""
    if not trace.config:
        return (
            Paragraph(text="This record does not carry its configuration: run the pipeline again to see its code."),
        )
    blocks: list[Block] = [
        Paragraph(text="Each listing runs as it stands where edgewright[train,engines] is installed.")
    ]
    for place, stage in enumerate(trace.stages, 1):
        lines = _ENDS.get(stage.kind, _middle)(trace, stage)
        if lines:
            text = "\n".join([*beginning(trace), *lines]) + "\n"
            blocks += [Heading(text=stage.name, anchor=f"{FLOW}-{place}"), Code(text=text)]
    return tuple(blocks)


def _data(trace: Trace, stage: StageRecord) -> list[str]:
    return [*SAMPLES, "print(X.shape, len(train), len(validation), len(test))"]


def _middle(trace: Trace, stage: StageRecord) -> list[str]:
    """Stages of one card: by scikit-learn where it has them, by the pipeline's own step otherwise."""
    known = stage_names(trace.config)
    mine = stage.kind.split("+")
    places = [i for i, (name, _) in enumerate(known) if name in mine]
    if not places:
        return []
    tables = [table for _, table in known[places[0] : places[-1] + 1]]
    before = [name for name, _ in known[: places[0]]]
    lines = [*SAMPLES, *through(before), ""]
    rows = len(stage.shape_in) == 2 and trace.task == "classification"
    if rows and all(table.get("kind") in EQUIVALENTS for table in tables):
        found = [EQUIVALENTS[str(table["kind"])] for table in tables]
        lines += dict.fromkeys(one.needs for one in found)
        lines += ["", "# Fitted without the test samples, applied to all.", "rows = material.fitted_on"]
        for one, table in zip(found, tables, strict=True):
            lines.append(f"stage = {one.call(table)}")
            lines.append("X = stage.fit(X[rows], y[rows]).transform(X)")
            limits = table.get("clip")
            if isinstance(limits, list | tuple):
                lines.append(f"X = X.clip({limits[0]!r}, {limits[1]!r})")
    else:
        lines += ["# Fitted without the test samples, applied to all.", "rows = material.fitted_on"]
        for name, _ in known[places[0] : places[-1] + 1]:
            lines.append(f"stage = pipeline.named_steps[{name!r}]")
            lines.append("X = stage.fit(X[rows], y[rows]).transform(X)")
    return [*lines, "print(X.shape)"]


def _architectures(trace: Trace, stage: StageRecord) -> list[str]:
    scaling = trace.config.get("scaling")
    kind = f"Network{'Classifier' if trace.task == 'classification' else 'Regressor'}"
    if not isinstance(scaling, dict):
        return []
    return [
        *SAMPLES,
        *through([name for name, _ in stage_names(trace.config)]),
        "",
        f"from edgewright.models.network import {kind}",
        "",
        "for name, layers in pipeline.config.scaling.architectures.items():",
        f"    model = {kind}(layers, epochs=2).fit(X[train][:1000], y[train][:1000])",
        "    print(name, [layer.parameters for layer in model.layer_records()])",
    ]


def _model(trace: Trace, stage: StageRecord) -> list[str]:
    score = "accuracy" if trace.task == "classification" else "r2"
    return [
        *SAMPLES,
        *through([name for name, _ in stage_names(trace.config)]),
        "",
        "model = pipeline.named_steps['model']",
        "model.fit(X[train], y[train], validation=(X[validation], y[validation]))",
        f"print('{score}', model.score(X[test], y[test]))",
    ]


def _package(trace: Trace, stage: StageRecord) -> list[str]:
    changed = alone(trace.config) != dict(trace.config)
    return [
        "import tempfile",
        *(["", "# Without the comparison over data sizes, which takes longest.", *_ALONE] if changed else []),
        "",
        "with tempfile.TemporaryDirectory() as runs:",
        "    result = pipeline.run(out=runs)",
        "    print(result.trace.verdict, result.package.stat().st_size, 'bytes')",
    ]


def _predict(trace: Trace, stage: StageRecord) -> list[str]:
    """One sample through the fitted pipeline: what the package does as well."""
    return [
        *SAMPLES,
        "",
        "pipeline.fit(X[train], y[train])",
        "one = X[test[:1]]",
        *(["print(pipeline.predict(one)[0], pipeline.predict_proba(one).max())"]
          if trace.task == "classification" else ["print(pipeline.predict(one)[0])"]),
    ]  # fmt: skip


_ALONE = ["pipeline = pipeline.alone()"]
_ENDS: dict[str, Callable[[Trace, StageRecord], list[str]]] = {
    "data": _data,
    "architecture": _architectures,
    "model": _model,
    "package": _package,
    "predict": _predict,
}
MODE = Mode(rank=50, title="Code", purpose="The Python that does each stage.", tell=tell)
