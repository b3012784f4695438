"""`edgewright search`: architectures under a device's budget, as a front of error, flash, RAM and latency."""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from edgewright.cli.command import Aside, Result, argument, declare, option, print_ahead, wants_json
from edgewright.cli.interrupt import loading
from edgewright.cli.options import command_line
from edgewright.cli.text import table
from edgewright.schema.errors import InputError, OutputError

if TYPE_CHECKING:
    from edgewright.race.problem import Problem
    from edgewright.schema.config import PipelineConfig
    from edgewright.schema.profile import Profile
    from edgewright.search.architecture.coordinator import Search
    from edgewright.search.architecture.report import Result as FrontReport
    from edgewright.search.architecture.study import Study
    from edgewright.search.architecture.trial import CandidateTrial

_BATCH = 16
# Folder of studies without a name of their own.
_STUDIES = Path("searches")
_GROUPING = (
    "Set [data] group, session or time to keep related rows together; [split] allow_leakage = true to continue anyway"
)


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """Options of the command."""

    pipeline: str = argument()
    data: str | None = option(metavar="PATH", help="File or folder to read rows from, instead of [data] path.")
    device: str = option(metavar="PROFILE", help="Profile or TOML file; the pipeline's device by default.")
    budget: str = option(metavar="LIMITS", help="flash=64kB,ram=16kB,latency=10ms; the device's limits by default.")
    trials: int = option(default=200, help="Number of trials, including earlier ones.")
    sampler: str = option(type=click.Choice(["nsga2", "tpe", "random"]), default="nsga2")
    seed: int | None = option(help="Seed of the search; the pipeline's by default.")
    folds: int = option(type=click.IntRange(2), default=3, help="Number of folds during the search.")
    judge: int = option(
        type=click.IntRange(0), default=6, help="Number of candidates to evaluate by leaving groups out."
    )
    out: Path | None = option(help="Folder of the study; searches/NAME by default.")
    resume: bool = option(help="Continue the study in --out.")
    take: int | None = option(metavar="N", help="Write trial N of the study as a pipeline, and exit.")


@declare(
    example="hapt --device cortex-m4 --budget flash=64kB,ram=32kB --trials 100",
    json="Print the Pareto front as JSON.",
    spreads=True,
)
def command(options: SearchOptions) -> Result:
    """Search networks and features for PIPELINE (a name or a TOML file) that fit a device.

    Candidates are estimated before they are trained; those beyond the budget are not trained. People in [split]
    test_groups are not used. Writes a study that --resume continues after any interruption, front.html, and a pipeline
    points/N.toml for every point of the Pareto front: edgewright run STUDY/points/N.toml
    """
    with loading():
        from edgewright.cluster.mapping import current_engine
        from edgewright.data.remote import absolute
        from edgewright.pipeline.config import read_config, with_absolute_paths
        from edgewright.pipeline.material import sha256
        from edgewright.profiles.catalogue import load_profile
        from edgewright.schema.footprint import Budget, parse_budget
        from edgewright.search.architecture import study as studies
        from edgewright.search.architecture.coordinator import Search
        from edgewright.search.architecture.estimates import Estimator
        from edgewright.search.architecture.space import space_of
        from edgewright.search.architecture.trial import Shared, keep_samples, samples_of

    if options.trials < 1:
        raise InputError("at least one trial", str(options.trials), "--trials")
    config = with_absolute_paths(read_config(options.pipeline))
    options = replace(options, data=options.data and absolute(options.data))
    if options.seed is not None:
        config = msgspec.structs.replace(config, seed=options.seed)
    space_of(config)  # refuses a pipeline that has none, before anything is read or written
    folder = _folder(options, config)
    if options.take is not None:
        return _take(options, folder)
    profile = load_profile(options.device or config.device.profile)
    named = msgspec.structs.replace(config.device, profile=options.device or config.device.profile)
    config = with_absolute_paths(msgspec.structs.replace(config, device=named))
    space = space_of(config)
    budget = Budget(flash=int(profile.flash.value), ram=int(profile.ram.value))
    if options.budget:
        budget = parse_budget(options.budget)
    shared = Shared(config=config, data=options.data, folds=options.folds)
    samples = samples_of(msgspec.json.encode(shared))
    problem = samples.problem(config.window)
    _refuse(problem, config)
    shared = msgspec.structs.replace(shared, sha256=sha256(problem.samples))
    keep_samples(msgspec.json.encode(shared), samples)  # for a worker in this process
    own = studies.identity_of(
        config, profile, shared.sha256, budget=options.budget, sampler=options.sampler,
        folds=options.folds, batch=_BATCH,
    )  # fmt: skip
    estimator = Estimator(profile, samples)
    if not options.resume and (folder / studies.FILE).exists():
        studies.create(folder, own)  # refuses the folder of another study
    engine = current_engine()
    probe = Search(space, budget, estimator, shared, None, engine)  # type: ignore[arg-type]
    probe.refuse_impossible()
    study = studies.resume(folder, own, config) if options.resume else studies.create(folder, own)
    try:
        studies.write_pipeline(folder, config, options.data)
        return _run(options, Search(space, budget, estimator, shared, study, engine), profile)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_kept_so_far(study)) from None
    except OutputError:
        # A full disk or a cluster that is gone: the error follows, with what to do about it.
        click.echo(f"edgewright: the search stops; {_kept_so_far(study)}", err=True)
        raise
    finally:
        study.close()


