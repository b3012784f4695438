"""The ladder: a race of one heat that tests the gain of each rung over the chosen one; and the run of a rung."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import numpy as np

from edgewright.core.files import write_atomic
from edgewright.data.leakage import near_copies
from edgewright.pipeline.cost.duration_estimate import Ahead, Progress, told_by_first
from edgewright.pipeline.run import RunResult, run_pipeline
from edgewright.pipeline.run_folder.job import Crossed
from edgewright.pipeline.run_folder.listener import Listener
from edgewright.race.contract import candidates
from edgewright.race.metrics import codes
from edgewright.race.pipeline_end import entrant_of, entrants_of
from edgewright.race.problem import Problem
from edgewright.race.race import Race, Standing
from edgewright.schema.config import PipelineConfig
from edgewright.schema.data import Floats
from edgewright.schema.errors import InputError
from edgewright.schema.race import LadderRecord, RungRecord
from edgewright.schema.trace_flow import encode_record
from edgewright.search.ladder.model_comparison import NO_SIZE, PATIENCE, LadderState, choose_with_few, verdict
from edgewright.search.ladder.setup import leaking_columns
from edgewright.training.losses import LOSSES, temperature
from edgewright.training.metrics import FEW_GROUPS
from edgewright.training.permutation_test import power, smallest_p


class Ladder(Race):
    """A race from simple to complex: every rung answers every fold, until some in a row bring no gain.

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
        self.config, self.patience, self._progress, self._ahead = config, patience, progress, ahead
        self.rungs = {name: rung for name, rung in candidates(rungs).items() if rung.rung}
        self.units = int(problem.units.max()) + 1
        super().__init__(
            problem, entrants_of(problem, config, self.rungs), config.device.profile, seed=config.seed, metric=metric,
            leave_one_out=self.units <= FEW_GROUPS, whole=True,
        )  # fmt: skip
        self._by_name = {standing.entrant.name: standing for standing in self.standings}
        self.judge = self.judge_of(self.heats.whole.train, max(1, len(self.standings) - 1))

    def climb(self) -> LadderRecord:
        """Measure the rungs from the lowest until the patience is exhausted; Ctrl-C keeps the results so far.

        Raises:
            InputError: no rung accepts the samples.
        """
        started, state, interrupted = time.process_time(), LadderState(self.judge, self.patience), False
        try:
            with self.spreading(self.standings, self.heats.every):
                for standing in self.standings:
                    if state.tired:
                        standing.note(left_out="not tried")
                    else:
                        self._measure(standing)
                        self._step(state, standing)
            self.refuse_unmeasured()
        except KeyboardInterrupt:
            interrupted = True
            for standing in self.standings:
                if not standing.record.heats and not standing.record.left_out:
                    standing.note(left_out="interrupted")
        if self.judge.few and state.measured_rungs:
            choose_with_few(state)
        return self._record(state, interrupted, time.process_time() - started)

    def standing(self, name: str) -> Standing:
        """Return a candidate with what is known of it, whether the ladder climbs it or not.

        Raises:
            UnknownNameError: there is no such candidate.
            InputError: the problem cannot use it.
        """
        if name not in self._by_name:
            candidate = candidates((name,))[name]
            if reason := candidate.unsupported_reason(self.problem):
                raise InputError("a rung that fits this problem", f"{name}: {reason}", "--run")
            self._by_name[name] = Standing.of(entrant_of(name, candidate, self.problem, self.config))
        return self._by_name[name]

    def crossed(self, name: str) -> Floats:
        """Return the cross-validated predictions of a rung for every sample; computed on first use.

        Raises:
            InputError: it does not accept the samples.
        """
        standing = self.standing(name)
        if not standing.record.heats:
            self._measure(standing)
        if standing.record.left_out:
            raise InputError("a rung that accepts the samples", f"{name}: {standing.record.left_out}", "--run")
        joined = standing.joined(self.heats.every)
        answers = np.empty_like(joined)
        answers[np.concatenate([fold.queries for fold in self.heats.every])] = joined
        return answers

    def _measure(self, standing: Standing) -> None:
        title, fits = standing.record.title.capitalize(), len(self.heats.every) + 1
        with self._progress(title, fits) as advance:
            self.measure(standing, self.heats.every, told_by_first(advance, self._ahead, title, fits))

    def _step(self, state: LadderState, standing: Standing) -> None:
        record, fitted, entrant = standing.record, standing.fitted, standing.entrant
        if fitted is None or record.left_out:
            return
        # The footprint of a model excludes its state table, so the total size is unknown.
        known = not entrant.candidate.extra_files(fitted, self.problem)
        size = (record.footprint.flash.value, record.footprint.ram.value) if record.footprint and known else NO_SIZE
        state.step(entrant.name, self.crossed(entrant.name), fits=not record.beyond, size=size)

    def _rung(self, name: str, state: LadderState) -> RungRecord:
        """Return the record of a rung with its final result."""
        if name not in self._by_name:
            reason = self.rungs[name].unsupported_reason(self.problem)
            return RungRecord(name=name, title=self.rungs[name].title, left_out=reason)
        rung = RungRecord(**msgspec.structs.asdict(self._by_name[name].record))
        step = state.steps.get(name)
        if step is None:
            return rung
        return msgspec.structs.replace(rung, chosen=name == state.chosen, **vars(step))

    def _record(self, state: LadderState, interrupted: bool, spent: float) -> LadderRecord:
        problem, first = self.problem, self.heats.folds[0]
        rungs = tuple(self._rung(name, state) for name in self.rungs)
        chosen = self._by_name.get(state.chosen)
        verdict_text, stopped = verdict(rungs, self.metric, state, interrupted)
        return LadderRecord(
            **self.facts(),
            name=problem.name,
            target=problem.dataset.target_name,
            task=problem.task,
            columns=() if chosen is None else self.heats.part(self.heats.whole, chosen.entrant.config).names,
            classes=problem.classes,
            folds=len(self.heats.every),
            left_out=problem.held_out,
            looks=self.judge.comparisons,
            smallest_p=smallest_p(self.units) if self.judge.few else None,
            power=power(self.units, problem.by) if self.judge.few else "",
            patience=self.patience,
            rungs=rungs,
            chosen=state.chosen,
            beats_chance=state.beats_chance(),
            verdict=verdict_text,
            stopped=stopped,
            notes=(
                *problem.notes,
                *(sentence for _, sentence in leaking_columns(problem)),
                *(finding.sentence for finding in near_copies(problem.samples, first.train, first.test)),
            ),
            interrupted=interrupted,
            cpu_seconds=spent,
        )


