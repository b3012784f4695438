"""What `edgewright search` does: a study from its beginning or from where it ended, told as it goes."""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from edgewright.cli.commands.search import SearchOptions
from edgewright.cli.fleet._table import table
from edgewright.cli.listeners import Terminal
from edgewright.cli.options import command_line
from edgewright.cli.output import print_ahead, print_json
from edgewright.core.files import write_atomic
from edgewright.pipeline.config import read_config
from edgewright.pipeline.duration_estimate import told_by_first
from edgewright.pipeline.material import sha256
from edgewright.profiles.catalogue import load_profile
from edgewright.race.problem import Problem
from edgewright.schema.budget import Budget, parse_budget
from edgewright.schema.config import PipelineConfig
from edgewright.schema.errors import InputError, OutputError
from edgewright.schema.profile import Profile
from edgewright.search.architecture.coordinator import Search
from edgewright.search.architecture.estimates import Estimator
from edgewright.search.architecture.report import (
    POINTS,
    Result,
    comparison_text,
    headings,
    legend,
    page,
    point_text,
    result,
    rows,
    trial_numbered,
    write_points,
)
from edgewright.search.architecture.space import space_of
from edgewright.search.architecture.study import (
    FILE,
    Study,
    create,
    front_of,
    identity_of,
    open_study,
    read_pipeline,
    resume,
    spread_over,
    with_absolute_paths,
    write_pipeline,
)
from edgewright.search.architecture.trial import Shared, Tried, samples_of
from edgewright.search.engines.contract import engine_for
from edgewright.search.ladder.setup import refuse_random

BATCH = 16
# Where studies without a name of their own lie.
STUDIES = Path("searches")
GROUPING = (
    "Set [data] group, session or time to keep related rows together; [split] allow_leakage = true to continue anyway"
)


def search(options: SearchOptions) -> None:
    """Search, or writes one point.

    Raises:
        InputError: whatever is wrong with what was asked for.
        CheckFailedError: the budget cannot be met.
    """
    if options.trials < 1:
        raise InputError("at least one trial", str(options.trials), "--trials")
    config, data = with_absolute_paths(read_config(options.pipeline), options.data)
    options = replace(options, data=data)
    if options.seed is not None:
        config = msgspec.structs.replace(config, seed=options.seed)
    space = space_of(config)
    folder = _folder(options, config)
    if options.take is not None:
        _take(options, folder)
        return
    profile = load_profile(options.device or config.device.profile)
    named = msgspec.structs.replace(config.device, profile=options.device or config.device.profile)
    config, _ = with_absolute_paths(msgspec.structs.replace(config, device=named), None)
    space = space_of(config)
    budget = (
        parse_budget(options.budget)
        if options.budget
        else Budget(flash=int(profile.flash.value), ram=int(profile.ram.value))
    )
    shared = Shared(config=config, data=options.data, folds=options.folds)
    samples = samples_of(msgspec.json.encode(shared))  # a worker in this process shares them
    problem = samples.problem(config.window)
    _refuse(problem, config)
    own = identity_of(
        config, profile, sha256(problem.samples), budget=options.budget, sampler=options.sampler,
        folds=options.folds, batch=BATCH,
    )  # fmt: skip
    estimator = Estimator(profile, samples)
    if not options.resume and (folder / FILE).exists():
        create(folder, own)
    with engine_for(options.engine, options.workers) as engine:
        probe = Search(space, budget, estimator, shared, None, engine)  # type: ignore[arg-type]
        probe.refuse_impossible()
        study = resume(folder, own, config) if options.resume else create(folder, own)
        try:
            write_pipeline(folder, config, options.data)
            _go(options, Search(space, budget, estimator, shared, study, engine), profile)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(_kept_so_far(study)) from None
        except OutputError:
            # A full disk or a cluster that is gone: the error follows, with what to do about it.
            click.echo(f"edgewright: the search stops; {_kept_so_far(study)}", err=True)
            raise
        finally:
            study.close()


def _go(options: SearchOptions, run: Search, profile: Profile) -> None:
    quiet = options.as_json
    before = len(run.study.trials())
    with _progress(options.trials, before, quiet) as record:
        if options.engine == "local" and options.workers == 1 and not quiet:
            record = _ahead(record, options.trials - before)
        run = Search(run.space, run.budget, run.estimator, run.shared, run.study, run.engine, record)
        trials = run.run(options.trials)
    front = front_of(trials)
    if options.judge and front:
        if not quiet:
            click.echo(f"cross-validating {min(options.judge, len(front))} of {len(front)} points")
        judged = run.judge(spread_over(front, options.judge))
    else:
        judged = run.study.judged()
    folder = run.study.folder
    found = result(str(folder), run.study.identity, run.space, trials, front, judged, run.task)
    write_points(run.space, run.study, front, judged, options.data)
    write_atomic(folder / "front.html", page(found, run.task).encode())
    write_atomic(folder / "front.json", msgspec.json.encode(found))
    if quiet:
        print_json(found)
        return
    _show(found, run.task, options, profile)
    failed = [trial for trial in trials if trial.state in ("failed", "impossible")]
    if failed:
        click.echo(f"{len(failed)} could not be trained; trial {failed[0].number}: {failed[0].reason}", err=True)


