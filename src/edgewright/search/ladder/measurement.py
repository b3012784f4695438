"""The ladder: fits every rung on every fold, and measures its gain over the chosen rung and its footprint."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # scikit-learn dependency, untyped

from edgewright.models.architecture import architecture
from edgewright.pipeline.duration_estimate import Ahead, tell_ahead, told_by_first, training_s
from edgewright.profiles.catalogue import load_profile
from edgewright.race.contract import FEATURES, PLAIN, WINDOWS, Candidate, Columns, Part, candidates
from edgewright.race.judge import ComparisonCriteria
from edgewright.race.metrics import choose, codes, groups_of
from edgewright.race.price import beyond, price
from edgewright.race.problem import Fold, Indices, Problem, folds
from edgewright.race.stages import config_of, part_of
from edgewright.schema.config import PipelineConfig
from edgewright.schema.data import Floats
from edgewright.schema.ladder import LadderRecord, PeerRecord, RungRecord
from edgewright.search.ladder.leakage import copied_pictures, leaking_columns
from edgewright.search.ladder.model_comparison import NO_SIZE, PATIENCE, LadderState, choose_with_few
from edgewright.search.ladder.verdict import verdict
from edgewright.training.metrics import FEW_GROUPS
from edgewright.training.permutation_test import power, smallest_p

FOLDS = 5
Progress = Callable[[str, int | None], AbstractContextManager[Callable[[int], None]]]


def without_copies(part: Part) -> Part:
    """Return the part without augmented training samples."""
    return replace(part, extra=None)


class Ladder:
    """A problem with its folds and the output of the common stages, computed once per fold.

    Args:
        problem: samples and their units.
        config: pipeline; its stages are the common stages, or defaults for the kind of data.
        progress: shows progress.
        ahead: receives the duration estimate of long training.
        metric: name of the metric; chosen from the target when empty.
        patience: number of consecutive rungs without a gain after which the ladder stops; 0 tries all rungs.
        rungs: names of the rungs to try; all rungs when empty.
    """

    def __init__(
        self,
        problem: Problem,
        config: PipelineConfig,
        progress: Progress,
        ahead: Ahead = lambda _: None,
        *,
        metric: str = "",
        patience: int = PATIENCE,
        rungs: tuple[str, ...] = (),
    ) -> None:
        self.problem, self.patience, self._progress = problem, patience, progress
        self.config, self._ahead = config, ahead
        self.configs = {columns: config_of(config, problem, columns) for columns in (PLAIN, FEATURES, WINDOWS)}
        self.profile = load_profile(config.device.profile)
        self.metric, self.why = choose(problem, metric)
        self.rungs = {name: one for name, one in candidates(rungs).items() if one.rung}
        self.offered = {name: rung for name, rung in self.rungs.items() if not rung.unsupported_reason(problem)}
        units = int(problem.units.max()) + 1
        self.folds = folds(problem, FOLDS, seed=config.seed, leave_one_out=units <= FEW_GROUPS)
        kept = problem.by if units <= 50 else f"fifty random sets of {problem.by}s"
        self.judge = ComparisonCriteria(
            self.metric, codes(problem), groups_of(problem), kept, max(1, len(self.offered) - 1)
        )
        self._parts: dict[bytes, tuple[Part, ...]] = {}
        self.answers: dict[str, Floats] = {}
        self.peers: list[PeerRecord] = []

    def climb(self) -> LadderRecord:
        """Measure the rungs from the lowest until the patience is exhausted; Ctrl-C keeps the results so far."""
        started, climb = time.process_time(), LadderState(self.judge, self.patience)
        made: list[RungRecord] = []
        interrupted = False
        try:
            # Small matrix products are slower with several threads.
            with threadpool_limits(1):
                self._all(climb, made)
        except KeyboardInterrupt:
            interrupted = True
            _settle(climb)
            done = {rung.name for rung in made}
            made += [
                RungRecord(name=name, title=rung.title, left_out="interrupted")
                for name, rung in self.rungs.items()
                if name not in done
            ]
        return self._record(made, climb, interrupted, time.process_time() - started)

    def _all(self, climb: LadderState, made: list[RungRecord]) -> None:
        for name, rung in self.rungs.items():
            made.append(self._rung(name, rung, climb))
        _settle(climb)
        self._compare(climb)

    def parts(self, columns: Columns) -> tuple[Part, ...]:
        """Return the output of the common stages for each fold, and last for a fit on all samples; computed once."""
        config = self.configs[columns]
        key = msgspec.json.encode((config.stages, config.training.augment))
        if key not in self._parts:
            every = np.arange(len(self.problem.y), dtype=np.int64)
            with self._progress(f"Preprocessing ({columns}), fold by fold", len(self.folds) + 1) as advance:
                advance = told_by_first(advance, self._ahead, f"Preprocessing ({columns})", len(self.folds) + 1)
                made = []
                for train in (*(fold.train for fold in self.folds), every):
                    made.append(part_of(self.problem, config, train))
                    advance(1)
            self._parts[key] = tuple(made)
        return self._parts[key]

    def _rung(self, name: str, rung: Candidate, climb: LadderState) -> RungRecord:
        unsupported_reason = rung.unsupported_reason(self.problem)
        if unsupported_reason:
            return RungRecord(name=name, title=rung.title, left_out=unsupported_reason)
        if climb.tired:
            return RungRecord(name=name, title=rung.title, left_out="not tried")
        started = time.process_time()
        config, parts = rung.tail(self.configs[rung.columns]), self.parts(rung.columns)
        fits, title = len(self.folds) + 1, rung.title.capitalize()
        if config.model.kind == "network":
            network = architecture(config.model.layers, parts[-1].X.shape[1:], max(1, len(self.problem.classes)))
            looks = fits * config.training.epochs * len(self.problem.y)
            tell_ahead(self._ahead, title, training_s(network, looks, config.training.batch))
        with self._progress(title, fits) as advance:
            if config.model.kind != "network":
                advance = told_by_first(advance, self._ahead, title, fits)
            answers = self._crossed(parts, lambda part: rung.fit(part, config).answers, advance)
            whole = rung.fit(parts[-1], config)
            advance(1)
        footprint, unpriced = price(whole, self.problem, config, self.profile)
        over = beyond(footprint, self.profile)
        # The footprint of a model excludes its state table, so the total size is unknown.
        known = footprint is not None and not rung.extra_files(whole, self.problem)
        size = (footprint.flash.value, footprint.ram.value) if footprint is not None and known else NO_SIZE
        gain, climbed = climb.step(name, answers, fits=not over, size=size)
        self.answers[name] = answers
        return RungRecord(
            name=name,
            title=rung.title,
            says=whole.says(),
            score=self.judge.score(answers),
            gain=gain,
            against=climb.steps[name].against,
            climbed=climbed,
            footprint=footprint,
            unpriced=unpriced,
            beyond=over,
            cpu_seconds=time.process_time() - started,
        )

    def crossed(self, name: str) -> Floats:
        """Return the cross-validated predictions of a rung for every sample; computed on first use."""
        if name not in self.answers:
            rung = self.rungs[name]
            config, parts = rung.tail(self.configs[rung.columns]), self.parts(rung.columns)
            with threadpool_limits(1), self._progress(rung.title.capitalize(), len(self.folds)) as advance:
                self.answers[name] = self._crossed(parts, lambda part: rung.fit(part, config).answers, advance)
        return self.answers[name]

    def _crossed(
        self,
        parts: tuple[Part, ...],
        fit: Callable[[Part], Callable[[Indices], Floats]],
        advance: Callable[[int], None],
    ) -> Floats:
        """Return predictions for every sample by models that were not fitted on it."""
        width = max(1, len(self.problem.classes))
        answers = np.zeros((len(self.problem.y), width), np.float32)
        for fold, part in zip(self.folds, parts[:-1], strict=True):
            answers[fold.test] = self._one(fit, part, fold)
            advance(1)
        return answers

    def _one(self, fit: Callable[[Part], Callable[[Indices], Floats]], part: Part, fold: Fold) -> Floats:
        """Return the predictions for one fold; always the same class if the training samples have only one."""
        known = np.unique(part.y[fold.train])
        if self.problem.task == "classification" and len(known) < 2:
            alone = np.zeros((len(fold.test), len(self.problem.classes)), np.float32)
            alone[:, self.problem.classes.index(str(known[0]))] = 1.0
            return alone
        return fit(part)(fold.test)

    def _compare(self, climb: LadderState) -> None:
        """Compare with a linear model on the same features where the chosen rung uses features."""
        plain = self.problem.window is None
        stands = self.rungs[climb.chosen]
        linear = self.rungs.get("linear")
        if stands.columns == FEATURES and not plain and linear is not None:
            config = linear.tail(msgspec.structs.replace(self.configs[FEATURES], training=self.configs[PLAIN].training))
            self._peer(
                "linear-on-features", "a linear model on the same features", climb,
                tuple(without_copies(part) for part in self.parts(FEATURES)),
                lambda part: linear.fit(part, config).answers,
            )  # fmt: skip

    def _peer(
        self,
        name: str,
        title: str,
        climb: LadderState,
        parts: tuple[Part, ...],
        fit: Callable[[Part], Callable[[Indices], Floats]],
    ) -> None:
        started = time.process_time()
        with self._progress(title.capitalize(), len(self.folds)) as advance:
            answers = self._crossed(parts, fit, advance)
        self.answers[name] = answers
        score, gain = self.judge.score(answers), self.judge.gain(climb.answers, answers, 0.95)
        spent = time.process_time() - started
        self.peers.append(PeerRecord(name=name, title=title, score=score, gain=gain, cpu_seconds=spent))

    def _columns(self, climb: LadderState) -> tuple[str, ...]:
        """Return the input columns of the chosen rung."""
        if climb.chosen not in self.rungs:
            return ()
        return self.parts(self.rungs[climb.chosen].columns)[-1].names

    def _record(self, made: list[RungRecord], climb: LadderState, interrupted: bool, spent: float) -> LadderRecord:
        problem = self.problem
        rungs = tuple(_settled(rung, climb) for rung in made)
        units = int(problem.units.max()) + 1
        record: dict[str, Any] = verdict(rungs, self.metric, self.judge, climb, self.peers, interrupted)
        return LadderRecord(
            name=problem.name,
            target=problem.dataset.target_name,
            task=problem.task,
            samples=len(problem.y),
            columns=self._columns(climb),
            classes=problem.classes,
            kept=problem.by,
            units=units,
            folds=len(self.folds),
            held=problem.held_out,
            metric=self.metric.name,
            metric_title=self.metric.title,
            higher=self.metric.higher,
            metric_why=self.why,
            looks=self.judge.comparisons,
            smallest_p=smallest_p(units) if self.judge.few else None,
            power=power(units, problem.by) if self.judge.few else "",
            patience=self.patience,
            rungs=rungs,
            peers=tuple(self.peers),
            chosen=climb.chosen,
            beats_chance=climb.beats_chance(),
            profile=self.config.device.profile,
            notes=(*problem.notes, *leaking_columns(problem), *copied_pictures(problem, self.folds[0])),
            interrupted=interrupted,
            cpu_seconds=spent,
            **record,
        )


def _settle(climb: LadderState) -> None:
    """Choose the rung after all measurements where units are few."""
    if climb.judge.few and climb.tried:
        choose_with_few(climb)


def _settled(rung: RungRecord, climb: LadderState) -> RungRecord:
    """Return the rung with its final result."""
    step = climb.steps.get(rung.name)
    if step is None:
        return rung
    return msgspec.structs.replace(
        rung, chosen=rung.name == climb.chosen, against=step.against, gain=step.gain, climbed=step.climbed, p=step.p,
        why=step.why,
    )  # fmt: skip