LADDER_FILE = "ladder.json"


def rung_config(ladder: Ladder, name: str) -> PipelineConfig:
    """Return the pipeline of a rung, named after the pipeline and the rung.

    Raises:
        UnknownNameError: there is no such rung.
        InputError: the problem cannot use the rung.
    """
    config = ladder.standing(name).entrant.config
    held_out = bool(ladder.problem.held_out)
    split = msgspec.structs.replace(config.split, validation=0.0, validation_groups=())
    if not held_out:
        split = msgspec.structs.replace(split, test_groups=_compared(ladder))
    return msgspec.structs.replace(
        config, name=run_name(config.name, name), scaling=None, split=split, refit=not held_out
    )


def run_name(of: str, rung: str) -> str:
    """Return the name of the run of a rung."""
    return f"{of}-{rung.replace('_', '-')}"[:64]


def _compared(ladder: Ladder) -> tuple[str, ...]:
    """Return the group on which the forms of a model are compared where groups are few.

    It is the largest group whose classes all occur in other groups too; empty where there is none.
    """
    problem, groups = ladder.problem, ladder.problem.samples.groups
    if not ladder.judge.few or problem.by != "group" or groups is None:
        return ()
    names, counts = np.unique(groups, return_counts=True)
    for name in names[np.argsort(-counts, kind="stable")]:
        if problem.task != "classification" or len(np.unique(problem.y[groups != name])) == len(problem.classes):
            return (str(name),)
    return ()


def crossed_of(ladder: Ladder, name: str) -> Crossed:
    """Return the cross-validated predictions and scores of a rung; computed on first use."""
    problem = ladder.problem
    answers = ladder.crossed(name)
    heat = 1.0
    if problem.task == "classification":
        logits = np.log(np.clip(answers, 1e-7, 1.0))
        heat = temperature(logits, codes(problem), LOSSES["softmax_cross_entropy"])
    return Crossed(
        answers=answers, classes=problem.classes, kept=problem.by, folds=len(ladder.heats.every), units=problem.units,
        scores={ladder.metric.title: ladder.judge.score(answers)}, temperature=heat, evaluates=not problem.held_out,
    )  # fmt: skip


def run_rung(
    ladder: Ladder,
    name: str,
    *,
    out: Path,
    force: bool = False,
    listener: Listener | None = None,
    command: str = "",
    record: LadderRecord | None = None,
) -> RunResult:
    """Run the pipeline of a rung; its additional files and the ladder record are written to the run folder.

    The model is fitted on all samples of the ladder, and the reported scores are those of the ladder's folds. Where
    the ladder holds out groups, the model never sees them and the test report uses them.

    Args:
        ladder: ladder of the problem; it does not have to be climbed.
        name: name of the rung.
        out: folder of runs.
        force: replace an existing run folder of this name.
        listener: receives the events of the run.
        command: command line for the provenance.
        record: record of the ladder, if it was climbed.
    """
    config = rung_config(ladder, name)
    crossed = crossed_of(ladder, name)
    result = run_pipeline(config, out=out, force=force, listener=listener, command=command, crossed=crossed)
    standing = ladder.standing(name)
    if standing.fitted is not None:
        for file, content in standing.entrant.candidate.extra_files(standing.fitted, ladder.problem).items():
            write_atomic(result.folder / file, content)
    if record is not None:
        write_atomic(result.folder / LADDER_FILE, encode_record(record))
    return result
