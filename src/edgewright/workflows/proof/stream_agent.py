"""What the agent decides over the rows of a stream, by the answers of any predictor, and alarms made to try it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.predictor import Predictor
from edgewright.device.agent.batch_prediction import Answerer, answered
from edgewright.device.agent.feed import Cut, Cutter
from edgewright.device.agent.package_slots import Proven
from edgewright.device.agent.stream_decisions import Judge
from edgewright.device.timeline_settings import Ready
from edgewright.schema.device import DecisionSpec
from edgewright.schema.package import Manifest
from edgewright.workflows.proof.rows import Chosen
from edgewright.workflows.proof.stream_rows import StreamRows, behind, joined, stretches

# Labels whose alarms are tried.
_ALARMS = 3


class CompiledPredictor(Predictor):
    """A predictor whose answers the compiled model gives."""

    def __init__(self, own: Predictor, model: Any) -> None:  # noqa: ANN401 - `_c_host.CModel`
        super().__init__(own.package, form=own.form, engine=own.engine.name, self_test=False)
        self._run = lambda samples: _outputs(model.predict(samples))


def _outputs(answer: Any) -> dict[str, NDArray[Any]]:  # noqa: ANN401 - `_c_host.CAnswer`
    """Outputs as an engine names them."""
    found: dict[str, NDArray[Any]] = dict(answer.outputs)
    if "probabilities" in found:
        shown = found["probabilities"] = found["probabilities"].reshape(len(answer.flags), -1)
        chance = shown if shown.shape[1] > 1 else np.concatenate([1 - shown, shown], axis=1)
        found.setdefault("label", chance.argmax(axis=1))
        found.setdefault("confidence", chance.max(axis=1))
    return found


def cut_rows(rows: StreamRows, manifest: Manifest) -> list[Cut]:
    """Samples of the rows, one a cut, as the agent cuts them where rows come as the firmware has them."""
    window, made = manifest.window, []
    cutter = Cutter(window, rows.values.shape[1])
    times, well = rows.times, np.ones(1, np.bool_)
    for begin, end in stretches(rows):
        each = window.step if window is not None else 1
        for at in range(begin, end, each):
            part = slice(at, min(at + each, end))
            values, healthy = rows.values[part], np.repeat(well, part.stop - part.start)
            cut = cutter.push(Ready(values=values, time=times[part], gap_before=at == begin, healthy=healthy))
            if cut is not None:
                made.append(cut)
    return made


def decided(rows: StreamRows, manifest: Manifest, predictor: Predictor) -> list[tuple[int, str, bool]]:
    """Number of the row, label, and whether it is an alarm, of each decision."""
    cuts = cut_rows(rows, manifest)
    judge = judge_of(predictor, rows.rate, manifest.decision)
    if not cuts:
        return []
    answers, made = predictor.predict(np.concatenate([cut.samples for cut in cuts])), []
    for place, cut in enumerate(cuts):
        row = int(rows.numbers[int(np.searchsorted(rows.times, cut.times[0]))])
        made += [
            (row, one.decided, one.alarm)
            for one in judge.take(answered(cut, answers, slice(place, place + 1)))[0]
            if one.decided
        ]
    return made


def alarm_rows(chosen: Chosen, manifest: Manifest, rate: float, predictor: Predictor) -> StreamRows | None:
    """Alarms of one label just before its refractory time is over, just when it is, and just after.

    Args:
        chosen: samples.
        manifest: whose decision is tried.
        rate: rows a second.
        predictor: by whose answers it decides.

    Returns:
        Rows, or None where no label raises two alarms.
    """
    spec = manifest.decision
    samples = chosen.samples if chosen.samples.ndim == 3 else chosen.samples[:, :, None]
    length, step = samples.shape[2], manifest.window.step if manifest.window else 1
    times = math.ceil((spec.smoothing + spec.debounce + 1) * step / length) + 1
    answers = predictor.predict(chosen.samples)
    quiet = math.ceil(max(0.0, spec.refractory) * rate)
    made: StreamRows | None = None
    for label in [label for label in spec.alarms if label in answers.labels][:_ALARMS]:
        others = np.flatnonzero(answers.labels != label)
        if not len(others):
            continue
        mine = np.flatnonzero(answers.labels == label)
        sure, other = (int(part[np.argmax(answers.confidence[part])]) for part in (mine, others))
        first = joined(samples, [other] * times + [sure] * times, chosen.origins, rate)
        far = int(quiet + 10 * length)
        twice = behind(first, far).followed_by(behind(first, 1))
        found = [row for row, name, _ in decided(twice, manifest, predictor) if name == label]
        if len(found) != 2:
            continue
        apart = found[1] - found[0]
        for target in (quiet - 1, quiet, quiet + 1) if quiet > apart + 1 else (apart,):
            part = behind(first, far).followed_by(behind(first, 1 + target - apart))
            made = part if made is None else made.followed_by(part)
    return made


def judge_of(predictor: Predictor, rate: float, spec: DecisionSpec) -> Judge:
    """What follows the answers of a stream in the agent."""
    proven = Proven(name=predictor.manifest.name, predictor=predictor)
    return Judge(Answerer(proven, ("*",), rate, spec), math.inf, ruled=False)
