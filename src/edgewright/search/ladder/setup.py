"""Setup of a ladder: turns a file, a folder or a pipeline into a problem and a pipeline configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np

from edgewright.data.categories import leave_out
from edgewright.data.framing import sound_window
from edgewright.data.load import find_kind, find_time, guess, load_data
from edgewright.pipeline.config import names_pipeline, read_config
from edgewright.race.problem import Problem, problem_of_pipeline
from edgewright.schema.config import DeviceConfig, ModelConfig, PipelineConfig, SplitConfig, WindowConfig
from edgewright.schema.data import DataSet
from edgewright.schema.errors import InputError
from edgewright.search.ladder.leakage import as_rows, in_blocks, refuse_random

# Options that name columns of a table.
COLUMNS = ("target", "group", "session", "time", "ignore")


def problem_and_config(
    data: str,
    table: Mapping[str, object],
    *,
    window: WindowConfig | None = None,
    held_out: tuple[str, ...] = (),
    task: str = "auto",
    profile: str = "cortex-m4",
    by: str = "auto",
    path: str | None = None,
    seed: int = 0,
) -> tuple[Problem, PipelineConfig, tuple[str, ...]]:
    """Return the problem, the pipeline with its data and device, and the names of the dropped constant columns.

    Args:
        data: file or folder, or a pipeline (name or TOML file).
        table: further options of `[data]`; ignored for a pipeline.
        window: windows to cut; None for single rows.
        held_out: groups to leave out of the ladder.
        task: 'auto', 'classification' or 'regression'.
        profile: name of the device profile.
        by: unit that folds keep whole: 'auto', 'row' or 'block'.
        path: path of the data of a pipeline.
        seed: random seed.

    Raises:
        InputError: the data cannot be read, has too few samples or only one target value; or a pipeline and a folder
            have the same name.
        CheckFailedError: folds would split single rows although neighbouring rows are related.
    """
    if names_pipeline(data, path):
        config = read_config(data, (f"device.profile={profile}",) if profile != "cortex-m4" else ())
        config = config if path is None else msgspec.structs.replace(config, data={**config.data, "path": path})
        problem = problem_of_pipeline(config)
        left: tuple[str, ...] = ()
    else:
        config = _config(data, table, window, held_out, task, profile, seed)
        dataset = load_data(config.data, seed=seed)
        window, notes = _framed(dataset, window)
        config = msgspec.structs.replace(config, window=window)
        problem = replace(problem_of_pipeline(config, dataset=dataset), notes=notes)
        left = _constant_columns(problem)
        if left and has_ignore(config):
            config = _config(data, {**table, **leave_out(table, left)}, window, held_out, task, profile, seed)
            problem = replace(problem_of_pipeline(config), notes=notes)
        elif left:
            problem = _without_columns(problem, left)
    if by == "row":
        problem = as_rows(problem)
    elif by == "block":
        problem = in_blocks(problem)
    else:
        refuse_random(problem)
    return problem, config, left


def _framed(dataset: DataSet, window: WindowConfig | None) -> tuple[WindowConfig | None, tuple[str, ...]]:
    """Return the requested window, or the default window for sound; notes name defaults and padding."""
    sound, why = sound_window(dataset)
    if sound is None or window is None:
        return (window, ()) if sound is None else (sound, (f"{why}; change it with --window N",))
    return msgspec.structs.replace(window, pad=True), ("sounds shorter than a window are padded with zeros",)


def _config(
    data: str,
    table: Mapping[str, object],
    window: WindowConfig | None,
    held_out: tuple[str, ...],
    task: str,
    profile: str,
    seed: int,
) -> PipelineConfig:
    request = {key: value for key, value in table.items() if value}
    named = {**({"path": data} if "kind" in request else guess(data)), **request}
    _refuse_columns(named)
    if "time" not in named and (time := find_time(named)):
        named["time"] = time
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", Path(data).stem).strip("-.")[:40] or "ladder"
    return PipelineConfig(
        name=name if name[0].isalnum() else f"data{name}"[:40],
        task="regression" if task == "regression" else "classification" if task == "classification" else "auto",
        seed=seed,
        data=named,
        window=window,
        split=SplitConfig(test_groups=held_out),
        model=ModelConfig(),
        device=DeviceConfig(profile=profile),
    )


def _refuse_columns(named: Mapping[str, object]) -> None:
    """Refuse column options for a data set that defines its own columns.

    Raises:
        InputError: such an option is set.
    """
    kind = str(named["kind"])
    known = find_kind(kind, "[data]").config.__struct_fields__
    for key in COLUMNS:
        if key in named and key not in known:
            raise InputError(
                f"no --{key} with data of kind {kind!r}, which sets it itself", repr(named[key]), f"--{key}",
                f"Omit --{key}, or pass a file instead",
            )  # fmt: skip


def has_ignore(config: PipelineConfig) -> bool:
    """Return whether the data source accepts the option `ignore`; public sets with their own layout do not."""
    kind = config.data.get("kind")
    return isinstance(kind, str) and "ignore" in find_kind(kind, "[data]").config.__struct_fields__


def _without_columns(problem: Problem, names: tuple[str, ...]) -> Problem:
    samples = problem.samples
    kept = [place for place, column in enumerate(samples.columns) if column.name not in names]
    columns = tuple(samples.columns[place] for place in kept)
    return replace(problem, samples=msgspec.structs.replace(samples, X=samples.X[:, kept], columns=columns))


def _constant_columns(problem: Problem) -> tuple[str, ...]:
    """Return columns that are empty or constant: they carry no information and break scaling."""
    X = problem.samples.X
    lines = []
    for index, column in enumerate(problem.samples.columns):
        known = X[:, index][np.isfinite(X[:, index])]
        if not len(known) or known.min() == known.max():
            lines.append(column.name)
    return tuple(lines)
