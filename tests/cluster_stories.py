"""Small work that `--cluster` spreads: each story returns what must be equal here, in processes and on Dask."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from PIL import Image

from edgewright.core.records.config import PipelineConfig, SplitConfig
from edgewright.features import statistics
from edgewright.graph.stage import Context
from edgewright.language.embedding.directory import Vectors, unit
from edgewright.language.labelling import vectors
from edgewright.language.labelling.audit import likely_errors
from edgewright.language.labelling.project import Project
from edgewright.language.labelling.suggestion_round import suggest
from edgewright.pipeline import fitting
from edgewright.pipeline.leave_one_out import leave_one_out
from edgewright.pipeline.material import prepare
from edgewright.pipeline.plan import data_plan, resolve
from edgewright.pipeline.run_folder.journal import Listener
from edgewright.pipeline.run_folder.store import Job
from edgewright.workflows.scoring import workflow as scoring
from edgewright.workflows.scoring.rows import ScoreRequest
from edgewright.workflows.tuning.selection import Cost, Grid
from edgewright.workflows.tuning.workflow import TuningRequest, tune
from label_example import answer, write_project
from small_pipeline import rows, run_small, write_rows, write_toml


class Counting:
    """An encoder of texts: counts of letters."""

    name, dimensions, sha256 = "counting", 26, ""

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return counts of letters."""
        counts = [[text.count(chr(ord("a") + n)) for n in range(26)] for text in texts]
        return unit(np.array(counts, np.float32).reshape(len(texts), 26))


def package(folder: Path) -> Path:
    """Return a run folder with a package of two columns and two classes."""
    return run_small(write_toml(folder / "small.toml", write_rows(folder / "rows.csv")), folder / "runs").folder


def tuning(folder: Path, run: Path) -> object:
    """Tune a decision on recordings of four people, a file each."""
    draw, data = np.random.default_rng(4), folder / "tune"
    data.mkdir(exist_ok=True)
    for person in range(4):
        lines = []
        for on, count in ((False, 60), (True, 10)) * 3:
            for _ in range(count):
                a, b = draw.normal(1.6 if on or draw.random() < 0.05 else -1.2, 0.3, 2)
                lines.append([f"{a:.4f}", f"{b:.4f}", f"p{person}", "on" if on else "off"])
        write_rows(data / f"{person}.csv", lines, header="a,b,person,label")
    grid = Grid(smoothing=(1, 3), debounce=(1, 2), thresholds=(0.0, 0.5, 0.9), refractory=(0.0, 10.0))
    request = TuningRequest(cost=Cost(1, 5), alarms=("on",), grid=grid)
    out = folder / "tuned"
    shutil.rmtree(out, ignore_errors=True)
    return tune(run, request, out=out, data=str(data), target="label", group="person").record


def score(folder: Path, run: Path) -> object:
    """Score a package on a folder of files, in many pieces."""
    files = folder / "files"
    files.mkdir(exist_ok=True)
    for number in range(6):
        write_rows(files / f"{number}.csv", rows()[number * 20 : number * 20 + 20])
    return scoring.score_package(run, ScoreRequest(data=str(files), target="label"))


def labels(folder: Path, _: Path) -> object:
    """Suggest labels of texts by an encoder, and list likely errors."""
    path = folder / "calls.labelling"
    path.unlink(missing_ok=True)
    with Project(write_project(folder)) as project:
        answer(project, [item.id for item in project.items()][::3])
        first = suggest(project, encoder=Counting(), by="linear", count=6)
        targets = np.arange(80, dtype=np.int64) // 40
        targets[3] = 1
        all_vectors = vectors.vectors_of(project, Counting())
        labels_by_item = {item: own._replace(time="") for item, own in project.suggestions().items()}
        return first, labels_by_item, likely_errors(all_vectors, targets)


def pictures(folder: Path, _: Path) -> object:
    """Encode pictures, whose files workers read."""
    names = [f"{number}.png" for number in range(40)]
    for number, name in enumerate(names):
        Image.new("RGB", (8, 8), (6 * number, 90, 30)).save(folder / name)
    return vectors.encoded(names, folder, None).tolist()


def features(_: Path, __: Path) -> object:
    """Compute statistics of windows in pieces."""
    windows = np.random.default_rng(0).normal(size=(100, 3, 16)).astype(np.float32)
    context = Context(
        shape=(3, 16), names=("a", "b", "c"), units=("", "", ""), rate=10.0, task="classification", seed=0
    )
    stage: Any = statistics.STAGE
    return fitting.transformed(stage.build(stage.config(), context).fit(windows), windows).tolist()


def people(folder: Path, _: Path) -> object:
    """Leave people out in turn, for a device whose profile is a file with a relative path."""
    lines = [[*row, f"p{number % 4}"] for number, row in enumerate(rows())]
    data = write_rows(folder / "people.csv", lines, header="a,b,label,who")
    config = PipelineConfig(
        name="small", data={"kind": "csv", "path": str(data), "target": "label", "group": "who"},
        stages=({"kind": "scale"},), split=SplitConfig(by="group", leave_one_out_s=100.0),
    )  # fmt: skip
    config = msgspec.structs.replace(
        config, device=msgspec.structs.replace(config.device, profile="own.toml"),
        training=msgspec.structs.replace(config.training, epochs=2),
    )  # fmt: skip
    left_out = leave_one_out(Job(resolve(config), Listener()), prepare(data_plan(config), None), 0.01)
    assert left_out is not None
    return msgspec.structs.replace(left_out, seconds=0.0)


OWN_PROFILE = 'inherits = "cortex-m4"\nname = "own"\n'
STORIES: dict[str, Callable[[Path, Path], object]] = {
    story.__name__: story for story in (tuning, score, labels, pictures, features, people)
}


def in_small_pieces(setattr_of: Callable[[object, str, object], None]) -> None:
    """Let few samples be many tasks."""
    setattr_of(scoring, "_PIECE_ROWS", 16)
    setattr_of(fitting, "_WINDOWS", 16)
    setattr_of(vectors, "_TEXTS", 16)
    setattr_of(vectors, "_FILES", 4)
