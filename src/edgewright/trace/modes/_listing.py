"""Python that does one stage of a run: what each kind of stage is in scikit-learn, and how a listing begins."""

from __future__ import annotations

import pprint
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgewright.schema.trace import Trace

Table = Mapping[str, Any]


@dataclass(frozen=True)
class Equivalent:
    """The scikit-learn call that does the same: its import, and the expression from the stage's table."""

    needs: str
    call: Callable[[Table], str]


_SCALERS = {"minmax": "MinMaxScaler", "standard": "StandardScaler", "robust": "RobustScaler"}

_SCORES = {"mutual_information": "mutual_info_classif", "anova": "f_classif"}


def _impute(table: Table) -> str:
    if table.get("strategy") == "constant":
        return f"SimpleImputer(strategy='constant', fill_value={table.get('value', 0.0)!r})"
    return f"SimpleImputer(strategy={table.get('strategy', 'median')!r})"


EQUIVALENTS: dict[str, Equivalent] = {
    "impute": Equivalent("from sklearn.impute import SimpleImputer", _impute),
    "scale": Equivalent(
        "from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler",
        lambda table: f"{_SCALERS[table.get('method', 'minmax')]}()",
    ),
    "select": Equivalent(
        "from sklearn.feature_selection import SelectKBest, f_classif, mutual_info_classif",
        lambda table: f"SelectKBest({_SCORES[table.get('score', 'mutual_information')]}, k={table['k']})",
    ),
    "polynomial": Equivalent(
        "from sklearn.preprocessing import PolynomialFeatures",
        lambda table: f"PolynomialFeatures(degree={table.get('degree', 2)}, include_bias=False)",
    ),
    "pca": Equivalent(
        "from sklearn.decomposition import PCA",
        lambda table: f"PCA(n_components={table.get('components', 0.95)!r})",
    ),
}


def stage_names(config: Mapping[str, Any]) -> list[tuple[str, Table]]:
    """Each stage's name in the pipeline with its table: its kind, numbered from the second of a kind."""
    made: list[tuple[str, Table]] = []
    for table in config.get("stages", ()):
        kind = str(table.get("kind", ""))
        taken = sum(other.get("kind") == kind for _, other in made)
        made.append((kind if not taken else f"{kind}-{taken + 1}", table))
    return made


def beginning(trace: Trace) -> list[str]:
    """The pipeline of this run: by its shipped name where the command names one, from its tables otherwise."""
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
    """Lines that send `X` through stages that come before the one that is shown."""
    if not names:
        return []
    return [
        "",
        "# The stages before, fitted on all but the test samples.",
        f"for name in {tuple(names)!r}:",
        "    stage = pipeline.named_steps[name]",
        "    X = stage.fit(X[material.fitted_on], y[material.fitted_on]).transform(X)",
    ]
