"""Mode 'code': for every stage the Python that does it; each listing runs as it stands."""

from __future__ import annotations

import pprint
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edgewright.core.records.trace import StageRecord, Trace
from edgewright.trace.blocks.records import Block, Code, Heading, Paragraph
from edgewright.trace.modes import Mode
from edgewright.trace.modes.calculating import alone
from edgewright.trace.sentences.facts import config_table

Table = Mapping[str, Any]

_SCORES = {"mutual_information": "mutual_info_classif", "anova": "f_classif"}
_SCALERS = {"minmax": "MinMaxScaler", "standard": "StandardScaler", "robust": "RobustScaler"}
# Of a stage's table, import and call of scikit-learn that do the same. They stand here and not in the stage's file,
# which loads scikit-learn and SciPy for a second and a half: a page is rendered without them.
_EQUIVALENTS: dict[str, tuple[str, Callable[[Table], str]]] = {
    "impute": (
        "from sklearn.impute import SimpleImputer",
        lambda table: (
            f"SimpleImputer(strategy={table.get('strategy', 'median')!r}"
            + (f", fill_value={table.get('value', 0.0)!r})" if table.get("strategy") == "constant" else ")")
        ),
    ),
    "pca": (
        "from sklearn.decomposition import PCA",
        lambda table: f"PCA(n_components={table.get('components', 0.95)!r})",
    ),
    "polynomial": (
        "from sklearn.preprocessing import PolynomialFeatures",
        lambda table: f"PolynomialFeatures(degree={table.get('degree', 2)}, include_bias=False)",
    ),
    "scale": (
        "from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler",
        lambda table: f"{_SCALERS[table.get('method', 'minmax')]}()",
    ),
    "select": (
        "from sklearn.feature_selection import SelectKBest, f_classif, mutual_info_classif",
        lambda table: f"SelectKBest({_SCORES[table.get('score', 'mutual_information')]}, k={table['k']})",
    ),
}


def stage_names(config: Mapping[str, Any]) -> list[tuple[str, Table]]:
    """Each stage's name in the pipeline with its table: its kind, numbered from the second of a kind."""
    named: list[tuple[str, Table]] = []
    for table in config.get("stages", ()):
        kind = str(table.get("kind", ""))
        earlier = sum(other.get("kind") == kind for _, other in named)
        named.append((kind if not earlier else f"{kind}-{earlier + 1}", table))
    return named


def beginning(trace: Trace) -> list[str]:
    """Return the pipeline of this run: by its shipped name where the command names one, from its tables otherwise."""
    lines = ["from edgewright import Pipeline", ""]
    short = _by_name(trace)
    if short:
        return [*lines, short]
    data = f", data={trace.provenance.data_path!r}" if trace.provenance.data_path else ""
    text = pprint.pformat(dict(trace.config), width=78, sort_dicts=False)
    return [*lines, f"CONFIG = {text}", "", f"pipeline = Pipeline.from_tables(CONFIG{data})"]


def _by_name(trace: Trace) -> str:
    """`Pipeline.from_toml(...)`, where the command was `edgewright run NAME` with changes and nothing else."""
    try:
        words = shlex.split(trace.provenance.command)
    except ValueError:
        return ""
    if words[:2] != ["edgewright", "run"] or len(words) < 3 or not words[2].isidentifier() or trace.name != words[2]:
        return ""
    rest = words[3:]
    if len(rest) % 2 or any(flag != "--set" for flag in rest[::2]):
        return ""
    # The shell took the quotes of text away, and a value may hold blanks: such a run is told by its tables.
    if any('"' in change or " " in change for change in rest[1::2]):
        return ""
    if not rest:
        return f"pipeline = Pipeline.from_toml({words[2]!r})"
    changes = "".join(f"    {change!r},\n" for change in rest[1::2])
    return f"changes = (\n{changes})\npipeline = Pipeline.from_toml({words[2]!r}, changes=changes)"


SAMPLES = [
    "material = pipeline.material()",
    "X, y = material.samples.X, material.samples.y",
    "sides = material.sides",
    "train, validation, test = sides.train, sides.validation, sides.test",
]


def through(names: Sequence[str]) -> list[str]:
    """Return lines that send `X` through stages that come before the one that is shown."""
    if not names:
        return []
    return [
        "",
        "# The stages before, fitted on all but the test samples.",
        f"for name in {tuple(names)!r}:",
        "    stage = pipeline.named_steps[name]",
        "    X = stage.fit(X[material.fitted_on], y[material.fitted_on]).transform(X)",
    ]


def mode_blocks(trace: Trace) -> tuple[Block, ...]:
    """Return a heading and a listing a stage."""
    if not trace.config:
        return (Paragraph(text="This trace has no configuration: run the pipeline again to see its code."),)
    blocks: list[Block] = [Paragraph(text="Each listing runs as is if edgewright[train,engines] is installed.")]
    for index, stage in enumerate(trace.stages, 1):
        lines = _ENDS.get(stage.kind, _middle)(trace, stage)
        if lines:
            text = "\n".join([*beginning(trace), *lines]) + "\n"
            blocks += [Heading(text=stage.name, anchor=f"data_flow-{index}"), Code(text=text)]
    return tuple(blocks)


def _data(trace: Trace, stage: StageRecord) -> list[str]:
    return [*SAMPLES, "print(X.shape, len(train), len(validation), len(test))"]


def _middle(trace: Trace, stage: StageRecord) -> list[str]:
    """Return stages of one card: by scikit-learn where it has them, by the pipeline's own step otherwise."""
    known = stage_names(trace.config)
    mine = stage.kind.split("+")
    places = [i for i, (name, _) in enumerate(known) if name in mine]
    if not places:
        return []
    tables = [table for _, table in known[places[0] : places[-1] + 1]]
    before = [name for name, _ in known[: places[0]]]
    lines = [*SAMPLES, *through(before), ""]
    rows = len(stage.shape_in) == 2 and trace.task == "classification"
    equivalents = [_EQUIVALENTS[kind] for table in tables if rows and (kind := str(table.get("kind"))) in _EQUIVALENTS]
    if len(equivalents) == len(tables):
        lines += dict.fromkeys(needed for needed, _ in equivalents)
        lines += ["", "# Fitted without the test samples, applied to all.", "rows = material.fitted_on"]
        for (_, call), table in zip(equivalents, tables, strict=True):
            lines.append(f"stage = {call(table)}")
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
    kind = f"Network{'Classifier' if trace.task == 'classification' else 'Regressor'}"
    if not config_table(trace, "scaling"):
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
MODES = {"code": Mode(rank=50, title="Code", purpose="The Python code of each stage.", blocks=mode_blocks)}