def _run(options: SearchOptions, search: Search, profile: Profile) -> Result:
    """Try the trials, cross-validate the front and write it; return it."""
    from edgewright.core.files import write_atomic
    from edgewright.search.architecture.report import page, result, write_points
    from edgewright.search.architecture.study import front_of, spread_over

    before = len(search.study.trials())
    with _progress(options.trials, before) as record:
        if search.engine.workers == 1 and not wants_json():
            record = _ahead(record, options.trials - before)
        trials = replace(search, on_batch=record).run(options.trials)
    front = front_of(trials)
    if options.judge and front:
        if not wants_json():
            click.echo(f"cross-validating {min(options.judge, len(front))} of {len(front)} points")
        scores = search.judge(spread_over(front, options.judge))
    else:
        scores = search.study.scores()
    folder = search.study.folder
    report = result(str(folder), search.study.identity, search.space, trials, front, scores, search.task)
    write_points(search.space, search.study, front, scores, options.data)
    write_atomic(folder / "front.html", page(report, search.task).encode())
    write_atomic(folder / "front.json", msgspec.json.encode(report))
    lines = [*_lines(report, search.task, options, profile)]
    failed = [trial for trial in trials if trial.state in ("failed", "impossible")]
    if failed:
        first = f"trial {failed[0].number}: {failed[0].reason}"
        lines.append(Aside(f"{len(failed)} could not be trained; {first}"))
    return Result(report, lines)


def _lines(report: FrontReport, task: str, options: SearchOptions, profile: Profile) -> Iterator[str]:
    from edgewright.search.architecture.report import POINTS, comparison_text, headings, legend, rows

    yield from table(headings(task), rows(report))
    if report.features:
        yield from ("\nfeatures by number:", *(f"  {number}  {name}" for number, _, name in legend(report)))
    counts = ", ".join(f"{count} {state}" for state, count in sorted(report.states.items()))
    yield f"\n{report.trials} trials on {profile.name}: {counts}; {report.rule}."
    if text := comparison_text(report):
        yield text
    best = min(report.front, key=lambda point: math.inf if point.error is None else point.error, default=None)
    take = report.comparison.enough if report.comparison is not None else None if best is None else best.number
    yield f"{Path(report.study) / 'front.html'}"
    if take is not None:
        location = shlex.quote(f"{report.study}/{POINTS}/{take}.toml")
        yield f"train, test and package trial {take}: edgewright run {location}"


