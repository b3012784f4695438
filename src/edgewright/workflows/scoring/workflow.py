"""A package on labelled data: the evaluation that a run makes, and every model file of the package side by side."""

from __future__ import annotations

import operator
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.cluster.mapping import each
from edgewright.compression.weights import flips_by_class
from edgewright.core.errors import LabelsMissingError, NeedFormatError, ScoringError, UnknownNameError
from edgewright.core.input.pictures import takes_pictures
from edgewright.core.package import Package, read_package
from edgewright.core.prediction.objects import MAPPED, UNIT
from edgewright.core.predictor import Answers, Predictor, package_path
from edgewright.core.records.config import PipelineConfig, WindowConfig
from edgewright.core.records.data import Floats, Labels, Samples
from edgewright.core.records.package import Manifest, ObjectMap
from edgewright.core.records.trace import EvaluationRecord, Interval
from edgewright.data.near_duplicates import is_odd
from edgewright.data.remote import located
from edgewright.data.samples import cut_in_parts, part_of
from edgewright.pipeline.evaluation.evaluate import LABELS, evaluate_classes, evaluate_numbers, evaluate_scores
from edgewright.pipeline.evaluation.robustness import F1, evaluate_found
from edgewright.pipeline.material import prepare
from edgewright.pipeline.package.packaging import count_seen
from edgewright.pipeline.package.variants import recording_engine
from edgewright.pipeline.pipeline import Pipeline
from edgewright.pipeline.plan import data_plan
from edgewright.pipeline.run_folder.folder import EVALUATED, judged_of
from edgewright.pipeline.run_folder.store import INDEX, remembered
from edgewright.training.metrics import average_precision
from edgewright.workflows.scoring.rows import ScoreRequest, read_labelled, refuse_columns

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt,
}  # fmt: skip
_NEED = re.compile(r"\s*(.+?)\s*(>=|<=|>|<)\s*([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)\s*(%?)\s*")
# What a form answers, shape (n,): the objects of each picture, or the score of its oddest cell.
MapAnswers = NDArray[Any]


def check_needs(needs: Sequence[str], figures: Mapping[str, Interval]) -> tuple[NeedRow, ...]:
    """Each need with its figure, and whether it is met.

    Args:
        needs: such as `accuracy>=0.9`, `accuracy.low>=90%`, `rmse<15`; several may stand in one text, with commas.
        figures: by name.

    Raises:
        InputError: a need that cannot be read.
        UnknownNameError: a figure that the score does not have.
    """
    return tuple(_checked(need, figures) for text in needs for need in text.split(",") if need.strip())


def _checked(text: str, figures: Mapping[str, Interval]) -> NeedRow:
    match = _NEED.fullmatch(text)
    if match is None:
        raise NeedFormatError("a need such as accuracy>=0.9 or rmse<=15", repr(text), "--need")
    name, sign, amount, share = match.groups()
    stem, _, end = name.rpartition(".")
    if name not in figures and end in ("low", "high") and stem in figures:
        figure = getattr(figures[stem], end)
    elif name in figures:
        figure = figures[name].value
    else:
        raise UnknownNameError("figure", name, figures, "--need")
    limit = float(amount) / (100 if share else 1)
    # A figure that is not a number meets nothing: every comparison with it is false.
    return NeedRow(text=text.strip(), figure=figure, met=_COMPARE[sign](figure, limit))


AVERAGE_PRECISION = "average_precision."
"""How the names of the figures begin that say how well confidence ranks the samples of a class before all others."""
_OWN_PARTS = ("train", "validation", "test")
_PIECE_ROWS, _PIECE_BYTES = 16_384, 2**20