def _show(found: Result, task: str, options: SearchOptions, profile: Profile) -> None:
    for line in table(headings(task), rows(found)):
        click.echo(line)
    if found.features:
        click.echo("\nfeatures by number:")
        for number, _, name in legend(found):
            click.echo(f"  {number}  {name}")
    counts = ", ".join(f"{count} {state}" for state, count in sorted(found.states.items()))
    click.echo(f"\n{found.trials} trials on {profile.name}: {counts}; {found.rule}.")
    if options.engine != "local":
        click.echo(
            "Batches are reported in the order of requests, so the order of results has no effect; a batch that a "
            "cluster loses does, and other processors round differently."
        )
    text = comparison_text(found)
    if text:
        click.echo(text)
    best = min(found.front, key=lambda point: math.inf if point.error is None else point.error, default=None)
    take = found.comparison.enough if found.comparison is not None else None if best is None else best.number
    click.echo(f"{Path(found.study) / 'front.html'}")
    if take is not None:
        location = shlex.quote(f"{found.study}/{POINTS}/{take}.toml")
        click.echo(f"train, test and package trial {take}: edgewright run {location}")


def _take(options: SearchOptions, folder: Path) -> None:
    """Write one trial of a study as a pipeline."""
    study = open_study(folder)
    try:
        made = read_pipeline(folder)
        space = space_of(made.pipeline)
        trial = trial_numbered(study.trials(), int(options.take or 0))
        (folder / POINTS).mkdir(exist_ok=True)
        path = folder / POINTS / f"{trial.number}.toml"
        text = point_text(space, trial, study.judged().get(trial.number), options.data or made.data)
        write_atomic(path, text.encode())
    finally:
        study.close()
    if options.as_json:
        click.echo(msgspec.json.encode({"pipeline": str(path)}).decode())
    else:
        click.echo(f"{path} written; run it with: edgewright run {shlex.quote(str(path))}")


def _refuse(problem: Problem, config: PipelineConfig) -> None:
    """End a search whose points could not be run as they were judged.

    Raises:
        InputError: rows of one person or stretch of time would stand on both sides.
        CheckFailedError: rows would be dealt at random though neighbours know each other, or stand there twice.
    """
    if config.split.allow_leakage:
        return
    if problem.by == "row":
        refuse_random(problem, GROUPING)
    elif config.split.by == "row":
        raise InputError(
            f"a split by {problem.by}", "split.by = 'row'", f"{config.name} [split]",
            f"Rows of one {problem.by} in training and test inflate every score: set split.by = 'auto'",
        )  # fmt: skip


def _folder(options: SearchOptions, config: PipelineConfig) -> Path:
    """Return the folder of the study: the one that is named, or the next number; with --resume or --take the last."""
    if options.out is not None:
        return options.out
    numbered = [STUDIES / config.name, *(STUDIES / f"{config.name}-{n}" for n in range(2, 1000))]
    there = [path for path in numbered if (path / FILE).exists()]
    if options.resume or options.take is not None:
        return there[-1] if there else numbered[0]
    return next(path for path in numbered if not path.exists())


@contextmanager
def _progress(total: int, before: int, quiet: bool) -> Iterator[Any]:
    """Provide a bar with the time left on a terminal, a line a batch elsewhere."""
    console = Terminal(stderr=True)
    began, done = time.monotonic(), before
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=32), TextColumn("{task.completed}/{task.total}"))
    bar = Progress(*columns, TimeRemainingColumn(), console=console, transient=True)
    task = bar.add_task("trials", total=total, completed=before)

    def told(trials: Sequence[Tried]) -> None:
        nonlocal done
        done += len(trials)
        if console.is_terminal:
            bar.update(task, completed=min(done, total))
        elif not quiet:
            best = min(
                (trial.error for trial in trials if trial.state == "done" and trial.error is not None), default=None
            )
            left = (time.monotonic() - began) / max(1, done - before) * max(0, total - done)
            shown = "" if best is None else f", best of them {best:.4f}"
            click.echo(f"{done} of {total} trials{shown}, about {left:.0f} s left", err=True)

    if console.is_terminal:
        bar.start()
    try:
        yield told
    finally:
        bar.stop()


def _ahead(report: Callable[[Sequence[Tried]], None], trials: int) -> Callable[[Sequence[Tried]], None]:
    """Print what all trials take, by the first batch of them."""
    step = told_by_first(lambda _: None, print_ahead, "The search", trials)

    def heard(made: Sequence[Tried]) -> None:
        step(len(made))
        report(made)

    return heard


def _kept_so_far(study: Study) -> str:
    return f"{len(study.trials())} trials are kept. Continue with: {command_line(out=study.folder, resume=True)}"
