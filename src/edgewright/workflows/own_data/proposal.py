"""A whole pipeline for a person's own data, with the reason of every choice."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from edgewright.core.errors import ColumnsUnusableError, DataError, DataWarning, InputError
from edgewright.core.formatting import plural, some_of
from edgewright.core.records.config import PipelineConfig, WindowConfig
from edgewright.core.records.data import DataSet, Labels
from edgewright.core.records.race import RaceRecord
from edgewright.data.contract import Quality
from edgewright.data.labels import KEY as FILL_LABELS
from edgewright.data.labels import SPARSE_LABELS, sparse_label_findings
from edgewright.data.load import load_data
from edgewright.data.matching import is_text, values_of
from edgewright.data.memory_share import KEY as FILES
from edgewright.data.memory_share import fitting_files
from edgewright.data.near_duplicates import KEY as BURSTS
from edgewright.data.near_duplicates import LINK_KEY, burst_sentence, find_bursts, link_recordings
from edgewright.data.preview import Preview, read_preview
from edgewright.data.quality import KEY as MISSING_VALUES
from edgewright.data.quality import Sentinel, examine, find_sentinels, missing_table, with_missing
from edgewright.data.resampling import KEY as RESAMPLE
from edgewright.data.resampling import averaged, lowest_rate
from edgewright.data.roles import Roles, assign_roles
from edgewright.data.table_proposal import PARTS, TABLES, Framing, choose_framing, data_table, stretches
from edgewright.pipeline.config import checked, names_pipeline, read_config
from edgewright.pipeline.leave_one_out import FEW, FOLDS, MIN_TEST_SAMPLES
from edgewright.pipeline.material import Material, prepare
from edgewright.pipeline.plan import data_plan
from edgewright.profiles.catalogue import load_profile
from edgewright.race.explanation import explain
from edgewright.race.pipeline_end import Entrant, entrants_of
from edgewright.race.problem import Problem, problem_of_pipeline, problem_of_training
from edgewright.race.race import INTERRUPTED, Race, Watch
from edgewright.workflows.own_data.recipes import Recipe, changed, recipe_of, with_selection


def refuse_sentences(columns: Mapping[str, Labels], roles: Roles, path: str) -> None:
    """Name the command for a table that has sentences and nothing to measure.

    Raises:
        InputError: no column of numbers, and one whose values are mostly of two words or more.
    """
    free = {name: cells for name, cells in columns.items() if name not in (roles.target, *roles.categories)}
    name = next((name for name, cells in free.items() if _is_sentences(cells)), "")
    if roles.readings or not name:
        return
    command = f"edgewright language train {path} --out model.language"
    known = {column.strip().lower() for column in columns}
    do = f"Train on sentences: {command}"
    if not {"text", "intent"} <= known:
        do = f"Name the columns text and intent, then train on sentences: {command}"
    raise ColumnsUnusableError(
        "at least one column of numbers besides the target", f"sentences in column {name!r}", path, do
    )


def _is_sentences(cells: Labels) -> bool:
    values = values_of(cells)
    return bool(values) and is_text(cells) and float(np.mean([" " in value.strip() for value in values])) > 0.5


# Device where none is named.
DEVICE = "cortex-m4"
# Assumed where no column says when a row was measured: usual of wearables. Only the gravity filter depends on it.
ASSUMED_HZ = 50.0
# A longer window has to be better by so much.
_WINDOW_GAIN = 0.01
# Fewer people or machines that train give no standard error of a difference between pipelines.
_MIN_RACING_GROUPS = 3
# Leaving each of few people out takes at most so many seconds of a run.
LEAVE_ONE_OUT_S = 600.0
# Above so many rows a second length of windows is not tried: the comparison would take minutes.
_TRIED_ROWS = 1_000_000
# Variants of each model that a search draws.
MOST_VARIANTS = 12
# Names of so many test groups at most are written down, which comparing windows needs.
_NAMED_GROUPS = 20

_ONE_STRETCH = (
    "some class was recorded in one stretch only, so neighbours of what trains test: expect less of new recordings. "
    "Record every class several times, with a column that names the recording"
)

_DEBOUNCE = (
    "windows in a row that must agree before a decision changes; the run chooses them on recordings that neither train "
    "nor test. A false switch costs as much as a window of wrong decision; decision.false_switch_s sets other seconds"
)

Doing = Callable[[str], AbstractContextManager[object]]


@dataclass(frozen=True, kw_only=True)
class OwnDataRequest:
    """What a person says of the data; empty to choose, 'none' for a column that there is not.

    Attributes:
        path: file or folder.
        target, group, session, time, ignore: columns.
        time_unit: of a time in numbers: s, ms, us, ns, min, h, or d for days of a spreadsheet.
        fill_labels: an empty label is that of the last labelled row above it.
        skip_bad_rows: leave out rows and files that cannot be read.
        decision: what one decision is about: 'row', 'recording', '2 s' or '100 rows'.
        device: profile or TOML file; `DEVICE` when empty.
        name: name of the pipeline; from the path when empty.
        need: share of right answers (R² of an amount) to be ready; None for none.
        features: number that the model takes, those that differ most with the target; None for all.
        budget_s: CPU seconds of the race; None to choose by the number of samples.
        variants: whether variants of the models take part in the race.
        explain: whether the race also compares the models from simple to complex with its choice.
        task: 'classification' or 'regression'; 'auto' to choose by the labels.
    """

    path: str
    target: str = ""
    group: str = ""
    session: str = ""
    time: str = ""
    time_unit: str = ""
    ignore: tuple[str, ...] = ()
    fill_labels: bool = False
    skip_bad_rows: bool = False
    decision: str = ""
    device: str = ""
    name: str = ""
    need: float | None = None
    features: int | None = None
    budget_s: float | None = None
    variants: bool = False
    explain: bool = False
    task: str = "auto"

    @property
    def pipeline(self) -> str:
        """Name of the pipeline."""
        return self.name or name_of(self.path)

    @property
    def names_columns(self) -> bool:
        """Whether a person said what a column is, or how rows are read."""
        parts = (self.target, self.group, self.session, self.time, self.time_unit, self.ignore)
        return self.skip_bad_rows or any(parts)


@dataclass(frozen=True)
class OwnData:
    """What was found in the data.

    Attributes:
        preview, roles: columns.
        dataset: read with them; its rate is `ASSUMED_HZ` where `assumed_rate`.
        framing: what a decision is about.
        quality: what `edgewright check` finds in the data.
        assumed_rate: no column says when a row was measured.
        groups: number of people or machines.
        resample: rows a second that recordings of several rates are averaged to; None where they have one.
        sentinels: numbers that are read as missing values.
        duplicates: how many recordings have a near-duplicate; empty if none has one.
    """

    preview: Preview
    roles: Roles
    dataset: DataSet
    framing: Framing
    quality: Quality
    assumed_rate: bool
    groups: int
    resample: float | None = None
    sentinels: tuple[Sentinel, ...] = ()
    duplicates: str = ""

    @property
    def has_sparse_labels(self) -> bool:
        """Whether labels stand only in the rows where they change."""
        return any(finding.kind == SPARSE_LABELS for finding in self.quality.findings)

    @property
    def few(self) -> bool:
        """Whether each person or machine is left out once, so that none of them may choose anything."""
        return 2 <= self.groups < FEW


@dataclass(frozen=True)
class Proposal:
    """A pipeline and why.

    Attributes:
        data: of the user, read and described.
        table: of the pipeline, as TOML has it.
        why: reasons by key of the table.
        scores: lengths of windows that were compared, and their scores on validation samples.
        race: the race that the model won; None where nothing was compared.
    """

    data: OwnData
    table: dict[str, Any]
    why: dict[str, str]
    scores: tuple[tuple[str, float], ...] = field(default=())
    race: RaceRecord | None = None

    @property
    def config(self) -> PipelineConfig:
        """The checked configuration."""
        return checked(self.table, str(self.table["name"]))

    def read_by(self, config: PipelineConfig) -> DataSet | None:
        """Return the recordings, where a pipeline reads them in this way; None where it reads others."""
        return self.data.dataset if config.data == self.config.data else None


def look(request: OwnDataRequest) -> OwnData:
    """Read the data and say what is in them.

    Raises:
        InputError: data that cannot be read, or have no target.
    """
    load_profile(request.device or DEVICE)
    given = {key: getattr(request, key) for key in (*PARTS, "time_unit")}
    preview = read_preview(request.path, named=request.names_columns, skip_bad_rows=request.skip_bad_rows)
    if request.fill_labels:
        preview = replace(preview, table={**preview.table, FILL_LABELS: True})
    roles = assign_roles(preview.columns, given, request.ignore, preview.texts, preview.is_folder, preview.units)
    table = data_table(preview, roles)
    count, some = fitting_files(table)
    if count:
        table[FILES] = count
        note = ", ".join(filter(None, (preview.note, some)))
        preview = replace(preview, table={**preview.table, FILES: count}, note=note)
    refuse_sentences(preview.columns, roles, request.path)
    if roles.target and not roles.readings and not roles.categories:
        left_out = "; ".join(f"{name} ({why})" for name, why in roles.ignored.items())
        do = f"Columns left out: {left_out}" if left_out else "Add columns of what was measured"
        raise ColumnsUnusableError(
            "at least one column of numbers, or of few texts, besides the target", "none", request.path, do
        )
    if not roles.target and preview.columns and table["kind"] in ("csv", "parquet"):
        raise ColumnsUnusableError(
            "a column to predict",
            f"none that looks like one in {some_of(list(preview.columns))}",
            request.path,
            "Name it with --target COLUMN. Without labels: edgewright detect fit finds "
            "what is unusual, edgewright forecast what comes next",
        )
    dataset = load_data(table, seed=0, mixed_rates=True)
    for finding in sparse_label_findings(dataset):
        warnings.warn(finding.sentence, DataWarning, 2)
    sentinels = find_sentinels(dataset) if table["kind"] in TABLES else ()
    if sentinels:
        preview = replace(preview, table={**preview.table, MISSING_VALUES: missing_table(sentinels)})
        dataset = with_missing(dataset, sentinels)
    data = choose_framing(dataset, request.decision, request.task)
    if table["kind"] == "pictures" and data.task == "classification" and not dataset.group_name:
        preview, dataset = _with_bursts(preview, dataset)
    duplicates = ""
    if table["kind"] != "pictures" and not dataset.group_name:
        dataset, duplicates = link_recordings(dataset)
    if any(recording.sessions is not None for recording in dataset.recordings) and duplicates:
        preview = replace(preview, table={**preview.table, LINK_KEY: True})
    quality = examine(dataset)
    resample = lowest_rate(dataset) if data.window is not None else None
    if resample is not None:
        dataset = averaged(dataset, resample)
    assumed = dataset.rate is None and data.kind == "window"
    if assumed:
        dataset = msgspec.structs.replace(dataset, rate=ASSUMED_HZ)
    return OwnData(preview, roles, dataset, data, quality, assumed, len(dataset.groups), resample, sentinels,
                   duplicates)  # fmt: skip


def _with_bursts(preview: Preview, dataset: DataSet) -> tuple[Preview, DataSet]:
    """Return pictures whose bursts of near-duplicates are sessions, if there are any."""
    (pictures,) = dataset.recordings
    if pictures.sessions is None or pictures.target is None:
        return preview, dataset
    sessions = pictures.sessions[find_bursts(pictures.values, pictures.target)]
    if not burst_sentence(sessions):
        return preview, dataset
    pictures = msgspec.structs.replace(pictures, sessions=sessions)
    preview = replace(preview, table={**preview.table, BURSTS: True})
    return preview, msgspec.structs.replace(dataset, recordings=(pictures,))


def propose(
    request: OwnDataRequest,
    doing: Doing = lambda label: nullcontext(),
    recipe_for: Callable[[OwnData], Recipe] | None = None,
    racing: Callable[[], AbstractContextManager[Watch | None]] = nullcontext,
    interrupted: Callable[[], None] = lambda: None,
    leading: Callable[[Proposal], None] | None = None,
) -> Proposal:
    """Choose a pipeline. Models race on training and validation samples; test samples are not looked at.

    Args:
        request: what a person says.
        doing: shows that work is going on.
        recipe_for: gives the only way to a model that is taken; nothing is compared then.
        racing: shows the race in place of `doing`, by what it gives.
        interrupted: called where Ctrl-C ended the race, and its winner so far is taken.
        leading: receives pipelines that lead the race while it goes on, where a model of theirs is made soon.

    Raises:
        InputError: as `look`; data that cannot be split.
    """
    with doing("Reading data"):
        data = look(request)
    base = base_table(request, data)
    try:
        base, why, material = _split(base, data)
    except InputError as error:
        if request.target or not data.roles.target:
            raise
        reason = f"{data.roles.target!r} is predicted, {data.roles.why['target']}; name another with --target"
        raise InputError(error.expected, error.got, error.where, f"{error.do}. {reason}", code=error.code) from None

    def proposal(base: dict[str, Any], recipe: Recipe, record: RaceRecord | None) -> Proposal:
        table = {**base, **recipe.tables, "device": {"profile": request.device or DEVICE}}
        reasons = {**data.roles.why, "window": data.framing.why, "model": recipe.why, **why}
        if _is_stream(base, data):
            table["decision"], reasons["decision"] = {"debounce": "auto"}, _DEBOUNCE
        return Proposal(data, table, reasons, ranking, record)

    record: RaceRecord | None = None
    ranking: tuple[tuple[str, float], ...] = ()
    longer: WindowConfig | None = None
    if recipe_for is not None:
        recipe = recipe_for(data)
    else:
        with racing() as watch, doing("Racing models") if watch is None else nullcontext():
            lead = None if leading is None else lambda recipe, record: leading(proposal(base, recipe, record))
            recipe, record = _raced(base, request, data, material, watch, lead)
        if record is not None and record.ended == INTERRUPTED:
            interrupted()
        longer = _longer(base, data)
    if longer and _rows(data) > _TRIED_ROWS:
        why["window"] = f"{data.framing.why}; no longer window was tried on more than {_TRIED_ROWS:,} rows"
    elif longer and record is not None:
        with doing("Comparing lengths of windows"):
            wide = {**base, "window": changed(longer, WindowConfig(samples=0))}
            other, scores = _raced_again(record, wide, request, data)
        lengths = (base["window"]["samples"], longer.samples)
        ranking = tuple((f"windows of {rows} rows", score) for rows, score in zip(lengths, scores, strict=True))
        gain = scores[1] - scores[0]
        if gain > _WINDOW_GAIN:
            base, recipe = wide, other
            why["window"] = f"{data.framing.why}; {longer.samples} rows gained {100 * gain:.1f} points"
    return proposal(base, recipe, record)


@dataclass(frozen=True)
class Subject:
    """What a race compares, without a run.

    Attributes:
        problem: samples and their units.
        entrants: candidates with their pipelines.
        data: own data as read; None for a pipeline.
        seed: random seed of the pipeline.
    """

    problem: Problem
    entrants: tuple[Entrant, ...]
    data: OwnData | None
    seed: int

    def race(self, device: str, **options: Any) -> Race:  # noqa: ANN401 - arguments of `Race`
        """Return the race of the entrants."""
        few = self.data is not None and self.data.few
        return Race(self.problem, self.entrants, device, seed=self.seed, leave_one_out=few, **options)


def subject_of(request: OwnDataRequest, pipeline_data: str | None = None) -> Subject:
    """Return the training and validation samples of own data, or those of a pipeline, with all entrants.

    Args:
        request: description of the data; its path may be the name or file of a pipeline.
        pipeline_data: path of the data of a pipeline.

    Raises:
        InputError: the data cannot be read, have no target or cannot be split.
    """
    if names_pipeline(request.path, pipeline_data):
        config = read_config(request.path)
        problem = problem_of_pipeline(config, pipeline_data)
        return Subject(problem, entrants_of(problem, config), None, config.seed)
    data = look(request)
    base, _, material = _split(base_table(request, data), data)
    problem, entrants = _entrants(base, request, data, material)
    return Subject(problem, entrants, data, 0)


def _raced(
    base: dict[str, Any],
    request: OwnDataRequest,
    data: OwnData,
    material: Material,
    watch: Watch | None,
    lead: Callable[[Recipe, RaceRecord], None] | None,
) -> tuple[Recipe, RaceRecord | None]:
    """Return the pipeline that wins the race on training and validation samples, and the record of the race.

    Of few people or machines, each that trains is a fold of its own. Fewer than `_MIN_RACING_GROUPS` of them cannot
    tell pipelines apart: results on other data sets choose.
    """
    problem, entrants = _entrants(base, request, data, material)
    groups = len(np.unique(problem.units))
    if data.few and groups < _MIN_RACING_GROUPS:
        usual = recipe_of(max(entrants, key=lambda entrant: entrant.candidate.prior))
        count = plural(groups, "person or machine trains", "people or machines train")
        return replace(usual, why=f"no race: only {count}, so results on other data sets choose. {usual.why}"), None

    def chosen(record: RaceRecord) -> tuple[Recipe, RaceRecord]:
        recipe = recipe_of(next(entrant for entrant in entrants if entrant.name == record.chosen))
        return replace(recipe, why=f"{record.why}: {recipe.why}"), record

    ahead = None if lead is None else lambda record: lead(*chosen(record))
    race = Race(
        problem, entrants, request.device or DEVICE, budget_s=request.budget_s, watch=watch, lead=ahead,
        leave_one_out=data.few,
    )  # fmt: skip
    record = race.run()
    if request.explain and record.ended != INTERRUPTED:
        record = explain(race, record)
    return chosen(record)


def _raced_again(
    record: RaceRecord, base: dict[str, Any], request: OwnDataRequest, data: OwnData
) -> tuple[Recipe, tuple[float, float]]:
    """Return the recipe of the winner for samples that are cut another way, and its scores: before, and that way."""
    problem, entrants = _entrants(base, request, data, _prepared(base, data))
    entrant = next(entrant for entrant in entrants if entrant.name == record.chosen)
    before = next(other for other in record.entrants if other.name == record.chosen)
    race = Race(problem, [entrant], record.profile, metric=record.metric)
    race.measure(race.standings[0], race.heats.of(race.rounds[before.heats - 1]))
    race.refuse_unmeasured()
    scores = tuple(other.score.value for other in (before, race.standings[0].record) if other.score is not None)
    return recipe_of(entrant), (scores[0], scores[1])


def _entrants(
    base: dict[str, Any], request: OwnDataRequest, data: OwnData, material: Material
) -> tuple[Problem, tuple[Entrant, ...]]:
    # Stages that a check adds are none of a pipeline's own, which would take the place of features.
    config = msgspec.structs.replace(checked(base, str(base["name"])), stages=())
    problem = problem_of_training(material)
    entrants = entrants_of(problem, config)
    if request.variants:
        from edgewright.race.variants import add_variants  # noqa: PLC0415 - of --search only

        entrants = add_variants(entrants, MOST_VARIANTS, config.seed)
    if request.features is not None:
        chosen = (with_selection(entrant, request.features) for entrant in entrants)
        entrants = tuple(entrant for entrant in chosen if entrant is not None)
    if not entrants:
        raise DataError("rows or windows that features are made of", f"data for {data.framing.kind}s", "--features",
                         "Leave it out: the model takes whole signals")  # fmt: skip
    return problem, entrants


def base_table(request: OwnDataRequest, own: OwnData) -> dict[str, Any]:
    """Return everything of a pipeline but split, stages and model."""
    data = data_table(own.preview, own.roles)
    if own.assumed_rate:
        data["rate"] = ASSUMED_HZ
    if own.resample is not None:
        data[RESAMPLE] = own.resample
    base: dict[str, Any] = {"name": request.pipeline, "data": data}
    if request.task != "auto":
        base["task"] = request.task
    if request.need is not None:
        base["need"] = request.need
    if own.framing.window is not None:
        base["window"] = changed(own.framing.window, WindowConfig(samples=0))
    return base


def name_of(path: str) -> str:
    """Return a name of a pipeline for a path."""
    stem = Path(path).resolve().name.split(".")[0]
    return re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-_")[:40] or "my-data"


def _split(base: dict[str, Any], data: OwnData) -> tuple[dict[str, Any], dict[str, str], Material]:
    """Return the pipeline with its split, why, and the samples with their sides."""
    split: dict[str, Any] = {"validation": 0.0} if data.groups == 2 else {}
    if data.groups == 1:  # nobody else is left to test
        split = {"by": "session" if len(data.dataset.recordings) > 1 else "time"}
    has_bursts = BURSTS in data.preview.table
    has_overlapping_rows = LINK_KEY in data.preview.table and len(data.dataset.recordings) == 1
    if has_bursts or has_overlapping_rows:
        split = {"by": "session"}
    material = _material(base, split, data)
    stretches_only = material is None
    if material is None:
        split = {"by": "row"}
        material = _prepared({**base, "split": split}, data)
    by = material.sides.by
    split = {"by": by, **split}
    few = ". They are few: each of them is also left out once, by a fit on the others" if data.few else ""
    reasons = {
        "group": f"{data.groups} people or machines; those who test are not seen in training" + few,
        "session": "whole recordings test, so that no neighbour of a test sample trains",
        "time": "the last fifth of the rows tests, because neighbours in time are alike",
        "row": _ONE_STRETCH if stretches_only else "rows stand alone and no person or machine is known",
    }
    if data.duplicates:
        sides = "they are on one side" if by == "session" else "too few recordings to keep them on one side"
        if LINK_KEY not in data.preview.table:
            sides = "the split may place near-duplicates on both sides"
        reasons[by] += f"; {data.duplicates}: {sides}"
    if has_bursts:
        (pictures,) = data.dataset.recordings
        sides = "a burst is on one side" if by == "session" else "too few bursts to keep each on one side"
        reasons[by] = f"{burst_sentence(pictures.sessions)}; {sides}. Expect less of new places"  # type: ignore[arg-type]
        y = np.asarray(material.samples.y)
        untested = sorted(set(y[material.sides.train].tolist()) - set(y[material.sides.test].tolist()))
        reasons[by] += f". Not tested: {some_of(untested)}" if untested else ""
    tested = sorted({str(name) for name in material.samples.groups[material.sides.test]}) if by == "group" else []  # type: ignore[index]
    if tested and data.framing.kind == "window" and len(tested) <= _NAMED_GROUPS:
        split["test_groups"] = tested
    if by == "group" and data.few:
        split["leave_one_out_s"] = LEAVE_ONE_OUT_S
    elif by in ("row", "session") and not stretches_only and len(material.sides.test) < MIN_TEST_SAMPLES:
        split["leave_one_out_s"] = LEAVE_ONE_OUT_S
        count = plural(len(material.sides.test), "sample")
        reasons[by] += f". Only {count} would test: the verdict is about all samples, by {FOLDS} folds"
    return {**base, "split": split}, {"split": reasons[by]}, material


def _prepared(table: dict[str, Any], data: OwnData) -> Material:
    return prepare(data_plan(checked(table, str(table["name"]))), None, data.dataset)


def _material(base: dict[str, Any], split: dict[str, Any], data: OwnData) -> Material | None:
    """Return the samples and their sides; None where no cut in time tests classes that it trains.

    Raises:
        InputError: people, machines or recordings cannot be divided.
    """
    single = data.framing.task == "classification" and data.groups < 2
    try:
        material = _prepared({**base, "split": split}, data)
    except InputError:
        if single:
            return None
        raise
    may_miss_classes = material.sides.by == "time" or BURSTS in data.preview.table
    if single and may_miss_classes and len(np.unique(material.samples.y[material.sides.test])) < 2:
        return None
    return material


def _is_stream(base: dict[str, Any], data: OwnData) -> bool:
    """Return whether windows of classes follow each other on a device, and some recordings are left out of a fit."""
    window = data.framing.window
    streams = data.framing.kind == "window" and data.framing.task == "classification"
    return streams and window is not None and not window.pad and base["split"]["by"] in ("group", "session")


def _rows(data: OwnData) -> int:
    return sum(len(recording.values) for recording in data.dataset.recordings)


def _longer(base: dict[str, Any], data: OwnData) -> WindowConfig | None:
    """Return a window of twice the length that may be tried: where the same people or the same time test both."""
    window, split = data.framing.window, base["split"]
    requested = data.framing.why == "as you asked"
    same_test = "test_groups" in split or split["by"] == "time"
    if data.framing.kind != "window" or requested or not same_test or window is None or "leave_one_out_s" in split:
        return None
    if data.framing.task != "classification" or np.median(stretches(data.dataset)) < 4 * window.samples:
        return None
    return msgspec.structs.replace(window, samples=2 * window.samples, step=2 * (window.step or 1))
