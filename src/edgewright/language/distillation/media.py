"""Students of pictures and sounds: small convolutions of the race at several widths, in int8."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import msgspec

from edgewright.core.files import write_atomic
from edgewright.core.package import read_package
from edgewright.data.decision import choose_framing
from edgewright.data.labels import read_marks, read_name
from edgewright.data.load import load_data
from edgewright.export.contract import find_target
from edgewright.export.subject import read_subject
from edgewright.language.distillation.contract import Fitted, Judges
from edgewright.nlp.documents.media import Kind, files_of
from edgewright.pipeline.config import checked
from edgewright.pipeline.material import prepare
from edgewright.pipeline.plan import data_plan, resolve
from edgewright.pipeline.run import run_pipeline
from edgewright.pipeline.run_folder.kept_trainings import goes_on
from edgewright.race.contract import candidates
from edgewright.race.pipeline_end import entrant_of
from edgewright.race.problem import problem_of_training
from edgewright.schema.config import PipelineConfig, WindowConfig
from edgewright.schema.errors import CheckFailedError, InputError
from edgewright.schema.trace import Interval
from edgewright.training.metrics import wilson
from edgewright.workflows.own_data.proposal import DEVICE
from edgewright.workflows.own_data.recipes import changed, recipe_of
from edgewright.workflows.scoring.rows import ScoreRequest
from edgewright.workflows.scoring.workflow import score_package

# Widths of the layers, as shares of the candidate's own.
WIDTHS = {"narrow": 0.25, "medium": 0.5, "wide": 1.0}
# Source of the files, and the candidate whose network is fitted.
_SOURCES: dict[Kind, tuple[str, str]] = {
    "picture": ("pictures", "large_convolutions"),
    "sound": ("wav", "sound_convolutions"),
}
_FEWEST_FILTERS = 4


class MediaStudents:
    """Students of the files of a project.

    Args:
        kind: of the files.
        root: folder of them.
        limit: error rate of the machine's labels that an audit must confirm.
        seed: of the fits.
    """

    sizes: tuple[str, ...] = tuple(WIDTHS)

    def __init__(self, kind: Kind, root: Path, limit: float, seed: int) -> None:
        self._kind, self._root, self._limit, self._seed = kind, root, limit, seed

    def fit(self, size: str, labels: Path, folder: Path, *, whole: bool) -> Fitted:
        """Run the pipeline of a width; a fifth of the files tests it, and with `whole` the package is fitted on all.

        Raises:
            CheckFailedError: int8 loses too much, or the model does not fit a Cortex-M4.
            InputError: files or labels that cannot be trained on.
        """
        config = self._config(size, labels, whole)
        going_on = goes_on(folder, size, resolve(config).sha256)
        try:
            result = run_pipeline(config, out=folder, force=True, resume=going_on)
        except InputError:
            if not going_on:
                raise
            # What was stopped was trained on other labels: it begins anew.
            result = run_pipeline(config, out=folder, force=True)
        if result.package is None:
            raise CheckFailedError(f"the student {size} has no package: {result.refused}",
                                   do=f"See it: edgewright show {result.folder}")  # fmt: skip
        form = read_package(result.package).manifest.default
        compression, evaluation = result.trace.compression, result.trace.evaluation
        variant = compression.form(form) if compression is not None else None
        size_bytes = result.package.stat().st_size if variant is None else variant.weight_bytes
        accuracy = None if evaluation is None else evaluation.accuracy
        return Fitted(result.folder, size_bytes, accuracy or wilson(0, 0))

    def _config(self, size: str, labels: Path, whole: bool) -> PipelineConfig:
        source, candidate = _SOURCES[self._kind]
        data: dict[str, object] = {"kind": source, "path": str(self._root), "labels": str(labels)}
        dataset = load_data(data, seed=self._seed)
        window = choose_framing(dataset).window
        table: dict[str, Any] = {
            "name": size, "seed": self._seed, "refit": whole, "data": {**data, "label_errors": self._limit},
            "split": {"by": "row" if window is None else "session"}, "device": {"profile": DEVICE},
        }  # fmt: skip
        if window is not None:
            table["window"] = changed(window, WindowConfig(samples=0))
        base = msgspec.structs.replace(checked(table, size), stages=())
        problem = problem_of_training(prepare(data_plan(checked(table, size)), None, dataset))
        tables = recipe_of(entrant_of(size, candidates()[candidate], problem, base)).tables
        for layer in tables["model"]["layers"]:
            if "filters" in layer:
                layer["filters"] = max(_FEWEST_FILTERS, round(layer["filters"] * WIDTHS[size]))
        return checked({**table, **tables}, size)

    def accuracy(self, path: Path, judges: Judges) -> Interval:
        """Return the share of right answers; a file that is none of the classes is always answered wrong."""
        known = [(thing, truth) for thing, truth in zip(judges.things, judges.truth, strict=True) if truth]
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([("file", "label"), *known])
        marks = path.parent / f".{path.name}.judges.csv"
        write_atomic(marks, text.getvalue().encode())
        try:
            settings = {"labels": str(marks)}
            source = _SOURCES[self._kind][0]
            score = score_package(path, ScoreRequest(str(judges.root), kind=source, settings=settings))
        finally:
            marks.unlink(missing_ok=True)
        share = score.figures["accuracy"].value
        return wilson(round(share * score.samples), score.samples + len(judges.things) - len(known))

    def code(self, path: Path, name: str) -> dict[str, bytes]:
        """Return the C of the package."""
        return find_target("c99").files(read_subject(path))

    def judges(self, path: Path) -> Judges:
        """Read a folder with a folder for each label, or a CSV with file,label beside the files."""
        if path.is_dir():
            names = [file.relative_to(path).as_posix() for file in files_of(path, self._kind)]
            return Judges(str(path), tuple(names), tuple(read_name(name, "").label for name in names), path)
        marks = read_marks(path).marks
        return Judges(str(path), tuple(mark.file for mark in marks), tuple(mark.label for mark in marks), path.parent)
