"""Which recordings a decision is tuned on: those that are named, or the validation people of the run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.core.objects import refuse_objects
from edgewright.data.load import guess, load_data
from edgewright.pipeline.material import cut_and_split
from edgewright.pipeline.provenance import remembered
from edgewright.schema.config import PipelineConfig
from edgewright.schema.data import DataSet
from edgewright.schema.errors import InputError, UnknownNameError
from edgewright.schema.package import Manifest
from edgewright.workflows.detection.rows import NORMAL
from edgewright.workflows.proof.subject import read_subject
from edgewright.workflows.tuning.streams import parts_of

_DO = "Pass recordings that the run has not seen with --data RECORDINGS"


@dataclass(frozen=True)
class TuneData:
    """Recordings, the people that are taken (all when empty), and what a reader must know of them.

    `own` recordings are those of the run: its judged fit answers them, as a refitted package has seen them.
    """

    dataset: DataSet
    people: tuple[str, ...]
    told: str
    notes: tuple[str, ...]
    own: bool = False


def tune_data(
    file_path: Path,
    data: str | None,
    *,
    kind: str = "",
    target: str = "",
    group: str = "",
    people: tuple[str, ...] = (),
) -> TuneData:
    """Read the recordings.

    Args:
        file_path: run folder or package.
        data: file or folder; the run's own when None.
        kind: source or public set of the data; as the run's, or for a package judged by the path, when empty.
        target: column of the labels; a run knows its own.
        group: column of people or machines; a run knows its own.
        people: groups that are taken.

    Raises:
        InputError: a package without --data, a run without validation people, or people that are not there.
    """
    config = _config(file_path)
    if config is None or (kind and data is not None):
        if data is None:
            raise InputError("recordings with labels", "a package, which has none", str(file_path), _DO)
        named = {key: value for key, value in (("kind", kind), ("target", target), ("group", group)) if value}
        dataset = load_data({**({"path": data} if kind else guess(data)), **named}, seed=0)
        return TuneData(dataset, _known(dataset, people), f"all of {dataset.name}", ())
    own = remembered(file_path)
    table: dict[str, object] = dict(config.data)
    table.update({key: value for key, value in (("target", target), ("group", group)) if value})
    if data is not None and not (own.path and Path(data).resolve() == Path(own.path).resolve()):
        try:
            dataset = load_data(table, seed=config.seed, path=data)
        except InputError as error:
            hint = error.do or f"They were read as {table['kind']}, the kind of the run; change it with --kind"
            raise InputError(error.expected, error.got, error.where, hint) from None
        return TuneData(dataset, _known(dataset, people), f"all of {Path(data).name}", ())
    return _of_run(config, table, data or own.place(), people)


def _config(path: Path) -> PipelineConfig | None:
    """Return the configuration of a run; None for a package alone."""
    if not path.is_dir() or not (path / "pipeline").is_dir():
        return None
    pipeline: Any = read_subject(path).pipeline
    return None if pipeline is None else pipeline.config


def _of_run(config: PipelineConfig, table: dict[str, object], path: str | None, people: tuple[str, ...]) -> TuneData:
    """Return the run's own data, by default of its validation people, and a warning if the model knows them."""
    refuse_objects(config.task, f"edgewright tune {config.name}")
    dataset = load_data(table, seed=config.seed, path=path)
    samples, sides = cut_and_split(config, dataset)
    groups = samples.groups
    if groups is None or sides.by != "group":
        raise InputError("a run that is split by group", f"one split by {sides.by}", config.name, _DO)
    side = {
        what: set(np.unique(groups[rows]).tolist())
        for what, rows in (("trained on", sides.train), ("tested with", sides.test))
    }
    chosen = _known(dataset, people)
    if not chosen:
        chosen = tuple(sorted({str(name) for name in np.unique(groups[sides.validation])}))
        if not chosen:
            raise InputError("validation people for tuning", "none", f"{config.name} [split] validation", _DO)
    notes = []
    for what, names in side.items():
        here = sorted(set(chosen) & names)
        if here:
            notes.append(f"{', '.join(here)}: people the model was {what}; expect worse results for new people")
    text = f"{len(chosen)} people of {dataset.name}" + ("" if people else ", who validated the run")
    if not people:
        notes.append(
            "The validation people selected the epoch and calibrated confidence, so they are not new; recordings "
            "that the run has not seen are better (--data)"
        )
    return TuneData(dataset, chosen, text, tuple(notes), own=True)


def _known(dataset: DataSet, people: tuple[str, ...]) -> tuple[str, ...]:
    """Return the people that were named.

    Raises:
        UnknownNameError: one who is not there.
    """
    there = {group for recording in dataset.recordings for group, _, _ in parts_of(recording)} if people else set()
    for name in people:
        if name not in there:
            raise UnknownNameError("person", name, there, dataset.name)
    return people


def alarm_labels(manifest: Manifest, given: tuple[str, ...]) -> tuple[str, ...]:
    """Return the labels whose beginning calls for somebody: those that are named, else all that do not mean 'normal'.

    Raises:
        InputError: a regression, or labels of which none is known to be normal.
        UnknownNameError: a label that the model does not have.
    """
    if manifest.task != "classification":
        raise InputError("a model of classes", "a regression model, which raises no alarms", manifest.name)
    for label in given:
        if label not in manifest.labels:
            raise UnknownNameError("label", label, manifest.labels, "--alarm")
    if given:
        return tuple(dict.fromkeys(given))
    found = tuple(label for label in manifest.labels if label.lower() not in NORMAL)
    if len(found) == len(manifest.labels) or not found:
        raise InputError("the labels that raise an alarm", "none", "edgewright tune",
                         f"Set them with --alarm, from {', '.join(manifest.labels)}")  # fmt: skip
    return found
