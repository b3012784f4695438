"""A detector's scores and anomalies in Python and in compiled C, row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.monitor.detector_stream import DetectorFile, RowVerdict, Watch, pause
from edgewright.proof.form import Stages
from edgewright.proof.stream import Rule
from edgewright.schema.data import Floats
from edgewright.schema.errors import StoppedError
from edgewright.workflows.proof.c_calls import in_child
from edgewright.workflows.proof.stream_rows import StreamRows, inserted

# A detector in float32 beside float64: so much of a score, and of the threshold.
SCORE = 2e-4
# A channel is as much to blame as the first one where no more of its share is missing.
_BLAME = 1e-3
# Rows behind which a row is made that just reaches the threshold; so many neighbours in float32 are tried, up to so
# many last digits away.
_PREFIX, _VARIATIONS, _NEAR = 300, 100, 20
_KINDS = "anomalies at the same rows, from the same threshold and scores"


def detector_rules(name: str, threshold: float) -> dict[str, Rule]:
    """How each stage of a detector is compared.

    Args:
        name: name of the detector, as its stages say it; empty where it is the only one.
        threshold: by which small scores are measured.
    """
    score, odd, channel = stages_of(name)
    words = f"float32 against float64: relative {SCORE:g} + {SCORE:g} of the threshold"
    return {
        score: Rule(words, relative=SCORE, absolute=SCORE * abs(threshold)),
        odd: Rule(_KINDS, numbers="label", kinds=True),
        channel: Rule(f"{_BLAME:g} of the blame: channels to blame alike", absolute=_BLAME),
    }


def detector_names(name: str) -> dict[str, tuple[str, ...]]:
    """Return names of the values of a detector's stages."""
    score, odd, channel = stages_of(name)
    return {score: ("score",), odd: ("anomaly", "threshold"), channel: ("share of the blame",)}


def stages_of(name: str) -> tuple[str, str, str]:
    """Return names of the stages: score, anomalies, and the channel that is blamed."""
    begin = f"detector {name}" if name else "detector"
    return f"{begin} score", f"{begin} anomalies", f"{begin} channel"


def watched(
    file: DetectorFile, values: Floats, times: NDArray[np.float64], scores: NDArray[np.float64]
) -> list[tuple[RowVerdict, float, NDArray[np.float64]]]:
    """Return what Python judges over the scores of another form.

    Args:
        file: of the detector.
        values: its channels, shape (n, channels).
        times: seconds since 1970, shape (n,).
        scores: of the other form, shape (n,), NaN where it judged nothing.

    Returns:
        For each row, or window, that is judged: what is told of it, Python's own score, and each channel's blame.
    """
    again = _Again(file, scores)
    return [(verdict, *again.kept[index]) for index, verdict in enumerate(again.push(values, times))]


def anomalies(
    name: str,
    verdicts: list[tuple[RowVerdict, float, NDArray[np.float64]]],
    scores: NDArray[np.float64],
    channels: Mapping[int, int],
    limits: Mapping[int, float],
    threshold: float,
) -> tuple[Stages, Stages]:
    """Return stages of a detector in Python and in another form.

    Args:
        name: name of the detector.
        verdicts: as `watched` gives it.
        scores: of the other form.
        channels: of its anomalies by row, the detector's own channels.
        limits: the threshold that each of them names.
        threshold: of the detector.
    """
    n = len(scores)
    own, share = np.full(n, np.nan), np.zeros((2, n, 1))
    odd = np.zeros((2, n, 2))
    for verdict, score, blame in verdicts:
        own[verdict.row] = score
        if verdict.alarm:
            odd[0, verdict.row] = 1.0, np.float32(threshold)
            share[:, verdict.row] = blame.max() if verdict.channel >= 0 else 0.0
            channel = channels.get(verdict.row, verdict.channel)
            share[1, verdict.row] = blame[channel] if 0 <= channel < len(blame) else 0.0
    for row, limit in limits.items():
        odd[1, row] = 1.0, limit
    stages = stages_of(name)
    return (
        dict(zip(stages, (own[:, None], odd[0], share[0]), strict=True)),
        dict(zip(stages, (scores[:, None], odd[1], share[1]), strict=True)),
    )


def tied_rows(
    rows: StreamRows,
    places: Sequence[int],
    detector: Any,  # noqa: ANN401 - `c99_host.probe.CDetector`
    file: DetectorFile,
) -> StreamRows | None:
    """Return what `with_tie` does, in one child process; None also for code that crashes, which its form reports."""
    try:
        return in_child(lambda: with_tie(rows, places, detector, file))
    except StoppedError:
        return None


