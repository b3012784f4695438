"""Configuration of a pipeline of steps: the tables that build the same steps again, or a refusal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from sklearn.base import BaseEstimator, clone

from edgewright.core.catalogue import listing, offered
from edgewright.core.errors import InputError, PipelineError, located
from edgewright.core.records.config import ModelConfig, PipelineConfig, TrainingConfig
from edgewright.core.records.data import Samples
from edgewright.data.targets import encode_target, task_of
from edgewright.graph.stage import Context
from edgewright.models.base import Network
from edgewright.pipeline.fitting import first_context, next_context
from edgewright.pipeline.plan import MODELS, ROOMS, build, build_model, find_stage, parts

# Stages are shaped by this many samples; what they learn of them is not used.
_PROBE = 2000
_DO = "Change the argument, or write the stages in a TOML file for Pipeline.from_toml"


def step_tables(steps: Sequence[tuple[str, Any]], samples: Samples, task: str = "auto") -> dict[str, Any]:
    """Return the tables `stages`, `model`, `training` and `seed` of a configuration that builds these steps.

    Every table is built again for these samples, and compared with its step: a run whose record would describe
    other steps is refused.

    Args:
        steps: names and estimators, the model last.
        samples: cut into rows or windows.
        task: 'classification', 'regression', or 'auto' to choose by the labels.

    Raises:
        InputError: a step that no configuration describes, with its name and the arguments that differ.
    """
    (*stages, (name, model)) = steps
    task = task_of(samples.y, task)
    tables = _model_tables(name, model, task)
    rows = np.random.default_rng(0).permutation(len(samples.X))[:_PROBE]
    X, y = samples.X[rows], encode_target(samples.y[rows], task)
    context, tables_of_steps = first_context(samples, task, tables["seed"]), []
    for name, step in stages:
        tables_of_steps.append(stage_table(name, step, context))
        fitted = clone(step).fit(X, y)
        X = fitted.transform(X)
        context = next_context(context, fitted, X.shape[1:])
    return {**tables, "stages": tables_of_steps}


def stage_table(name: str, step: Any, context: Context) -> dict[str, Any]:  # noqa: ANN401 - any step of a pipeline
    """Return the entry of `[[stages]]` that builds a step.

    Args:
        name: of the step.
        step: estimator.
        context: what arrives at it.

    Raises:
        InputError: no configuration builds this estimator.
    """
    where = f"Pipeline.run, step {name!r}"
    kind = str(getattr(step, "kind", ""))
    if not any(offered(room, kind, "STAGE") for room in ROOMS):
        expected = "a stage of edgewright.preprocessing or edgewright.features"
        raise PipelineError(expected, type(step).__name__, where, "Replace the step, or use fit and export")
    table = {"kind": kind, **_settings(kind, step, context)}
    try:
        (part,) = parts([table], where)
    except InputError as error:
        expected = "a step whose arguments tell its settings"
        raise PipelineError(expected, f"{type(step).__name__} (in a configuration: {error})", where, _DO) from error
    with located(where):
        built = build(part, context)
    refuse_other(step, built, where, _DO)
    return table


def _settings(kind: str, step: BaseEstimator, context: Context) -> dict[str, Any]:
    """Return the keys of a stage's table that differ from their defaults."""
    stage, given = find_stage(kind, ""), _given(step)
    if kind == "union":
        return {"parts": [{"kind": of, **_settings(of, part, context)} for of, part, _ in given["parts"]]}
    read = {**given, **(stage.read_back(given, context) if stage.read_back is not None else {})}
    fields = msgspec.structs.fields(stage.config)
    pairs = ((field.name, read[field.name], field.default) for field in fields if field.name in read)
    return {key: value for key, value, default in pairs if value is not None and value != default}


def _model_tables(name: str, model: Any, task: str) -> dict[str, Any]:  # noqa: ANN401 - the last step of a pipeline
    where = f"Pipeline.run, step {name!r}"
    kind = "network" if isinstance(model, Network) else str(getattr(model, "kind", ""))
    if kind not in listing(MODELS, "MODEL") or not isinstance(model, BaseEstimator):
        raise PipelineError("a model of edgewright.models", type(model).__name__, where, "Replace the step, or use fit")
    given = _given(model)
    keys = {"model": ModelConfig, "training": TrainingConfig}
    tables: dict[str, Any] = {
        key: {field: given[field] for field in of.__struct_fields__ if field in given} for key, of in keys.items()
    }
    tables = {"model": {"kind": kind, **tables["model"]}, "training": tables["training"], "seed": given["seed"]}
    try:
        config = msgspec.convert({"name": "steps", "data": {}, **tables}, PipelineConfig)
        built = build_model(config, task)
    except (InputError, msgspec.ValidationError) as error:
        raise PipelineError("a model that a configuration describes", str(error), where, _DO) from error
    refuse_other(model, built, where, _DO)
    return tables


def _given(step: BaseEstimator) -> dict[str, Any]:
    """Return the arguments of an estimator, NumPy's numbers and arrays as Python's."""
    given = step.get_params(deep=False)
    return {
        key: value.tolist() if isinstance(value, np.ndarray | np.generic) else value for key, value in given.items()
    }


def refuse_other(step: Any, built: Any, where: str, do: str) -> None:  # noqa: ANN401 - estimators
    """Refuse a step that is not what a configuration builds.

    Args:
        step: as it stands in a pipeline.
        built: from the configuration.
        where: for the message.
        do: for the message.

    Raises:
        InputError: another type, or another argument.
    """
    if type(step) is not type(built):
        raise PipelineError(type(built).__name__, type(step).__name__, where, do)
    wanted, actual = _given(step), _given(built)
    other = [key for key in wanted if not _same(key, wanted[key], actual[key])]
    if other:
        raise PipelineError(
            "; ".join(f"{key} = {actual[key]!r}" for key in other) + " as a configuration gives it for these data",
            "; ".join(f"{key} = {wanted[key]!r}" for key in other), where, do,
        )  # fmt: skip


def _same(key: str, wanted: Any, actual: Any) -> bool:  # noqa: ANN401 - arguments of estimators
    """Return whether two arguments are equal; names that were left out become those of the data."""
    if key == "names" and not wanted:
        return True
    if isinstance(wanted, BaseEstimator):
        given = _given(wanted)
        return type(wanted) is type(actual) and all(_same(name, given[name], _given(actual)[name]) for name in given)
    if isinstance(wanted, Mapping) and isinstance(actual, Mapping):
        return wanted.keys() == actual.keys() and all(_same("", wanted[name], actual[name]) for name in wanted)
    if isinstance(wanted, list | tuple) and isinstance(actual, list | tuple):
        return len(wanted) == len(actual) and all(
            _same("", first, other) for first, other in zip(wanted, actual, strict=True)
        )
    return isinstance(wanted, bool) == isinstance(actual, bool) and bool(wanted == actual)
