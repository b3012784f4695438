"""Fits of pipelines on folds: in this process, or on workers ahead of the race that asks for them."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import msgspec

from edgewright._version import __version__
from edgewright.cluster.mapping import BatchError, outcomes
from edgewright.core.archive import read_arrays, write_arrays
from edgewright.core.errors import CheckFailedError, EdgewrightError
from edgewright.core.files import write_atomic
from edgewright.core.records.config import PipelineConfig
from edgewright.core.records.data import Floats
from edgewright.core.records.footprint import Footprint
from edgewright.pipeline.run_folder.folder import (
    FINISHED_EPOCHS,
    FINISHED_FITS,
    FITS,
    finish,
    kept_when_stopped,
    last_stopped,
    remove_stopped,
    stopped_folders,
    work_folder,
)
from edgewright.profiles.records import Profile
from edgewright.race.heats import HeatFold, Heats
from edgewright.race.pipeline_end import Entrant, candidate_name, price
from edgewright.race.problem import Fitted, Problem, candidates
from edgewright.race.stage_outputs import StageOutputs, digest

# Shorter races are not kept, because a new start is as fast.
WORTH_S = 5.0


class FinishedFit(msgspec.Struct, frozen=True, kw_only=True):
    """A pipeline that was fitted on a fold.

    Attributes:
        cpu_seconds: CPU seconds of the fit.
        says, footprint, unpriced: see `EntrantRecord`; known for the last fold of a heat only.
    """

    cpu_seconds: float = 0.0
    says: str = ""
    footprint: Footprint | None = None
    unpriced: str = ""


@dataclass
class Keeper:
    """Keeps the fits of races.

    Attributes:
        work: work folder, which is kept together with the fits.
        on_anew: called if the kept fits belong to other races.
        anew: whether the kept fits belonged to other races.
        begun: `FinishedFits.of` of each race that began.
        started: time at which the block began.
    """

    work: Path
    on_anew: Callable[[], None]
    anew: bool = False
    begun: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)

    @property
    def folder(self) -> Path:
        """Folder of the fits and of other files that only a stopped block needs."""
        return self.work / FITS


@dataclass(frozen=True)
class FinishedFits:
    """The fits of one race.

    Attributes:
        keeper: keeper of all races.
        of: everything that determines the answers besides pipeline and fold.
    """

    keeper: Keeper
    of: str

    def read(self, entrant: Entrant, fold: HeatFold, *, priced: bool) -> tuple[Floats, FinishedFit] | None:
        """Return the kept answers of a pipeline to a fold, with their cost; None if they are not kept.

        Args:
            entrant: the pipeline.
            fold: the fold.
            priced: whether the footprint is known.
        """
        kept = read_arrays(self._path(entrant, fold, priced), FinishedFit)
        return None if kept is None else (kept[1]["answers"], kept[0])

    def write(self, entrant: Entrant, fold: HeatFold, answers: Floats, fit: FinishedFit, *, priced: bool) -> None:
        """Keep the answers of a pipeline to a fold if they took long enough.

        Raises:
            OutputError: the disk is full or failed.
        """
        if time.perf_counter() - self.keeper.started < WORTH_S:
            return
        mark = self.keeper.work / FINISHED_FITS
        races = _races(mark)
        if self.of not in races:
            # Races that kept nothing are listed as well, because the first one identifies a race that is resumed.
            write_atomic(mark, "\n".join(dict.fromkeys([*races, *self.keeper.begun])).encode())
        write_arrays(self._path(entrant, fold, priced), fit, {"answers": answers})

    def _path(self, entrant: Entrant, fold: HeatFold, priced: bool) -> Path:
        key = hashlib.sha256(f"{self.of} {entrant.name} {fold.key} {priced} ".encode())
        key.update(msgspec.json.encode(entrant.config))
        return self.keeper.folder / key.hexdigest()


_KEEPER: ContextVar[Keeper | None] = ContextVar("keeper", default=None)


def begin(problem: Problem, *settings: object) -> FinishedFits | None:
    """Return the kept fits of a race that begins; None outside of a block that keeps fits.

    Args:
        problem: samples of the race.
        settings: settings of the race on which answers and footprints depend.
    """
    keeper = _KEEPER.get()
    if keeper is None:
        return None
    samples = msgspec.structs.asdict(problem.samples)
    of = digest([__version__, samples, problem.units, problem.task, problem.window, settings])
    races = _races(keeper.work / FINISHED_FITS)
    if races and not keeper.begun and of not in races:
        keeper.on_anew()
        keeper.anew = True
        (keeper.work / FINISHED_FITS).unlink()
        shutil.rmtree(keeper.folder, ignore_errors=True)
    keeper.folder.mkdir(exist_ok=True)
    keeper.begun.append(of)
    return FinishedFits(keeper, of)


@contextmanager
def finished_fits(parent: Path, name: str, *, resume: bool, on_anew: Callable[[], None]) -> Iterator[Keeper]:
    """Keep the fits of the races if the block is stopped by Ctrl-C, a kill or a full disk.

    Args:
        parent: folder of runs.
        name: name of the pipeline that the races choose.
        resume: whether to resume the stopped races of this name.
        on_anew: called if the data, their description or the version of Edgewright changed since.

    Yields:
        The keeper of the fits.

    Raises:
        InputError: no races of this name were stopped, or another process resumes them.
    """
    stopped = last_stopped(parent, name, FINISHED_FITS, "models whose race was stopped") if resume else None
    with work_folder(parent, name, stopped) as work:
        keeper = Keeper(work, on_anew)
        token = _KEEPER.set(keeper)
        try:
            # A wrong option must not delete fits that were kept before.
            with nullcontext() if resume else kept_when_stopped(work / FINISHED_FITS):
                yield keeper
            finish(work)
        finally:
            _KEEPER.reset(token)
    remove_stopped(parent, name, FINISHED_FITS)


def raced(parent: Path, name: str) -> bool:
    """Return whether a race of a name was stopped; a stopped training of that name counts, too.

    Raises:
        InputError: neither was stopped, or another process resumes it.
    """
    if stopped_folders(parent, name, FINISHED_EPOCHS) and not stopped_folders(parent, name, FINISHED_FITS):
        return False
    last_stopped(parent, name, FINISHED_FITS, "a run that was stopped while models raced or one trained")
    return True


def _races(mark: Path) -> list[str]:
    return mark.read_text().split() if mark.exists() else []


FoldFit = tuple[Floats, FinishedFit]


def fit_fold(heats: Heats, entrant: Entrant, fold: HeatFold, profile: Profile | None) -> FoldFit:
    """Fit a pipeline on a fold, and return its answers to the test samples and its cost.

    Args:
        heats: folds of the problem.
        entrant: the pipeline.
        fold: the fold.
        profile: device that the footprint is for; None leaves it out.

    Raises:
        InputError: a stage or the model does not accept the samples.
    """
    began = time.process_time()
    fitted = heats.fit(fold, entrant)
    answers = fitted.answers(fold.test)
    fit = FinishedFit() if profile is None else priced(fitted, fold, entrant, profile)
    return answers, msgspec.structs.replace(fit, cpu_seconds=time.process_time() - began)


def priced(fitted: Fitted, fold: HeatFold, entrant: Entrant, profile: Profile) -> FinishedFit:
    """Return what a fitted pipeline says and needs on a device."""
    footprint, unpriced = price(fitted, fold.problem, entrant.config, profile)
    return FinishedFit(says=fitted.says(), footprint=footprint, unpriced=unpriced)


class FoldTask(NamedTuple):
    """A pipeline and a fold.

    Attributes:
        name: name of the entrant.
        config: its pipeline.
        fold: number of the fold.
        samples: number of training samples of the fold at most.
        heat: the same of all folds of the heat.
        priced: whether the footprint is worked out.
    """

    name: str
    config: PipelineConfig
    fold: int
    samples: int
    heat: int
    priced: bool


@dataclass(eq=False)
class FoldFitter:
    """What a worker needs for fits of a race, and what it keeps between them.

    Attributes:
        problem: samples of the race.
        profile: device of the race.
        seed, leave_one_out: of the race.
        heat: `FoldTask.heat` of the outputs of stages that are kept.
    """

    problem: Problem
    profile: Profile
    seed: int
    leave_one_out: bool
    heat: int = field(default=0, init=False)

    @classmethod
    def of(cls, problem: Problem, profile: Profile, seed: int, leave_one_out: bool) -> FoldFitter:
        """Return a fitter without the recordings that samples were cut from, which no fit reads."""
        return cls(problem.without_recordings(), profile, seed, leave_one_out)

    @cached_property
    def heats(self) -> Heats:
        """Folds as in the race itself."""
        return Heats(StageOutputs(self.problem), self.seed, leave_one_out=self.leave_one_out)

    def fit(self, task: FoldTask) -> FoldFit | EdgewrightError:
        """Return a fit, or why a stage or the model does not accept the samples."""
        if task.heat != self.heat:
            self.heats.forget()
            self.heat = task.heat
        name = candidate_name(task.name)
        entrant = Entrant(task.name, candidates((name,))[name], task.config)
        fold = self.heats.fold(task.fold, task.samples)
        try:
            return fit_fold(self.heats, entrant, fold, self.profile if task.priced else None)
        except EdgewrightError as error:
            return error


class SpreadFits:
    """Fits on workers, in the order in which a race asks for them.

    Args:
        fitter: what workers need.
        pairs: pipelines and folds in order; a race may leave some out, but asks for none twice.
        tasks: the same for workers.
    """

    def __init__(
        self, fitter: FoldFitter, pairs: Sequence[tuple[Entrant, HeatFold]], tasks: Sequence[FoldTask]
    ) -> None:
        self._outcomes = outcomes(FoldFitter.fit, fitter, tasks)
        self._waiting: Iterator[tuple[tuple[Entrant, HeatFold], FoldFit | EdgewrightError | BatchError]] = zip(
            pairs, self._outcomes, strict=False
        )

    def take(self, entrant: Entrant, fold: HeatFold) -> FoldFit:
        """Return a fit.

        Raises:
            EdgewrightError: as `fit_fold`, or the workers that fitted it ended.
        """
        for (other, of), outcome in self._waiting:
            if other is entrant and of is fold:
                if isinstance(outcome, BatchError):
                    raise CheckFailedError(f"its fit failed on the cluster: {outcome.reason}")
                if isinstance(outcome, EdgewrightError):
                    raise outcome
                return outcome
        raise AssertionError(f"{entrant.name} was not among the fits that were asked for")

    def close(self) -> None:
        """End fits that no one asks for any more."""
        self._outcomes.close()
