"""Setup of a ladder: a file, a folder or a pipeline becomes a problem, which is checked for leakage."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.data.categories import leave_out
from edgewright.data.checks_columns import predictors
from edgewright.data.decision import sound_window
from edgewright.data.leakage import digests
from edgewright.data.load import find_kind, guess, load_data
from edgewright.data.table_proposal import propose_table
from edgewright.pipeline.config import names_pipeline, read_config
from edgewright.pipeline.evaluation.leakage_inflation import inflation
from edgewright.race.problem import BLOCKS, Problem, are_pictures, problem_of_pipeline
from edgewright.schema.config import DeviceConfig, ModelConfig, PipelineConfig, SplitConfig, WindowConfig
from edgewright.schema.data import DataSet, Samples
from edgewright.schema.errors import CheckFailedError, InputError

# Maximum fraction of duplicate samples; above it, folds of single rows test on training samples.
MOST_REPEATED = 0.05
# A column value that always has the same class in at least this many samples may have been recorded afterwards.
FEWEST_SURE = 20
_FEW_VALUES = 3


def refuse_random(problem: Problem, do: str = "") -> None:
    """Refuse folds of single rows where neighbouring rows are related or many rows are duplicates.

    Rows without group or time are assigned to folds at random, which is valid only for independent rows. The check
    compares the score of a quick model under a random split with that under a split in blocks of the file's order.

    Args:
        problem: problem to check; problems with groups or time pass.
        do: fix that the error suggests; the options of the ladder when empty.

    Raises:
        CheckFailedError: the random split inflates the score, or duplicates leak; the error names the fix.
    """
    if problem.by != "row":
        return
    samples = problem.samples
    # Pictures lie in folders by label: blocks of their order have one label each.
    inflated = None if are_pictures(samples) else inflation(_in_order(samples), problem.task, 0)
    if inflated is not None and inflated.sure:
        gain = inflated.difference
        raise CheckFailedError(
            f"folds of single rows leak: neighbouring rows of {problem.name} are alike; a random split "
            f"inflates the score by {100 * gain.value:+.1f} points ({100 * gain.low:+.1f} to {100 * gain.high:+.1f}), "
            f"measured with {inflated.model}",
            do=do
            or "Set --group, --session or --time to keep related rows together; --by block keeps blocks of the file's "
            "order whole; --by row ignores this check",
        )
    _, counts = np.unique(digests(samples.X), return_counts=True)
    repeated = float(counts[counts > 1].sum() / len(samples.X))
    if repeated > MOST_REPEATED and any(
        _values(samples, index) > len(samples.y) // 10 for index in range(samples.X.shape[1])
    ):
        raise CheckFailedError(
            f"folds of rows leak: {100 * repeated:.0f} % of the samples of {problem.name} are duplicates",
            do=f"Remove the duplicates. {do}"
            if do
            else "Remove the duplicates, or set --group to keep them together; --by row ignores this check",
        )


def _with_units(problem: Problem, by: str) -> Problem:
    """Return the problem with every row as its own unit, or with `BLOCKS` blocks of consecutive rows as its units."""
    order = np.arange(len(problem.y), dtype=np.int64)
    return replace(problem, by=by, units=order if by == "row" else order * BLOCKS // len(order))


def leaking_columns(problem: Problem) -> tuple[tuple[str, str], ...]:
    """Return the name of each column that may leak the target, and a sentence."""
    if are_pictures(problem.samples):
        return ()  # a channel of pixels is no column
    leaking = [(finding.column, finding.sentence) for finding in predictors(problem.dataset)]
    return (*leaking, *_pure_value_columns(problem))


def _pure_value_columns(problem: Problem) -> list[tuple[str, str]]:
    """Return name and sentence of columns with few values, one of which always has the same, overall rare class."""
    X, y = problem.samples.X, np.asarray(problem.y)
    if problem.task != "classification" or X.ndim > 2:
        return []
    lines = []
    for index, column in enumerate(problem.samples.columns):
        values = X[:, index]
        different = np.unique(values[np.isfinite(values)])
        if not 1 < len(different) <= _FEW_VALUES:
            continue
        for value in different:
            own = y[values == value]
            share = float((y == own[0]).mean())
            if len(own) >= FEWEST_SURE and (own == own[0]).all() and share < 0.5:
                text = (
                    f"{column.name} = {value:g} always has {problem.dataset.target_name} {own[0]} ({len(own)} rows): "
                )
                text += f"is it known before the target? If not, use --ignore {column.name!r}"
                lines.append((column.name, text))
    return lines


def _in_order(samples: Samples) -> Samples:
    """Return the samples as rows of one recording with a rate, so that blocks of their order can be compared."""
    return msgspec.structs.replace(
        samples, groups=None, rate=1.0, sessions=np.full(len(samples.y), "file"),
        starts=np.arange(len(samples.y), dtype=np.int64),
    )  # fmt: skip


def _values(samples: Samples, index: int) -> int:
    column: NDArray[np.float32] = np.ravel(samples.X[:, index])
    return len(np.unique(column[np.isfinite(column)]))


# Options that name columns of a table.
COLUMNS = ("target", "group", "session", "time", "time_unit", "ignore")


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
        config, columns = _config(data, table, window, held_out, task, profile, seed)
        dataset = load_data(config.data, seed=seed, mixed_rates=True)
        window, notes = _framed(dataset, window)
        notes = (*notes, *columns)
        config = msgspec.structs.replace(config, window=window)
        problem = replace(problem_of_pipeline(config, dataset=dataset), notes=notes)
        left = _constant_columns(problem)
        if left and has_ignore(config):
            config = msgspec.structs.replace(config, data={**config.data, **leave_out(config.data, left)})
            problem = replace(problem_of_pipeline(config), notes=notes)
        elif left:
            problem = _without_columns(problem, left)
    if by == "row" or by == "block":
        problem = _with_units(problem, by)
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
) -> tuple[PipelineConfig, tuple[str, ...]]:
    """Return the pipeline, and what columns were taken for without being named."""
    request = {key: value for key, value in table.items() if value}
    kind = str(request.pop("kind", ""))
    _refuse_columns({"kind": kind or guess(data)["kind"], **request})
    proposed = propose_table(data, request, kind, find_target="any")
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", Path(data).stem).strip("-.")[:40] or "ladder"
    config = PipelineConfig(
        name=name if name[0].isalnum() else f"data{name}"[:40],
        task="regression" if task == "regression" else "classification" if task == "classification" else "auto",
        seed=seed,
        data=proposed.table,
        window=window,
        split=SplitConfig(test_groups=held_out),
        model=ModelConfig(),
        device=DeviceConfig(profile=profile),
    )
    return config, proposed.sentences


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
    kept = [index for index, column in enumerate(samples.columns) if column.name not in names]
    columns = tuple(samples.columns[index] for index in kept)
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
