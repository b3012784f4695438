"""Alarms for runs of ventricular beats: events in beats, beats without a label, and windows of a bad signal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.input.recordings import cut
from edgewright.core.predictor import Predictor
from edgewright.core.records.data import DataSet, Floats
from edgewright.core.records.device import DecisionSpec
from edgewright.data.load import load_data
from edgewright.data.targets import as_text, labelled
from edgewright.monitor.detector_stream import window_features
from edgewright.workflows.detection.fit import configured, learn, scored
from edgewright.workflows.detection.rows import Stretch
from edgewright.workflows.detection.threshold import runs
from edgewright.workflows.tuning.recordings import Labelled, Tape, parts_of, tapes_of
from edgewright.workflows.tuning.selection import Tally, decisions, tally
from signal_faults import FAULTS, damaged

Spans = NDArray[np.float64]
WINDOW = 720
# Share of the good windows that a gate may refuse.
REFUSED = 0.001
RUN_BEATS, TOLERANCE_S = 3, 2.0


class Gate:
    """Limits of a good signal; windows beyond them are refused.

    Args:
        windows: of a good signal, shape (n, channels, samples).
    """

    def __init__(self, windows: Floats) -> None:
        stretch = _stretch(windows)
        self._learnt = learn("limits", configured("limits", {}), (stretch,))
        self._limit = float(np.quantile(scored("limits", self._learnt, stretch), 1 - REFUSED))

    def flags(self, windows: Floats) -> NDArray[np.bool_]:
        """Return whether each window is refused."""
        return np.asarray(scored("limits", self._learnt, _stretch(windows)) >= self._limit)


def _stretch(windows: Floats) -> Stretch:
    return Stretch("", window_features(windows), np.zeros(len(windows)))


def gate_figures(windows: Mapping[str, Floats], rate: float) -> dict[str, float]:
    """Return the share of windows that a gate of the other patients refuses: good ones, and with each made-up fault."""
    shares: dict[str, list[float]] = {name: [] for name in ("good", *FAULTS)}
    for seed, (patient, mine) in enumerate(windows.items()):
        others = np.concatenate([part for name, part in windows.items() if name != patient])
        gate = Gate(others)
        low, high = np.quantile(others[:, :, ::8], (0.16, 0.84), axis=(0, 2))
        shares["good"].append(gate.flags(mine).mean())
        for fault in FAULTS:
            shares[fault].append(gate.flags(damaged(mine, fault, (high - low) / 2, rate, seed=seed)).mean())
    return {f"refused_{name.replace(' ', '_')}": float(np.mean(values)) for name, values in shares.items()}


def windows_of(dataset: DataSet) -> dict[str, Floats]:
    """Return the windows of each patient's signal, shape (n, channels, samples)."""
    windows: dict[str, list[Floats]] = {}
    for recording in dataset.recordings:
        for patient, start, end in parts_of(recording):
            part, _ = cut(np.ascontiguousarray(recording.values[start:end]), WINDOW, WINDOW // 2)
            windows.setdefault(patient, []).append(part)
    return {patient: np.concatenate(parts) for patient, parts in sorted(windows.items())}


def refused_spans(gates: Mapping[str, Gate], signal: DataSet) -> dict[str, Spans]:
    """Return, by patient, the seconds from which to which the gate of the other patients refuses the signal."""
    spans: dict[str, Spans] = {}
    for recording in signal.recordings:
        for patient, start, end in parts_of(recording):
            windows, starts = cut(np.ascontiguousarray(recording.values[start:end]), WINDOW, WINDOW // 2)
            bad = starts[gates[patient].flags(windows)]
            time = _seconds(recording, signal.rate)[start:end]
            spans[patient] = np.stack([time[bad], time[bad + WINDOW - 1]], axis=1)
    return spans


class Truth:
    """Runs of ventricular beats and seconds without any label, by recording and patient."""

    def __init__(self, dataset: DataSet, label: str) -> None:
        self.events: dict[tuple[str, str], tuple[Labelled, ...]] = {}
        self.unknown: dict[tuple[str, str], Spans] = {}
        for recording in dataset.recordings:
            time = _seconds(recording, dataset.rate)
            for patient, start, end in parts_of(recording):
                target, key = recording.target[start:end], (recording.name, patient)
                names = np.where(labelled(target), as_text(target), "")
                at = time[start:end]
                beats = [(first, end) for first, end in runs(names == label) if end - first >= RUN_BEATS]
                self.events[key] = tuple(Labelled(label, float(at[a]), float(at[b - 1])) for a, b in beats)
                blank = [(at[a], at[b - 1]) for a, b in runs(names == "")]
                self.unknown[key] = np.array(blank, np.float64).reshape(-1, 2)


def tallies_of(
    predictor: Predictor, dataset: DataSet, patients: Sequence[str], decision: DecisionSpec, truth: Truth,
    refused: Mapping[str, Spans],
) -> list[Tally]:  # fmt: skip
    """Apply a decision to whole recordings of patients.

    Args:
        predictor: has not seen the patients.
        dataset: beats, a row each.
        patients: that are evaluated.
        decision: with the label that alarms.
        truth: events and unlabelled time of the recordings.
        refused: seconds, by patient, in which a gate refuses the signal.
    """
    parts = {
        (recording.name, patient): _seconds(recording, dataset.rate)[start:end]
        for recording in dataset.recordings
        for patient, start, end in parts_of(recording)
    }
    labels, tallies = predictor.manifest.labels, []
    for tape in tapes_of(predictor, dataset, decision.alarms, patients)[0]:
        key = tape.name, tape.group
        audible = _audible(_in_seconds(tape, parts[key]), truth, key, refused.get(tape.group, np.empty((0, 2))))
        alarms = [(labels[item.label], item.time) for item in decisions(audible, decision, labels) if item.alarm]
        tallies.append(tally(audible, alarms, TOLERANCE_S))
    return tallies


def _in_seconds(tape: Tape, time: Spans) -> Tape:
    """Return a tape whose times, numbers of rows, are seconds."""
    pieces = tuple((answers, time[np.rint(rows).astype(np.int64)]) for answers, rows in tape.pieces)
    return replace(tape, pieces=pieces, step=float(time[-1] - time[0]) / max(1, len(time) - 1))


def _audible(tape: Tape, truth: Truth, key: tuple[str, str], refused: Spans) -> Tape:
    """Return a tape without answers in refused time, and cut at unlabelled time."""
    pieces = []
    for answers, times in tape.pieces:
        sure = np.where(_within(times, refused)[:, None], np.float32(np.nan), answers)
        pieces += [(sure[a:b], times[a:b]) for a, b in runs(~_within(times, truth.unknown[key]))]
    return replace(tape, pieces=tuple(pieces), events=truth.events[key])


def _within(times: Spans, spans: Spans) -> NDArray[np.bool_]:
    """Return which times lie in one of the spans, which are in order and may overlap."""
    if not len(spans):
        return np.zeros(len(times), np.bool_)
    ends = np.concatenate([[-np.inf], np.maximum.accumulate(spans[:, 1])])
    return np.asarray(times <= ends[np.searchsorted(spans[:, 0], times, side="right")])


def _seconds(recording: Any, rate: float | None) -> Spans:  # noqa: ANN401 - a recording
    if recording.time is not None:
        return np.asarray(recording.time, np.float64)
    return np.arange(len(recording.values)) / (rate or 1.0)


def signal(data: str | None, **changes: float) -> DataSet:
    """Load the raw signal of the patients whose records are whole."""
    return load_data({"kind": "mitdb", "form": "signal", **changes}, seed=0, path=data)
