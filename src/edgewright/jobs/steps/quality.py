"""`quality`: a gate for windows of a bad signal, and what it refuses of groups that it was not fitted on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.formatting import percent, plural
from edgewright.core.input.windows import cut
from edgewright.data.load import load_data
from edgewright.jobs.group_figures import ratio, with_and_without
from edgewright.jobs.steps import Step, StepConfig, Work
from edgewright.monitor.detector_stream import window_features, write_detector
from edgewright.schema.data import DataSet, Floats
from edgewright.schema.detector import DetectorSpec, Threshold
from edgewright.schema.errors import InputError
from edgewright.schema.job import JobFigure, StepRecord
from edgewright.schema.package import WindowSpec
from edgewright.training.metrics import SHARE
from edgewright.workflows.detection.faults import FAULTS, damaged
from edgewright.workflows.detection.fit import configured, learn, scored
from edgewright.workflows.detection.rows import Stretch, named
from edgewright.workflows.tuning.recordings import parts_of

_KIND = "limits"
# Share of the windows that a gate is fitted on, and refuses.
_REFUSED = 0.001


class Config(StepConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A gate: a detector `limits` on windows of a signal, for `[[detectors]]` with `gate = true`.

    Attributes:
        data: table of the signal, as `[data]` of a pipeline.
        samples: rows of a window.
        step: rows from one window to the next; half a window when 0.
        refused: share of the windows it is fitted on that it may refuse.
    """

    data: dict[str, Any]
    samples: Annotated[int, msgspec.Meta(ge=4)]
    step: Annotated[int, msgspec.Meta(ge=0)] = 0
    refused: Annotated[float, msgspec.Meta(gt=0, lt=0.5)] = _REFUSED


class Gate(msgspec.Struct, frozen=True):
    """What was learnt, and from where on a window is refused."""

    learnt: dict[str, Any]
    limit: float

    def flags(self, windows: Floats) -> NDArray[np.bool_]:
        """Return whether each window is refused."""
        return np.asarray(_scores(self.learnt, windows) >= self.limit)

    def refuses(self, windows: Floats) -> float:
        """Return the share of windows that is refused."""
        return float(self.flags(windows).mean())


def _quality(config: Config, work: Work) -> StepRecord:
    dataset = load_data(config.data, seed=0, path=work.path_of(config.data))
    rate, step = dataset.rate or 1.0, config.step or max(1, config.samples // 2)
    windows = windows_of(dataset, config.samples, step)
    if len(windows) < 2:
        raise InputError("at least two groups: each judges a gate of the others", str(len(windows)), dataset.name)
    refused_shares: dict[str, list[float]] = {name: [] for name in ("refused", *FAULTS)}
    for number, (name, mine) in work.each("Judging the gate", enumerate(windows.items()), len(windows)):
        others = np.concatenate([group_windows for other, group_windows in windows.items() if other != name])
        gate, units = gate_of(others, config.refused), _units(others)
        refused_shares["refused"].append(gate.refuses(mine))
        for fault in FAULTS:
            refused_shares[fault].append(gate.refuses(damaged(mine, fault, units, rate, seed=number)))
    everything = np.concatenate(list(windows.values()))
    file = work.out / f"{config.step_name}.detector"
    size = _write(file, gate_of(everything, config.refused), dataset, WindowSpec(
        samples=config.samples, step=step, rate=dataset.rate), len(everything), config.refused)  # fmt: skip
    worst = int(np.argmax(refused_shares["refused"]))
    return StepRecord(
        command=f"edgewright detect fit DATA --detector {_KIND} --window {config.samples} --out {file.name}",
        says=(
            f"{plural(len(windows), 'group')}, each with a gate fitted on the others; it refuses "
            f"{percent(refused_shares['refused'][worst])} of the good windows of {list(windows)[worst]}, the worst. "
            f"[[detectors]] with gate = true and the file {file.name}, {size:,} bytes, keeps packages from answering "
            f"windows of a bad signal",
        ),
        figures=tuple(_figures(refused_shares, list(windows))),
    )  # fmt: skip


def windows_of(dataset: DataSet, samples: int, step: int) -> dict[str, Floats]:
    """Return the windows of each group, shape (n, channels, samples)."""
    by_group: dict[str, list[Floats]] = {}
    for recording in dataset.recordings:
        for group, start, end in parts_of(recording):
            windows, _ = cut(np.ascontiguousarray(recording.values[start:end]), samples, step)
            if len(windows):
                by_group.setdefault(group, []).append(windows)
    return {name: np.concatenate(by_group[name]) for name in sorted(by_group)}


def gate_of(windows: Floats, refused: float = _REFUSED) -> Gate:
    """Fit a gate.

    Args:
        windows: of a good signal, shape (n, channels, samples).
        refused: share of them that it may refuse.
    """
    seen = _stretch(windows)
    learnt = learn(_KIND, configured(_KIND, {}), (seen,))
    return Gate(learnt, float(np.quantile(scored(_KIND, learnt, seen), 1 - refused)))


def _scores(learnt: Mapping[str, Any], windows: Floats) -> NDArray[np.float64]:
    return scored(_KIND, dict(learnt), _stretch(windows))


def _stretch(windows: Floats) -> Stretch:
    return Stretch("", window_features(windows), np.zeros(len(windows)))


def _units(windows: Floats) -> NDArray[np.float64]:
    """Return the deviation of each channel by its middle 68 %, which rare values do not move."""
    low, high = np.quantile(windows[:, :, ::8], (0.16, 0.84), axis=(0, 2))
    units: NDArray[np.float64] = (high - low) / 2
    return units


def _write(file: Path, gate: Gate, dataset: DataSet, window: WindowSpec, rows: int, refused: float) -> int:
    limit = Threshold(value=gate.limit, by="quantile", quantile=1 - refused)
    config = configured(_KIND, {})
    spec = DetectorSpec(
        kind=_KIND, config={name: getattr(config, name) for name in config.__struct_fields__},
        columns=named(dataset.columns), window=window, rate=dataset.rate, threshold=limit, rows=rows,
    )  # fmt: skip
    return write_detector(file, spec, gate.learnt)


def _figures(refused_shares: Mapping[str, list[float]], groups: list[str]) -> list[JobFigure]:
    figures = []
    for name, shares in refused_shares.items():
        values = np.array(shares)
        bad = int(values.argmax() if name == "refused" else values.argmin())
        title = "good windows refused" if name == "refused" else f"windows refused, {name}"
        mean = ratio(values, np.ones(len(values)))
        figures += with_and_without(name.replace(" ", "_"), title, groups, bad, mean, SHARE, joint=", ")
    return figures


STEP = Step(Config, "Signal quality", _quality)
