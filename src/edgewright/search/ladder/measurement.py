"""The ladder itself: every rung on every fold, its gain over the one that stands, its price."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # of scikit-learn, without types

from edgewright.graph.stage import Emitting
from edgewright.models.architecture import architecture
from edgewright.pipeline.duration_estimate import Ahead, tell_ahead, told_by_first, training_s
from edgewright.pipeline.footprint import footprint
from edgewright.pipeline.whole_graph import graph_of
from edgewright.profiles.catalogue import load_profile
from edgewright.profiles.footprint import Footprint
from edgewright.schema.config import PipelineConfig
from edgewright.schema.data import Floats
from edgewright.schema.errors import EdgewrightError
from edgewright.schema.ladder import LadderRecord, PeerRecord, RungRecord
from edgewright.schema.profile import Profile
from edgewright.search.ladder.contract import FEATURES, PLAIN, Columns, Fitted, Part, Rung, ladder_rungs
from edgewright.search.ladder.features import config_of, part_of
from edgewright.search.ladder.leakage import telling
from edgewright.search.ladder.metrics import choose, codes, groups_of
from edgewright.search.ladder.model_comparison import NO_SIZE, PATIENCE, Climb, Judge, choose_with_few
from edgewright.search.ladder.verdict import verdict
from edgewright.search.problem import Fold, Indices, Problem, folds
from edgewright.training.metrics import FEW_GROUPS
from edgewright.training.permutation_test import power, smallest_p

_FLOAT_BITS = 32


def beyond(footprint: Footprint | None, profile: Profile) -> str:
    """Return what of the device a footprint exceeds even at the low end of its interval; empty where it may fit."""
    if footprint is None:
        return ""
    pairs = (("flash", footprint.flash, profile.flash.value), ("RAM", footprint.ram, profile.ram.value))
    return " and ".join(name for name, spread, limit in pairs if spread.low > limit)


def price(fitted: Fitted, problem: Problem, config: PipelineConfig, profile: Profile) -> tuple[Footprint | None, str]:
    """Estimate a fitted rung in the form that a run would deploy; None with the reason where it has none.

    Args:
        fitted: the rung.
        problem: its samples' shape.
        config: of its run: says whether int8 is made.
        profile: of the device.
    """
    steps = list(fitted.steps())
    if not isinstance(steps[-1][1], Emitting):
        return None, "it has no ONNX form"
    shape = tuple(int(n) for n in problem.samples.X.shape[1:])
    buffer = 4 * int(problem.samples.X[0].size) if problem.window is not None else 0
    try:
        graph = graph_of(steps, shape, config.name, problem.samples.columns)
        bits = 8 if config.compression.int8 else _FLOAT_BITS
        return footprint(profile, graph, bits=bits, buffer_bytes=buffer), ""
    except EdgewrightError as error:
        return None, str(error)


FOLDS = 5
Doing = Callable[[str, int | None], AbstractContextManager[Callable[[int], None]]]


def without_copies(part: Part) -> Part:
    """Return the part without changed copies of training samples."""
    return replace(part, extra=None)


class Ladder:
    """A problem with its folds and what stands behind the common stages, computed once a fold.

    Args:
        problem: to be judged.
        config: of the pipeline; its stages are the common ones, or defaults by the kind of data.
        doing: shows progress.
        ahead: told what long training will take.
        metric: name; chosen by the target when empty.
        patience: rungs without a gain over one that was climbed after which nothing is tried; 0 tries all.
        rungs: only these; all when empty.
    """

    def __init__(
        self,
        problem: Problem,
        config: PipelineConfig,
        doing: Doing,
        ahead: Ahead = lambda _: None,
        *,
        metric: str = "",
        patience: int = PATIENCE,
        rungs: tuple[str, ...] = (),
    ) -> None:
        self.problem, self.patience, self._doing = problem, patience, doing
        self.config, self._ahead = config, ahead
        self.configs = {columns: config_of(config, problem, columns) for columns in (PLAIN, FEATURES)}
        self.profile = load_profile(config.device.profile)
        self.metric, self.why = choose(problem, metric)
        self.rungs = ladder_rungs(rungs)
        self.offered = {name: rung for name, rung in self.rungs.items() if not rung.lacks(problem)}
        units = int(problem.units.max()) + 1
        self.folds = folds(problem, FOLDS, seed=config.seed, leave_one_out=units <= FEW_GROUPS)
        kept = problem.by if units <= 50 else f"fifty random sets of {problem.by}s"
        self.judge = Judge(self.metric, codes(problem), groups_of(problem), kept, max(1, len(self.offered) - 1))
        self._parts: dict[bytes, tuple[Part, ...]] = {}
        self.answers: dict[str, Floats] = {}
        self.peers: list[PeerRecord] = []

    def climb(self) -> LadderRecord:
        """Measure from the bottom until patience ends; Ctrl-C keeps what was measured."""
        started, climb = time.process_time(), Climb(self.judge, self.patience)
        made: list[RungRecord] = []
        interrupted = False
        try:
            # Products of small matrices are slower on several threads.
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

    def _all(self, climb: Climb, made: list[RungRecord]) -> None:
        for name, rung in self.rungs.items():
            made.append(self._rung(name, rung, climb))
        _settle(climb)
        self._compare(climb)

    def parts(self, columns: Columns) -> tuple[Part, ...]:
        """Sample behind the common stages, fold by fold, the last fitted on all; computed once."""
        config = self.configs[columns]
        key = msgspec.json.encode((config.stages, config.training.augment))
        if key not in self._parts:
            every = np.arange(len(self.problem.y), dtype=np.int64)
            with self._doing(f"{columns.capitalize()}, fold by fold", len(self.folds) + 1) as advance:
                advance = told_by_first(advance, self._ahead, columns.capitalize(), len(self.folds) + 1)
                made = []
                for train in (*(fold.train for fold in self.folds), every):
                    made.append(part_of(self.problem, config, train))
                    advance(1)
            self._parts[key] = tuple(made)
        return self._parts[key]

    def _rung(self, name: str, rung: Rung, climb: Climb) -> RungRecord:
        lacks = rung.lacks(self.problem)
        if lacks:
            return RungRecord(name=name, title=rung.title, left_out=lacks)
        if climb.tired:
            return RungRecord(name=name, title=rung.title, left_out="not tried")
        started = time.process_time()
        config, parts = rung.tail(self.configs[rung.columns]), self.parts(rung.columns)
        fits, title = len(self.folds) + 1, rung.title.capitalize()
        if config.model.kind == "network":
            network = architecture(config.model.layers, parts[-1].X.shape[1:], max(1, len(self.problem.classes)))
            looks = fits * config.training.epochs * len(self.problem.y)
            tell_ahead(self._ahead, title, training_s(network, looks, config.training.batch))
        with self._doing(title, fits) as advance:
            if config.model.kind != "network":
                advance = told_by_first(advance, self._ahead, title, fits)
            answers = self._crossed(parts, lambda part: rung.fit(part, config).answers, advance)
            whole = rung.fit(parts[-1], config)
            advance(1)
        footprint, unpriced = price(whole, self.problem, config, self.profile)
        over = beyond(footprint, self.profile)
        # A state table beside a model is no part of its footprint: how large both are is not known.
        known = footprint is not None and not rung.beside(whole, self.problem)
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
        """Answers of a rung to every sample, by fits that had not seen its unit; made now where nobody asked before."""
        if name not in self.answers:
            rung = self.rungs[name]
            config, parts = rung.tail(self.configs[rung.columns]), self.parts(rung.columns)
            with threadpool_limits(1), self._doing(rung.title.capitalize(), len(self.folds)) as advance:
                self.answers[name] = self._crossed(parts, lambda part: rung.fit(part, config).answers, advance)
        return self.answers[name]

    def _crossed(
        self,
        parts: tuple[Part, ...],
        fit: Callable[[Part], Callable[[Indices], Floats]],
        advance: Callable[[int], None],
    ) -> Floats:
        """Return answers to every sample by a model that was not fitted on it."""
        width = max(1, len(self.problem.classes))
        answers = np.zeros((len(self.problem.y), width), np.float32)
        for fold, part in zip(self.folds, parts[:-1], strict=True):
            answers[fold.test] = self._one(fit, part, fold)
            advance(1)
        return answers

    def _one(self, fit: Callable[[Part], Callable[[Indices], Floats]], part: Part, fold: Fold) -> Floats:
        """Return a fold; where training has one class only, there is nothing to learn but that."""
        known = np.unique(part.y[fold.train])
        if self.problem.task == "classification" and len(known) < 2:
            alone = np.zeros((len(fold.test), len(self.problem.classes)), np.float32)
            alone[:, self.problem.classes.index(str(known[0]))] = 1.0
            return alone
        return fit(part)(fold.test)

    def _compare(self, climb: Climb) -> None:
        """Where features were climbed to: whether they need the rung that stands."""
        plain = self.problem.samples.X.ndim == 2
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
        climb: Climb,
        parts: tuple[Part, ...],
        fit: Callable[[Part], Callable[[Indices], Floats]],
    ) -> None:
        started = time.process_time()
        with self._doing(title.capitalize(), len(self.folds)) as advance:
            answers = self._crossed(parts, fit, advance)
        self.answers[name] = answers
        score, gain = self.judge.score(answers), self.judge.gain(climb.answers, answers, 0.95)
        spent = time.process_time() - started
        self.peers.append(PeerRecord(name=name, title=title, score=score, gain=gain, cpu_seconds=spent))

    def _columns(self, climb: Climb) -> tuple[str, ...]:
        """Return what the rung that stands sees."""
        if climb.chosen not in self.rungs:
            return ()
        return self.parts(self.rungs[climb.chosen].columns)[-1].names

    def _record(self, made: list[RungRecord], climb: Climb, interrupted: bool, spent: float) -> LadderRecord:
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
            held=problem.held,
            metric=self.metric.name,
            metric_title=self.metric.title,
            higher=self.metric.higher,
            metric_why=self.why,
            looks=self.judge.looks,
            smallest_p=smallest_p(units) if self.judge.few else None,
            power=power(units, problem.by) if self.judge.few else "",
            patience=self.patience,
            rungs=rungs,
            peers=tuple(self.peers),
            chosen=climb.chosen,
            profile=self.config.device.profile,
            notes=(*problem.notes, *telling(problem)),
            interrupted=interrupted,
            cpu_seconds=spent,
            **record,
        )


def _settle(climb: Climb) -> None:
    """With few units the choice is made when all rungs are measured."""
    if climb.judge.few and climb.tried:
        choose_with_few(climb)


def _settled(rung: RungRecord, climb: Climb) -> RungRecord:
    """Return the rung with what became of it in the end."""
    step = climb.steps.get(rung.name)
    if step is None:
        return rung
    return msgspec.structs.replace(
        rung, chosen=rung.name == climb.chosen, against=step.against, gain=step.gain, climbed=step.climbed, p=step.p,
        why=step.why,
    )  # fmt: skip