def with_tie(
    rows: StreamRows,
    places: Sequence[int],
    detector: Any,  # noqa: ANN401 - `c99_host.probe.CDetector`
    file: DetectorFile,
) -> StreamRows | None:
    """Return the rows with one more, whose score in C is the threshold to the bit; None where none was found.

    Args:
        rows: of the stream.
        places: of the detector's channels among its columns.
        detector: compiled.
        file: of it.
    """
    limit = float(np.float32(file.spec.threshold.value))
    scores = detector.run(rows.values[:, places], rows.lost, rows.times)[:, 0]
    finite = np.flatnonzero(np.isfinite(scores))
    begin = _calm(finite[finite < _PREFIX], scores, limit, file.spec.refractory)
    if begin is None:
        return None
    calm, odd = (np.nan_to_num(rows.values[at, places]) for at in (begin, int(finite[np.argmax(scores[finite])])))

    def score(row: Floats) -> float:
        values = np.concatenate([rows.values[:begin, places], row[None]])
        return float(detector.run(values, rows.lost[: begin + 1], rows.times[: begin + 1])[-1, 0])

    pair = reaching(score, calm, odd, limit)
    if pair is None:
        return None
    whole = rows.values[begin].copy()
    whole[list(places)] = pair
    return inserted(rows, begin, whole, f"a row made for a score of {limit:.9g}, the threshold")


def reaching(score: Callable[[Floats], float], calm: Floats, odd: Floats, limit: float) -> Floats | None:
    """Return a row between two, or beyond the second, whose score is the limit to the bit; None where none was found.

    Args:
        score: of a row.
        calm: row, shape (channels,), that scores below the limit.
        odd: row, shape (channels,).
        limit: float32.
    """

    def along(begin: Floats, end: Floats) -> Iterator[Floats]:
        """Yield rows that close in on the limit, and neighbours of the last one."""
        low, high = np.asarray(begin, np.float64), np.asarray(end, np.float64)
        while not np.array_equal(low.astype(np.float32), high.astype(np.float32)):
            middle = (low + high) / 2
            if np.array_equal(middle, low) or np.array_equal(middle, high):
                break
            row = middle.astype(np.float32)
            yield row
            low, high = (middle, high) if score(row) < limit else (low, middle)
        row = high.astype(np.float32)
        for moved in np.random.default_rng(0).integers(-_NEAR, _NEAR + 1, (_VARIATIONS, len(row))):
            yield np.asarray(row + moved * np.spacing(row) * (begin != end), np.float32)

    far = next((row for row in (calm + 2.0**k * (odd - calm) for k in range(12)) if score(_single(row)) >= limit), None)
    if far is None or not score(calm) < limit:
        return None
    ways = [(calm, far)]
    for channel in range(len(calm)):
        trial = calm.copy()
        trial[channel] += 64 * (far - calm)[channel]
        ways += [(calm, trial)] if score(_single(trial)) >= limit else []
    for begin, end in ways:
        for row in along(begin, end):
            if score(row) == limit:
                return row
    return None


def _single(row: Floats) -> Floats:
    return np.asarray(row, np.float32)


def _calm(rows: NDArray[np.int64], scores: NDArray[np.float64], limit: float, refractory: float) -> int | None:
    """Return the last judged row after enough rows below the limit for a new alarm; None for none."""
    odd = scores[rows] >= limit
    free = ~odd
    for at in np.flatnonzero(odd):
        free[at : at + pause(refractory, int(rows[at]) + 1) + 2] = False
    ends = np.flatnonzero(free)
    return int(rows[ends[-1]]) if len(ends) else None


class _Again(Watch):
    """Judges scores that another form gave, and keeps its own."""

    def __init__(self, file: DetectorFile, scores: NDArray[np.float64]) -> None:
        # The threshold as C has it: a score that just reaches it is odd in both.
        limit = msgspec.structs.replace(file.spec.threshold, value=float(np.float32(file.spec.threshold.value)))
        super().__init__(replace(file, spec=msgspec.structs.replace(file.spec, threshold=limit)))
        self._scores = scores
        self.kept: list[tuple[float, NDArray[np.float64]]] = []

    def _score(self, seen: Floats, time: float) -> float:
        own = super()._score(seen, time)
        blame = self._running.blame()
        if self.spec.window is not None:
            blame = blame.reshape(self._channels, -1).sum(1)
        self.kept.append((own, blame))
        return float(self._scores[self._rows - 1])