@dataclass
class _Answers:
    """What was answered so far, a piece an entry.

    Attributes:
        truth, groups: of the samples.
        numbers: of the samples in the data, from 0.
        answers: by form, probabilities (n, classes), predictions (n, 1), or what `map_answers` gives.
        missing: samples without an answer of the default form.
        unsure: answers below the package's confidence.
        unlabelled: samples whose label was left out.
        seen: samples that the package was fitted on, of the `comparable` ones that it can tell of.
    """

    truth: list[Any] = field(default_factory=list)
    groups: list[Labels] = field(default_factory=list)
    numbers: list[NDArray[np.int64]] = field(default_factory=list)
    answers: dict[str, list[NDArray[Any]]] = field(default_factory=dict)
    missing: int = 0
    unsure: int = 0
    unlabelled: int = 0
    seen: int = 0
    comparable: int = 0

    def add(self, piece: _Answers) -> None:
        """Add the answers to the samples that follow."""
        for key, values in vars(piece).items():
            if isinstance(values, dict):
                for form, answers in values.items():
                    self.answers.setdefault(form, []).extend(answers)
            else:
                setattr(self, key, getattr(self, key) + values)


def score_package(path: Path, request: ScoreRequest) -> Score:
    """Score a package or run folder.

    Args:
        path: run folder or `.edge` file.
        request: what it is scored on; without data, the part of a run's own split.

    Raises:
        InputError: data that cannot be scored on, with what is missing.
    """
    # Samples of a run's own split can judge no other fit than the one that has not seen them.
    request = replace(request, data=located(request.data))
    path, run = (path, path) if request.data else (judged_of(path), path)
    package, config = read_package(package_path(path)), config_of(path)
    manifest = package.manifest
    notes: list[str] = []
    rows: NDArray[np.int64] | None = None
    with tempfile.TemporaryDirectory(prefix="edgewright-score-") as room:
        if request.data:
            dataset = read_labelled(manifest, config, request, Path(room))
            pieces = cut_in_parts(dataset, window_of(manifest), _max_samples(manifest), last=request.last)
            name, part = dataset.name, request.part
        else:
            own, rows, name, part = own_part(run, config, request, Path(room))
            if path != run:
                notes.append("these figures belong to the tested fit; the package was refitted, also on these samples")
            if part == "validation":
                notes.append("these samples selected the epoch and calibrated confidence, so the score is too high")
            pieces = (part_of(own, some) for some in _ranges(len(own.X), _max_samples(manifest)))
        answers = _answered(package, pieces, request, rows)
    if answers.seen:
        share = 100 * answers.seen / answers.comparable
        notes.append(f"the package was fitted on about {share:.0f} % of these samples, so the score is too high")
    if answers.missing:
        notes.append(f"{answers.missing:,} samples with too many missing values have no answer and are not scored")
    if answers.unlabelled:
        notes.append(f"{answers.unlabelled:,} samples without a known label are not scored")
    if not answers.truth or not sum(map(len, answers.truth)):
        raise LabelsMissingError("samples with a label and an answer", "none", name)
    return _score(manifest, answers, name=name, part=part, notes=notes)


def config_of(path: Path) -> PipelineConfig | None:
    """Return the configuration of a run folder; None for a package alone."""
    return Pipeline.load(path).config if (path / "pipeline" / INDEX).is_file() else None


def window_of(manifest: Manifest) -> WindowConfig | None:
    """How the package's windows are cut from labelled recordings."""
    if manifest.window is None:
        return None
    keys = ("samples", "step", "within", "pad", "fill_start", "target")
    return msgspec.convert({key: getattr(manifest.window, key) for key in keys}, WindowConfig)


def _ranges(count: int, maximum: int) -> Iterator[NDArray[np.int64]]:
    """Yield numbers from 0 up to a count, so many at a time."""
    for start in range(0, count, maximum):
        yield np.arange(start, min(start + maximum, count))


