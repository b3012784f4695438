"""A Butterworth filter inside a window, as one matrix."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import signal

from edgewright.core.errors import StageSettingsError
from edgewright.graph.builder import Value, matmul, mean
from edgewright.graph.stage import Context, SampleTransformer, Stage, StageConfig, from_config, require, require_rate


def filter_matrix(
    sections: NDArray[np.float64], samples: int, *, zero_phase: bool, mirrored: bool = False
) -> NDArray[np.float32]:
    """Return the matrix M with `filtered = x @ M`.

    A filter whose initial state is proportional to the first sample is linear in the window, so its responses to
    the unit impulses are the rows of M.

    Args:
        sections: second-order sections (scipy.signal.butter with output='sos').
        samples: of the window.
        zero_phase: forwards and backwards (scipy.signal.sosfiltfilt, odd padding) instead of forwards.
        mirrored: with `zero_phase`, continue the window by its mirror image on both sides. Odd padding pins the
            output to the first and last sample, which leaves nothing of them when the output is subtracted.
    """
    impulses = np.eye(samples)
    if zero_phase:
        if mirrored:
            return np.asarray(
                signal.sosfiltfilt(sections, impulses, axis=1, padtype="even", padlen=samples - 1), np.float32
            )
        # scipy's default padding, shortened where the window is not longer than it
        default = 3 * (2 * len(sections) + 1 - min(int((sections[:, 2] == 0).sum()), int((sections[:, 5] == 0).sum())))
        filtered = signal.sosfiltfilt(sections, impulses, axis=1, padlen=min(default, samples - 1))
    else:
        # steady state for a constant equal to the first sample: only the first impulse has one that is not 0
        initial = signal.sosfilt_zi(sections)[:, None, :] * impulses[:, 0][None, :, None]
        filtered, _ = signal.sosfilt(sections, impulses, axis=1, zi=initial)
    return np.asarray(filtered, np.float32)


Band = Literal["low", "high", "band"]


class FilterConfig(StageConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Butterworth filter of each channel of a window.

    Attributes:
        band: 'low' keeps below `cutoff`, 'high' above it, 'band' between two.
        cutoff: Hz: one number, or [low, high] for 'band'.
        order: of the filter.
        zero_phase: run forwards and backwards: no delay, twice the attenuation.
    """

    band: Band = "low"
    cutoff: float | tuple[float, float]
    order: Annotated[int, msgspec.Meta(ge=1, le=10)] = 4
    zero_phase: bool = False


@dataclass(eq=False, repr=False)
class Filter(SampleTransformer):
    """x times a fixed (samples, samples) matrix: the filter is linear in the window.

    It starts in the steady state of the first sample, so a constant signal passes without a transient.

    Args:
        band: 'low', 'high' or 'band'.
        cutoff: Hz, one or two.
        order: of the filter.
        zero_phase: forwards and backwards.
        rate: samples a second.
        names: of the channels.

    Attributes:
        matrix_: shape (samples, samples).
    """

    kind = "filter"
    takes = (2,)

    matrix_: NDArray[np.float32] = field(init=False)

    band: str = "low"
    cutoff: float | tuple[float, float] = 5.0
    order: int = 4
    zero_phase: bool = False
    rate: float = 50.0
    names: tuple[str, ...] = ()

    def formula(self, x: Value) -> Value:
        """X @ matrix, as `gain * m + (x - m) @ matrix` with the gain of a constant, 1 for a low-pass and else 0.

        This is the same for any m, and on deviations from the mean float32 is exact to the size of the changes
        instead of the size of the level.
        """
        level = mean(x, 2, keep=True)
        moved = matmul(x - level, np.asarray(self.matrix_, np.float32))
        return moved + level if self.band == "low" else moved

    def _learn(self, X: NDArray[np.float32], y: Any) -> None:  # noqa: ANN401 - unused
        kind = {"low": "lowpass", "high": "highpass", "band": "bandpass"}[self.band]
        sections = signal.butter(self.order, self.cutoff, kind, fs=self.rate, output="sos")
        self.matrix_ = filter_matrix(sections, X.shape[2], zero_phase=self.zero_phase)


def _build(config: FilterConfig, context: Context) -> Filter:
    require(context, "filter", (2,))
    rate = require_rate(context, "filter")
    edges = config.cutoff if isinstance(config.cutoff, tuple) else (float(config.cutoff),)
    wanted = 2 if config.band == "band" else 1
    if len(edges) != wanted:
        raise StageSettingsError(
            f"{wanted} cutoff frequencies for band {config.band!r}", str(len(edges)), "stage filter"
        )
    if not all(0 < edge < rate / 2 for edge in edges) or list(edges) != sorted(set(edges)):
        raise StageSettingsError(
            f"cutoff frequencies rising between 0 and half the rate ({rate / 2:g} Hz)", f"{list(edges)}", "stage filter"
        )
    return from_config(Filter, config, context, cutoff=edges if wanted > 1 else edges[0])


def _why(estimator: Filter) -> str:
    edges = estimator.cutoff if isinstance(estimator.cutoff, tuple) else (estimator.cutoff,)
    text = " to ".join(f"{edge:g}" for edge in edges)
    kept = {"low": "below", "high": "above", "band": "from"}[estimator.band]
    return (
        f"Other frequencies are noise here: an order {estimator.order} Butterworth filter keeps {kept} {text} Hz "
        f"of {estimator.rate / 2:g} Hz{' without delay' if estimator.zero_phase else ''}."
    )


STAGE = Stage(
    config=FilterConfig,
    build=_build,
    state=("shape_", "matrix_"),
    why=_why,
    formula="y = m * gain + (x - m) @ M, m the mean of the window, M the filter's responses to unit impulses",
)
