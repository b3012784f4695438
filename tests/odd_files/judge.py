"""Compare what `init --yes` reads of a file with what is true of it, without the race of models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgewright.core.errors import InputError
from edgewright.core.records.data import DataSet, Samples
from edgewright.data.load import load_data
from edgewright.data.targets import as_text
from edgewright.pipeline.material import prepare
from edgewright.pipeline.plan import data_plan
from edgewright.workflows.own_data.proposal import OwnDataRequest, Proposal, propose
from edgewright.workflows.own_data.recipes import Recipe
from odd_files import cells, clocks, containers, layouts, roles, texts
from odd_files.shape import SEEDS, SHAPES, Draw, OddFile, Truth

FAMILIES = (clocks, cells, texts, containers, layouts, roles)
RIGHT, REFUSED, WRONG = "right", "refused", "wrong"
# Decisions that look at all columns of a row at once.
_OF_COLUMNS = ("series", "spectrum")


@dataclass(frozen=True)
class Outcome:
    """What came of a file: `RIGHT`, `REFUSED` in one error or `WRONG`, which nobody notices; and why."""

    kind: str
    why: str = ""


def odd_file(name: str, seed: int, folder: Path) -> OddFile:
    """Write the file of a shape and a seed below a folder."""
    assert 0 <= seed < SEEDS
    return SHAPES[name](Draw(name, seed, folder))


def judge(file: OddFile) -> Outcome:
    """Return what comes of `init --yes` for a file."""
    try:
        proposal = propose(OwnDataRequest(path=str(file.path)), recipe_for=lambda framing: Recipe("none", "", {}))
    except InputError as error:
        question = file.truth.question
        answered = bool(question) and all(text in str(error) for text in question)
        return Outcome(RIGHT if answered else REFUSED, str(error))
    if file.truth.question:
        return Outcome(WRONG, "took one of two meanings")
    # As `run` reads what `init` has written.
    dataset = load_data(proposal.table["data"], seed=0)
    samples = prepare(data_plan(proposal.config), None, proposal.data.dataset).samples
    why = [*_roles(file.truth, proposal, dataset), *_rows(file.truth, proposal, dataset, samples)]
    return Outcome(WRONG, "; ".join(why)) if why else Outcome(RIGHT)


def _roles(truth: Truth, proposal: Proposal, dataset: DataSet) -> Iterator[str]:
    """Yield what columns were taken for something else."""
    chosen, framing = proposal.data.roles, proposal.data.framing
    names = {column.name for column in dataset.columns}
    if truth.decision not in _OF_COLUMNS:
        if missing := set(truth.readings) - names:
            yield f"no inputs: {sorted(missing)}"
        if extra := names - set(truth.readings) - set(truth.allowed):
            yield f"inputs: {sorted(extra)}"
    units = {column.name: column.unit for column in dataset.columns}
    if wrong := [name for name, unit in zip(truth.readings, truth.units, strict=False) if units.get(name) != unit]:
        yield f"units of {wrong}"
    for key in ("target", "group", "session", "time"):
        chosen_name = getattr(chosen, key) or {"target": dataset.target_name, "group": dataset.group_name}.get(key, "")
        if chosen_name != getattr(truth, key):
            yield f"{key} {chosen_name!r}, not {getattr(truth, key)!r}"
    task = "regression" if truth.amount else "classification"
    if framing.task != task:
        yield f"{framing.task}, not {task}"
    if framing.kind != truth.decision:
        yield f"a decision of a {framing.kind}, not a {truth.decision}"
    if len(dataset.groups) != truth.groups:
        yield f"{len(dataset.groups)} people or machines, not {truth.groups}"
    rate = None if proposal.data.assumed_rate else dataset.rate
    rates = truth.rate_hz or (None,)
    if not any(rate == known or (rate and known and abs(rate / known - 1) < 0.02) for known in rates):
        yield f"{rate} Hz, not {rates[0]}"


def _rows(truth: Truth, proposal: Proposal, dataset: DataSet, samples: Samples) -> Iterator[str]:
    """Yield what rows, recordings and values are others."""
    if truth.decision in _OF_COLUMNS:
        values = samples.X.reshape(len(samples.X), -1)
        y = samples.y
    else:
        names = [column.name for column in dataset.columns]
        values = np.concatenate([recording.values for recording in dataset.recordings])
        values = values[:, [names.index(name) for name in truth.readings if name in names]]
        y = np.concatenate([np.asarray(recording.target) for recording in dataset.recordings])
        recordings = sum(1 if r.sessions is None else len(np.unique(r.sessions)) for r in dataset.recordings)
        if recordings != truth.recordings:
            yield f"{recordings} recordings, not {truth.recordings}"
    if truth.resampled_s:
        if abs(len(y) / (dataset.rate or 1.0) - truth.resampled_s) > 0.03 * truth.resampled_s:
            yield f"{len(y)} rows at {dataset.rate} Hz do not last {truth.resampled_s:g} s"
        return
    if values.shape != truth.values.shape:
        yield f"values of shape {values.shape}, not {truth.values.shape}"
    elif not np.allclose(values, truth.values.astype(np.float32), rtol=1e-6, equal_nan=True):
        yield "other values"
    if len(y) != len(truth.y) or not np.array_equal(as_text(np.asarray(y)), as_text(truth.y)):
        yield "other labels"