def _take(options: SearchOptions, folder: Path) -> Result:
    """Write one trial of a study as a pipeline."""
    from edgewright.core.files import write_atomic
    from edgewright.search.architecture.report import POINTS, point_text, trial_numbered
    from edgewright.search.architecture.space import space_of
    from edgewright.search.architecture.study import open_study, read_pipeline

    study = open_study(folder)
    try:
        saved = read_pipeline(folder)
        space = space_of(saved.pipeline)
        trial = trial_numbered(study.trials(), int(options.take or 0))
        (folder / POINTS).mkdir(exist_ok=True)
        path = folder / POINTS / f"{trial.number}.toml"
        text = point_text(space, trial, study.scores().get(trial.number), options.data or saved.data)
        write_atomic(path, text.encode())
    finally:
        study.close()
    text = f"{path} written; run it with: edgewright run {shlex.quote(str(path))}"
    return Result({"pipeline": str(path)}, [text], compact=True)


def _refuse(problem: Problem, config: PipelineConfig) -> None:
    """End a search whose points could not be run as they were judged.

    Raises:
        InputError: rows of one person or stretch of time would stand on both sides.
        CheckFailedError: rows would be dealt at random though neighbours know each other, or stand there twice.
    """
    from edgewright.search.ladder.setup import refuse_random

    if config.split.allow_leakage:
        return
    if problem.by == "row":
        refuse_random(problem, _GROUPING)
    elif config.split.by == "row":
        raise InputError(
            f"a split by {problem.by}", "split.by = 'row'", f"{config.name} [split]",
            f"Rows of one {problem.by} in training and test inflate every score: set split.by = 'auto'",
        )  # fmt: skip


def _folder(options: SearchOptions, config: PipelineConfig) -> Path:
    """Return the folder of the study: the one that is named, or the next number; with --resume or --take the last."""
    from edgewright.search.architecture.study import FILE

    if options.out is not None:
        return options.out
    numbered = [_STUDIES / config.name, *(_STUDIES / f"{config.name}-{n}" for n in range(2, 1000))]
    there = [path for path in numbered if (path / FILE).exists()]
    if options.resume or options.take is not None:
        return there[-1] if there else numbered[0]
    return next(path for path in numbered if not path.exists())


@contextmanager
def _progress(total: int, before: int) -> Iterator[Any]:
    """Provide a bar with the time left on a terminal, a line a batch elsewhere."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from edgewright.trace.page import Terminal

    console = Terminal(stderr=True)
    began, done = time.monotonic(), before
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=32), TextColumn("{task.completed}/{task.total}"))
    bar = Progress(*columns, TimeRemainingColumn(), console=console, transient=True)
    task = bar.add_task("trials", total=total, completed=before)

    def report(trials: Sequence[CandidateTrial]) -> None:
        nonlocal done
        done += len(trials)
        if console.is_terminal:
            bar.update(task, completed=min(done, total))
        elif not wants_json():
            best = min(
                (trial.error for trial in trials if trial.state == "done" and trial.error is not None), default=None
            )
            left = (time.monotonic() - began) / max(1, done - before) * max(0, total - done)
            shown = "" if best is None else f", best of them {best:.4f}"
            click.echo(f"{done} of {total} trials{shown}, about {left:.0f} s left", err=True)

    if console.is_terminal:
        bar.start()
    try:
        yield report
    finally:
        bar.stop()


def _ahead(
    report: Callable[[Sequence[CandidateTrial]], None], trials: int
) -> Callable[[Sequence[CandidateTrial]], None]:
    """Print what all trials take, by the first batch of them."""
    from edgewright.pipeline.cost.duration_estimate import told_by_first

    step = told_by_first(lambda _: None, print_ahead, "The search", trials)

    def report_all(batch: Sequence[CandidateTrial]) -> None:
        step(len(batch))
        report(batch)

    return report_all


def _kept_so_far(study: Study) -> str:
    return f"{len(study.trials())} trials are kept. Continue with: {command_line(out=study.folder, resume=True)}"
