"""`commission`: anomalies of recordings whose detector learns their own beginning, and the channel to blame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import numpy as np

from edgewright.core.formatting import percent, plural
from edgewright.data.load import load_data
from edgewright.jobs.steps import Step, StepConfig, Work
from edgewright.schema.errors import InputError
from edgewright.schema.job import JobFigure, Mark, StepRecord, Stretch, Timeline
from edgewright.schema.trace import Interval
from edgewright.workflows.detection.own_start import KINDS, MEANS, Result, Setting, family, judge, left_out
from edgewright.workflows.detection.rows import Stretch as Rows
from edgewright.workflows.detection.rows import watched_of
from edgewright.workflows.detection.threshold import runs

_LABELS = ("normal", "anomaly")


class Config(StepConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Detection on recordings with labels.

    Attributes:
        data: table as `[data]` of a pipeline.
        learn: rows at the beginning of each recording that a detector learns.
        normal: labels that are normal; 0, normal, ok, good, healthy, false and no when empty.
    """

    data: dict[str, Any]
    learn: Annotated[int, msgspec.Meta(ge=20)] = 400
    normal: tuple[str, ...] = ()


def _commission(config: Config, work: Work) -> StepRecord:
    dataset = load_data(config.data, seed=0, path=work.path_of(config.data))
    dataset = msgspec.structs.replace(dataset, recordings=tuple(r for r in dataset.recordings if r.target is not None))
    names = tuple(column.name for column in dataset.columns)
    given = watched_of(dataset, None, normal=config.normal, target=dataset.target_name or "").stretches
    if not any(item.odd is not None and item.odd.any() for item in given):
        raise InputError("recordings with rows labelled as anomalies", "none", "[steps.data]", "Set target and normal")
    with work.listener.doing("Choosing on other families", len(KINDS) * len(MEANS)) as advance:
        whole, each = left_out(given, config.learn, advance)
    always = judge([np.ones(len(item.values), np.bool_) for item in given], given, config.learn)
    watched = [each[family(item.name)][1].watch(item, config.learn) for item in given]
    blamed = {name: _blamed(name, given, watched, names) for name in each}
    skill = [judge([flags], [item], config.learn).f1 for (flags, _), item in zip(watched, given, strict=True)]
    shown = int(np.argsort(skill)[len(skill) // 2])
    return StepRecord(
        says=(
            f"{plural(len(given), 'recording')}; a detector learns the first {config.learn} rows of each and judges "
            "the others. Each family is judged by the setting that was best on the other families.",
            *(f"{name}: {_says(*each[name])}. To blame: {blamed[name]}" for name in each),
        ),
        figures=(
            JobFigure(
                name="f1", title="F1 of rows", value=whole.f1,
                interval=Interval(value=whole.f1, low=whole.low, high=whole.high, method="recordings drawn again"),
            ),
            JobFigure.of("false", "normal rows called odd", whole.false),
            JobFigure.of("missed", "odd rows missed", whole.missed),
            JobFigure.of("worst", "F1 of the worst family", min(item.f1 for item, _ in each.values())),
            JobFigure.of("always", "F1 of calling every row odd", always.f1),
        ),
        timeline=_timeline(given[shown], *watched[shown], names, config.learn, dataset.rate or 1.0),
    )  # fmt: skip


def _says(result: Result, setting: Setting) -> str:
    return f"F1 {result.f1:.3f}, {percent(result.false)} of normal rows called odd, by {setting}"


def _blamed(name: str, given: Sequence[Rows], watched: Sequence[tuple[Any, Any]], names: Sequence[str]) -> str:
    """Return the channels that odd rows of a family are blamed on most."""
    counts: Counter[int] = Counter()
    for stretch, (flags, channels) in zip(given, watched, strict=True):
        if family(stretch.name) == name and stretch.odd is not None:
            counts.update(channels[flags & stretch.odd].tolist())
    total = sum(counts.values())
    return ", ".join(f"{names[c]} {percent(n / total)}" for c, n in counts.most_common(3)) if total else "none"


def _timeline(stretch: Rows, flags: Any, channels: Any, names: Sequence[str], learned: int, rate: float) -> Timeline:  # noqa: ANN401
    assert stretch.odd is not None  # noqa: S101 - labelled
    odd = stretch.odd[learned:]
    alarms = [(start, end) for start, end in runs(flags) if start >= learned]
    marks = [
        Mark(
            time=start / rate, kind="alarm" if stretch.odd[start:end].any() else "false alarm",
            text=names[int(np.bincount(channels[start:end]).argmax())],
        )
        for start, end in alarms
    ]  # fmt: skip
    marks += [
        Mark(time=(start + learned) / rate, kind="missed", text="no row called odd")
        for start, end in runs(odd)
        if not flags[start + learned : end + learned].any()
    ]
    return Timeline(
        title=f"{stretch.name}, from the rows that were learned on; an alarm names the channel to blame",
        seconds=len(stretch.values) / rate, labels=_LABELS, truth=_stretches(stretch.odd, 0, rate),
        answers=_stretches(flags[learned:], learned, rate), marks=tuple(sorted(marks, key=lambda mark: mark.time)),
    )  # fmt: skip


def _stretches(flags: Any, first: int, rate: float) -> tuple[Stretch, ...]:  # noqa: ANN401 - flags
    both = [(a, b, label) for label, side in zip(_LABELS, (~flags, flags), strict=True) for a, b in runs(side)]
    return tuple(Stretch(label=label, start=(a + first) / rate, end=(b + first) / rate) for a, b, label in sorted(both))


STEP = Step(Config, "Anomalies", _commission)
