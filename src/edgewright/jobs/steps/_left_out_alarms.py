"""Alarms of groups that a fit has not seen: their whole recordings, as they are and as a device gets them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np

from edgewright.core.input.windows import cut
from edgewright.core.package import read_package
from edgewright.core.predictor import Predictor, package_path
from edgewright.data.load import load_data
from edgewright.jobs.alarm_figures import Spans, Truth, alarm_figures, seconds_of, timed, truth_of, within
from edgewright.jobs.steps import Ran, Work
from edgewright.jobs.steps.quality import Gate, gate_of, windows_of
from edgewright.schema.device import DecisionSpec
from edgewright.schema.errors import InputError
from edgewright.schema.job import JobFigure
from edgewright.workflows.detection.threshold import runs
from edgewright.workflows.tuning.grid import Tally, decisions, tally
from edgewright.workflows.tuning.recordings import Tape, parts_of, tapes_of
from edgewright.workflows.tuning.selection import Cost
from edgewright.workflows.tuning.workflow import TuningRequest, tune, usual_tolerance

_DAY_HOURS = 24


class Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the signal reaches the device.

    Attributes:
        data: keys of the pipeline's `[data]` that differ.
        signal: table of the raw signal whose bad windows a gate refuses first; no gate when empty.
    """

    data: dict[str, Any] = {}
    signal: dict[str, Any] = {}


