"""Problems of the jobs: samples as Edgewright cut, split and prepared them, and its own answers to those that judge."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.table import ROOT
from edgewright.core.package import read_package
from edgewright.core.predictor import Predictor, package_path
from edgewright.data.load import load_data
from edgewright.jobs.catalogue import read_job
from edgewright.jobs.steps import Work, words
from edgewright.pipeline.config import read_config
from edgewright.pipeline.fitting import fit_stages
from edgewright.pipeline.material import Material, prepare
from edgewright.pipeline.plan import data_plan, resolve
from edgewright.pipeline.run import run_pipeline
from edgewright.pipeline.run_folder.listener import Listener

DATA = Path(os.environ.get("EDGEWRIGHT_SHARED", ROOT.parent / "shared")) / "data"
# MiniRocket makes some ten thousand features of a window, and the ridge solves for all windows at once.
MOST_WINDOWS = 4_000
Array = NDArray[Any]


@dataclass(frozen=True)
class Problem:
    """A pipeline of a job, its public set, and what changes it for one fit that is judged.

    Attributes:
        name: of the job.
        pipeline: shipped, or a file of `examples`.
        folder: of the public set.
        changes: of the pipeline's keys.
        windows: table of the same samples as windows, where the pipeline has features in their place.
        words: changes of the first step of the job of this pipeline, which makes the samples; none where it does not.
    """

    name: str
    pipeline: str
    folder: str
    changes: tuple[str, ...] = ()
    windows: dict[str, Any] = field(default_factory=dict)
    words: dict[str, Any] = field(default_factory=dict)


PROBLEMS = (
    Problem("activity, phone", "hapt", "har-hapt"),
    Problem("activity, watch", "watch", "har-wisdm-watch"),
    Problem("room", "examples/room/pipeline.toml", "occupancy"),
    Problem("factory, failures", "examples/factory/failures.toml", "ai4i2020"),
    Problem("factory, cycles left", "examples/factory/turbofan.toml", "cmapss"),
    Problem(
        "health, heartbeats", "examples/health/pipeline.toml", "mitdb",
        windows={"kind": "mitdb", "part": "DS1", "average": 4},
    ),
    Problem("wake word, voices alone", "examples/wake-word/pipeline.toml", "", words={"apart": False, "takes": 0}),
)  # fmt: skip


@dataclass(frozen=True)
class Own:
    """What Edgewright answers to the samples that judge, and what it costs.

    Attributes:
        answers: of the int8 form where there is one; labels or amounts.
        size_bytes: of the whole program on the profile's device.
        fit_s, predict_s: processor seconds of the run's training and of one answer.
    """

    answers: Array
    size_bytes: float
    fit_s: float
    predict_s: float


@dataclass(frozen=True)
class Samples:
    """One problem, ready for peers.

    Attributes:
        arrays: by the name of their side.
        truth: of the samples that judge, labels or amounts.
        groups: of those samples; None where rows stand for themselves.
        own: Edgewright's answers.
    """

    arrays: dict[str, Array]
    truth: Array
    groups: Array | None
    own: Own


def samples_of(problem: Problem, seed: int = 1) -> Samples:
    """Read, split and prepare a problem, and run its pipeline once."""
    with tempfile.TemporaryDirectory() as room:
        data, changes = _prepared(problem, Path(room)) if problem.words else (str(DATA / problem.folder), ())
        return _samples(problem, data, changes, seed)


def _prepared(problem: Problem, room: Path) -> tuple[str, tuple[str, ...]]:
    """Return where the first step of a job wrote its samples, and what it says of the split."""
    folder = (ROOT / problem.pipeline).parent
    step = msgspec.convert({**read_job(folder).steps[0], **problem.words}, words.Config)
    work = Work(folder, room, DATA, Listener())
    words.STEP.run(step, work)
    return str(work.data), work.changes


def _samples(problem: Problem, data: str, changes: tuple[str, ...], seed: int) -> Samples:
    name = problem.pipeline if not problem.pipeline.endswith(".toml") else str(ROOT / problem.pipeline)
    config = read_config(name, ("refit=false", "compression.max_drop=1", *problem.changes, *changes))
    material = prepare(data_plan(config), data)
    stages = resolve(config).stages
    flow = fit_stages(material.samples, material.fitted_on, stages, material.task, config.seed, None, lambda _: None)
    arrays: dict[str, Array] = {}
    windows = _windows(problem, material)
    y = np.asarray(material.samples.y).astype(str if material.task == "classification" else float)
    for side in ("train", "validation", "test"):
        rows = getattr(material.sides, side)
        arrays[f"{side}_X"] = np.asarray(flow.array(rows), np.float32).reshape(len(rows), -1)
        arrays[f"{side}_y"] = y[rows]
        if windows is not None:
            kept = rows
            if side == "train" and len(rows) > MOST_WINDOWS:  # the ridge's time grows with their third power
                kept = np.sort(np.random.default_rng(seed).choice(rows, MOST_WINDOWS, replace=False))
            arrays[f"{side}_W"], arrays[f"{side}_Wy"] = windows[kept], y[kept]
    test = material.sides.test
    own = _own(config, data, np.ascontiguousarray(material.samples.X[test], np.float32))
    groups = {"group": material.samples.groups, "row": None}.get(material.sides.by, material.samples.sessions)
    return Samples(arrays, y[test], None if groups is None else np.asarray(groups)[test], own)


def _windows(problem: Problem, material: Material) -> Array | None:
    """Return raw windows of shape (n, channels, samples); None where a sample is a row."""
    if problem.windows:
        rows = load_data(problem.windows, seed=0, path=str(DATA / problem.folder)).recordings
        return np.concatenate([recording.values for recording in rows])[:, None, :].astype(np.float32)
    whole = material.samples.X
    return np.asarray(whole[:], np.float32) if len(whole.shape) == 3 else None


def _own(config: Any, data: str, X: Array) -> Own:  # noqa: ANN401 - a PipelineConfig
    with tempfile.TemporaryDirectory() as out:
        result = run_pipeline(config, data=data, out=Path(out), listener=Listener())
        package = read_package(package_path(result.folder))
        predictor = Predictor(package)
        answered = predictor.predict(X)
        started = time.process_time()
        for row in X[:200]:
            predictor.predict(row[None])
        predict_s = (time.process_time() - started) / min(len(X), 200)
        trace = result.trace
        forms = {form.name: form for form in trace.compression.variants} if trace.compression else {}
        shipped = forms.get("int8") or forms.get("float")
        flash = shipped.device_flash.value if shipped is not None and shipped.device_flash is not None else 0.0
        fit_s = trace.training.cpu_seconds if trace.training is not None else 0.0
    amounts = answered.predictions
    answers = np.asarray(answered.labels).astype(str) if amounts is None else np.asarray(amounts, np.float64)
    return Own(answers.reshape(len(X)), flash, fit_s, predict_s)


def named(names: Sequence[str]) -> list[Problem]:
    """Return the problems of some names; all when there are none."""
    return [problem for problem in PROBLEMS if not names or any(name in problem.name for name in names)]
