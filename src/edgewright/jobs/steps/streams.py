"""`streams`: early alarms on single streams by a detector that learns their own past, families of streams left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgewright.core.formatting import plural
from edgewright.data.load import load_data
from edgewright.jobs.group_figures import over_groups, with_and_without
from edgewright.jobs.steps import Step, StepConfig, Work
from edgewright.schema.data import Recording
from edgewright.schema.errors import InputError
from edgewright.schema.job import JobFigure, StepRecord
from edgewright.training.metrics import Numbers
from edgewright.workflows.detection.early_alarms import STANDARD, Array, Series, benchmark_score, windowed_gaussian
from edgewright.workflows.detection.own_past_choice import FORMS, family, left_out
from edgewright.workflows.detection.threshold import runs


class Config(StepConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Detection on streams of one channel, whose labels are windows of rows.

    Attributes:
        data: table as `[data]` of a pipeline; a recording is a stream, and those of a family share a folder.
        odd: label of rows in a window.
    """

    data: dict[str, Any]
    odd: str = "anomaly"


def _streams(config: Config, work: Work) -> StepRecord:
    dataset = load_data(config.data, seed=0, path=work.path_of(config.data))
    given = [_series(recording, config.odd) for recording in dataset.recordings]
    with work.listener.doing("Choosing on other families", len(given) * len(FORMS)) as advance:
        result = left_out(given, STANDARD, advance)
    names = list(result.each)
    gaussian = [
        benchmark_score({s.name: windowed_gaussian(s.values) >= 1 for s in part}, part, STANDARD)[0]
        for name in names
        for part in ([s for s in given if family(s.name) == name],)
    ]
    windows, scores, simple = (
        np.array([result.windows[n] for n in names]),
        np.array([*result.each.values()]),
        np.array(gaussian),
    )

    def score(each: Array) -> Callable[[Numbers], float]:
        return lambda rows: float(np.average(each[rows], weights=windows[rows]))

    over = (score(scores), score(simple))
    return StepRecord(
        says=(
            f"{plural(len(given), 'stream')} with {plural(int(windows.sum()), 'window')}. 100 is every window found at "
            "its first row without a false alarm, 0 no alarm at all (scoring of NAB, standard profile). Each family is "
            f"judged by the one of {result.settings:,} settings that was best on the other families; {result.same} of "
            f"{len(names)} choices are the one made on all.",
            *(f"{name}: {scores[at]:.1f}, windowed Gaussian {simple[at]:.1f}" for at, name in enumerate(names)),
        ),
        figures=(
            *with_and_without("score", "score of early alarms", names, int(scores.argmin()), over[0], unit="1"),
            over_groups("gaussian", "the same of a windowed Gaussian", np.arange(len(names)), over[1], unit="1"),
            JobFigure.of("worst", "score of the worst family", float(scores.min()), "1"),
        ),
    )


def _series(recording: Recording, odd: str) -> Series:
    if recording.target is None or recording.time is None or recording.values.shape[1] != 1:
        got = f"{plural(recording.values.shape[1], 'channel')}" if recording.target is not None else "no labels"
        raise InputError(
            "streams of one channel with time and labels", got, recording.name, "Set target, time and ignore"
        )
    windows = tuple((first, end - 1) for first, end in runs(recording.target == odd))
    return Series(recording.name, recording.time, recording.values[:, 0].astype(np.float64), windows)


STEP = Step(Config, "Early alarms on streams", _streams)