class LeftOutAlarms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Alarms of whole recordings.

    Attributes:
        decision: how answers become alarms, with their labels.
        hourly: false alarms an hour that each fit's validation groups accept: on them the rest of the decision is
            tuned; 0 takes it as it is.
        rows: of one label in a row that are an event; fewer call for nobody.
        tolerance: seconds after an event in which an alarm belongs to it; a window and a step when 0.
        gate: table of the raw signal as it should be, on which the gate of each group is fitted without that group.
        window: rows of a window of the gate.
        conditions: of further judgements by the same fits, by the names that their figures begin with.
    """

    decision: DecisionSpec
    hourly: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    rows: Annotated[int, msgspec.Meta(ge=1)] = 1
    tolerance: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    gate: dict[str, Any] = {}
    window: Annotated[int, msgspec.Meta(ge=4)] = 720
    conditions: dict[str, Condition] = {}


@dataclass
class AlarmTallies:
    """What alarms did for each group, filled fold by fold.

    Args:
        config: what is judged.
        ran: the run whose pipeline is fitted.
        work: the job in progress.
    """

    config: LeftOutAlarms
    ran: Ran
    work: Work
    tallies: dict[str, dict[str, list[Tally]]] = field(default_factory=dict)
    refused: dict[str, dict[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        config, ran = self.config, self.ran
        if not config.decision.alarms:
            raise InputError("labels that alarm", "none", f"{self.work.folder.name} job.toml", "Set decision.alarms")
        self._whole = load_data(ran.config.data, seed=ran.config.seed, path=ran.data)
        self._truth = truth_of(self._whole, config.decision.alarms, config.rows)
        called = {group for (_, group), truth in self._truth.items() if truth.events}
        if len(called) < 2:
            expected = f"events of {' or '.join(config.decision.alarms)} of at least two groups"
            raise InputError(
                expected, f"those of {len(called)}, among {len(self._whole.groups)}", self._whole.name,
                "Read the whole set",
            )  # fmt: skip
        self._datasets = {
            name: load_data({**ran.config.data, **condition.data}, seed=ran.config.seed, path=ran.data)
            for name, condition in config.conditions.items()
        }
        self._bad = {name: self._refusals(name, condition) for name, condition in config.conditions.items()}

    def judge(self, run_folder: Path, groups: Sequence[str]) -> None:
        """Judge groups by a fit that has not seen them.

        Args:
            run_folder: of the fit.
            groups: names.
        """
        package = read_package(package_path(run_folder))
        predictor = Predictor(package)
        spec = self.config.decision
        if self.config.hourly:
            request = TuningRequest(Cost(1.0, 1.0), maximum=_DAY_HOURS * self.config.hourly, alarms=spec.alarms)
            spec = tune(run_folder, request, out=run_folder.parent / "tuned").record.decision
        for name, dataset in {"": self._whole, **self._datasets}.items():
            mine = [group for group in groups if group in dataset.groups]
            if not mine:
                continue
            tapes = timed(tapes_of(predictor, dataset, spec.alarms, mine)[0], dataset)
            for tape in tapes:
                truth = self._truth.get((tape.name, tape.group))
                if truth is None:
                    raise InputError("recordings of the pipeline's data", tape.name, f"conditions.{name}.data")
                audible = _audible(tape, truth, self._bad.get(name, {}).get(tape.group, truth.unknown[:0]))
                tolerance = self.config.tolerance or usual_tolerance(package.manifest, tape)
                decided = decisions(audible, spec, package.manifest.labels)
                sounded = [
                    (package.manifest.labels[decision.label], decision.time) for decision in decided if decision.alarm
                ]
                mine_tallies = self.tallies.setdefault(name, {}).setdefault(tape.group, [])
                mine_tallies.append(tally(audible, sounded, tolerance))

    @cached_property
    def _gates(self) -> dict[str, Gate]:
        """Gates by group, each fitted on the windows of the others."""
        gate = self.config.gate
        samples, path = self.config.window, self.work.path_of(gate)
        clean = windows_of(load_data(gate, seed=0, path=path), samples, samples // 2)
        if len(clean) < 2:
            raise InputError("a good signal of at least two groups", str(len(clean)), "gate")
        return {
            group: gate_of(np.concatenate([windows for other, windows in clean.items() if other != group]))
            for group in clean
        }

    def _refusals(self, name: str, condition: Condition) -> dict[str, Spans]:
        """Return by group the seconds from which to which windows of its signal are refused, shape (n, 2)."""
        if not condition.signal:
            return {}
        if not self.config.gate:
            expected = "the table `gate` of the signal as it should be"
            raise InputError(expected, "none", f"{self.work.folder.name} job.toml, conditions.{name}")
        samples, step = self.config.window, self.config.window // 2
        noisy = load_data(condition.signal, seed=0, path=self.work.path_of(condition.signal))
        refused: dict[str, Spans] = {}
        for recording in noisy.recordings:
            for group, start, end in parts_of(recording):
                if group not in self._gates:
                    raise InputError("the signal of each group as it should be", f"none of {group}", noisy.name)
                windows, starts = cut(np.ascontiguousarray(recording.values[start:end]), samples, step)
                flags = self._gates[group].flags(windows)
                time = seconds_of(recording, noisy.rate)[start:end]
                spans = np.stack([time[starts[flags]], time[starts[flags] + samples - 1]], axis=1)
                refused[group] = np.concatenate([refused.get(group, spans[:0]), spans])
                self.refused.setdefault(name, {})[group] = float(flags.mean())
        return refused

    def figures(self) -> tuple[list[JobFigure], list[str]]:
        """Return figures, and a sentence of each condition about every group."""
        figures, sentences = [], []
        for name, tallies in self.tallies.items():
            prefix, title = (f"{name}_", f"{name}: ") if name else ("", "")
            more, each = alarm_figures(tallies, self.config.decision.alarms, prefix, title)
            if refused := self.refused.get(name):
                share = float(np.mean(list(refused.values())))
                more.append(JobFigure.of(f"{prefix}refused", f"{title}windows of the signal refused", share))
            figures += more
            sentences.append(f"{title or 'By group: '}{each}")
        return figures, sentences


def _audible(tape: Tape, truth: Truth, refused: Spans) -> Tape:
    """Return a tape with the events that are known: refused answers are none, and unlabelled time is cut out."""
    pieces = []
    for answers, times in tape.pieces:
        sure = np.where(within(times, refused)[:, None], np.float32(np.nan), answers)
        pieces += [(sure[first:after], times[first:after]) for first, after in runs(~within(times, truth.unknown))]
    return replace(tape, pieces=tuple(pieces), events=truth.events)
