"""How like a few takes of one word a window is, wherever in it somebody says the word, and however fast."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import StageSettingsError
from edgewright.graph.builder import Value, join, largest, matmul, reshape, smallest, take, total, transpose
from edgewright.graph.stage import Context, SampleError, SampleTransformer, Stage, StageConfig, from_config

# Fewer give no distance between takes; more make a detector that a network does better.
_MIN_TAKES, _MAX_TAKES = 3, 60
# A take lasts while coefficient 0 is above this share of the way from its lowest to its highest frame.
_LOUD = 0.3
# A word is longer than this many frames: shorter ones are like any sound.
_FRAMES = 4


class TakesConfig(StageConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Likeness to the takes of one class among the training windows; it follows `mfcc`.

    Attributes:
        label: class whose training windows are the takes, three or more of each person.
        tempos: shares of a take's length at which a window may say it.
        every: every so many-th frame counts.
    """

    label: str
    tempos: Annotated[tuple[Annotated[float, msgspec.Meta(ge=0.5, le=2.0)], ...], msgspec.Meta(min_length=1)] = (
        0.8, 0.9, 1.0, 1.1, 1.25,
    )  # fmt: skip
    every: Annotated[int, msgspec.Meta(ge=1)] = 2


@dataclass(eq=False, repr=False)
class Takes(SampleTransformer):
    """(n, coefficients, frames) -> (n, 1): 0 for other sound, 1 for a take beside the two that are most like it.

    The nearest of the three does not count: a take is no proof of itself, so the takes among the training windows are
    as like the others as a new one would be. The distance to a take is the mean squared one of its frames, at the best
    place and tempo. Coefficient 0, which is the loudness, decides where a take begins and ends, and takes no part in
    the distance.

    Args:
        label: class whose training windows are the takes.
        tempos: shares of a take's length at which a window may say it.
        every: every so many-th frame counts.
        names: of the channels.

    Attributes:
        takes_: frames by coefficients of each take, all of one length: (takes, frames, coefficients - 1).
        far_: distance of other sound from each take.
        near_: distance of two other takes from each.
        groups_: rows of each take and the two that are most like it.
    """

    kind = "takes"
    takes = (2,)
    needs_target = True

    takes_: NDArray[np.float32] = field(init=False)
    far_: NDArray[np.float32] = field(init=False)
    near_: NDArray[np.float32] = field(init=False)
    groups_: NDArray[np.int64] = field(init=False)

    label: str = ""
    tempos: tuple[float, ...] = (0.8, 0.9, 1.0, 1.1, 1.25)
    every: int = 2
    names: tuple[str, ...] = ()

    def formula(self, x: Value) -> Value:
        """Likeness to the second and third of the three takes that a window is most like."""
        far, near = (np.asarray(values, np.float64) for values in (self.far_, self.near_))
        alike = (self._distances(x) - far.astype(np.float32)) * (1.0 / (near - far)).astype(np.float32)
        three = take(alike, np.asarray(self.groups_, np.int64), 1)
        return largest((total(three, 2) - largest(three, 2)) * np.float32(0.5), 1, keep=True)

    def _distances(self, x: Value) -> Value:
        """(n, coefficients, frames) -> (n, takes), by the best tempo and place."""
        takes = np.asarray(self.takes_, np.float32)
        count, length, size = takes.shape
        matrix = np.ascontiguousarray(-2.0 / length * takes.reshape(count, length * size).T, np.float32)
        own = np.square(takes.astype(np.float64)).sum(axis=(1, 2)) / length
        sound = take(x, np.arange(1, size + 1), 1)
        distances = []
        for before, after, share in self._places():
            z = take(sound, before, 2)
            z = transpose(z + (take(sound, after, 2) - z) * share, (0, 2, 1))
            places = np.arange(len(before) - length + 1)[:, None] + np.arange(length)
            parts = reshape(take(z, places, 1), (0, len(places), length * size))
            power = total(parts * parts, 2, keep=True) * np.float32(1.0 / length)
            distances.append(smallest(matmul(parts, matrix) + power, 1, keep=True))
        return smallest(join(distances, 1), 1) + own.astype(np.float32)

    def _places(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]]:
        """For each tempo the frames before and after each point in time, and the share of the later one."""
        frames, length = int(self.shape_[1]), np.shape(self.takes_)[1]
        for tempo in self.tempos:
            count = max(length, int((frames - 1) / (self.every * tempo)) + 1)
            at = np.minimum(np.arange(count) * self.every * tempo, frames - 1)
            before = np.minimum(at.astype(np.int64), frames - 2)
            yield before, before + 1, (at - before).astype(np.float32)

    def _learn(self, X: NDArray[np.float32], y: Any) -> None:  # noqa: ANN401 - labels
        if y is None:
            raise SampleError("labels that say which windows are takes", "none", self._where())
        labelled = np.asarray(y).astype(str) == self.label
        if not _MIN_TAKES <= labelled.sum() <= _MAX_TAKES or labelled.all():
            raise SampleError(
                f"{_MIN_TAKES} to {_MAX_TAKES} training windows of {self.label!r}, and windows of other sound",
                f"{int(labelled.sum())} of {len(labelled)} windows", self._where(),
                "Say the class of the takes in `label`",
            )  # fmt: skip
        words = [_word(window) for window in X[labelled]]
        length = max(_FRAMES, round(float(np.median([len(word) for word in words])) / self.every))
        self.takes_ = np.stack([_stretched(word, length) for word in words]).astype(np.float32)
        distances = self._pairwise(X[labelled])
        np.fill_diagonal(distances, np.inf)
        order = np.argsort(distances, axis=0, kind="stable")[: _MIN_TAKES - 1]
        self.near_ = np.take_along_axis(distances, order, 0).mean(axis=0).astype(np.float32)
        self.far_ = self._pairwise(X[~labelled]).mean(axis=0).astype(np.float32)
        if not (self.far_ > self.near_).all():
            raise SampleError(
                "takes that are more like each other than like other sound",
                f"take {int(np.argmin(self.far_ - self.near_)) + 1} is not", self._where(), "Record it again",
            )  # fmt: skip
        groups = np.sort(np.vstack([np.arange(len(words)), order]), axis=0).T
        self.groups_ = np.unique(groups, axis=0).astype(np.int64)

    def _pairwise(self, windows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Distance of each window from each take."""
        step = 256
        parts = [self._distances(windows[i : i + step].astype(np.float64)) for i in range(0, len(windows), step)]
        return np.concatenate(parts)

    def _names(self, names: tuple[str, ...]) -> list[str]:
        return [f"like {self.label}"]


def _word(window: NDArray[np.float32]) -> NDArray[np.float64]:
    """Frames of the word in a window of coefficients, without the first coefficient: (frames, coefficients - 1)."""
    loud = window[0].astype(np.float64)
    loud_frames = np.flatnonzero(loud >= loud.min() + _LOUD * (loud.max() - loud.min()))
    return window[1:, loud_frames[0] : loud_frames[-1] + 1].T.astype(np.float64)


def _stretched(word: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """Return a word at another number of frames."""
    at = np.linspace(0.0, len(word) - 1.0, length)
    return np.stack([np.interp(at, np.arange(len(word)), column) for column in word.T], axis=1)


def _build(config: TakesConfig, context: Context) -> Takes:
    stage = from_config(Takes, config, context)
    if context.shape[0] < 2 or context.shape[1] < 2 * _FRAMES:
        raise StageSettingsError(
            f"at least 2 coefficients by {2 * _FRAMES} frames", f"{context.shape[0]} by {context.shape[1]}",
            "stage takes", "Put a stage of kind 'mfcc' before it",
        )  # fmt: skip
    return stage


def _why(estimator: Takes) -> str:
    count, length, size = np.shape(estimator.takes_)
    return (
        f"{count} takes of {estimator.label!r}, {length} frames of {size} coefficients each, need no training: a "
        "window is as like them as they are like each other, or less."
    )


STAGE = Stage(
    config=TakesConfig,
    build=_build,
    state=("shape_", "takes_", "far_", "near_", "groups_"),
    why=_why,
    taught=True,
    formula=(
        "d[t] = min over tempos and places of mean over frames |x - take t|^2; "
        "y = max over takes of the mean of (far - d) / (far - near) over it and the two most like it, less the largest"
    ),
)