def _max_samples(manifest: Manifest) -> int:
    """Return samples that are answered at once: what features are computed from takes many times their own room."""
    return max(1, min(_PIECE_ROWS, _PIECE_BYTES // (4 * int(np.prod(manifest.shape)))))


def own_part(
    run: Path, config: PipelineConfig | None, request: ScoreRequest, spool: Path
) -> tuple[Samples, NDArray[np.int64], str, str]:
    """Return a part of a run's own split, read again.

    Raises:
        InputError: a package alone, another part, or data that changed since.
    """
    refuse_columns(request, "the run's own data", "Pass other data with --data")
    for option, given in (("--kind", request.kind), ("--map", request.names), ("--set", request.settings)):
        if given:
            raise ScoringError("data that are not the run's own", "none", option, "Pass them with --data, or omit it")
    part = request.part or "test"
    if config is None:
        raise LabelsMissingError("labelled data", "none", "--data", "Pass a file, folder or public set: --data DATA")
    if part not in _OWN_PARTS:
        raise ScoringError(f"one of {', '.join(_OWN_PARTS)}", repr(part), "--part")
    known = remembered(run.parent if run.name == EVALUATED else run)
    material = prepare(data_plan(config), known.data_location(), spool=spool)
    if known.changed(material.sha256):
        raise ScoringError(
            "the unchanged data of the run", "others", known.data_location() or str(config.data.get("kind")),
            "Set --data, or run the pipeline again",
        )  # fmt: skip
    rows = getattr(material.sides, part)
    return part_of(material.samples, rows), rows, material.dataset.name, part


def evaluation_samples(run: Path) -> tuple[Predictor, Samples]:
    """Return the model of a run that has not seen its test samples, and these samples, read again.

    Raises:
        InputError: a package alone, or data that changed since.
    """
    with tempfile.TemporaryDirectory(prefix="edgewright-test-") as spool:
        part = own_part(run, config_of(run), ScoreRequest(), Path(spool))[0]
        samples = msgspec.structs.replace(part, X=np.array(part.X[:], np.float32))
    return Predictor(read_package(package_path(judged_of(run)))), samples


def _answered(
    package: Package, pieces: Iterator[Samples], request: ScoreRequest, rows: NDArray[np.int64] | None = None
) -> _Answers:
    """Answers of every form to all pieces; `rows` are the numbers of their samples, which are counted otherwise."""
    manifest = package.manifest
    forms = {
        form: Predictor(
            package, form=form, engine=request.engine or recording_engine(package.model(form)).name, self_test=True
        )
        for form in sorted(manifest.forms, key=lambda form: form != "float")
    }
    collected = _Answers()
    start = 0
    for piece, count in each(_piece, forms, pieces):
        numbers = piece.numbers.pop() + start
        collected.add(piece)
        collected.numbers.append(numbers if rows is None else rows[numbers])
        start += count
    return collected


def _piece(forms: Mapping[str, Predictor], samples: Samples) -> tuple[_Answers, int]:
    """Answers of every form to some samples, numbered from 0, and how many samples these are."""
    manifest = next(iter(forms.values())).manifest
    X, truth = np.ascontiguousarray(samples.X[:], np.float32), np.asarray(samples.y)
    seen, comparable = count_seen(X, manifest.fit)
    known = np.isfinite(truth.astype(np.float64)) if manifest.task == "regression" else truth != ""
    given = {form: predictor.predict(X[known]) for form, predictor in forms.items()}
    first = given[manifest.default]
    there = ~first.missing
    values = map_answers if manifest.task in MAPPED else _numbers
    piece = _Answers(
        truth=[truth[known][there]],
        groups=[] if samples.groups is None else [samples.groups[known][there]],
        numbers=[np.flatnonzero(known)[there]],
        answers={form: [values(manifest, answers)[there]] for form, answers in given.items()},
        missing=int(first.missing.sum()), unsure=int((first.unsure & there).sum()), unlabelled=int((~known).sum()),
        seen=seen, comparable=comparable,
    )  # fmt: skip
    return piece, len(X)


def _numbers(_: Manifest, answers: Answers) -> Floats:
    """Return probabilities (n, classes), or predictions (n, 1)."""
    return answers.probabilities if answers.predictions is None else answers.predictions.reshape(-1, 1)


def _score(manifest: Manifest, collected: _Answers, *, name: str, part: str, notes: list[str]) -> Score:
    truth = np.concatenate(collected.truth)
    groups = np.concatenate(collected.groups) if collected.groups else None
    answers = {form: np.concatenate(pieces) for form, pieces in collected.answers.items()}
    maps = manifest.task in MAPPED
    evaluate = evaluated_maps if maps else _evaluated
    evaluation, figures = evaluate(
        manifest, truth, answers[manifest.default], groups, np.concatenate(collected.numbers)
    )
    evaluation = msgspec.structs.replace(evaluation, unit=_unit(manifest))
    forms = tuple((map_forms if maps else _forms)(manifest, truth, answers))
    if manifest.task == "classification":
        sure = 1 - collected.unsure / len(truth)
        figures["answered"] = Interval(value=sure, low=sure, high=sure, method="")
    return Score(
        kind="package", name=manifest.name, data=name, part=part, samples=len(truth), unit=evaluation.unit,
        figures=figures, evaluation=evaluation, forms=forms, notes=tuple(notes),
        details={"default": manifest.default, "target": manifest.target},
    )  # fmt: skip


def _unit(manifest: Manifest) -> str:
    return "picture" if takes_pictures(manifest) else "window" if manifest.window else "row"


def _evaluated(
    manifest: Manifest,
    truth: Any,  # noqa: ANN401 - text or numbers
    answers: Floats,
    groups: Labels | None,
    numbers: NDArray[np.int64],
) -> tuple[EvaluationRecord, dict[str, Interval]]:
    """Return the evaluation of the default form, and its figures by name."""
    if not manifest.labels:
        evaluation = evaluate_numbers(np.asarray(truth, np.float64), answers, groups, split_by="")
        return evaluation, {
            key: evaluation.intervals.get(key, _alone(value)) for key, value in evaluation.regression.items()
        }
    names, counts = np.unique(truth, return_counts=True)
    majority = float(counts.max() / len(truth)) if len(names) else 0.0
    evaluation = evaluate_classes(truth, answers, manifest.labels, groups, numbers, split_by="", majority=majority)
    figures = {}
    if evaluation.accuracy is not None and evaluation.macro_f1 is not None and evaluation.calibration_error is not None:
        figures = {
            "accuracy": evaluation.accuracy, "macro_f1": evaluation.macro_f1,
            "calibration_error": _alone(evaluation.calibration_error),
        }  # fmt: skip
    for row in evaluation.classes:
        if row.recall_interval is not None and row.support:
            figures[f"recall.{row.label}"] = row.recall_interval
        figures[f"precision.{row.label}"] = _alone(row.precision)
    for label, given in zip(manifest.labels, answers.T, strict=True):
        if (wanted := np.asarray(truth) == label).any():
            figures[f"{AVERAGE_PRECISION}{label}"] = _alone(average_precision(wanted, given))
    return evaluation, figures


def _alone(value: float) -> Interval:
    """Return a figure without an interval."""
    return Interval(value=value, low=value, high=value, method="")


def _forms(manifest: Manifest, truth: Any, answers: dict[str, Floats]) -> Iterator[FormScore]:  # noqa: ANN401
    """Each form against the first, which is float where there is one."""
    first = next(iter(answers.values()))
    labels = np.array(manifest.labels, np.str_)
    for form, given in answers.items():
        if not manifest.labels:
            error = float(np.sqrt(np.mean((given[:, 0].astype(np.float64) - truth) ** 2)))
            distance = float(np.abs(given - first).max())
            yield FormScore(name=form, figure=error, difference=distance, samples=len(truth))
            continue
        own, other = first.argmax(axis=1), given.argmax(axis=1)
        yield FormScore(
            name=form, figure=float(np.mean(labels[other] == truth)), flips=int((own != other).sum()),
            flips_by_class=tuple(row for row in flips_by_class(own, other, manifest.labels) if row[1]),
            samples=len(truth),
        )  # fmt: skip


def map_answers(manifest: Manifest, answers: Answers) -> MapAnswers:
    """Return the objects of each picture, or log-odds of its oddest cell in 1/16, shape (n,)."""
    if manifest.task == "anomaly" and answers.predictions is not None:
        above = np.nan_to_num(answers.predictions)
        return np.asarray(np.round(above * UNIT) + _spec(manifest).threshold, np.int64)
    listed = np.empty(len(answers), np.object_)
    for index, objects in enumerate(answers.objects or ()):
        listed[index] = objects
    return listed


def evaluated_maps(
    manifest: Manifest, truth: Labels, answers: MapAnswers, groups: Labels | None, numbers: NDArray[np.int64]
) -> tuple[EvaluationRecord, dict[str, Interval]]:
    """Return the evaluation that a run makes, and its figures by name."""
    spec = _spec(manifest)
    if manifest.task == "anomaly":
        evaluation = evaluate_scores(truth, answers, spec, groups, numbers, split_by="")
        odd = evaluation.anomalies
        if odd is None or isinstance(odd, msgspec.UnsetType):
            return evaluation, {}
        named = {"auroc": odd.auroc, "recall": odd.recall, "false_alarms": odd.false_alarms if odd.good else None}
        return evaluation, {name: figure for name, figure in named.items() if figure is not None}
    evaluation = evaluate_found(truth, list(answers), spec, groups, split_by="")
    figures = {key: evaluation.intervals.get(key, _alone(value)) for key, value in evaluation.regression.items()}
    if evaluation.objects is not None and not isinstance(evaluation.objects, msgspec.UnsetType):
        for label in evaluation.objects.classes:
            if label.true or label.detected:
                figures[f"{F1}.{label.label}"] = label.f1
                figures[f"precision.{label.label}"] = _alone(label.precision)
            if label.true:
                figures[f"recall.{label.label}"] = _alone(label.recall)
    return evaluation, figures


def map_forms(manifest: Manifest, truth: Labels, answers: Mapping[str, MapAnswers]) -> Iterator[FormScore]:
    """Each form against the first: pictures that change between good and odd, or have another number of objects."""
    spec, first = _spec(manifest), next(iter(answers.values()))
    for form, given in answers.items():
        if manifest.task == "anomaly":
            own, other = ((scores >= spec.threshold).astype(np.int64) for scores in (first, given))
            figure, flips = float(np.mean(other == is_odd(truth))), int((own != other).sum())
            by_class = tuple(row for row in flips_by_class(own, other, LABELS) if row[1])
        else:
            figure = evaluate_found(truth, list(given), spec, None, split_by="").regression[F1]
            flips, by_class = sum(map(_differ, first, given)), ()
        yield FormScore(name=form, figure=figure, flips=flips, flips_by_class=by_class, samples=len(truth))


def _differ(first: Any, other: Any) -> bool:  # noqa: ANN401 - objects of a picture
    return Counter(item.label for item in first) != Counter(item.label for item in other)


def _spec(manifest: Manifest) -> ObjectMap:
    if isinstance(manifest.objects, msgspec.UnsetType):
        raise ScoringError("how the map is read", "nothing", manifest.name)
    return manifest.objects


class FormScore(msgspec.Struct, frozen=True, kw_only=True):
    """One model file of a package on the same samples.

    Attributes:
        name: 'float', 'int8' or the name of a file.
        figure: accuracy, or the root mean squared error of a regression.
        flips: samples whose class differs from that of the first form, by class of the first.
        difference: largest difference of a regression's answers from the first form's.
        samples: that were compared.
    """

    name: str
    figure: float
    flips: int = 0
    flips_by_class: tuple[tuple[str, int], ...] = ()
    difference: float = 0.0
    samples: int = 0


class NeedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A need such as `accuracy>=0.9`, the figure it is held against, and whether it is met."""

    text: str
    figure: float
    met: bool


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """What was scored, on what, and what came out.

    Attributes:
        kind: a file of `cli/scoring`.
        name: name of the model.
        data: file, folder or public set; `part` of it, empty for all.
        samples: that were judged, in `unit`s.
        figures: by name, such as 'accuracy', 'rmse', 'recall'; the names are those of `--need`.
        evaluation: of a classifier or regressor, as a run keeps it.
        forms: model files of a package side by side.
        details: what else the kind of model has to say.
        notes: what a reader must know of the figures.
        needs: that were asked for.
    """

    kind: str
    name: str
    data: str
    part: str = ""
    samples: int
    unit: str
    figures: dict[str, Interval]
    evaluation: EvaluationRecord | None = None
    forms: tuple[FormScore, ...] = ()
    details: dict[str, Any] = {}
    notes: tuple[str, ...] = ()
    needs: tuple[NeedRow, ...] = ()
